//! Agent packages, and their roll-out in rings.
use crate::support::{Api, Machine, Site, until};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::{Method, StatusCode};
use sakimori_content::SigningKey;
use sakimori_content::package::{SignedStatement, Statement};
use sakimori_protocol::{
    CheckInAnswer, Command, Hash, ModuleState, Packaging, UpgradeReport, UpgradeStep, paths,
};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

fn signed(bytes: &[u8], version: &str, key: &SigningKey) -> SignedStatement {
    let statement = Statement {
        package: "sakimori-agent".to_owned(),
        version: version.to_owned(),
        architecture: "amd64".to_owned(),
        size: u64::try_from(bytes.len()).unwrap(),
        sha256: Hash::of(bytes).to_string(),
    };
    SignedStatement::sign(&statement, key).unwrap()
}

async fn upload(api: &Api, bytes: &[u8], signature: &str) -> (StatusCode, Value) {
    let request = api
        .request(Method::POST, "/agent-packages")
        .header("content-type", "application/vnd.debian.binary-package")
        .header("x-package-signature", BASE64_STANDARD.encode(signature))
        .header("idempotency-key", Uuid::now_v7().to_string())
        .body(bytes.to_vec());
    api.send(request).await
}

/// A manager that trusts a key, with a package of version 2.0.
async fn site() -> (Site, Api, SigningKey) {
    let site = Site::new().await;
    let admin = site.admin().await;
    let key = SigningKey::generate().unwrap();
    std::fs::write(site.home.data().join("package-keys"), key.verifying_key().to_base64()).unwrap();
    let bytes = package_bytes();
    let (status, made) = upload(&admin, &bytes, &signed(&bytes, "2.0", &key).to_text()).await;
    assert_eq!((status, &made["refused"]), (StatusCode::CREATED, &Value::Null), "{made}");
    (site, admin, key)
}

