//! The demo: an attack that works, the agent, the same attack that does not, and what the operator sees.

mod other_ways;
mod policy;
mod steps;
mod target;
mod visitors;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::agent::Agent;
use crate::manager::{Manager, PUBLIC};
use crate::{Lab, Programs, Role, fleet, forward, interrupt, wait};

use crate::command_line::CommandLine;
use crate::fleet::text;
use other_ways::Surroundings;
use serde_json::Value;

pub use steps::Steps;
pub use target::{Target, Website};
pub use visitors::Visitors;

/// Plays the story. With `once` it ends by itself; otherwise everything stays up until Ctrl-C.
/// Gives whether every step was as told.
///
/// # Errors
/// When the stage itself cannot be set: programs not built, no root, no namespaces.
pub fn play(target: Target, once: bool) -> anyhow::Result<bool> {
    play_then(target, |stage| if once { Ok(()) } else { stage.stay_up() })
}

/// Plays the story and, when it was played to its end, gives the console of its manager to `visit`.
/// Gives whether every step was as told.
///
/// # Errors
/// As [`play`], and the error of `visit`.
pub fn play_and_visit(
    target: Target,
    visit: impl FnOnce(&Console) -> anyhow::Result<()>,
) -> anyhow::Result<bool> {
    play_then(target, |stage| visit(&stage.console()?))
}

/// How a browser of the machine itself reaches the lab's manager.
#[derive(Debug, Clone)]
pub struct Console {
    /// `https://127.0.0.1:PORT`
    pub url: String,
    /// Name of the administrator.
    pub user: String,
    /// Password of the administrator.
    pub password: String,
    /// A shell command that attacks the protected website once more.
    pub trigger: String,
}

