//! Computers listed and counted: what the database finds, what is known in memory, and what both agree on.
use crate::support::{Api, Machine, Site, new_token};
use reqwest::StatusCode;
use sakimori_protocol::{Leaving, ModuleState};
use serde_json::{Value, json};
use std::collections::BTreeMap;

async fn ids(admin: &Api, query: &str) -> Vec<String> {
    let all = admin.list(&format!("/computers?{query}")).await;
    all.iter().map(|computer| computer["id"].as_str().unwrap().to_owned()).collect()
}

async fn counts(admin: &Api, query: &str) -> (u64, BTreeMap<String, u64>) {
    let (status, counted) = admin.get(&format!("/computers/counts?{query}")).await;
    assert_eq!(status, StatusCode::OK, "{counted}");
    let each = counted["counts"].as_array().unwrap().iter().map(|count| {
        let name = count.get("name").unwrap_or_else(|| &count["value"]);
        (name.as_str().unwrap().to_owned(), count["count"].as_u64().unwrap())
    });
    (counted["total"].as_u64().unwrap(), each.collect())
}

fn map(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
    of.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

/// Six machines, each in another state: online, degraded, offline, pending, suspended, unmanaged.
async fn fleet(site: &Site, admin: &Api) -> Vec<Machine> {
    let token = new_token(admin, json!({"name": "t", "tags": {"env": "prod"}})).await;
    let mut machines = Vec::new();
    for number in 0..6 {
        let mut machine = Machine::new();
        machine.enrol(site, &token).await;
        let path = format!("/computers/{}", machine.id());
        let tags = json!({"tags": {"number": number.to_string(), "half": (number % 2).to_string()}, "ephemeral": number == 4});
        assert_eq!(admin.patch(&path, tags).await.0, StatusCode::OK);
        machines.push(machine);
    }
    let [_, degraded, offline, _, suspended, unmanaged] = machines.as_slice() else { panic!("six") };
    offline.check_in(None).await;
    suspended.check_in(None).await;
    let mut goodbye = suspended.check_in_message(None, 0);
    goodbye.leaving = Some(Leaving::Stopping);
    assert_eq!(suspended.send_check_in(&goodbye).await.0, StatusCode::NO_CONTENT);
    let (status, _) = admin.post(&format!("/computers/{}/deactivate", unmanaged.id()), json!({})).await;
    assert_eq!(status, StatusCode::OK);
    site.clock.advance(std::time::Duration::from_mins(30));
    machines[0].check_in(None).await;
    let mut said = degraded.check_in_message(None, 0);
    said.modules[0].state = ModuleState::Degraded;
    degraded.send_check_in(&said).await;
    machines
}

#[tokio::test]
async fn a_status_is_the_same_in_lists_counts_and_on_the_computer() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machines = fleet(&site, &admin).await;
    let statuses = ["online", "degraded", "offline", "pending", "suspended", "unmanaged"];
    for (machine, status) in machines.iter().zip(statuses) {
        let id = machine.id().to_string();
        let (_, shown) = admin.get(&format!("/computers/{id}")).await;
        assert_eq!(shown["status"], status, "{shown}");
        assert_eq!(ids(&admin, &format!("status={status}")).await, [id.as_str()], "{status}");
        let filter = format!("filter=status%20%3D%20{status}%20AND%20tag%20%3D%20%22env%3Dprod%22");
        assert_eq!(ids(&admin, &filter).await, [id.as_str()], "{status}");
    }
    let each: Vec<(&str, u64)> = statuses.iter().map(|status| (*status, 1)).collect();
    assert_eq!(counts(&admin, "by=status").await, (6, map(&each)));
    assert_eq!(counts(&admin, "by=status&status=offline").await, (1, map(&[("offline", 1)])));
    assert_eq!(ids(&admin, "module=intrusion-prevention&moduleState=degraded").await.len(), 1);

    // A manager that has just started knows only what it wrote down, and says the same.
    let site = site.restart().await;
    let admin = site.admin().await;
    assert_eq!(counts(&admin, "by=status").await, (6, map(&each)));
    assert_eq!(ids(&admin, "status=degraded").await, [machines[1].id().to_string()]);
}

#[tokio::test]
async fn computers_are_counted_by_what_they_are() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machines = fleet(&site, &admin).await;
    let (_, group) = admin.post("/computer-groups", json!({"name": "Shop"})).await;
    let (_, below) = admin.post("/computer-groups", json!({"name": "Tills", "parentId": group["id"]})).await;
    for (machine, group) in machines.iter().zip([&group, &below, &below]) {
        admin.patch(&format!("/computers/{}", machine.id()), json!({"groupId": group["id"]})).await;
    }
    assert_eq!(
        counts(&admin, "by=group").await,
        (6, map(&[("Shop", 1), ("Tills", 2)])),
        "others are in none"
    );
    let in_shop = format!("groupId={}", group["id"].as_str().unwrap());
    assert_eq!(
        counts(&admin, &format!("by=tag&tagKey=half&{in_shop}")).await,
        (3, map(&[("0", 2), ("1", 1)]))
    );
    assert_eq!(counts(&admin, "by=policy").await, (6, map(&[("Base", 6)])));
    assert_eq!(
        counts(&admin, "by=platform&tag=half%3D1").await,
        (3, map(&[("Debian GNU/Linux 12 (bookworm)", 3)]))
    );
    assert_eq!(
        counts(&admin, "by=tag&tagKey=half&filter=status%20in%20(online,offline)").await,
        (2, map(&[("0", 2)]))
    );
    assert_eq!(counts(&admin, "by=status&filter=group%20%3D%20Shop").await.0, 3, "with those below");
    for (filter, expected) in [
        ("tags.half = 1 AND tags.number in (1, 2, 3)", vec![1, 3]),
        ("tags.half in (0, 1) AND NOT tags.half = 1 policy = Base", vec![0, 2, 4]),
        ("tag = number AND platform = \"Debian GNU/Linux 12 (bookworm)\" AND tags.number = 5", vec![5]),
        ("policy = Nothing", vec![]),
        ("tags.half = 1 OR tags.number = 0", vec![0, 1, 3, 5]),
    ] {
        let bytes: Vec<String> = filter.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let query = bytes.concat();
        let expected: Vec<String> =
            expected.iter().map(|at: &usize| machines[*at].id().to_string()).collect();
        assert_eq!(ids(&admin, &format!("filter={query}")).await, expected, "{filter}");
    }
    for wrong in ["by=tag", "by=status&tagKey=half", "by=colour"] {
        let (status, _) = admin.get(&format!("/computers/counts?{wrong}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    // A tag that is taken away or gets another value is not found by what it was.
    let first = format!("/computers/{}", machines[0].id());
    admin.patch(&first, json!({"tags": {"half": null, "number": "7"}})).await;
    assert_eq!(counts(&admin, "by=tag&tagKey=half").await.1, map(&[("0", 2), ("1", 3)]));
    assert_eq!(ids(&admin, "tag=number%3D0").await, [] as [&str; 0]);
    assert_eq!(admin.delete(&first).await, StatusCode::NO_CONTENT);
    assert_eq!(ids(&admin, "tag=number%3D7").await, [] as [&str; 0]);
    let kept: Vec<Value> = admin.list("/computers").await;
    assert_eq!(kept.len(), 5);
}
