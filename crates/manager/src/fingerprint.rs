//! Whether the machine that uses an identity is the machine it was given to.
//!
//! A fact that one side does not say decides nothing. The first row that fits decides:
//!
//! | cloud instance | DMI UUID | machine id | it is |
//! |---|---|---|---|
//! | differs | any | any | another machine: every cloud gives a new instance a new id |
//! | same | any | any | the same machine, re-imaged or with new hardware |
//! | unknown | differs | any | another machine: a copied disk in another (virtual) box |
//! | unknown | same | any | the same machine, whose machine id was made anew |
//! | unknown | unknown | differs | another machine, as far as anybody can tell |
//! | unknown | unknown | same or unknown | the same machine |
//!
//! Two machines with all facts equal (a container image started twice) are told apart by their boots: an
//! agent draws a new one at every start, so one that was superseded and comes back is a second machine.
use sakimori_protocol::Fingerprint;

/// Which machine it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Machine {
    /// The same; nothing changed.
    Same,
    /// The same; these facts are new and to be kept.
    SameButChanged(Fingerprint),
    /// Another one; these facts differ.
    Another(Vec<String>),
}

/// Compares the facts that were kept with those that were said.
pub fn compare(kept: &Fingerprint, said: &Fingerprint) -> Machine {
    let cloud = fact(&kept.cloud_instance, &said.cloud_instance);
    let dmi = fact(&kept.dmi_uuid, &said.dmi_uuid);
    let machine = fact(&kept.machine_id, &said.machine_id);
    let another = match (cloud, dmi, machine) {
        (Some(same), _, _) | (None, Some(same), _) | (None, None, Some(same)) => !same,
        (None, None, None) => false,
    };
    if another {
        let facts = [("cloud-instance", cloud), ("dmi-uuid", dmi), ("machine-id", machine)];
        return Machine::Another(
            facts
                .into_iter()
                .filter(|(_, same)| *same == Some(false))
                .map(|(name, _)| name.to_owned())
                .collect(),
        );
    }
    // What is not said this time is kept: a fact that comes and goes must not be forgotten.
    let merged = Fingerprint {
        machine_id: newer(&kept.machine_id, &said.machine_id),
        dmi_uuid: newer(&kept.dmi_uuid, &said.dmi_uuid),
        cloud_instance: newer(&kept.cloud_instance, &said.cloud_instance),
    };
    if merged == *kept { Machine::Same } else { Machine::SameButChanged(merged) }
}

fn fact(kept: &str, said: &str) -> Option<bool> {
    (!kept.is_empty() && !said.is_empty()).then(|| kept.eq_ignore_ascii_case(said))
}

fn newer(kept: &str, said: &str) -> String {
    if said.is_empty() || kept.eq_ignore_ascii_case(said) { kept.to_owned() } else { said.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(cloud: &str, dmi: &str, id: &str) -> Fingerprint {
        Fingerprint { machine_id: id.to_owned(), dmi_uuid: dmi.to_owned(), cloud_instance: cloud.to_owned() }
    }

    #[test]
    fn the_table_decides() {
        let is_another = |kept: [&str; 3], said: [&str; 3]| {
            let said = machine(said[0], said[1], said[2]);
            matches!(compare(&machine(kept[0], kept[1], kept[2]), &said), Machine::Another(_))
        };
        // cloud instance differs
        assert!(is_another(["i-1", "A", "m"], ["i-2", "A", "m"]));
        // cloud instance same
        assert!(!is_another(["i-1", "A", "m"], ["i-1", "B", "n"]));
        // unknown cloud, DMI differs or is the same
        assert!(is_another(["", "A", "m"], ["", "B", "m"]));
        assert!(is_another(["i-1", "A", "m"], ["", "B", "m"]));
        assert!(!is_another(["", "A", "m"], ["", "a", "n"]));
        // machine id alone
        assert!(is_another(["", "", "m"], ["", "A", "n"]));
        assert!(!is_another(["", "A", "m"], ["", "", "m"]));
        assert!(!is_another(["", "A", ""], ["", "", "m"]));
        assert!(!is_another(["", "", ""], ["", "", ""]));
    }

    #[test]
    fn the_differing_facts_are_named_and_new_ones_kept() {
        assert_eq!(
            compare(&machine("", "A", "m"), &machine("", "B", "n")),
            Machine::Another(vec!["dmi-uuid".to_owned(), "machine-id".to_owned()])
        );
        assert_eq!(
            compare(&machine("", "A", "m"), &machine("i-1", "", "n")),
            Machine::Another(vec!["machine-id".to_owned()])
        );
        assert_eq!(
            compare(&machine("", "A", "m"), &machine("i-1", "A", "n")),
            Machine::SameButChanged(machine("i-1", "A", "n"))
        );
        assert_eq!(compare(&machine("i-1", "A", "m"), &machine("", "", "m")), Machine::Same);
    }
}