fn play_then(
    target: Target,
    last: impl FnOnce(&mut Stage<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<bool> {
    interrupt::watch()?;
    let programs = Programs::find()?;
    programs.check()?;
    let lab = Lab::new()?;
    println!("Sakimori demo: {}, in a closed network of its own", target.words());
    let mut steps = Steps::default();
    let mut stage = match Stage::set(&lab, &programs, target) {
        Ok(stage) => stage,
        Err(error) => return Err(error.context("setting the stage")),
    };
    let played = stage.play(&mut steps);
    if let Err(error) = &played {
        if interrupt::asked() {
            println!("interrupted: everything is removed");
            return Ok(false);
        }
        steps.fail("the story ended early", &format!("{error:#}"));
        println!("\nlast words of the manager:\n{}", stage.manager.tail(15));
        if let Some(agent) = &stage.agent {
            println!("\nlast words of the agent:\n{}", agent.tail(25));
        }
    }
    steps.summary();
    if played.is_ok() {
        last(&mut stage)?;
    }
    Ok(steps.all_passed())
}

/// Everything that the story needs running.
struct Stage<'lab> {
    lab: &'lab Lab,
    programs: &'lab Programs,
    website: Website<'lab>,
    surroundings: Surroundings<'lab>,
    manager: Manager<'lab>,
    agent: Option<Agent<'lab>>,
}

impl<'lab> Stage<'lab> {
    fn set(lab: &'lab Lab, programs: &'lab Programs, target: Target) -> anyhow::Result<Self> {
        let manager = fleet::start_manager(lab, programs)?;
        let website = Website::start(target, lab, programs)?;
        let surroundings = Surroundings::start(lab, website.address())?;
        Ok(Self { lab, programs, website, surroundings, manager, agent: None })
    }

    fn play(&mut self, steps: &mut Steps) -> anyhow::Result<()> {
        let attacker = self.lab.host(Role::Attacker);
        let visitor = self.lab.host(Role::Visitor);

        steps::chapter("1. An unprotected web server");
        let page = self.website.page(visitor)?;
        steps.check("the blog is there", page.is_intact(), page.words());
        for attack in target::ATTACKS {
            let outcome = self.website.attack(attacker, attack)?;
            steps.check(&format!("{} succeeds", attack.words()), outcome.succeeded(), outcome.words());
        }
        let page = self.website.page(visitor)?;
        steps.check("visitors see the defaced page", page.is_defaced(), page.words());
        let marker = self.website.has_backdoor(visitor)?;
        steps.check("the backdoor's marker answers", marker, target::BACKDOOR);
        self.surroundings.unprotected(steps)?;

        steps::chapter("2. Restored, and protected");
        self.website.restore()?;
        let page = self.website.page(visitor)?;
        let clean = page.is_intact() && !self.website.has_backdoor(visitor)?;
        steps.check("the blog is restored", clean, page.words());
        let api = self.manager.log_in()?;
        let line = self.manager.deployment_line(&api)?;
        steps::fact("deployment line", &line);
        self.agent = Some(Agent::deploy(self.lab.host(Role::Server), &line)?);
        let computer = fleet::computer_online(&api)?;
        steps.check("the agent is activated and online", true, &steps::computer_words(&computer));
        policy::create(&api)?;
        fleet::assign_policy(&api, &computer, policy::NAME)?;
        let cli = CommandLine::new(&api, &self.manager, self.lab, self.programs);
        let (computer, recommended) = policy::recommended_and_enforced(&api)?;
        steps::recommendations(steps, &cli, &computer, &recommended)?;
        let told = other_ways::event(&api, "recommendation", |_first| true)?;
        let assigned = told.pointer("/detail/assigned").and_then(Value::as_array).map_or(0, Vec::len);
        steps.check("an event says what was assigned, and why", assigned > 0, text(&told, "/explanation/en"));
        let computer = policy::all_on(&api)?;
        steps.check("all six modules are on", true, &steps::policy_words(&computer));

        steps::chapter("3. The same attack again");
        let before = fleet::events(&api)?.len();
        let visitors = Visitors::start(visitor, self.website.address(), target::FRONT)?;
        wait::pause(Duration::from_millis(500))?;
        for attack in target::ATTACKS {
            let outcome = self.website.attack(attacker, attack)?;
            steps.check(&format!("{} is stopped", attack.words()), !outcome.succeeded(), outcome.words());
        }
        wait::pause(Duration::from_millis(1500))?;
        let served = visitors.finish();
        steps.check("visitors are served all the while", served.all_well(), &served.words());
        let page = self.website.page(visitor)?;
        steps.check("the page is intact", page.is_intact(), page.words());
        let marker = self.website.has_backdoor(visitor)?;
        steps.check("there is no backdoor", !marker, target::BACKDOOR);

        steps::chapter("4. Ways in that no patch closes");
        let others = self.surroundings.protected(steps, &api)?;
        let page = self.website.page(visitor)?;
        steps.check("visitors still read the blog", page.is_intact(), page.words());

        steps::chapter("5. What the operator sees");
        let expected = target::ATTACKS.len();
        let events = fleet::blocked_events(&api, before, expected)?;
        for event in events.iter().take(expected) {
            steps::explain(steps, event, attacker.v4());
            steps::by_recommendation(steps, event, &recommended);
        }
        steps::command_line(steps, &cli, &events, &others)?;
        Ok(())
    }

    /// Opens the way to the console.
    fn console(&self) -> anyhow::Result<Console> {
        let port = forward::into_lab(self.lab.host(Role::Manager), self.manager.address(), PUBLIC)?;
        let attack = self.lab.host(Role::Attacker).command("sh");
        let attack = std::iter::once(attack.get_program()).chain(attack.get_args());
        let attack = attack.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
        let script = crate::programs::source().join("demo/attack/deface.sh");
        Ok(Console {
            url: format!("https://{}", SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
            user: self.manager.user.clone(),
            password: self.manager.password.clone(),
            // The script ends with 1 or 2 when the attack was stopped, which is as it should be.
            trigger: format!(
                "{attack} '{}' http://{} query || true",
                script.display(),
                self.website.address()
            ),
        })
    }

    fn stay_up(&mut self) -> anyhow::Result<()> {
        let console = self.console()?;
        let site = self.website.address();
        let blog = forward::into_lab(self.lab.host(Role::Visitor), site, 8080)?;
        println!("\nEverything stays up until Ctrl-C:");
        println!(
            "  Console:  {}/   (the certificate is the manager's own; pin {})",
            console.url, self.manager.pin
        );
        println!("  Log-in:   {} / {}", console.user, console.password);
        println!("  Blog:     http://127.0.0.1:{blog}/   (read through the protected server)");
        if let IpAddr::V4(address) = site.ip() {
            println!("  Attack:   demo/attack/deface.sh http://127.0.0.1:{blog}   (server {address})");
        }
        while !interrupt::asked() {
            std::thread::sleep(Duration::from_millis(100));
        }
        println!("\nremoving everything");
        Ok(())
    }
}
