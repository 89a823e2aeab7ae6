//! What is installed on a computer, what that recommends, and what of it the computer is made to enforce.
use crate::support::{Api, Machine, Site};
use reqwest::StatusCode;
use sakimori_manager::Manager;
use sakimori_protocol::{Application, Bundle, Command, Hash, Inventory, Package, Process};
use serde_json::{Value, json};
use std::time::Duration;

/// The demo's blog of a version; it has holes before 1.0.
fn blog(version: &str) -> Inventory {
    let application = Application {
        kind: "application".to_owned(),
        name: "sakimori-demo-blog".to_owned(),
        title: "A blog".to_owned(),
        version: version.to_owned(),
        place: "/srv/blog".to_owned(),
    };
    Inventory { applications: vec![application], ..Inventory::default() }
}

/// As an agent that has this inventory: says its name, and sends it when asked. Whether it was asked.
async fn has(machine: &Machine, inventory: &Inventory) -> bool {
    let mut message = machine.check_in_message(None, 0);
    message.inventory = Some(inventory.hash());
    let (_, answer) = machine.send_check_in(&message).await;
    let asked = answer["commands"].as_array().unwrap().contains(&json!({"command": "send-inventory"}));
    if asked {
        let (status, answer) = machine.send_inventory(serde_json::to_vec(inventory).unwrap()).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    }
    asked
}

/// The settings of intrusion prevention that the computer should enforce, with the bundle's name.
async fn enforced(machine: &Machine) -> (Hash, Value) {
    let signed = machine.check_in(None).await.unwrap().bundle.unwrap();
    let bundle: Bundle = serde_json::from_str(&signed.bundle).unwrap();
    (Hash::of(signed.bundle.as_bytes()), bundle.modules["intrusion-prevention"].settings.clone())
}

async fn set(admin: &Api, settings: Value) {
    let base = admin.policy("Base").await;
    let path = format!("/policies/{}", base["id"].as_str().unwrap());
    let (status, answer) = admin.patch(&path, json!({"settings": settings})).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

async fn recommendations(admin: &Api, machine: &Machine) -> Value {
    let (status, found) = admin.get(&format!("/computers/{}/recommendations", machine.id())).await;
    assert_eq!(status, StatusCode::OK, "{found}");
    found
}

fn sids(found: &Value) -> Vec<u64> {
    found["rules"].as_array().unwrap().iter().map(|rule| rule["sid"].as_u64().unwrap()).collect()
}

async fn events(admin: &Api) -> Vec<Value> {
    let all = admin.list("/events").await;
    all.into_iter().filter(|event| event["kind"] == "recommendation").collect()
}

#[tokio::test]
async fn an_inventory_is_asked_for_once_and_shown() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let path = format!("/computers/{}/inventory", machine.id());
    let (status, problem) = admin.get(&path).await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("no-inventory")));
    let mut inventory = blog("0.1.0");
    inventory.packages.push(Package {
        name: "bash".to_owned(),
        version: "5.2".to_owned(),
        architecture: "amd64".to_owned(),
        source: "bash".to_owned(),
        source_version: "5.2".to_owned(),
    });
    inventory.processes.push(Process {
        name: "evil\u{1b}[31m".to_owned(),
        program: "/x".repeat(1000),
        user: 33,
        count: 2,
    });
    inventory.incomplete.push("java".to_owned());
    assert!(has(&machine, &inventory).await, "nothing is known of it yet");
    assert!(!has(&machine, &inventory).await, "it is here");
    let (status, shown) = admin.get(&path).await;
    assert_eq!(status, StatusCode::OK, "{shown}");
    assert_eq!(shown["applications"][0]["version"], "0.1.0");
    assert_eq!(shown["packages"][0]["name"], "bash");
    assert_eq!((&shown["incomplete"], &shown["cloud"]), (&json!(["java"]), &Value::Null));
    assert_eq!(shown["processes"][0]["name"], "evil[31m", "no control characters");
    assert_eq!(shown["processes"][0]["program"].as_str().unwrap().len(), 256, "cut");
    let site = site.restart().await;
    let admin = site.admin().await;
    assert_eq!(admin.get(&path).await.0, StatusCode::OK);
}

