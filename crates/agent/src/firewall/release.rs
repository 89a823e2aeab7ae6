//! Emptying the firewall from the computer itself: the way out for who is locked out of everything else.
use super::kept::{Kept, Release, micros};
use crate::clock;
use crate::connection::explain;
use crate::state;
use sakimori_kernel::nftables::Table;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// The longest release.
pub const LONGEST: Duration = Duration::from_hours(24);
/// Longest words of a person, in characters.
const WORDS: usize = 200;

/// That the firewall lets everything pass for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wish {
    /// For how long, in seconds.
    pub for_secs: u64,
    /// Who wishes it.
    pub who: String,
    /// Why, in their words.
    pub note: String,
}

/// That a source is let in again which is kept out because it looked for ways in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LetIn {
    /// Its address.
    pub source: IpAddr,
    /// Who wishes it.
    pub who: String,
}

impl Wish {
    /// A wish within its bounds.
    pub fn new(time: Duration, who: &str, note: &str) -> Self {
        let printable = |text: &str| sakimori_modules::event::printable(text.trim(), WORDS);
        Self { for_secs: time.min(LONGEST).as_secs(), who: printable(who), note: printable(note) }
    }
}

/// A time as people write it: `90s`, `30m`, `2h`; at most [`LONGEST`].
pub fn time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no time: write one as 90s, 30m or 2h, at most 24h");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let each = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(each)).ok_or_else(wrong)?;
    let time = Duration::from_secs(seconds);
    if time.is_zero() || time > LONGEST { Err(wrong()) } else { Ok(time) }
}

/// Who a process belongs to: the user it runs as, and the one who logged in, where the kernel or `sudo` knows.
pub fn who(pid: i32) -> String {
    let read = |path: String| {
        let bytes = state::read_capped(Path::new(&path), 1 << 20).ok().flatten().unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let passwd = read("/etc/passwd".to_owned());
    let status = read(format!("/proc/{pid}/status"));
    let user = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().next());
    let user = user.map_or_else(|| "unknown".to_owned(), |uid| name_of(uid, &passwd));
    let login = read(format!("/proc/{pid}/loginuid"));
    // 4294967295: nobody logged in, a service or a container began it.
    let login = Some(login.trim()).filter(|uid| !uid.is_empty() && *uid != "4294967295");
    let environment = read(format!("/proc/{pid}/environ"));
    let by_sudo = || environment.split('\0').find_map(|one| one.strip_prefix("SUDO_USER="));
    let login = login.map(|uid| name_of(uid, &passwd)).or_else(|| by_sudo().map(str::to_owned));
    match login.filter(|login| *login != user) {
        Some(login) => format!("{user} (login {login})"),
        None => user,
    }
}

fn name_of(uid: &str, passwd: &str) -> String {
    let named = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, is) = (fields.next()?, fields.nth(1)?);
        (is == uid).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("user {uid}"))
}

/// Empties the firewall without an agent that runs, and keeps that for the next one; whether it was in force.
pub fn without_agent(state_dir: &Path, wish: &Wish) -> Result<bool, String> {
    let was = empty()?;
    let mut kept = Kept::load(state_dir).map_err(|error| explain(&error))?;
    let until = clock::wall().0.saturating_add(micros(Duration::from_secs(wish.for_secs)));
    let policy = kept.trial.take().map(|trial| trial.settings);
    let policy = policy.or_else(|| kept.reverted.as_ref().map(|reverted| reverted.settings.clone()));
    kept.release = Some(Release {
        until,
        who: wish.who.clone(),
        note: wish.note.clone(),
        told: false,
        policy: policy.or_else(|| kept.confirmed.clone()),
    });
    kept.store(state_dir).map_err(|error| explain(&error))?;
    Ok(was)
}

/// Ends a release without an agent that runs: the next one puts the policy in force.
pub fn restore_without_agent(state_dir: &Path) -> Result<(), String> {
    let mut kept = Kept::load(state_dir).map_err(|error| explain(&error))?;
    if kept.release.take().is_none() {
        return Err("the firewall is not released".to_owned());
    }
    kept.store(state_dir).map_err(|error| explain(&error))
}

/// Empties the firewall's chains in the kernel, whoever runs; whether there were any.
pub fn empty() -> Result<bool, String> {
    let mut table = Table::open().map_err(|error| explain(&error))?;
    table.empty_firewall().map_err(|error| explain(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_a_bound() {
        assert_eq!(time("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(time("24h"), Ok(LONGEST));
        for wrong in ["", "h", "1", "0m", "25h", "-1h", "1時", "99999999999999999999h"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_process_has_somebody_behind_it() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(!who(own).is_empty());
        assert_eq!(name_of("0", "root:x:0:0:root:/root:/bin/sh\n"), "root");
        assert_eq!(name_of("7", "root:x:0:0:root:/root:/bin/sh\n"), "user 7");
    }
}
