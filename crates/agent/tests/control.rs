//! The control side against a manager on loopback: activation, bundles, events, renewal, a proxy on the way.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test has a clock, and ends when what it set up itself fails"
)]

#[path = "support/manager.rs"]
mod manager;

use manager::{FakeManager, TOKEN};
use sakimori_agent::activation::{self, ActivationError, Outcome, Request};
use sakimori_agent::connection::explain;
use sakimori_agent::control::{Control, Link};
use sakimori_agent::enforcement::{Enforcement, Plan, Refusal, plain_status};
use sakimori_agent::parts::Part;
use sakimori_agent::service::ServiceManager;
use sakimori_agent::supervisor::{self, World};
use sakimori_agent::{identity, status};
use sakimori_model::{PortRange, Severity, Timestamp};
use sakimori_modules::agent::Notice;
use sakimori_modules::intrusion_prevention::IntrusionPrevention;
use sakimori_protocol::{Mode, ModuleState, ModuleStatus, RefusalCode};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Takes any plan but one whose rules say `bad`.
#[derive(Clone, Default)]
struct FakeEnforcement {
    applied: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Enforcement for FakeEnforcement {
    fn apply(&self, plan: Plan) -> Result<u32, Refusal> {
        let (settings, files) = plan.module::<IntrusionPrevention>("intrusion-prevention")?;
        assert_eq!(settings.mode, Mode::Prevent);
        if files.iter().any(|rule| rule.text.starts_with(b"bad")) {
            return Err(Refusal::lasting("rules-refused: a.rules line 1: not a rule".to_owned()));
        }
        self.applied.lock().unwrap().push(files[0].text.clone());
        Ok(1)
    }

    fn status(&self) -> Vec<ModuleStatus> {
        let active = plain_status("intrusion-prevention", ModuleState::Active, &[]);
        vec![ModuleStatus { mode: Mode::Prevent, ..active }]
    }

    fn queue_mechanism(&self) -> Option<String> {
        Some("xt-nfqueue".to_owned())
    }

    fn inspected_ports(&self) -> Vec<PortRange> {
        vec![PortRange::single(80)]
    }

    fn stop(self: Box<Self>) {}
}

impl FakeEnforcement {
    fn policies(&self) -> Vec<Vec<u8>> {
        self.applied.lock().unwrap().clone()
    }
}

fn world(dir: &Path, part: &FakeEnforcement) -> World {
    let part = part.clone();
    World {
        state_dir: dir.join("state"),
        run_dir: dir.join("run"),
        parts: vec![Part {
            name: "stand-in",
            modules: &["intrusion-prevention"],
            unavailable: "queue-unavailable",
            start: Box::new(move |_with| Ok(Box::new(part.clone()))),
            resume: None,
        }],
        handed_over: |_variable| None,
        sockets: Vec::new,
        service: ServiceManager::from_environment(),
    }
}

fn request(manager: &FakeManager) -> Request {
    Request {
        manager: manager.url(),
        token: TOKEN.to_owned(),
        policy: None,
        ca_pin: Some(manager.pin.clone()),
        ca_file: None,
        proxy: None,
    }
}

async fn activated(days: i64) -> (TempDir, FakeManager) {
    let dir = tempfile::tempdir().unwrap();
    let manager = FakeManager::start(days).await;
    let outcome = activation::activate(&dir.path().join("state"), &request(&manager)).await.unwrap();
    assert!(matches!(outcome, Outcome::Activated(_)));
    (dir, manager)
}

async fn until(what: &str, mut met: impl FnMut() -> bool) {
    for _ in 0..600 {
        if met() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}

/// Runs the supervisor until the scenario is done.
async fn with_agent(dir: &Path, part: &FakeEnforcement, scenario: impl AsyncFnOnce(Arc<Control>)) {
    let mut world = world(dir, part);
    let control = supervisor::prepare(&mut world).unwrap();
    tokio::select! {
        end = supervisor::run(Arc::clone(&control), &world) => panic!("ended: {end:?}"),
        () = scenario(Arc::clone(&control)) => (),
    }
}

#[tokio::test]
async fn a_wrong_token_or_pin_is_told_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let manager = FakeManager::start(90).await;
    let wrong = Request { token: "no.token".to_owned(), ..request(&manager) };
    let error = activation::activate(dir.path(), &wrong).await.unwrap_err();
    assert!(matches!(error, ActivationError::Token(_)));
    assert!(explain(&error).contains("sakimori tokens create"), "{}", explain(&error));

    let other = FakeManager::start(90).await;
    let wrong = Request { ca_pin: Some(other.pin), ..request(&manager) };
    let words = explain(&activation::activate(dir.path(), &wrong).await.unwrap_err());
    assert!(words.contains("this is another manager, or somebody stands between"), "{words}");
    assert_eq!(manager.said().enrolments.len(), 1, "the token is not shown to a stranger");
}

#[tokio::test]
async fn a_lost_answer_makes_no_orphan() {
    let dir = tempfile::tempdir().unwrap();
    let manager = FakeManager::start(90).await;
    manager.said().lose = 1;
    activation::activate(dir.path(), &request(&manager)).await.unwrap_err();
    activation::activate(dir.path(), &request(&manager)).await.unwrap();
    let again = activation::activate(dir.path(), &request(&manager)).await.unwrap();
    assert!(matches!(again, Outcome::Already(_)));
    let said = manager.said();
    let [first, second] = said.enrolments.as_slice() else { panic!("two attempts") };
    assert_eq!(first.enrolment, second.enrolment);
    let key = |csr: &str| {
        use rcgen::PublicKeyData as _;
        rcgen::CertificateSigningRequestParams::from_pem(csr).unwrap().public_key.der_bytes().to_vec()
    };
    assert_eq!(key(&first.csr), key(&second.csr));
}

#[tokio::test]
async fn a_bundle_comes_into_force_and_the_manager_hears_of_it() {
    let (dir, manager) = activated(90).await;
    let part = FakeEnforcement::default();
    let hash = manager.assign("Web server", b"alert http one");
    with_agent(dir.path(), &part, async |control| {
        let said = manager.clone();
        until("enforced is reported", || said.said().check_ins.iter().any(|c| c.bundle == Some(hash))).await;
        assert_eq!(control.state().link, Link::Connected);
        let full = manager.said().check_ins[0].full.clone().unwrap();
        assert_eq!(full.queue_mechanism, "none", "before the first bundle nothing is queued");
        until("the change is reported in full", || {
            manager
                .said()
                .check_ins
                .iter()
                .any(|c| c.full.as_ref().is_some_and(|f| f.queue_mechanism == "xt-nfqueue"))
        })
        .await;
        let applied =
            |e: &sakimori_protocol::Event| e.read::<Notice>().is_some_and(|n| n.code == "policy-applied");
        until("the event arrives", || {
            manager.said().batches.iter().any(|(_, _, events)| events.iter().any(applied))
        })
        .await;
        let run_dir = dir.path().join("run");
        let text =
            tokio::task::spawn_blocking(move || status::ask(&run_dir, &status::Order::Status)).await.unwrap();
        let report: status::Report = serde_json::from_str(&text.unwrap()).unwrap();
        assert_eq!(report.link, "connected");
        assert_eq!(report.enforced.unwrap().policy, "Web server");
    })
    .await;
    assert_eq!(part.policies(), [b"alert http one"]);
}

#[tokio::test]
async fn what_cannot_be_trusted_or_applied_leaves_the_old_in_force() {
    let (dir, manager) = activated(90).await;
    let part = FakeEnforcement::default();
    let good = manager.assign("Good", b"alert http one");
    with_agent(dir.path(), &part, async |control| {
        until("the first is in force", || control.state().enforced.is_some()).await;

        // A cache that changes a byte of a rule file.
        let changed = manager.assign("Changed", b"alert http two");
        for blob in manager.said().blobs.values_mut().filter(|blob| blob.ends_with(b"two")) {
            *blob = b"alert http tw0".to_vec();
        }
        let heard = |hash, words: &str| {
            let mut said = manager.said().check_ins.clone().into_iter();
            said.any(|c| {
                c.bundle == Some(good)
                    && c.refused.is_some_and(|(refused, why)| refused == hash && why.contains(words))
            })
        };
        until("the manager hears why", || heard(changed, "another hash")).await;
        assert_eq!(control.state().enforced.unwrap().hash, good);
        assert_eq!(control.state().link, Link::Connected);
        // The cache mends itself: the same bundle is tried again and taken.
        for blob in manager.said().blobs.values_mut().filter(|blob| blob.ends_with(b"tw0")) {
            *blob = b"alert http two".to_vec();
        }
        control.retry();
        until("in force", || control.state().enforced.is_some_and(|enforced| enforced.hash == changed)).await;
        let good = changed;

        // Rules that do not compile.
        let bad = manager.assign("Bad", b"bad rule");
        until("the manager hears why", || {
            let mut said = manager.said().check_ins.clone().into_iter();
            said.any(|c| {
                c.bundle == Some(good)
                    && c.refused.is_some_and(|(refused, why)| refused == bad && why.contains("line 1"))
            })
        })
        .await;
        control.retry();
        assert!(control.state().refused.is_some(), "what is wrong for good is not tried again");

        // A signature by somebody else.
        let forged = manager.assign("Forged", b"alert http three");
        manager.said().bundle.as_mut().unwrap().signature = "AAAA".to_owned();
        until("refused", || {
            control
                .state()
                .refused
                .is_some_and(|r| r.hash == forged && r.refusal.reason.contains("not signed"))
        })
        .await;
        assert_eq!(control.modules()[0].state, ModuleState::Degraded);

        // And the next good one clears it.
        let better = manager.assign("Better", b"alert http four");
        until("in force", || control.state().enforced.is_some_and(|enforced| enforced.hash == better)).await;
        assert_eq!(control.state().refused, None);
    })
    .await;
    assert_eq!(
        part.policies(),
        [b"alert http one".to_vec(), b"alert http two".to_vec(), b"alert http four".to_vec()]
    );
}

#[tokio::test]
async fn without_the_manager_the_last_policy_is_enforced_first_thing() {
    let (dir, manager) = activated(90).await;
    let part = FakeEnforcement::default();
    manager.assign("Web server", b"alert http one");
    with_agent(dir.path(), &part, async |control| {
        until("in force", || control.state().enforced.is_some()).await;
    })
    .await;
    // A new start, and nobody is asked: `prepare` does no network at all.
    let part = FakeEnforcement::default();
    let control = supervisor::prepare(&mut world(dir.path(), &part)).unwrap();
    assert_eq!(part.policies(), [b"alert http one"]);
    assert_eq!(control.state().enforced.unwrap().policy, "Web server");

    // A file changed on disk is not enforced.
    let path = dir.path().join("state/enforced.json");
    let text = std::fs::read_to_string(&path).unwrap().replace("prevent", "detect");
    std::fs::write(&path, text).unwrap();
    let part = FakeEnforcement::default();
    drop(control);
    supervisor::prepare(&mut world(dir.path(), &part)).unwrap();
    assert!(part.policies().is_empty());
}

#[tokio::test]
async fn events_whose_answer_is_lost_are_sent_again_under_the_same_numbers() {
    let (dir, manager) = activated(90).await;
    manager.said().lose = 1;
    with_agent(dir.path(), &FakeEnforcement::default(), async |control| {
        control.record(sakimori_protocol::Event::notice(Timestamp(0), Severity::High, "test", &[]));
        until("twice", || manager.said().batches.len() >= 2).await;
        until("acknowledged", || control.spool.depth().events == 0).await;
    })
    .await;
    let said = manager.said();
    let ((epoch, first, events), (epoch2, first2, events2)) = (&said.batches[0], &said.batches[1]);
    assert_eq!((epoch, first), (epoch2, first2));
    assert!(events2.starts_with(events));
}

#[tokio::test]
async fn a_busy_manager_is_left_alone_as_long_as_it_says() {
    let (dir, manager) = activated(90).await;
    manager.said().refuse = Some((RefusalCode::Busy, 3600));
    with_agent(dir.path(), &FakeEnforcement::default(), async |control| {
        until("asked", || !manager.said().check_ins.is_empty()).await;
        until("said", || matches!(control.state().link, Link::Unreachable(_))).await;
        let asked = manager.said().check_ins.len();
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(manager.said().check_ins.len(), asked);
    })
    .await;
}

#[tokio::test]
async fn a_clone_goes_on_enforcing_and_must_enrol_anew() {
    let (dir, manager) = activated(90).await;
    let part = FakeEnforcement::default();
    manager.assign("Web server", b"alert http one");
    with_agent(dir.path(), &part, async |control| {
        until("in force", || control.state().enforced.is_some()).await;
        manager.said().refuse = Some((RefusalCode::Clone, 1));
        control.touch();
        until("noticed", || control.identity().borrow().as_ref().is_some_and(|k| k.identity.must_enrol_anew))
            .await;
        assert!(control.state().enforced.is_some());
    })
    .await;
    let before = manager.said().enrolments.len();
    let outcome = activation::activate(&dir.path().join("state"), &request(&manager)).await.unwrap();
    assert!(matches!(outcome, Outcome::Activated(_)), "a second activation is needed and allowed");
    assert_eq!(manager.said().enrolments.len(), before + 1);
}

#[tokio::test]
async fn a_certificate_that_is_always_due_is_not_renewed_all_the_time() {
    let (dir, manager) = activated(-1).await;
    manager.said().always_due = true;
    with_agent(dir.path(), &FakeEnforcement::default(), async |control| {
        until("renewed", || control.state().renewed.is_some()).await;
        until("connected", || control.state().link == Link::Connected).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    })
    .await;
    assert_eq!(manager.said().renewals, 1);
}

#[tokio::test]
async fn an_expired_certificate_is_renewed_by_proof_of_the_key() {
    let (dir, manager) = activated(-1).await;
    let files = identity::IdentityFiles::in_dir(&dir.path().join("state"));
    let before = files.load().unwrap().unwrap();
    with_agent(dir.path(), &FakeEnforcement::default(), async |_control| {
        until("renewed", || {
            files.load().unwrap().unwrap().identity.certificate != before.identity.certificate
        })
        .await;
    })
    .await;
    assert!(manager.said().renewals >= 1);
    let after = files.load().unwrap().unwrap();
    assert!(after.validity().unwrap().not_after > before.validity().unwrap().not_after);
}

/// A proxy that knows CONNECT only, and counts.
async fn proxy(tunnels: Arc<Mutex<Vec<String>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut client, _from) = listener.accept().await.unwrap();
            let tunnels = Arc::clone(&tunnels);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let target =
                    head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap().to_owned();
                let mut server = TcpStream::connect(&target).await.unwrap();
                tunnels.lock().unwrap().push(target);
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
            });
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn everything_goes_through_the_proxy() {
    let dir = tempfile::tempdir().unwrap();
    let manager = FakeManager::start(90).await;
    let tunnels = Arc::new(Mutex::new(Vec::new()));
    let through = Request { proxy: Some(proxy(Arc::clone(&tunnels)).await), ..request(&manager) };
    activation::activate(&dir.path().join("state"), &through).await.unwrap();
    assert_eq!(*tunnels.lock().unwrap(), [manager.address.to_string()]);
    with_agent(dir.path(), &FakeEnforcement::default(), async |control| {
        until("connected", || control.state().link == Link::Connected).await;
    })
    .await;
    assert!(tunnels.lock().unwrap().len() >= 2, "the service uses the proxy that activation kept");
}

#[tokio::test]
async fn deactivation_leaves_nothing() {
    let (dir, manager) = activated(90).await;
    let part = FakeEnforcement::default();
    manager.assign("Web server", b"alert http one");
    with_agent(dir.path(), &part, async |control| {
        until("in force", || control.state().enforced.is_some()).await;
        let run_dir = dir.path().join("run");
        let done = tokio::task::spawn_blocking(move || status::ask(&run_dir, &status::Order::Deactivate))
            .await
            .unwrap();
        assert_eq!(serde_json::from_str::<status::Done>(&done.unwrap()).unwrap().error, None);
        assert_eq!(control.state().link, Link::NotActivated);
        assert_eq!(control.state().enforced, None);
    })
    .await;
    let state = dir.path().join("state");
    for name in ["identity.json", "identity.key", "enforced.json"] {
        assert!(!state.join(name).exists(), "{name}");
    }
    assert_eq!(std::fs::read_dir(state.join("blobs")).unwrap().count(), 0);
}