#[tokio::test]
async fn what_is_no_inventory_is_refused_and_changes_nothing() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    for body in [&b"["[..], b"\xff\xfe", b"{\"packages\": 1}", b""] {
        assert_eq!(machine.send_inventory(body.to_vec()).await.0, StatusCode::BAD_REQUEST, "{body:?}");
    }
    let large = format!("{{\"incomplete\": [\"{}\"]}}", "x".repeat(Inventory::BYTES));
    let (status, _) = machine.send_inventory(large.into_bytes()).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let nested = "[".repeat(200_000);
    assert_eq!(machine.send_inventory(nested.into_bytes()).await.0, StatusCode::BAD_REQUEST);
    let (status, _) = admin.get(&format!("/computers/{}/inventory", machine.id())).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_policy_that_assigns_what_is_recommended_follows_the_inventory() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let (vulnerable, other) = (site.machine(&admin).await, site.machine(&admin).await);
    let settings = json!({"intrusion-prevention": {"assignRecommended": true, "defaultRuleMode": "prevent",
        "assigned": {"1": true, "7000002": false}}});
    set(&admin, settings).await;
    let (before, settings) = enforced(&vulnerable).await;
    assert_eq!(
        settings["assigned"],
        json!({"1": true, "7000002": false}),
        "nothing is known to be installed"
    );
    assert_eq!(settings["assignAll"], false);

    assert!(has(&vulnerable, &blog("0.1.0")).await);
    let (with, settings) = enforced(&vulnerable).await;
    assert_ne!(with, before);
    let assigned = &settings["assigned"];
    assert_eq!(
        (&assigned["7000001"], &assigned["7000010"], &assigned["7000002"], &assigned["1"]),
        (&json!(true), &json!(true), &json!(false), &json!(true)),
        "recommended, recommended, excluded by hand, assigned by hand"
    );
    assert_eq!(assigned["7000050"], Value::Null, "Log4j is not installed");
    assert_eq!(enforced(&other).await.0, before, "the other computer's bundle stays");

    let found = recommendations(&admin, &vulnerable).await;
    assert_eq!(found["assignsRecommended"], true);
    let rule = |sid: u64| found["rules"].as_array().unwrap().iter().find(|rule| rule["sid"] == sid).unwrap();
    assert_eq!((&rule(7_000_001)["assigned"], &rule(7_000_002)["assigned"]), (&json!(true), &json!(false)));
    let reason = &rule(7_000_001)["reasons"][0];
    assert_eq!((&reason["code"], &reason["version"]), (&json!("affected"), &json!("0.1.0")));
    let words = reason["explanation"]["en"].as_str().unwrap();
    assert!(words.contains("sakimori-demo-blog 0.1.0 in /srv/blog has the hole CVE-2017-1001000"), "{words}");
    assert_eq!(sids(&recommendations(&admin, &other).await), Vec::<u64>::new());

    let told = events(&admin).await;
    assert_eq!(told.len(), 1, "{told:?}");
    let detail = &told[0]["detail"];
    assert!(detail["assigned"].as_array().unwrap().contains(&json!("7000001")), "{detail}");
    assert!(!detail["assigned"].as_array().unwrap().contains(&json!("7000002")), "{detail}");
    assert!(told[0]["explanation"]["ja"].as_str().unwrap().contains("脆弱性"), "{}", told[0]);

    // The same again says nothing; names stay over a restart; what is mended or gone takes the rules away.
    let mut same = blog("0.1.0");
    same.incomplete.push("java".to_owned());
    assert!(has(&vulnerable, &same).await);
    assert_eq!(events(&admin).await.len(), 1);
    let site = site.restart().await;
    let admin = site.admin().await;
    let vulnerable = vulnerable.at(&site);
    assert_eq!(enforced(&vulnerable).await.0, with);
    let (_, computer) = admin.get(&format!("/computers/{}", vulnerable.id())).await;
    assert_eq!(computer["bundle"]["assigned"], with.to_string());
    assert!(has(&vulnerable, &blog("1.0.0")).await);
    let mended = recommendations(&admin, &vulnerable).await;
    assert_eq!(sids(&mended), [7_000_011], "an upload folder can be written to in any version");
    assert!(has(&vulnerable, &Inventory::default()).await);
    assert_eq!(enforced(&vulnerable).await.0, before, "as the policy has it without recommendations");
    let told = events(&admin).await;
    assert_eq!(told.len(), 3);
    assert!(told[1]["detail"]["unassigned"].as_array().unwrap().contains(&json!("7000010")), "{}", told[1]);
    assert_eq!(told[0]["detail"]["unassigned"], json!(["7000011"]));
    assert_eq!(sids(&recommendations(&admin, &vulnerable).await), Vec::<u64>::new());
}

#[tokio::test]
async fn a_policy_that_assigns_all_only_says_what_is_needed() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let (before, settings) = enforced(&machine).await;
    assert_eq!((&settings["assignAll"], &settings["assigned"]), (&json!(true), &json!({})));
    assert!(has(&machine, &blog("0.1.0")).await);
    assert_eq!(enforced(&machine).await.0, before, "the bundle does not depend on it");
    let found = recommendations(&admin, &machine).await;
    assert!(found["rules"].as_array().unwrap().iter().all(|rule| rule["assigned"] == true), "{found}");
    let told = events(&admin).await;
    assert_eq!((told.len(), &told[0]["detail"]["assigned"]), (1, &json!([])), "nothing was assigned by it");
    // Switched on later, what was found counts at once.
    set(&admin, json!({"intrusion-prevention": {"assignRecommended": true}})).await;
    let (_, settings) = enforced(&machine).await;
    assert_eq!(settings["assigned"]["7000001"], true);
    set(&admin, json!({"intrusion-prevention": {"assignRecommended": false, "assignAll": false}})).await;
    let found = recommendations(&admin, &machine).await;
    assert!(found["rules"].as_array().unwrap().iter().all(|rule| rule["assigned"] == false), "{found}");
}

