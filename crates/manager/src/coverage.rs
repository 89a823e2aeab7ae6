//! What of a computer is protected, and why the rest is not: said in one place for REST, command line and console.
use sakimori_api::{
    Computer, ComputerCoverage, ComputerModule, ComputerStatus, Coverage, CoverageFinding, CoverageState,
    FleetCoverage, FleetFinding, FleetModuleCoverage, Mode, ModuleCoverage, ModuleState,
};
use sakimori_modules::{Explanation, MODULES, Module};
use std::collections::BTreeMap;

/// Most ports that a sentence names.
const PORTS_NAMED: usize = 12;
/// Modules that can stop something: in the mode 'detect' they do less than they could.
const STOPPING: [&str; 5] =
    ["firewall", "intrusion-prevention", "web-application-firewall", "anti-malware", "web-reputation"];
/// Modules that need the kernel's queue.
const QUEUED: [&str; 3] = ["intrusion-prevention", "web-application-firewall", "web-reputation"];

fn finding(code: &str, en: impl Into<String>, ja: impl Into<String>) -> CoverageFinding {
    CoverageFinding { code: code.to_owned(), text: Explanation::new(en.into(), ja.into()) }
}

/// What has settings and protects nothing by itself.
const NOT_PROTECTING: [&str; 2] = ["recommendation", "network-engine"];

/// The modules that protect; the agent and the manager themselves do not.
fn protecting() -> impl Iterator<Item = &'static Module> {
    MODULES.iter().copied().filter(|module| module.settings.is_some() && !NOT_PROTECTING.contains(&module.id))
}

/// What of a computer is protected. Pure: it is asked of what the API shows.
pub(crate) fn of(computer: &Computer) -> ComputerCoverage {
    let whole = of_computer(computer);
    let modules = protecting().map(|module| {
        let said = computer.modules.iter().find(|said| said.module == module.id);
        of_module(module, said, computer, &whole)
    });
    ComputerCoverage {
        computer_id: computer.id,
        display_name: computer.display_name.clone(),
        status: computer.status,
        modules: modules.collect(),
    }
}

/// What concerns all modules of a computer.
fn of_computer(computer: &Computer) -> Vec<(CoverageState, CoverageFinding)> {
    use CoverageState::{Partial, Unknown};
    let mut found = Vec::new();
    match computer.status {
        ComputerStatus::Unmanaged => found.push((
            CoverageState::None,
            finding(
                "unmanaged",
                "The computer was deactivated: nobody hears of what happens there. Reactivate it, or activate its agent anew.",
                "このコンピュータは無効化されています。再度有効化してください。",
            ),
        )),
        ComputerStatus::Pending => found.push((
            Unknown,
            finding(
                "no-contact-yet",
                "The agent was activated but was not in contact yet. Start it.",
                "エージェントは有効化されましたが、まだ接続していません。起動してください。",
            ),
        )),
        ComputerStatus::Offline | ComputerStatus::Suspended => found.push((
            Unknown,
            finding(
                "no-contact",
                "The computer is not in contact. While it runs it goes on enforcing its last policy, which is shown here.",
                "コンピュータと接続できません。稼働中であれば、ここに表示されている最後のポリシーが有効です。",
            ),
        )),
        ComputerStatus::Online | ComputerStatus::Degraded | ComputerStatus::Clone => {}
    }
    if let Some(why) = &computer.bundle.refused {
        found.push((
            Partial,
            finding(
                "policy-refused",
                format!("The computer could not apply its policy and goes on with the one before: {why}"),
                format!("ポリシーを適用できず、以前のポリシーが有効です: {why}"),
            ),
        ));
    } else if !computer.bundle.up_to_date && computer.status != ComputerStatus::Pending {
        found.push((
            Partial,
            finding(
                "rules-out-of-date",
                "The computer does not enforce its policy's present rules and settings yet.",
                "ポリシーの現在のルールと設定が、まだ適用されていません。",
            ),
        ));
    }
    found
}

fn of_module(
    module: &Module,
    said: Option<&ComputerModule>,
    computer: &Computer,
    whole: &[(CoverageState, CoverageFinding)],
) -> ModuleCoverage {
    let mut found: Vec<(CoverageState, CoverageFinding)> = Vec::new();
    match said {
        None if computer.status == ComputerStatus::Pending => {}
        None => found.push((
            CoverageState::Unknown,
            finding(
                "not-reported",
                "The agent says nothing of this module; it may be older than the manager. Upgrade it.",
                "エージェントがこのモジュールの状態を報告していません。エージェントを更新してください。",
            ),
        )),
        Some(said) => of_report(module, said, computer, &mut found),
    }
    let off = found.iter().any(|(_, finding)| finding.code == "module-off");
    if !off {
        found.extend(whole.iter().cloned());
    }
    let state = found.iter().map(|(state, _)| *state).min().unwrap_or(CoverageState::Full);
    ModuleCoverage {
        module: module.id.to_owned(),
        state,
        mode: said.map(|said| said.mode),
        findings: found.into_iter().map(|(_, finding)| finding).collect(),
    }
}

