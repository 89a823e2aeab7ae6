//! The manager is killed with -9 while event-based tasks react: a reaction is there whole or not at all, and one that is
//! not there is made up for by the computer's next word.
use crate::support::{Api, Home, Machine, PASSWORD, client, log_in, new_token};
use reqwest::{Method, StatusCode};
use sakimori_protocol::{EnrolAnswer, paths};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// So often the manager is killed.
const KILLS: u32 = 8;
/// Machines that arrive and move in each life of it.
const MACHINES: u32 = 4;
/// What each reaction leaves: the tag, and the trigger that its audit record names.
const REACTIONS: [(&str, &str); 2] = [("born", "activated"), ("moved", "address-changed")];

/// Where the manager is over all its lives.
struct Place {
    home: Home,
    ports: [u16; 2],
}

impl Place {
    fn new() -> Self {
        let home = Home::new();
        std::fs::write(home.dir.path().join("password"), PASSWORD).unwrap();
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { home, ports: [free(), free()] }
    }

    fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.ports[0])
    }

    fn authority(&self) -> String {
        std::fs::read_to_string(self.home.data().join("ca.pem")).unwrap()
    }

    /// A life of the manager, as soon as it answers.
    async fn begin(&self) -> Life {
        let [public, gateway] = self.ports.map(|port| format!("127.0.0.1:{port}"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_sakimori-manager"));
        if let Some((database, _)) = self.home.database.as_deref() {
            command.env("SAKIMORI_DATABASE", database.url());
        }
        command
            .args(["run", "--public", &public, "--gateway", &gateway, "--public-host", "127.0.0.1"])
            .arg("--data-dir")
            .arg(self.home.data())
            .arg("--initial-admin-password-file")
            .arg(self.home.dir.path().join("password"));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let life = Life(child);
        crate::support::until("the manager answers", async || {
            if !self.home.data().join("ca.pem").exists() {
                return None;
            }
            let answer = client(&self.authority(), None).get(self.url("/health/ready")).send().await.ok()?;
            (answer.status() == StatusCode::OK).then_some(())
        })
        .await;
        life
    }
}

struct Life(Child);

impl Life {
    /// SIGKILL: nothing is finished, nothing is written.
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The manager may be dead: the same is asked again.
const AGAIN: Duration = Duration::from_millis(30);

/// A machine is activated, says where it is, and then that it is somewhere else.
async fn live(place: Arc<Place>, token: Arc<str>) {
    let mut machine = Machine::new();
    let authority = place.authority();
    let message = machine.enrol_message(&token);
    let enrolled: EnrolAnswer = loop {
        let request = client(&authority, None).post(place.url(paths::ENROLL)).json(&message);
        if let Ok(answer) = request.send().await
            && answer.status() == StatusCode::OK
            && let Ok(enrolled) = answer.json().await
        {
            break enrolled;
        }
        tokio::time::sleep(AGAIN).await;
    };
    machine.client = client(&authority, Some((&enrolled.certificate, &machine.key)));
    let gateway = format!("https://127.0.0.1:{}{}", place.ports[1], paths::CHECK_IN);
    for address in ["192.0.2.1", "198.51.100.1"] {
        let mut said = machine.check_in_message(None, 0);
        said.full.as_mut().unwrap().addresses = vec![address.to_owned()];
        while !machine.client.post(&gateway).json(&said).send().await.is_ok_and(|a| a.status().is_success()) {
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// Every page of a list.
async fn everything(admin: &Api, path: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, mut page) = admin.get(&format!("{path}limit=500{cursor}")).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        all.append(page["items"].as_array_mut().unwrap());
        let Some(next) = page["nextCursor"].as_str() else { return all };
        cursor = format!("&cursor={next}");
    }
}

/// By computer and trigger, how many records the audit trail has of a reaction.
async fn recorded(admin: &Api) -> BTreeMap<(String, String), u32> {
    let mut counts = BTreeMap::new();
    for record in everything(admin, "/audit-records?").await {
        if record["action"] == "event-based-task.run" {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let key = (text(&record["objectId"]), text(&record["after"]["trigger"]));
            *counts.entry(key).or_default() += 1;
        }
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reaction_is_whole_or_absent_and_made_up_for() {
    let place = Arc::new(Place::new());
    let mut life = place.begin().await;
    let nobody = Api::of_program(client(&place.authority(), None), place.url("/api/v1"), None);
    let (cookie, csrf) = log_in(&nobody, PASSWORD).await;
    let request =
        nobody.request(Method::POST, "/api-keys").header("cookie", cookie).header("x-csrf-token", csrf);
    let (_, key) = nobody.send(request.json(&json!({"name": "test", "role": "administrator"}))).await;
    let key = key["secret"].as_str().unwrap().to_owned();
    let admin = || Api::of_program(client(&place.authority(), None), place.url("/api/v1"), Some(key.clone()));
    for (tag, trigger) in REACTIONS {
        let task = json!({"name": tag, "triggers": [trigger], "conditions": [],
            "actions": [{"action": "add-tags", "tags": {tag: "yes"}}]});
        let (status, made) = admin().post("/event-based-tasks", task).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
    }
    let token: Arc<str> = new_token(&admin(), json!({"name": "all"})).await.into();

    let mut machines = Vec::new();
    let (mut born, mut moved) = (0, 0);
    for number in 0..KILLS {
        for _ in 0..MACHINES {
            machines.push(tokio::spawn(live(Arc::clone(&place), Arc::clone(&token))));
        }
        // Somewhere in what they bring about, another place each time.
        tokio::time::sleep(Duration::from_millis(u64::from(number * 67 % 290))).await;
        life.kill();
        life = place.begin().await;
        // What is there of a reaction is there with its record, and the other way round.
        let records = recorded(&admin()).await;
        for computer in everything(&admin(), "/computers?").await {
            let id = computer["id"].as_str().unwrap();
            for (tag, trigger) in REACTIONS {
                let count = records.get(&(id.to_owned(), trigger.to_owned())).copied().unwrap_or_default();
                let tagged = computer["tags"].get(tag).is_some();
                // Read after the records: it may have come in between.
                assert!(count <= 1 && (count == 0 || tagged), "{tag} of {id}: {count}, {computer}");
            }
        }
    }
    for machine in machines {
        machine.await.unwrap();
    }
    let all = everything(&admin(), "/computers?").await;
    assert_eq!(u32::try_from(all.len()).unwrap(), KILLS * MACHINES, "each once");
    let records = recorded(&admin()).await;
    let notices = crate::support::until("every notice is among the events", async || {
        let path = "/events?filter=module%20%3D%20manager%20AND%20detail.code%20%3D%20event-based-task-ran&";
        let events = everything(&admin(), path).await;
        (events.len() >= 2 * all.len()).then_some(events)
    })
    .await;
    assert_eq!(notices.len(), 2 * all.len(), "each once");
    for computer in &all {
        let id = computer["id"].as_str().unwrap();
        assert_eq!(computer["tags"], json!({"born": "yes", "moved": "yes"}), "{computer}");
        born += records[&(id.to_owned(), "activated".to_owned())];
        moved += records[&(id.to_owned(), "address-changed".to_owned())];
    }
    assert_eq!((born, moved), (KILLS * MACHINES, KILLS * MACHINES), "each once: {records:?}");
    life.kill();
}
