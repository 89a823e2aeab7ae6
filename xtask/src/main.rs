//! The project's own commands: `cargo xtask <command>`.
//!
//! Each command installs what it needs of Debian, as root or through sudo, and nothing when it is
//! there already. What they share with the end-to-end tests lies in `sakimori-testkit`.
#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "a build tool starts other programs")]
#![expect(clippy::print_stdout, reason = "a build tool talks on the terminal")]

mod api_conformance;
mod build;
mod checks;
mod console;
mod fuzz;
mod setup;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sakimori_testkit::lockout::{self, Windows};
use sakimori_testkit::package::{self, Package, Packing, Recipe};
use sakimori_testkit::report::Report;
use sakimori_testkit::story::{self, Target};
use sakimori_testkit::{Programs, bench, debian, interrupt, programs};

/// Sakimori's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Installs what building, testing and the demo need.
    Setup,
    /// Plays the attack demo in network namespaces of its own.
    Demo {
        /// End by itself; the exit code says whether every step was as told.
        #[arg(long)]
        once: bool,
        /// Attack Debian's `WordPress` with a vulnerable plugin instead of the small blog.
        #[arg(long)]
        wordpress: bool,
    },
    /// Runs everything that CI runs; `manager`: the manager's behaviour on both databases; `firewall`: the firewall's,
    /// with the kernel against the model; with filters only the Rust tests whose names contain one.
    Test {
        /// Parts of test names.
        filters: Vec<String>,
    },
    /// Checks formatting and lints.
    Lint,
    /// What CI runs: `test` without filters.
    Ci,
    /// Measures how much of published material the engines understand.
    Conformance {
        /// What.
        #[command(subcommand)]
        what: Conformance,
    },
    /// Measures the running product, in network namespaces.
    Bench {
        /// What.
        #[command(subcommand)]
        what: Bench,
    },
    /// Plays what must not go wrong with a simulated fleet and the real manager.
    Drill {
        /// What.
        #[command(subcommand)]
        what: Drill,
    },
    /// Builds the Debian packages.
    Package {
        /// Folder for the packages.
        #[arg(long, default_value = "target/packages")]
        out: PathBuf,
        /// File of the Ed25519 key that signs them; made when there is none.
        #[arg(long, default_value = "target/packages/signing-key")]
        signing_key: PathBuf,
    },
    /// Runs fuzz targets (on the stable compiler).
    Fuzz {
        /// Seconds for each target.
        #[arg(long, default_value_t = 60)]
        seconds: u32,
        /// One target; all when absent.
        target: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum Conformance {
    /// The manager's REST interface, by schemathesis with all checks and phases, on `SQLite` and `PostgreSQL`.
    Api(api_conformance::Asked),
    /// Rule files of the Suricata language: how many rules load.
    Rules {
        /// Folder with `*.rules`, searched with its subfolders.
        #[arg(long)]
        dir: PathBuf,
    },
    /// The web application firewall on the OWASP Core Rule Set's own tests: how many come out as they say.
    Crs {
        /// Folder of the rule set, or its `rules`; `crs-setup.conf.example` lies in it or beside it.
        #[arg(long)]
        rules: PathBuf,
        /// Folder with the tests, in go-ftw's format.
        #[arg(long)]
        tests: PathBuf,
    },
    /// Operators and transformations of `SecLang` on published test vectors.
    Seclang {
        /// Folder with `operators` and `transformations`.
        #[arg(long)]
        tests: PathBuf,
    },
    /// The detection of SQL injection and cross-site scripting on libinjection's own tests.
    Libinjection {
        /// Folder with `test-*.txt`.
        #[arg(long)]
        tests: PathBuf,
    },
    /// Suricata's own tests: how many come out as they say, by protocol, and why others were skipped.
    SuricataVerify {
        /// Folder with the tests, one folder each with a `test.yaml`.
        #[arg(long)]
        tests: PathBuf,
    },
    /// Log rules of OSSEC and Wazuh: how many load, and how many of their own tests come out as they say.
    Logs {
        /// Folder with `ossec/` or `wazuh/`.
        #[arg(long)]
        dir: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// nginx behind the agent against bare nginx and an accept-all queue reader.
    Inline,
    /// Throughput and new connections with 10, 300 and 10,000 firewall rules over none; time from an API call to enforced.
    Firewall,
    /// The web application firewall's processor time for each transaction, beside libmodsecurity.
    Waf {
        /// Folder of the OWASP Core Rule Set, or its `rules`; `crs-setup.conf.example` lies in it or beside it.
        #[arg(long)]
        rules: PathBuf,
    },
    /// Rules of the Suricata language over made-up web traffic, beside Debian's Suricata: throughput of a core, time to load,
    /// memory.
    Ips {
        /// Folder with `*.rules`, searched with its subfolders.
        #[arg(long)]
        rules: PathBuf,
    },
    /// Memory and processor time of the agent at rest.
    Rest,
    /// One million connections at once: memory, and what finding one costs.
    Flows,
    /// The manager under a simulated fleet: activations, idle agents, policy edits, durable events, memory; on `SQLite` and
    /// on `PostgreSQL`.
    Manager(Passed),
    /// Lists, searches and counts of 20,000 computers over REST, on `SQLite` and on `PostgreSQL`.
    Computers,
}

#[derive(Debug, Subcommand)]
enum Drill {
    /// Instances come up with one token, are recognised, and go without leaving anything; clones of one image.
    Autoscale(Passed),
    /// The manager killed under ingest, and its database away: acknowledged events are neither lost nor doubled.
    Outage(Passed),
    /// Firewall policies that cut the manager or the operator off, and how the agent comes back by itself.
    Lockout {
        /// Seconds in which the manager has to be reached after a change.
        #[arg(long, default_value_t = 30)]
        window: u32,
        /// Seconds in which the operator has to confirm.
        #[arg(long, default_value_t = 60)]
        operator: u32,
    },
}

/// What is passed on; `--help` says what there is.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
struct Passed {
    /// Arguments of the simulator.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

fn main() -> ExitCode {
    let ended = run(Arguments::parse().command);
    if let Err(error) = setup::give_back() {
        println!("what was built stays root's: {error:#}");
    }
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all went as it should.
fn run(command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Setup => setup::everything().map(|()| true),
        Command::Demo { once, wordpress } => demo(once, wordpress),
        Command::Test { filters } if filters == ["firewall"] => checks::firewall().map(|()| true),
        Command::Test { filters } if filters == ["console"] => checks::console().map(|()| true),
        Command::Test { filters } if filters == ["manager"] => checks::manager().map(|()| true),
        Command::Test { filters } => checks::test(&filters).map(|()| true),
        Command::Ci => checks::test(&[]).map(|()| true),
        Command::Lint => checks::lint().map(|()| true),
        Command::Conformance { what: Conformance::Rules { dir } } => {
            build::example_meets("conformance_rules", &[dir])
        }
        Command::Conformance { what: Conformance::SuricataVerify { tests } } => {
            build::example_meets("conformance_suricata_verify", &[tests])
        }
        Command::Conformance { what: Conformance::Logs { dir } } => {
            build::run_example("conformance_logs", &[dir]).map(|()| true)
        }
        Command::Conformance { what: Conformance::Crs { rules, tests } } => {
            build::example_meets_to("waf", Some("crs"), &[rules, tests])
        }
        Command::Conformance { what: Conformance::Seclang { tests } } => {
            build::example_meets("conformance_seclang", &[tests])
        }
        Command::Conformance { what: Conformance::Libinjection { tests } } => {
            build::example_meets("conformance_libinjection", &[tests])
        }
        Command::Bench { what: Bench::Manager(Passed { arguments }) } => simulate("bench", &arguments),
        Command::Bench { what: Bench::Computers } => {
            debian::require(&[debian::BUILD, debian::POSTGRES].concat())?;
            build::measure_computers()
        }
        Command::Bench { what: Bench::Waf { rules } } => {
            build::example_meets_to("waf", Some("bench"), &[rules])
        }
        Command::Bench { what: Bench::Inline } => measure(bench::inline),
        Command::Bench { what: Bench::Firewall } => measure(|programs, _| bench::firewall(programs)),
        Command::Bench { what: Bench::Flows } => build::example_meets("bench_flows", &[]),
        Command::Bench { what: Bench::Ips { rules } } => {
            debian::require(&[debian::BUILD, debian::PEERS].concat())?;
            build::example_meets("bench_ips", &[rules])
        }
        Command::Bench { what: Bench::Rest } => measure(|programs, _| bench::rest(programs)),
        Command::Drill { what: Drill::Autoscale(Passed { arguments }) } => simulate("autoscale", &arguments),
        Command::Drill { what: Drill::Outage(Passed { arguments }) } => simulate("outage", &arguments),
        Command::Drill { what: Drill::Lockout { window, operator } } => {
            lockout(Windows { manager: window, operator })
        }
        Command::Conformance { what: Conformance::Api(asked) } => api_conformance::run(&asked),
        Command::Package { out, signing_key } => package_all(&out, &signing_key).map(|()| true),
        Command::Fuzz { seconds, target } => fuzz::run(seconds, target.as_deref()).map(|()| true),
    }
}

fn demo(once: bool, wordpress: bool) -> anyhow::Result<bool> {
    debian::require(&[debian::BUILD, debian::LAB].concat())?;
    let target = if wordpress {
        debian::require(debian::WORDPRESS)?;
        Target::WordPress
    } else {
        Target::Blog
    };
    console::build_if_stale()?;
    build::programs()?;
    setup::as_root_again()?;
    story::play(target, once)
}

/// Plays the drill in namespaces of its own; whether every target was met.
fn lockout(windows: Windows) -> anyhow::Result<bool> {
    debian::require(&[debian::BUILD, debian::LAB].concat())?;
    console::build_if_stale()?;
    build::programs()?;
    setup::as_root_again()?;
    interrupt::watch()?;
    let report = lockout::play(&Programs::find()?, windows)?;
    report.print();
    Ok(report.all_met())
}

/// Runs the simulator beside the manager as it is released; whether every target was met. It prints its report itself.
fn simulate(what: &str, arguments: &[String]) -> anyhow::Result<bool> {
    debian::require(&[debian::BUILD, debian::POSTGRES].concat())?;
    console::build_if_stale()?;
    build::simulate(what, arguments)
}

/// Whether every target was met.
fn measure(what: fn(&Programs, Option<&Path>) -> anyhow::Result<Report>) -> anyhow::Result<bool> {
    debian::require(&[debian::BUILD, debian::LAB, debian::BENCH].concat())?;
    let built = build::release_programs()?;
    let accept_all = build::accept_all(&built)?;
    setup::as_root_again()?;
    interrupt::watch()?;
    let report = what(&Programs::in_folder(built), accept_all.as_deref())?;
    report.print();
    Ok(report.all_met())
}

fn package_all(out: &Path, signing_key: &Path) -> anyhow::Result<()> {
    debian::require(debian::BUILD)?;
    console::build_if_stale()?;
    let built = build::release_programs()?;
    let out = programs::source().join(out);
    std::fs::create_dir_all(&out)?;
    let (key, public) = (programs::source().join(signing_key), out.join("package-keys"));
    build::run_example_to("sign_package", Some("key"), &[key.clone(), public.clone()])?;
    let keys = std::fs::read_to_string(&public)?;
    let recipe = Recipe { version: package::VERSION, keys: &keys, packing: Packing::Small };
    let mut files = Vec::new();
    for package in Package::ALL {
        let file = package::build_by(package, &built, &out, recipe)?;
        println!("{}", file.display());
        files.push(file);
    }
    let with =
        |first: &Path| std::iter::once(first.to_owned()).chain(files.iter().cloned()).collect::<Vec<_>>();
    build::run_example_to("sign_package", Some("sign"), &with(&key))?;
    build::run_example_to("sign_package", Some("verify"), &with(&public))
}