/// Longer than one message may be, so that it has to stream.
fn package_bytes() -> Vec<u8> {
    (0..3_000_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect()
}

/// An agent as it shows itself.
struct Agent {
    machine: Machine,
    version: String,
    report: Option<UpgradeReport>,
    packaged: bool,
    state: ModuleState,
    bundle: Option<Hash>,
}

impl Agent {
    async fn new(site: &Site, admin: &Api) -> Self {
        let machine = site.machine(admin).await;
        let mut agent = Self {
            machine,
            version: "1.0".to_owned(),
            report: None,
            packaged: true,
            state: ModuleState::Active,
            bundle: None,
        };
        agent.check_in(0).await;
        agent
    }

    fn id(&self) -> Uuid {
        self.machine.id()
    }

    /// Checks in, held for so long; what it is told.
    async fn check_in(&mut self, hold_secs: u64) -> Vec<Command> {
        let mut message = self.machine.check_in_message(self.bundle, hold_secs);
        message.agent_version.clone_from(&self.version);
        message.upgrade.clone_from(&self.report);
        message.packaging =
            self.packaged.then(|| Packaging { kind: "dpkg".to_owned(), architecture: "amd64".to_owned() });
        message.modules[0].state = self.state;
        let (status, answer) = self.machine.send_check_in(&message).await;
        if status != StatusCode::OK {
            assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
            return Vec::new();
        }
        let answer: CheckInAnswer = serde_json::from_value(answer).unwrap();
        if let Some(signed) = answer.bundle {
            self.bundle = Some(Hash::of(signed.bundle.as_bytes()));
        }
        answer.commands
    }

    /// Checks in until it is told something.
    async fn told(&mut self) -> Command {
        for _ in 0..20 {
            if let Some(command) = self.check_in(2).await.into_iter().next() {
                return command;
            }
        }
        panic!("it was told nothing");
    }

    /// Its order, and that it is one to upgrade.
    async fn told_to_upgrade(&mut self) -> Uuid {
        match self.told().await {
            Command::Upgrade { order, .. } => order,
            other => panic!("{other:?}"),
        }
    }

    async fn says(&mut self, order: Uuid, step: UpgradeStep, reason: Option<&str>) {
        if step == UpgradeStep::Running {
            "2.0".clone_into(&mut self.version);
        }
        self.report =
            Some(UpgradeReport { order, version: "2.0".to_owned(), step, reason: reason.map(str::to_owned) });
        self.check_in(0).await;
    }
}

async fn create(admin: &Api, plan: Value) -> String {
    let (status, made) =
        admin.post("/upgrades", json!({"name": "to 2.0", "version": "2.0", "plan": plan})).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    format!("/upgrades/{}", made["id"].as_str().unwrap())
}

async fn state(admin: &Api, path: &str, wanted: &str) -> Value {
    until(&format!("the roll-out to be {wanted}"), async || {
        let (_, upgrade) = admin.get(path).await;
        (upgrade["state"] == wanted).then_some(upgrade)
    })
    .await
}

async fn of(admin: &Api, path: &str, computer: Uuid) -> Value {
    let all = admin.list(&format!("{path}/computers")).await;
    all.into_iter().find(|one| one["computerId"] == json!(computer)).unwrap()
}

async fn is(admin: &Api, path: &str, computer: Uuid, wanted: &str) -> Value {
    until(&format!("the computer to be {wanted}"), async || {
        let one = of(admin, path, computer).await;
        (one["state"] == wanted).then_some(one)
    })
    .await
}

async fn tag(admin: &Api, computer: Uuid, value: &str) {
    let (status, said) =
        admin.patch(&format!("/computers/{computer}"), json!({"tags": {"ring": value}})).await;
    assert_eq!(status, StatusCode::OK, "{said}");
}

#[tokio::test]
async fn packages_come_by_upload_or_as_files_and_only_true_ones_go_out() {
    let (site, admin, key) = site().await;
    let bytes = package_bytes();
    let other = SigningKey::generate().unwrap();
    let (good, short) = (signed(&bytes, "2.1", &key), signed(&bytes[1..], "2.1", &key));
    for (body, signature, why) in [
        (&bytes[..], signed(&bytes, "2.1", &other).to_text(), "none of the trusted package keys"),
        (&bytes[..], short.to_text(), "more than the"),
        (&bytes[1..], good.to_text(), "not those that were signed"),
        (&bytes[..], "x".to_owned(), "two lines"),
    ] {
        let (status, problem) = upload(&admin, body, &signature).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::BAD_REQUEST, &json!("package-refused")),
            "{problem}"
        );
        assert!(problem["detail"].as_str().unwrap().contains(why), "{problem}");
    }
    // The one that is here comes again: nothing is made anew.
    let before = admin.list("/agent-packages").await;
    let (status, again) = upload(&admin, &bytes, &signed(&bytes, "2.0", &key).to_text()).await;
    assert_eq!((status, &again), (StatusCode::CREATED, &before[0]), "{again}");
    let folder = site.home.data().join("packages");
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "nothing is left of what was refused: {left:?}");

    // A file in the folder, unsigned.
    std::fs::write(folder.join("sakimori-agent_3.0_amd64.deb"), b"x").unwrap();
    let all = admin.list("/agent-packages").await;
    let refused = all.iter().find(|one| one["version"] == "3.0").unwrap();
    assert!(refused["refused"].as_str().unwrap().contains("no signature"), "{refused}");
    let (status, problem) = admin.post("/upgrades", json!({"name": "x", "version": "3.0"})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(problem["errors"][0]["code"], "package-refused", "{problem}");

    // Agents fetch it whole or from where they are, at both listeners.
    let agent = Agent::new(&site, &admin).await;
    let hash = Hash::of(&bytes);
    let public = crate::support::client(&site.manager.authority_pem(), None);
    for (client, base) in [(&agent.machine.client, site.gateway_url("")), (&public, site.url(""))] {
        let url = format!("{base}{}/{hash}", paths::BLOBS);
        let whole = client.get(&url).send().await.unwrap();
        assert_eq!((whole.status(), whole.content_length()), (StatusCode::OK, Some(3_000_000)));
        assert!(whole.bytes().await.unwrap() == bytes);
        let rest = client.get(&url).header("range", "bytes=2999000-").send().await.unwrap();
        assert_eq!(rest.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(rest.headers()["content-range"], "bytes 2999000-2999999/3000000");
        assert!(rest.bytes().await.unwrap() == bytes[2_999_000..]);
        let unsigned = client.get(format!("{base}{}/{}", paths::BLOBS, Hash::of(b"x"))).send().await.unwrap();
        assert_eq!(unsigned.status(), StatusCode::NOT_FOUND);
    }
    assert_eq!(admin.delete(&format!("/agent-packages/{hash}")).await, StatusCode::NO_CONTENT);
    assert_eq!(admin.list("/agent-packages").await.len(), 1);
}

#[tokio::test]
async fn a_roll_out_goes_ring_by_ring_and_on_after_a_restart() {
    let (site, admin, _key) = site().await;
    let (mut first, mut second) = (Agent::new(&site, &admin).await, Agent::new(&site, &admin).await);
    let mut by_hand = Agent::new(&site, &admin).await;
    by_hand.packaged = false;
    by_hand.check_in(0).await;
    for (agent, ring) in [(&first, "canary"), (&second, "rest"), (&by_hand, "rest")] {
        tag(&admin, agent.id(), ring).await;
    }
    let plan = json!({"rings": [{"tag": "ring=canary"}, {"tag": "ring=rest"}], "waitSecs": 600});
    let path = create(&admin, plan).await;
    let (status, problem) = admin.post("/upgrades", json!({"name": "another", "version": "2.0"})).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("under-way")));

    let order = first.told_to_upgrade().await;
    assert_eq!(second.check_in(3).await, [], "not its ring yet");
    first.says(order, UpgradeStep::Installing, None).await;
    until("its step is known", async || {
        (of(&admin, &path, first.id()).await["step"] == "installing").then_some(())
    })
    .await;

    // The manager is started again while the computer is at it.
    let site = site.restart().await;
    let admin = site.admin().await;
    first.machine = first.machine.at(&site);
    second.machine = second.machine.at(&site);
    by_hand.machine = by_hand.machine.at(&site);
    first.says(order, UpgradeStep::Running, None).await;
    let one = is(&admin, &path, first.id(), "healthy").await;
    assert_eq!((&one["fromVersion"], &one["version"]), (&json!("1.0"), &json!("2.0")));
    until("the ring is done", async || admin.get(&path).await.1["ringDone"].as_str().map(|_| ())).await;
    assert_eq!(second.check_in(3).await, [], "the first ring is watched");

    site.clock.advance(Duration::from_secs(601));
    first.check_in(0).await;
    second.check_in(0).await;
    by_hand.check_in(0).await;
    let again = second.told_to_upgrade().await;
    assert_ne!(again, order);
    by_hand.check_in(5).await;
    let skipped = is(&admin, &path, by_hand.id(), "skipped").await;
    assert!(skipped["message"].as_str().unwrap().contains("not installed from a package"), "{skipped}");
    second.says(again, UpgradeStep::Running, None).await;
    let ended = state(&admin, &path, "succeeded").await;
    let counts: Vec<_> =
        ended["rings"].as_array().unwrap().iter().map(|ring| ring["healthy"].clone()).collect();
    assert_eq!(counts, [1, 1]);
    assert_eq!(second.check_in(2).await, [], "nothing more is told");
    let codes = until("it is told as events", async || {
        let events = admin.list("/events?filter=module = manager").await;
        let codes: Vec<String> =
            events.iter().map(|event| event["detail"]["code"].as_str().unwrap().to_owned()).collect();
        codes.iter().any(|code| code == "upgrade-ended").then_some(codes)
    })
    .await;
    for code in ["upgrade-started", "upgrade-ring-entered"] {
        assert!(codes.iter().any(|one| one == code), "{codes:?}");
    }
    assert_eq!(admin.delete(&path).await, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_ring_that_fails_halts_and_goes_back() {
    let (site, admin, _key) = site().await;
    let (mut bad, mut good) = (Agent::new(&site, &admin).await, Agent::new(&site, &admin).await);
    let plan = json!({"rings": [{"percent": 100}], "haltAbovePercent": 40});
    let path = create(&admin, plan).await;
    let (of_bad, of_good) = (bad.told_to_upgrade().await, good.told_to_upgrade().await);
    good.says(of_good, UpgradeStep::Running, None).await;
    is(&admin, &path, good.id(), "healthy").await;
    bad.says(of_bad, UpgradeStep::RolledBack, Some("it crashes in a loop\u{1b}[2J")).await;
    let failed = is(&admin, &path, bad.id(), "failed").await;
    assert_eq!(failed["message"], "it crashes in a loop\u{fffd}[2J");
    let halted = state(&admin, &path, "halted").await;
    assert_eq!(halted["reason"], "1 of 2 computers of ring 1 failed.");
    assert_eq!(admin.post(&format!("{path}/resume"), json!({})).await.0, StatusCode::CONFLICT);

    let stale = admin.request(Method::POST, &format!("{path}/roll-back")).header("if-match", "\"0\"");
    assert_eq!(admin.send(stale.json(&json!({}))).await.0, StatusCode::PRECONDITION_FAILED);
    let (status, going) = admin.post(&format!("{path}/roll-back"), json!({})).await;
    assert_eq!((status, &going["state"]), (StatusCode::OK, &json!("going-back")), "{going}");
    good.check_in(0).await;
    bad.check_in(0).await;
    is(&admin, &path, bad.id(), "returned").await;
    let Command::RollBack { order, version, .. } = good.told().await else { panic!("another order") };
    assert_eq!(version, "1.0");
    good.version = "1.0".to_owned();
    good.report = Some(UpgradeReport { order, version, step: UpgradeStep::Running, reason: None });
    good.check_in(0).await;
    is(&admin, &path, good.id(), "returned").await;
    state(&admin, &path, "rolled-back").await;
}

#[tokio::test]
async fn a_module_that_fails_while_its_ring_is_watched_halts_by_itself_and_people_may_pause_and_abort() {
    let (site, admin, _key) = site().await;
    let (mut first, second) = (Agent::new(&site, &admin).await, Agent::new(&site, &admin).await);
    tag(&admin, first.id(), "canary").await;
    tag(&admin, second.id(), "rest").await;
    let rings = json!([{"tag": "ring=canary"}, {"tag": "ring=rest"}]);
    let path = create(&admin, json!({"rings": rings, "rollBackOnHalt": true})).await;
    assert_eq!(admin.post(&format!("{path}/pause"), json!({})).await.0, StatusCode::OK);
    assert_eq!(first.check_in(5).await, [], "it is paused");
    assert_eq!(admin.post(&format!("{path}/resume"), json!({})).await.0, StatusCode::OK);
    let order = first.told_to_upgrade().await;
    first.says(order, UpgradeStep::Running, None).await;
    is(&admin, &path, first.id(), "healthy").await;
    first.state = ModuleState::Failed;
    first.check_in(0).await;
    // At once on its way back.
    let Command::RollBack { .. } = first.told().await else { panic!("another order") };
    let one = of(&admin, &path, first.id()).await;
    assert_eq!(one["state"], "returning");
    let (status, ended) = admin.post(&format!("{path}/abort"), json!({})).await;
    assert_eq!((status, &ended["state"]), (StatusCode::OK, &json!("aborted")));
    assert_eq!(of(&admin, &path, second.id()).await["state"], "skipped");
    let other = site.with_key(&site.manager.create_tenant("other").await.unwrap());
    assert_eq!(other.get(&path).await.0, StatusCode::NOT_FOUND);
    assert_eq!(other.post(&format!("{path}/roll-back"), json!({})).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_wrong_with_a_roll_out_is_said() {
    let (site, admin, _key) = site().await;
    let new = |plan: Value| json!({"name": "x", "version": "2.0", "plan": plan});
    let (status, problem) = admin.post("/upgrades", new(json!({}))).await;
    assert_eq!((status, &problem["errors"][0]["code"]), (StatusCode::BAD_REQUEST, &json!("no-computers")));
    let _agent = Agent::new(&site, &admin).await;
    for (plan, pointer) in [
        (json!({"rings": []}), "/plan/rings"),
        (json!({"rings": [{"percent": 10}, {"percent": 10}]}), "/plan/rings/1/percent"),
        (json!({"rings": [{"percent": 10, "tag": "a"}]}), "/plan/rings/0"),
        (json!({"rings": [{"tag": "a b"}]}), "/plan/rings/0/tag"),
        (json!({"rings": [{"groupId": Uuid::nil()}]}), "/plan/rings/0/groupId"),
        (json!({"healthyWithinSecs": 1}), "/plan/healthyWithinSecs"),
        (json!({"atOnce": 0}), "/plan/atOnce"),
        (
            json!({"window": {"schedule": "x", "timeZone": "UTC", "durationSecs": 60}}),
            "/plan/window/schedule",
        ),
        (json!({"filter": "("}), "/plan/filter"),
    ] {
        let (status, problem) = admin.post("/upgrades", new(plan)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let (status, problem) = admin.post("/upgrades", json!({"name": "x", "version": "9"})).await;
    assert_eq!((status, &problem["errors"][0]["code"]), (StatusCode::BAD_REQUEST, &json!("no-package")));
}
