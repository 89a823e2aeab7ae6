//! First start, restart, end, and what is served beside the REST interface.
use crate::support::{Home, Machine, PASSWORD, Site, client, log_in, notice, on_postgres, pack};
use reqwest::StatusCode;
use sakimori_manager::clock::Clock;
use sakimori_manager::{Manager, StartError};
use sakimori_protocol::{Hash, paths};
use serde_json::json;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use uuid::Uuid;

#[tokio::test]
async fn a_restart_keeps_everything() {
    let site = Site::new().await;
    let pins = (site.manager.tls_pin(), site.manager.ca_pin());
    assert!(site.manager.first_start().is_some());
    let admin = site.admin().await;
    let mut machine = site.machine(&admin).await;
    let signed = machine.check_in(None).await.unwrap().bundle.unwrap();
    let hash = Hash::of(signed.bundle.as_bytes());
    machine.check_in(Some(hash)).await;

    let site = site.restart().await;
    assert_eq!(site.manager.first_start(), None);
    assert_eq!((site.manager.tls_pin(), site.manager.ca_pin()), pins);
    let admin = site.admin().await;
    let (_, shown) = admin.get(&format!("/computers/{}", machine.id())).await;
    assert_eq!(shown["bundle"]["enforced"], hash.to_string(), "presence was written down: {shown}");
    assert_eq!(shown["modules"][0]["module"], "intrusion-prevention");
    let certificate = machine.answer.as_ref().unwrap().certificate.clone();
    machine.use_certificate(&site, &certificate);
    assert_eq!(machine.check_in(Some(hash)).await, None, "the bundle has the same name");

    // The leaf is made anew for other names, with the same key.
    let Site { home, clock, manager } = site;
    manager.stop().await;
    let mut other = home.options(&clock);
    other.public_hosts = vec!["manager.example".to_owned()];
    let manager = Manager::start(other).await.unwrap();
    assert_eq!(manager.tls_pin(), pins.0);
    assert!(manager.console_url().starts_with("https://manager.example:"));
    manager.stop().await;
}

#[tokio::test]
async fn keys_are_readable_by_the_owner_alone_and_one_manager_runs_at_a_time() {
    let site = Site::new().await;
    let data = site.home.data();
    let mode = |name: &str| std::fs::metadata(data.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(""), 0o700);
    for key in ["ca.key", "tls.key", "bundle-signing.key"] {
        assert_eq!(mode(key), 0o600, "{key}");
    }
    let second = Manager::start(site.home.options(&Clock::default())).await;
    assert!(matches!(second, Err(StartError::InUse(_))), "{second:?}");
    if on_postgres() {
        assert!(!data.join("manager.db").exists());
        return;
    }
    let database = std::fs::read(data.join("manager.db")).unwrap();
    let wal = std::fs::read(data.join("manager.db-wal")).unwrap_or_default();
    let password = PASSWORD.as_bytes();
    assert!(![database, wal].concat().windows(password.len()).any(|window| window == password));
}

#[tokio::test]
async fn a_password_too_short_is_refused_before_anything_depends_on_it() {
    let home = Home::new();
    let mut short = home.options(&Clock::default());
    short.initial_password = Some("short".to_owned());
    assert!(matches!(Manager::start(short).await, Err(StartError::Password)));
    let manager = Manager::start(home.options(&Clock::default())).await.unwrap();
    assert_eq!(manager.first_start().unwrap().password, PASSWORD);
    manager.stop().await;
}

