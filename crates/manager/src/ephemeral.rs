//! Computers that come and go: suspended once they have gone, then cleaned up; and the brake on mass loss.
//!
//! A suspended computer keeps its identity and gets it back by being in contact. Only cleaning up destroys. When
//! much of the fleet goes at once without a good-bye, the loss is more likely ours (a network, a manager, a mistake)
//! than theirs: then nothing is suspended and nothing is cleaned up until they are back or a person has looked.
//!
//! Every manager does this; each change asks in its own transaction whether it is still due, so that several managers
//! on one database come to the same end.
use crate::app::App;
use crate::fleet;
use crate::reactions::{self, Aftermath};
use crate::store::{Change, Life, Standing, StoreError, TenantCtx};
use sakimori_model::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// Name of the setting.
pub(crate) const SETTING: &str = "fleet";
/// Most computers cleaned up in one pass: a mistake is seen before the whole fleet has gone.
const AT_ONCE: usize = 1_000;

/// What becomes of ephemeral computers, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Rules {
    pub(crate) suspend_after_secs: u64,
    pub(crate) clean_up_after_secs: u64,
    pub(crate) brake_percent: u32,
    pub(crate) brake_count: u32,
    pub(crate) brake_window_secs: u64,
    pub(crate) revision: i64,
    pub(crate) brake: Option<Brake>,
    /// A person has looked: what went before is a loss no more.
    pub(crate) released_at: i64,
}

/// The brake is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Brake {
    pub(crate) since: i64,
    /// Those count that went after this.
    pub(crate) from: i64,
    pub(crate) lost: u64,
    pub(crate) of: u64,
}

impl Default for Rules {
    /// Half an hour bears a reboot with a file-system check; a day leaves a person time to look. Less than a third
    /// going at once is a scale-in or a failed rack; ten computers is where counting shares begins to mean something.
    fn default() -> Self {
        Self {
            suspend_after_secs: 1_800,
            clean_up_after_secs: 86_400,
            brake_percent: 30,
            brake_count: 10,
            brake_window_secs: 3_600,
            revision: 1,
            brake: None,
            released_at: 0,
        }
    }
}

impl Rules {
    pub(crate) fn of(text: Option<&str>) -> Result<Self, StoreError> {
        let read =
            text.map(|text| serde_json::from_str(text).map_err(|e| StoreError::Damaged("setting.fleet", e)));
        Ok(read.transpose()?.unwrap_or_default())
    }

    pub(crate) fn text(&self) -> Result<String, StoreError> {
        serde_json::to_string(self).map_err(|e| StoreError::Damaged("setting.fleet", e))
    }
}

/// A computer as a pass sees it: when it went, unless it is there.
#[derive(Clone, Debug)]
struct Seen {
    standing: Standing,
    gone_since: Option<Timestamp>,
}

/// What a pass has found is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Due {
    suspend: Vec<Uuid>,
    clean_up: Vec<Uuid>,
    brake: Option<Brake>,
}

/// Decides what is due. Pure.
fn due(rules: &Rules, seen: &[Seen], now: Timestamp) -> Due {
    let window = i64::try_from(rules.brake_window_secs.saturating_mul(1_000_000)).unwrap_or(i64::MAX);
    let from =
        rules.brake.map_or_else(|| now.0.saturating_sub(window), |brake| brake.from).max(rules.released_at);
    // One that said good-bye, or was deactivated, is not lost.
    let lost = |one: &&Seen| {
        let by_itself = one.standing.life == Life::Managed || one.standing.life_reason == "no-contact";
        by_itself
            && one.standing.life != Life::Unmanaged
            && one.gone_since.is_some_and(|since| since.0 >= from)
    };
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let lost_now = count(seen.iter().filter(lost).count());
    let there = count(seen.iter().filter(|one| one.gone_since.is_none()).count());
    let of = lost_now + there;
    let too_many = lost_now >= u64::from(rules.brake_count)
        && lost_now.saturating_mul(100) > of.saturating_mul(u64::from(rules.brake_percent));
    if too_many {
        let brake = rules.brake.unwrap_or(Brake { since: now.0, from, lost: lost_now, of });
        return Due { brake: Some(brake), ..Due::default() };
    }
    let after = |since: Timestamp, secs: u64| now >= since.plus(Duration::from_secs(secs));
    let ephemeral = || seen.iter().filter(|one| one.standing.ephemeral);
    let suspend = ephemeral().filter(|one| {
        one.standing.life == Life::Managed
            && one.gone_since.is_some_and(|since| after(since, rules.suspend_after_secs))
    });
    let clean_up = ephemeral().filter(|one| {
        one.standing.life != Life::Managed
            && one.gone_since.is_some()
            && one.standing.life_since.is_some_and(|since| after(since, rules.clean_up_after_secs))
    });
    Due {
        suspend: suspend.map(|one| one.standing.id).take(AT_ONCE).collect(),
        clean_up: clean_up.map(|one| one.standing.id).take(AT_ONCE).collect(),
        brake: None,
    }
}