fn of_report(
    module: &Module,
    said: &ComputerModule,
    computer: &Computer,
    found: &mut Vec<(CoverageState, CoverageFinding)>,
) {
    use CoverageState::{None, Partial};
    if said.state == ModuleState::Off || said.mode == Mode::Off {
        found.push((
            None,
            finding(
                "module-off",
                "The policy has this module off. Turn it on in the policy.",
                "ポリシーでこのモジュールが無効になっています。ポリシーで有効にしてください。",
            ),
        ));
        return;
    }
    let grave = if said.state == ModuleState::Failed { None } else { Partial };
    if matches!(said.state, ModuleState::Failed | ModuleState::Degraded) {
        for code in &said.reasons {
            let known = module.reasons.iter().find(|reason| reason.code == code);
            let text = known.map_or_else(
                || finding(code, format!("The agent gives the reason “{code}”."), format!("理由: {code}")),
                |reason| finding(code, reason.text.en, reason.text.ja),
            );
            found.push((grave, text));
        }
        if said.reasons.is_empty() {
            let en = "The module does less than its policy says; the agent gives no reason.";
            found.push((grave, finding("degraded", en, "モジュールの動作が制限されています。")));
        }
    }
    if QUEUED.contains(&module.id) && computer.queue_mechanism == "none" {
        found.push((
            None,
            finding(
                "kernel-queue-missing",
                "The kernel lacks what packets are handed over with (NFQUEUE): nothing is inspected.",
                "カーネルにパケット検査に必要な機能（NFQUEUE）がないため、検査できません。",
            ),
        ));
    }
    if STOPPING.contains(&module.id) && said.mode == Mode::Detect {
        found.push((
            Partial,
            finding(
                "detect-only",
                "The policy has this module report and stop nothing.",
                "ポリシーでは検出のみで、ブロックは行われません。",
            ),
        ));
    }
    if module.id == "intrusion-prevention" {
        of_ports(computer, found);
    }
}

fn of_ports(computer: &Computer, found: &mut Vec<(CoverageState, CoverageFinding)>) {
    let named = |coverage: Coverage| -> Option<String> {
        let all: Vec<String> = computer
            .ports
            .iter()
            .filter(|port| port.coverage == coverage)
            .map(|port| format!("{}/{}", port.port, port.protocol))
            .collect();
        let more = all.len().saturating_sub(PORTS_NAMED);
        let names = all.iter().take(PORTS_NAMED).cloned().collect::<Vec<_>>().join(", ");
        match (all.is_empty(), more) {
            (true, _) => None,
            (false, 0) => Some(names),
            (false, more) => Some(format!("{names} + {more}")),
        }
    };
    if let Some(ports) = named(Coverage::NotInspectedEncrypted) {
        found.push((
            CoverageState::Partial,
            finding(
                "ports-encrypted",
                format!("What comes over these ports is encrypted, and nothing looks inside: {ports}."),
                format!("次のポートの通信は暗号化されており、検査されません: {ports}"),
            ),
        ));
    }
    if let Some(ports) = named(Coverage::NotInspectedPolicy) {
        found.push((
            CoverageState::Partial,
            finding(
                "ports-not-inspected",
                format!(
                    "Something listens on these ports, which the policy does not have inspected: {ports}."
                ),
                format!("次のポートはポリシーの検査対象に含まれていません: {ports}"),
            ),
        ));
    }
}

/// Computers by how much a module protects of them, and findings with how many have them.
type OfModule = (BTreeMap<CoverageState, u64>, BTreeMap<String, (Explanation, u64)>);

/// What of a fleet is protected, gathered from its computers one after the other.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    computers: u64,
    statuses: BTreeMap<ComputerStatus, u64>,
    modules: BTreeMap<String, OfModule>,
}

impl Gathered {
    /// One more computer.
    pub(crate) fn add(&mut self, computer: &Computer) {
        *self.statuses.entry(computer.status).or_default() += 1;
        if matches!(computer.status, ComputerStatus::Suspended | ComputerStatus::Unmanaged) {
            return;
        }
        self.computers += 1;
        for module in of(computer).modules {
            let (states, findings) = self.modules.entry(module.module).or_default();
            *states.entry(module.state).or_default() += 1;
            for finding in module.findings {
                let text = general(&finding);
                findings.entry(finding.code).or_insert((text, 0)).1 += 1;
            }
        }
    }

    /// What came together.
    pub(crate) fn shown(mut self) -> FleetCoverage {
        let modules = protecting().map(|module| {
            let (states, findings) = self.modules.remove(module.id).unwrap_or_default();
            let count = |state| states.get(&state).copied().unwrap_or_default();
            let mut findings: Vec<FleetFinding> = findings
                .into_iter()
                .map(|(code, (text, computers))| FleetFinding { code, text, computers })
                .collect();
            findings.sort_by(|a, b| b.computers.cmp(&a.computers).then_with(|| a.code.cmp(&b.code)));
            FleetModuleCoverage {
                module: module.id.to_owned(),
                full: count(CoverageState::Full),
                partial: count(CoverageState::Partial),
                none: count(CoverageState::None),
                unknown: count(CoverageState::Unknown),
                findings,
            }
        });
        FleetCoverage { modules: modules.collect(), computers: self.computers, statuses: self.statuses }
    }
}

/// A finding without what is one computer's alone.
fn general(finding: &CoverageFinding) -> Explanation {
    let cut =
        |text: &str| text.split_once(": ").map_or_else(|| text.to_owned(), |(before, _)| before.to_owned());
    match finding.code.as_str() {
        "policy-refused" | "ports-encrypted" | "ports-not-inspected" => {
            Explanation::new(format!("{}.", cut(&finding.text.en)), format!("{}。", cut(&finding.text.ja)))
        }
        _ => finding.text.clone(),
    }
}