#[tokio::test]
async fn the_deployment_script_names_pins_and_packages() {
    let site = Site::new().await;
    let packages = site.home.dir.path().join("data/packages");
    std::fs::write(packages.join("sakimori-agent_0.1.0_amd64.deb"), b"old").unwrap();
    std::fs::write(packages.join("sakimori-agent_0.2.0_amd64.deb"), b"package").unwrap();
    std::fs::write(packages.join("sakimori-agent_0.2.0_amd64.deb.sig"), b"signature").unwrap();
    std::fs::write(packages.join("secret"), b"secret").unwrap();
    let client = client(&site.manager.authority_pem(), None);
    let get = async |path: &str| {
        let answer = client.get(site.url(path)).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    };
    let (status, script) = get("/deploy/linux.sh").await;
    assert_eq!(status, StatusCode::OK);
    let sum = Hash::of(b"package");
    assert!(
        script.contains(&format!("amd64) package='sakimori-agent_0.2.0_amd64.deb'; sha256='{sum}' ;;")),
        "{script}"
    );
    assert!(script.contains(&site.manager.tls_pin()) && script.contains(&site.manager.ca_pin()));
    assert!(script.contains(&format!("manager='{}'", site.url(""))));
    assert!(!script.contains('@') || !script.contains("@PACKAGES@"), "every placeholder is filled");
    let file = site.home.dir.path().join("linux.sh");
    std::fs::write(&file, &script).unwrap();
    let checked = Command::new("sh").arg("-n").arg(&file).status().unwrap();
    assert!(checked.success());
    let without_token = Command::new("sh").arg(&file).output().unwrap();
    assert!(!without_token.status.success());
    assert!(String::from_utf8_lossy(&without_token.stderr).contains("--token is missing"));
    assert_eq!(get("/packages/sakimori-agent_0.2.0_amd64.deb").await, (StatusCode::OK, "package".to_owned()));
    assert_eq!(
        get("/packages/sakimori-agent_0.2.0_amd64.deb.sig").await,
        (StatusCode::OK, "signature".to_owned())
    );
    for hidden in ["/packages/secret", "/packages/..%2fmanager.db", "/packages/..%2f..%2fetc%2fpasswd"] {
        assert_eq!(get(hidden).await.0, StatusCode::NOT_FOUND, "{hidden}");
    }

    let admin = site.admin().await;
    let (_, made) = admin.post("/activation-tokens", json!({"name": "t"})).await;
    let line = made["deploymentLine"].as_str().unwrap();
    let expected = format!(
        "curl -fsS -k --pinnedpubkey '{}' {} | sh -s -- --token {}",
        site.manager.tls_pin(),
        site.url("/deploy/linux.sh"),
        made["token"].as_str().unwrap()
    );
    assert_eq!(line, expected);
}

#[tokio::test]
async fn the_console_health_and_metrics_are_served() {
    let site = Site::new().await;
    let client = client(&site.manager.authority_pem(), None);
    for (path, kind) in
        [("/", "text/html; charset=utf-8"), ("/computers/some-id", "text/html; charset=utf-8")]
    {
        let page = client.get(site.url(path)).send().await.unwrap();
        assert_eq!(page.status(), StatusCode::OK, "{path}");
        assert_eq!(page.headers()["content-type"], kind);
        let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
        assert!(page.text().await.unwrap().contains("<html"));
    }
    for missing in ["/assets/none.js", "/api/v1/none", "/agent/v1/none"] {
        assert_eq!(
            client.get(site.url(missing)).send().await.unwrap().status(),
            StatusCode::NOT_FOUND,
            "{missing}"
        );
    }
    for health in ["/health/live", "/health/ready"] {
        assert_eq!(client.get(site.url(health)).send().await.unwrap().status(), StatusCode::OK);
    }
    let metrics = client.get(site.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("# TYPE sakimori_http_requests_total counter"), "{metrics}");
}