/// When a computer went, unless it is there. While the manager was away nobody could say anything to it.
fn gone_since(app: &App, standing: &Standing, now: Timestamp) -> Option<Timestamp> {
    let here = app.fleet.presence(standing.id);
    if let Some(there) = app.nodes.elsewhere(here.as_ref(), Some(standing.last_seen), standing.held_by) {
        return (!there.online(now)).then_some(there.last_seen);
    }
    match here {
        Some(presence) if fleet::is_online(presence.held, presence.last_seen, now) => None,
        Some(presence) => Some(presence.last_seen.max(standing.last_seen)),
        // It may be another manager's: as far as was written down.
        None => {
            let since = standing.last_seen.max(app.started_at);
            let patience =
                if standing.last_seen > app.started_at { fleet::OFFLINE_AFTER } else { Duration::ZERO };
            (now > since.plus(patience)).then_some(since)
        }
    }
}

/// One pass over a tenant's computers.
pub(crate) async fn pass(app: &App, tenant: Uuid) -> Result<(), StoreError> {
    let ctx = TenantCtx::system(tenant);
    let now = app.clock.now();
    let standings = app.store.standings(&ctx).await?;
    let rules = Rules::of(app.store.setting(&ctx, SETTING).await?.as_deref())?;
    if rules.brake.is_none() && !standings.iter().any(|standing| standing.ephemeral) {
        return Ok(());
    }
    let seen: Vec<Seen> = standings
        .into_iter()
        .map(|standing| Seen {
            gone_since: match standing.life {
                // Contact ends a suspension; as long as it lasts, nobody was there.
                Life::Unmanaged | Life::Suspended => Some(standing.last_seen),
                Life::Managed => gone_since(app, &standing, now),
            },
            standing,
        })
        .collect();
    let due = due(&rules, &seen, now);
    set_brake(app, &ctx, due.brake, now).await?;
    for id in due.suspend {
        let mut write = app.store.begin(&ctx, now).await?;
        let Some(row) = write.computer(id).await? else { continue };
        let back = app.presence(&row).is_some_and(|p| fleet::is_online(p.held, p.last_seen, now));
        let stale = seen.iter().any(|one| {
            one.standing.id == id && row.last_seen.unwrap_or(row.activated_at) <= one.standing.last_seen
        });
        if row.life != Life::Managed || back || !stale {
            continue;
        }
        reactions::set_life(&mut write, &row, Life::Suspended, "no-contact").await?;
        write.commit().await?;
        Aftermath::seen().tell(app, tenant, id).await;
    }
    for id in due.clean_up {
        let mut write = app.store.begin(&ctx, now).await?;
        let Some(row) = write.computer(id).await? else { continue };
        if row.life == Life::Managed {
            continue;
        }
        write.delete_computer(id).await?;
        write
            .audit(Change {
                action: "computer.clean-up",
                object_kind: "computer",
                object_id: id.to_string(),
                before: Some(serde_json::json!({
                    "displayName": row.name(), "life": row.life.as_str(), "reason": row.life_reason,
                })),
                after: None,
            })
            .await?;
        write
            .notice(id, row.name(), "info", "computer-cleaned-up", &[("reason", row.life_reason.clone())])
            .await?;
        write.commit().await?;
        app.fleet.remove(id);
    }
    Ok(())
}

