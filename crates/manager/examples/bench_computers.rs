//! Lists and counts of 20,000 computers on each database, asked over REST.
//!
//! Each computer has five tags; they are spread over 40 groups in two levels, five policies and five operating systems.
//! A figure is the middle of some calls, with TLS and JSON.
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark that cannot go on says where")]
use sakimori_manager::store::{Contact, Database, GroupRow, NewComputer, Store, TenantCtx};
use sakimori_manager::{Manager, Options};
use sakimori_model::Timestamp;
use sakimori_protocol::{Fingerprint, Mode, ModuleState, ModuleStatus};
use sakimori_testkit::postgres::{Durability, Postgres};
use sakimori_testkit::report::{Report, Target};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use uuid::Uuid;

const COMPUTERS: u32 = 20_000;
const GROUPS: u32 = 40;
const PASSWORD: &str = "correct horse battery";
/// Calls of each kind.
const CALLS: usize = 9;
/// What each has to reach.
const BOUND_MS: f64 = 100.0;
const PLATFORMS: [&str; 5] = [
    "Debian GNU/Linux 12 (bookworm)",
    "Ubuntu 24.04.1 LTS",
    "Red Hat Enterprise Linux 9.4 (Plow)",
    "AlmaLinux 9.4 (Seafoam Ocelot)",
    "Amazon Linux 2023",
];
const MODULES: [&str; 6] = [
    "intrusion-prevention",
    "firewall",
    "anti-malware",
    "integrity-monitoring",
    "log-inspection",
    "web-reputation",
];

/// Puts the fleet into the database; gives a group of the upper level.
async fn populate(store: &Store) -> Uuid {
    let tenant = *store.tenants().await.unwrap().first().unwrap();
    let ctx = TenantCtx::system(tenant);
    let policies: Vec<Uuid> = store.policies(&ctx).await.unwrap().into_iter().map(|row| row.id).collect();
    let (now, token) = (Timestamp(1_795_000_000_000_000), Uuid::now_v7());
    let mut write = store.begin(&ctx, now).await.unwrap();
    let mut groups: Vec<Uuid> = Vec::new();
    for number in 0..GROUPS {
        let parent = groups.get(usize::try_from(number).unwrap() / 10).copied().filter(|_| number >= 4);
        let row = GroupRow {
            id: Uuid::now_v7(),
            name: format!("group {number}"),
            description: String::new(),
            parent,
            revision: 1,
            updated_at: now,
        };
        write.insert_group(&row).await.unwrap();
        groups.push(row.id);
    }
    let mut contacts = Vec::new();
    for number in 0..COMPUTERS {
        let at = |of: usize| usize::try_from(number).unwrap() % of;
        let host = format!("web-{:05}.example", number.wrapping_mul(7919) % COMPUTERS);
        let facts = Uuid::now_v7().to_string();
        let tags = [
            ("env", ["prod", "stage", "test"][at(3)].to_owned()),
            ("role", format!("role-{}", at(50))),
            ("owner", format!("team-{}", at(200))),
            ("rack", format!("r{}", at(1000))),
            ("serial", format!("s{number}")),
        ];
        let tags: BTreeMap<String, String> = tags.map(|(key, value)| (key.to_owned(), value)).into();
        let new = NewComputer {
            id: Uuid::now_v7(),
            enrolment: Uuid::now_v7(),
            spki_hash: &facts,
            host_name: &host,
            policy: policies[at(policies.len())],
            agent_version: "0.1.0",
            operating_system: PLATFORMS[at(PLATFORMS.len())],
            fingerprint: &Fingerprint {
                machine_id: facts.clone(),
                dmi_uuid: facts.clone(),
                cloud_instance: String::new(),
            },
            group: Some(groups[at(groups.len())]),
            tags: &tags,
            ephemeral: false,
            cloud: None,
            source: "192.0.2.1",
            token,
        };
        write.insert_computer(&new).await.unwrap();
        let module = |module: &&str| ModuleStatus {
            module: (*module).to_owned(),
            state: ModuleState::Active,
            mode: Mode::Prevent,
            reasons: Vec::new(),
            rules: number,
            counters: (0..12).map(|counter| (format!("counter-{counter}"), u64::from(number))).collect(),
        };
        contacts.push(Contact {
            tenant,
            computer: new.id,
            last_seen: Timestamp(now.0 + i64::from(number.wrapping_mul(31) % COMPUTERS)),
            agent_version: "0.1.0".to_owned(),
            modules: MODULES.iter().map(module).collect(),
            bundle_enforced: None,
            bundle_refused: None,
            held: false,
        });
    }
    write.commit().await.unwrap();
    // One in ten was never in contact.
    contacts.retain(|contact| contact.last_seen.0 % 10 != 0);
    store.flush_contacts(&contacts).await.unwrap();
    groups[0]
}