#[tokio::test]
async fn a_console_under_work_is_served_from_its_folder() {
    let home = Home::new();
    let dist = home.dir.path().join("dist");
    std::fs::create_dir_all(dist.join("assets")).unwrap();
    std::fs::write(dist.join("index.html"), "<html>under work").unwrap();
    std::fs::write(dist.join("assets/a.js"), "1").unwrap();
    std::fs::write(dist.join("assets/a.js.gz"), "compressed").unwrap();
    let mut options = home.options(&Clock::default());
    options.console_dist = Some(dist);
    let manager = Manager::start(options).await.unwrap();
    let client = client(&manager.authority_pem(), None);
    let url = |path: &str| format!("https://127.0.0.1:{}{path}", manager.public().port());
    let asset = client.get(url("/assets/a.js")).send().await.unwrap();
    assert_eq!(asset.headers()["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(asset.text().await.unwrap(), "1");
    let encoded = async |accepted: &str, path: &str| {
        let answer = client.get(url(path)).header("accept-encoding", accepted).send().await.unwrap();
        let encoding =
            answer.headers().get("content-encoding").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(answer.headers()["vary"], "accept-encoding");
        (
            encoding,
            answer.headers()["content-type"].to_str().unwrap().to_owned(),
            answer.text().await.unwrap(),
        )
    };
    let script = "text/javascript; charset=utf-8".to_owned();
    assert_eq!(
        encoded("br, gzip;q=0.8", "/assets/a.js").await,
        (Some("gzip".to_owned()), script.clone(), "compressed".to_owned())
    );
    assert_eq!(encoded("gzip;q=0", "/assets/a.js").await, (None, script, "1".to_owned()));
    assert_eq!(encoded("gzip", "/").await.0, None, "what is not compressed is sent as it is");
    assert_eq!(client.get(url("/events")).send().await.unwrap().text().await.unwrap(), "<html>under work");
    let outside = client.get(url("/..%2fdata%2fca.key")).send().await.unwrap();
    assert!(!outside.text().await.unwrap().contains("PRIVATE"));
    manager.stop().await;
}

struct Program {
    child: Child,
    lines: Vec<String>,
}

impl Program {
    fn start(home: &Home) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sakimori-manager"));
        if let Some((database, _)) = home.database.as_deref() {
            command.env("SAKIMORI_DATABASE", database.url());
        }
        let mut child = command
            .args([
                "run",
                "--public",
                "127.0.0.1:0",
                "--gateway",
                "127.0.0.1:0",
                "--public-host",
                "127.0.0.1",
            ])
            .arg("--data-dir")
            .arg(home.data())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = child.stdout.take().unwrap();
        let lines = BufReader::new(out).lines().take(4).map(Result::unwrap).collect();
        Self { child, lines }
    }

    fn said(&self, name: &str) -> &str {
        self.lines.iter().find_map(|line| line.strip_prefix(name)).unwrap().trim()
    }

    fn signal(&self, signal: &str) {
        assert!(
            Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success()
        );
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Ended already where the test went well.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test]
async fn sigterm_answers_held_check_ins_and_ends_in_order() {
    let home = Home::new();
    let data = home.data();
    let mut program = Program::start(&home);
    assert_eq!(program.lines.len(), 4);
    assert_eq!(program.said("User:"), "admin");
    assert!(program.said("Public key pin:").starts_with("sha256//"));
    let password = program.said("Password:").to_owned();
    let console = program.said("Console:").trim_end_matches('/').to_owned();

    let authority = std::fs::read_to_string(data.join("ca.pem")).unwrap();
    let public = client(&authority, None);
    let post = async |path: &str, headers: &[(&str, String)], body: serde_json::Value| {
        let mut request = public.post(format!("{console}{path}")).json(&body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        request.send().await.unwrap()
    };
    let answer = post("/api/v1/sessions", &[], json!({"user": "admin", "password": password})).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let session: serde_json::Value = answer.json().await.unwrap();
    let headers = [("cookie", cookie), ("x-csrf-token", session["csrfToken"].as_str().unwrap().to_owned())];
    let token = post("/api/v1/activation-tokens", &headers, json!({"name": "t"})).await;
    let token: serde_json::Value = token.json().await.unwrap();
    let machine = Machine::new();
    let message = serde_json::to_value(machine.enrol_message(token["token"].as_str().unwrap())).unwrap();
    let enrolled = post(paths::ENROLL, &[], message).await;
    let enrolled: sakimori_protocol::EnrolAnswer = enrolled.json().await.unwrap();
    let agent = client(&authority, Some((&enrolled.certificate, &machine.key)));
    let check_in = |bundle, hold| {
        agent
            .post(format!("{}{}", enrolled.gateway, paths::CHECK_IN))
            .json(&machine.check_in_message(bundle, hold))
            .send()
    };
    let first: sakimori_protocol::CheckInAnswer = check_in(None, 0).await.unwrap().json().await.unwrap();
    let hash = Hash::of(first.bundle.unwrap().bundle.as_bytes());
    let epoch = Uuid::now_v7();
    let sent = agent
        .post(format!("{}{}", enrolled.gateway, paths::EVENTS))
        .header(paths::STREAM_EPOCH, epoch.to_string())
        .header(paths::FIRST_SEQUENCE, 1)
        .body(pack(&notice("kept")))
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), StatusCode::OK);

    let begun = Instant::now();
    let end = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        program.signal("-TERM");
    };
    let (held, ()) = tokio::join!(check_in(Some(hash), 60), end);
    assert_eq!(held.unwrap().status(), StatusCode::NO_CONTENT);
    assert!(begun.elapsed() < Duration::from_secs(15));
    drop(agent);
    drop(public);
    let status = tokio::task::spawn_blocking(move || program.child.wait().unwrap()).await.unwrap();
    assert!(status.success(), "{status}");

    // Everything is there again.
    let mut again = home.options(&Clock::default());
    again.content = None;
    let manager = Manager::start(again).await.unwrap();
    let site = Site { home, clock: Clock::default(), manager };
    let (cookie, _) = log_in(&site.nobody(), &password).await;
    let api = site.nobody();
    let request = api.request(reqwest::Method::GET, "/events").header("cookie", cookie);
    let (_, events) = api.send(request).await;
    assert_eq!(events["items"][0]["detail"]["code"], "kept");
}

#[tokio::test]
async fn the_password_that_was_printed_survives_kill_9() {
    let home = Home::new();
    let mut program = Program::start(&home);
    let password = program.said("Password:").to_owned();
    program.signal("-KILL");
    program.child.wait().unwrap();
    let manager = Manager::start(home.options(&Clock::default())).await.unwrap();
    assert_eq!(manager.first_start(), None, "the first start was complete when it printed the password");
    let site = Site { home, clock: Clock::default(), manager };
    log_in(&site.nobody(), &password).await;
}
