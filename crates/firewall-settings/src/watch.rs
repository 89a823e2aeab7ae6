//! Settings → what is looked for of those who look for ways in.
use sakimori_firewall::scan::{Kind, Sensitivity, Watch};
use sakimori_firewall::{Among, Network};
use sakimori_modules::firewall::{Firewall, Probe, Response};
use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use std::time::Duration;

/// The kinds of probes that are looked for.
fn kinds(settings: &Firewall) -> BTreeSet<Kind> {
    let wanted = Probe::ALL.into_iter().filter(|probe| settings.reaction(*probe).response != Response::Off);
    wanted.map(kind).collect()
}

const fn kind(probe: Probe) -> Kind {
    match probe {
        Probe::Scan => Kind::Scan,
        Probe::Fingerprint => Kind::Fingerprint,
        Probe::Null => Kind::Null,
        Probe::Fin => Kind::Fin,
        Probe::Xmas => Kind::Xmas,
        Probe::SynFin => Kind::SynFin,
    }
}

/// What a kind of probe is called in settings and events.
pub const fn probe(kind: Kind) -> Probe {
    match kind {
        Kind::Scan => Probe::Scan,
        Kind::Fingerprint => Probe::Fingerprint,
        Kind::Null => Probe::Null,
        Kind::Fin => Probe::Fin,
        Kind::Xmas => Probe::Xmas,
        Kind::SynFin => Probe::SynFin,
    }
}

/// What samples are taken of; nothing where nothing is looked for. Entries that cannot be read were refused before.
pub(crate) fn watch(settings: &Firewall) -> Option<Watch> {
    let kinds = kinds(settings);
    let read = |entries: &[String]| -> Among<Network> {
        entries.iter().filter_map(|text| text.parse().ok()).collect::<Vec<Network>>().into()
    };
    let wanted = !kinds.is_empty() && settings.mode != sakimori_modules::Mode::Off;
    wanted.then(|| {
        Watch::new(kinds, &read(&settings.reconnaissance_except), &read(&settings.reconnaissance_only))
    })
}

/// What makes a scan, at a computer with these addresses.
pub fn sensitivity(settings: &Firewall, near: Vec<Ipv6Addr>) -> Sensitivity {
    Sensitivity {
        kinds: kinds(settings),
        places: usize::try_from(settings.reconnaissance_targets).unwrap_or(usize::MAX),
        within: Duration::from_secs(settings.reconnaissance_within_secs.into()),
        near,
    }
}
