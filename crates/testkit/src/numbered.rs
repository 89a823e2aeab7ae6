//! Attacks with numbers, each of which has to be told once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::fleet::{Protected, events, text};
use crate::{Host, process, wait};

/// A numbered attack: the number comes back in the event's request target. Whether it got through.
///
/// # Errors
/// When `curl` does not start.
pub fn attack(attacker: &Host, site: SocketAddr, number: u32) -> anyhow::Result<bool> {
    let url = format!("http://{site}/wp-json/wp/v2/posts/1?id=1demo&attempt={number}");
    let mut command = attacker.command("curl");
    command
        .args(["--silent", "--max-time", "5", "--output", "/dev/null", "--write-out", "%{http_code}"])
        .args(["--header", "Content-Type: application/json", "--data", r#"{"title":"HACKED"}"#, &url]);
    Ok(process::output(&mut command)?.stdout == b"200")
}

/// How many events there are of each numbered attack.
fn told(protected: &Protected<'_>) -> anyhow::Result<BTreeMap<u32, usize>> {
    let mut told = BTreeMap::new();
    for event in events(&protected.api)? {
        let number =
            text(&event, "/detail/http/target").rsplit_once("attempt=").and_then(|(_, n)| n.parse().ok());
        if let Some(number) = number {
            *told.entry(number).or_default() += 1;
        }
    }
    Ok(told)
}

/// Waits until each of `stopped` has its one event, and no event has a twin.
///
/// # Errors
/// When one has none, or two.
pub fn each_told_once(protected: &Protected<'_>, stopped: &[u32]) -> anyhow::Result<()> {
    let result = wait::until("an event of each stopped attack", Duration::from_mins(1), || {
        let told = told(protected)?;
        let missing: Vec<u32> = stopped.iter().copied().filter(|number| !told.contains_key(number)).collect();
        anyhow::ensure!(missing.is_empty(), "no event of {missing:?}; told: {told:?}");
        Ok(Some(()))
    });
    protected.told(result)?;
    let told = told(protected)?;
    anyhow::ensure!(told.values().all(|count| *count == 1), "told twice: {told:?}");
    Ok(())
}