#[tokio::test]
async fn an_inventory_wakes_the_held_check_in_with_the_new_bundle() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    set(&admin, json!({"intrusion-prevention": {"assignRecommended": true}})).await;
    let (before, _) = enforced(&machine).await;
    let mut held = machine.check_in_message(Some(before), 30);
    held.inventory = Some(blog("0.1.0").hash());
    // It was asked for by the first check-in; the second one is held while the inventory comes.
    assert!(has(&machine, &blog("0.1.0")).await);
    let (_, first) = machine.send_check_in(&held).await;
    assert!(first["bundle"]["bundle"].as_str().unwrap().contains("7000001"), "{first}");
    let with = Hash::of(first["bundle"]["bundle"].as_str().unwrap().as_bytes());
    let mut held = machine.check_in_message(Some(with), 30);
    held.inventory = Some(blog("0.1.0").hash());
    let mended = serde_json::to_vec(&Inventory::default()).unwrap();
    let send = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(machine.send_inventory(mended).await.0, StatusCode::NO_CONTENT);
    };
    let ((_, answer), ()) = tokio::join!(machine.send_check_in(&held), send);
    assert_eq!(Hash::of(answer["bundle"]["bundle"].as_str().unwrap().as_bytes()), before, "{answer}");
}

#[tokio::test]
async fn a_scan_is_asked_of_the_agent_once() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let (hash, _) = enforced(&machine).await;
    let path = format!("/computers/{}/recommendations/scan", machine.id());
    let ask = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        admin.post(&path, json!({})).await
    };
    let held = machine.check_in_message(Some(hash), 30);
    let ((_, answer), (status, asked)) = tokio::join!(machine.send_check_in(&held), ask);
    assert_eq!(status, StatusCode::ACCEPTED, "{asked}");
    assert_eq!(asked["online"], true);
    assert_eq!(answer["commands"], json!([Command::TakeInventory]));
    assert_eq!(machine.check_in(Some(hash)).await, None, "it was told");
    assert_ne!(recommendations(&admin, &machine).await["scanRequestedAt"], Value::Null);
    // A manager that starts anew does not know whether the agent heard it.
    let site = site.restart().await;
    let admin = site.admin().await;
    let machine = machine.at(&site);
    assert_eq!(machine.check_in(Some(hash)).await.unwrap().commands, [Command::TakeInventory]);
    assert_eq!(
        machine.send_inventory(serde_json::to_vec(&blog("2.0")).unwrap()).await.0,
        StatusCode::NO_CONTENT
    );
    let found = recommendations(&admin, &machine).await;
    assert_eq!(found["scanRequestedAt"], Value::Null);
    assert_ne!(found["scannedAt"], Value::Null);
    let audit = admin.list("/audit-records").await;
    assert!(audit.iter().any(|record| record["action"] == "computer.scan"), "{audit:?}");
    set(&admin, json!({"recommendation": {"mode": "off"}})).await;
    let (status, problem) = admin.post(&path, json!({})).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("module-off")));
}

#[tokio::test]
async fn new_content_judges_the_inventories_that_are_kept() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    assert!(has(&machine, &blog("0.1.0")).await);
    let needed = sids(&recommendations(&admin, &machine).await);
    assert!(needed.len() > 1);
    let Site { clock, manager, home } = site;
    manager.stop().await;
    let mut options = home.options(&clock);
    options.content.as_mut().unwrap().facts.retain(|facts| facts.id != 7_000_001);
    let manager = Manager::start(options).await.unwrap();
    let site = Site { clock, manager, home };
    let admin = site.admin().await;
    for _ in 0..100 {
        if sids(&recommendations(&admin, &machine).await).len() < needed.len() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let now = sids(&recommendations(&admin, &machine).await);
    assert_eq!(now, needed.into_iter().filter(|sid| *sid != 7_000_001).collect::<Vec<_>>());
    assert_eq!(events(&admin).await[0]["detail"]["withdrawn"], json!(["7000001"]));
}

#[tokio::test]
async fn a_deleted_computer_takes_its_inventory_along() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    assert!(has(&machine, &blog("0.1.0")).await);
    assert_eq!(admin.delete(&format!("/computers/{}", machine.id())).await, StatusCode::NO_CONTENT);
    for what in ["inventory", "recommendations"] {
        let (status, _) = admin.get(&format!("/computers/{}/{what}", machine.id())).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{what}");
    }
    let (status, _) = machine.send_inventory(serde_json::to_vec(&blog("1.0")).unwrap()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}