/// Keeps whether the brake is on, and says so where that has changed.
async fn set_brake(
    app: &App,
    ctx: &TenantCtx,
    brake: Option<Brake>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let known = Rules::of(app.store.setting(ctx, SETTING).await?.as_deref())?;
    if known.brake.is_some() == brake.is_some() {
        return Ok(());
    }
    let mut write = app.store.begin(ctx, now).await?;
    let mut rules = Rules::of(write.setting(SETTING).await?.as_deref())?;
    // Another manager, or a person, was first.
    if rules.brake.is_some() == brake.is_some() || rules.released_at != known.released_at {
        return Ok(());
    }
    rules.brake = brake;
    rules.revision += 1;
    write.put_setting(SETTING, &rules.text()?).await?;
    let (action, severity, code) = match brake {
        Some(_) => ("fleet.brake", "high", "mass-loss"),
        None => ("fleet.brake-released", "info", "mass-loss-over"),
    };
    let said = brake.map(|brake| serde_json::json!({"lost": brake.lost, "of": brake.of}));
    write
        .audit(Change {
            action,
            object_kind: "fleet-settings",
            object_id: "fleet".to_owned(),
            before: None,
            after: said,
        })
        .await?;
    let args = brake
        .map_or_else(Vec::new, |brake| vec![("lost", brake.lost.to_string()), ("of", brake.of.to_string())]);
    write.notice(Uuid::nil(), "manager", severity, code, &args).await?;
    write.commit().await?;
    if brake.is_some() {
        tracing::warn!("many computers have gone at once: nothing is suspended or cleaned up");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn computer(n: u128, life: Life, reason: &str, gone_minutes_ago: Option<i64>) -> Seen {
        let now = 1_000 * MINUTE;
        let gone_since = gone_minutes_ago.map(|ago| Timestamp(now - ago * MINUTE));
        Seen {
            standing: Standing {
                id: Uuid::from_u128(n),
                ephemeral: true,
                life,
                life_since: gone_since,
                life_reason: reason.to_owned(),
                last_seen: gone_since.unwrap_or(Timestamp(now)),
                held_by: None,
            },
            gone_since,
        }
    }

    fn decide(rules: &Rules, seen: &[Seen]) -> Due {
        due(rules, seen, Timestamp(1_000 * MINUTE))
    }

    #[test]
    fn who_has_gone_is_suspended_and_who_stays_away_is_cleaned_up() {
        let seen = [
            computer(1, Life::Managed, "", None),
            computer(2, Life::Managed, "", Some(29)),
            computer(3, Life::Managed, "", Some(31)),
            computer(4, Life::Suspended, "good-bye", Some(23 * 60)),
            computer(5, Life::Suspended, "good-bye", Some(25 * 60)),
        ];
        let due = decide(&Rules::default(), &seen);
        assert_eq!(due.suspend, [Uuid::from_u128(3)]);
        assert_eq!(due.clean_up, [Uuid::from_u128(5)]);
        assert_eq!(due.brake, None);
    }

    #[test]
    fn mass_loss_stops_everything_until_they_are_back_or_somebody_has_looked() {
        let mut seen: Vec<Seen> = (1..=60).map(|n| computer(n, Life::Managed, "", None)).collect();
        seen.extend((61..=100).map(|n| computer(n, Life::Managed, "", Some(40))));
        seen.push(computer(101, Life::Suspended, "good-bye", Some(25 * 60)));
        let mut rules = Rules::default();
        let first = decide(&rules, &seen);
        assert_eq!((first.suspend.len(), first.clean_up.len()), (0, 0));
        let brake = first.brake.unwrap();
        assert_eq!((brake.lost, brake.of), (40, 100));
        // The window passes, the loss does not.
        rules.brake = Some(brake);
        let later = due(&rules, &seen, Timestamp(2_000 * MINUTE));
        assert_eq!(later.brake, Some(brake));
        // A person has looked.
        let released = Rules { brake: None, released_at: 1_000 * MINUTE, ..rules.clone() };
        assert_eq!(due(&released, &seen, Timestamp(1_000 * MINUTE)).suspend.len(), 40);
        // They are back.
        for one in seen.iter_mut().skip(60).take(35) {
            one.gone_since = None;
        }
        let back = decide(&rules, &seen);
        assert_eq!((back.brake, back.suspend.len()), (None, 5));
    }

    #[test]
    fn those_who_said_good_bye_are_no_loss() {
        let mut seen = vec![computer(0, Life::Managed, "", None)];
        seen.extend((1..=200).map(|n| computer(n, Life::Suspended, "good-bye", Some(10))));
        assert_eq!(decide(&Rules::default(), &seen).brake, None);
        seen.extend((201..=211).map(|n| computer(n, Life::Suspended, "no-contact", Some(10))));
        assert!(decide(&Rules::default(), &seen).brake.is_some());
    }
}