async fn measure(options: impl Fn() -> Options, database: &Database, name: &str, report: &mut Report) {
    Manager::start(options()).await.unwrap().stop().await;
    let store = Store::open(database).await.unwrap();
    let began = Instant::now();
    let group = populate(&store).await;
    report.add(format!("{name}: put in"), began.elapsed().as_secs_f64(), "s", Target::None);
    store.close().await;
    let began = Instant::now();
    let manager = Manager::start(options()).await.unwrap();
    report.add(format!("{name}: manager started"), began.elapsed().as_secs_f64(), "s", Target::None);
    let authority = reqwest::Certificate::from_pem(manager.authority_pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([authority]).no_proxy().build().unwrap();
    let base = format!("https://127.0.0.1:{}/api/v1", manager.public().port());
    let user = json!({"user": "admin", "password": PASSWORD});
    let session = client.post(format!("{base}/sessions")).json(&user).send().await.unwrap();
    let cookie = session.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let ask = |path: String| {
        let request = client.get(format!("{base}{path}")).header("cookie", &cookie);
        async move {
            let answer = request.send().await.unwrap();
            assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
            answer.json::<Value>().await.unwrap()
        }
    };
    // A page far behind the first ones.
    let mut deep = String::new();
    for _ in 0..20 {
        let page = ask(format!("/computers?sort=displayName&limit=500{deep}")).await;
        deep = format!("&cursor={}", page["nextCursor"].as_str().unwrap());
    }
    let calls = [
        ("first page", "/computers?limit=100".to_owned()),
        ("by name", "/computers?limit=100&sort=displayName".to_owned()),
        ("by name, page 101", format!("/computers?limit=100&sort=displayName{deep}")),
        ("by last contact", "/computers?limit=100&sort=lastSeen&descending=true".to_owned()),
        ("by asset value", "/computers?limit=100&sort=assetValue&descending=true".to_owned()),
        ("a tag of one in three, by name", "/computers?limit=100&tag=env%3Dprod&sort=displayName".to_owned()),
        ("a tag of one in 200", "/computers?limit=100&tag=owner%3Dteam-7".to_owned()),
        ("a tag of one", "/computers?limit=100&tag=serial%3Ds19876".to_owned()),
        ("a group with those below", format!("/computers?limit=100&groupId={group}&sort=displayName")),
        ("operating system", "/computers?limit=100&platform=alma&sort=displayName".to_owned()),
        ("words of the name", "/computers?limit=100&q=web-1234".to_owned()),
        ("words that nothing has", "/computers?limit=100&q=nothing".to_owned()),
        ("status pending", "/computers?limit=100&status=pending".to_owned()),
        ("status that nobody has", "/computers?limit=100&status=clone".to_owned()),
        ("filter: status and two tags", "/computers?limit=100&filter=status%20%3D%20offline%20tags.env%20%3D%20prod%20tags.role%20%3D%20role-6".to_owned()),
        ("count by status", "/computers/counts?by=status".to_owned()),
        ("count by group", "/computers/counts?by=group".to_owned()),
        ("count by operating system", "/computers/counts?by=platform".to_owned()),
        ("count by a tag's values", "/computers/counts?by=tag&tagKey=role".to_owned()),
        ("count by status of a tag", "/computers/counts?by=status&tag=env%3Dprod".to_owned()),
        ("groups with their computers", "/computer-groups?limit=100".to_owned()),
    ];
    for (what, path) in calls {
        let mut took: Vec<Duration> = Vec::new();
        for _ in 0..CALLS {
            let began = Instant::now();
            ask(path.clone()).await;
            took.push(began.elapsed());
        }
        took.sort_unstable();
        let middle = took[CALLS / 2].as_secs_f64() * 1000.0;
        report.add(format!("{name}: {what}"), middle, "ms", Target::AtMost(BOUND_MS));
    }
    // What no index helps: every computer is read.
    let began = Instant::now();
    ask("/computers?limit=100&filter=kernel%20~%20%22nothing%22".to_owned()).await;
    report.add(
        format!("{name}: filter over everything"),
        began.elapsed().as_secs_f64() * 1000.0,
        "ms",
        Target::None,
    );
    manager.stop().await;
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut report = Report::new("computers");
    let dir = tempfile::tempdir().unwrap();
    let options = |at: &str, database: Option<Database>| {
        let mut options = Options::new(dir.path().join(at));
        options.database = database;
        options.public = ([127, 0, 0, 1], 0).into();
        options.gateway = ([127, 0, 0, 1], 0).into();
        options.public_hosts = vec!["127.0.0.1".to_owned()];
        options.initial_password = Some(PASSWORD.to_owned());
        options
    };
    let sqlite = options("sqlite", None).database();
    measure(|| options("sqlite", None), &sqlite, "SQLite", &mut report).await;
    let server = Postgres::start(Durability::Full).unwrap();
    let database = server.database("computers").unwrap();
    let postgres = Database::Postgres(database.url());
    measure(|| options("postgres", Some(postgres.clone())), &postgres, "PostgreSQL", &mut report).await;
    report.print();
    if report.all_met() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
