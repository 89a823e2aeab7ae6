//! What the manager does by itself when something happens to a computer: event-based tasks, and life and death.
//!
//! A reaction lies in the transaction of what it reacts to, with its audit record and its notice: all of it is there
//! after `kill -9`, or nothing is, and then the computer's next word brings it about again.
use crate::app::App;
use crate::event_based_tasks::{Facts, Task, evaluate};
use crate::store::{
    Change, ComputerRow, EventBasedTaskRow, GroupRow, Life, StoreError, TenantCtx, Write, names_upwards,
};
use sakimori_api::{CloudFacts, TaskActionKind, TaskVerdict, Trigger};
use sakimori_protocol::Cloud;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Most tags of a computer: what has more is sorted by something else.
pub(crate) const MAX_TAGS: usize = 64;

/// What is to be told in memory once the transaction has been committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Aftermath {
    /// It has this policy now.
    policy: Option<Uuid>,
    /// It has no identity any more.
    gone: bool,
    /// Something that people see has changed.
    changed: bool,
}

impl Aftermath {
    /// Nothing that was decided, but something to be seen.
    pub(crate) const fn seen() -> Self {
        Self { policy: None, gone: false, changed: true }
    }

    /// This, and what came after it.
    pub(crate) fn then(self, later: Self) -> Self {
        Self {
            policy: later.policy.or(self.policy),
            gone: self.gone || later.gone,
            changed: self.changed || later.changed,
        }
    }

    /// Whether the computer has no identity any more.
    pub(crate) const fn gone(self) -> bool {
        self.gone
    }

    /// Tells waiting check-ins and consoles.
    pub(crate) async fn tell(self, app: &App, tenant: Uuid, computer: Uuid) {
        if let Some(policy) = self.policy {
            app.fleet.assign(computer, policy);
        }
        if self.gone {
            app.fleet.remove(computer);
            app.rollout.wake(computer);
        } else if self.policy.is_some() {
            app.rollout.wake_one(computer);
        }
        if self.changed || self.policy.is_some() || self.gone {
            app.tell_computer(tenant, computer).await;
        }
    }
}

/// What the cloud says, as tasks and the API see it.
pub(crate) fn cloud_facts(cloud: &Cloud) -> CloudFacts {
    CloudFacts {
        provider: cloud.provider.clone(),
        instance: cloud.instance.clone(),
        name: cloud.name.clone(),
        region: cloud.region.clone(),
        zone: cloud.zone.clone(),
        account: cloud.account.clone(),
        resource_group: cloud.resource_group.clone(),
        scale_set: cloud.scale_set.clone(),
        image: cloud.image.clone(),
        size: cloud.size.clone(),
        tags: cloud.tags.iter().cloned().collect(),
    }
}

/// What conditions see of a computer that is there.
pub(crate) fn facts(row: &ComputerRow, groups: &[GroupRow]) -> Facts {
    Facts {
        host_name: row.host_name.clone(),
        tags: row.tags.clone(),
        platform: row.operating_system.clone(),
        groups: names_upwards(row.group, groups),
        cloud: row.cloud.as_ref().map(cloud_facts),
        addresses: row.addresses.clone(),
        source: row.source.clone(),
        token: row.token.iter().map(Uuid::to_string).collect(),
    }
}

/// Which tasks in force fit.
pub(crate) fn judge(tasks: &[EventBasedTaskRow], trigger: Trigger, facts: &Facts) -> TaskVerdict {
    let in_force: Vec<Task<'_>> = tasks
        .iter()
        .filter(|row| row.enabled)
        .map(|row| Task { id: row.id, name: &row.name, rule: &row.rule })
        .collect();
    evaluate(&in_force, trigger, facts)
}

/// The names of the tasks that decided something, for people.
pub(crate) fn deciding(verdict: &TaskVerdict) -> String {
    let names = verdict.tasks.iter().filter(|task| !task.decides.is_empty()).map(|task| task.name.as_str());
    names.collect::<Vec<&str>>().join(", ")
}

/// Adds tags that are not there yet, within the bound; those that are there get the new value.
pub(crate) fn add_tags(to: &mut BTreeMap<String, String>, tags: &BTreeMap<String, String>) {
    for (key, value) in tags {
        if to.len() < MAX_TAGS || to.contains_key(key) {
            to.insert(key.clone(), value.clone());
        }
    }
}

/// What outcomes are called in words of the API.
fn words(actions: impl IntoIterator<Item = TaskActionKind>) -> String {
    let word = |action: TaskActionKind| match action {
        TaskActionKind::AssignPolicy => "assign-policy",
        TaskActionKind::AssignGroup => "assign-group",
        TaskActionKind::AddTags => "add-tags",
        TaskActionKind::MarkEphemeral => "mark-ephemeral",
        TaskActionKind::Activate => "activate",
        TaskActionKind::Deactivate => "deactivate",
        TaskActionKind::Delete => "delete",
    };
    actions.into_iter().map(word).collect::<Vec<_>>().join(", ")
}

/// Writes down which tasks decided something of a computer: audit trail and events.
pub(crate) async fn note_tasks(
    write: &mut Write,
    computer: Uuid,
    name: &str,
    trigger: Trigger,
    verdict: &TaskVerdict,
) -> Result<(), StoreError> {
    for task in verdict.tasks.iter().filter(|task| !task.decides.is_empty()) {
        let did = words(task.decides.iter().copied());
        write
            .audit(Change {
                action: "event-based-task.run",
                object_kind: "computer",
                object_id: computer.to_string(),
                before: None,
                after: Some(serde_json::json!({
                    "taskId": task.id, "task": task.name, "trigger": trigger, "did": task.decides,
                })),
            })
            .await?;
        let args = [("task", task.name.clone()), ("did", did)];
        write.notice(computer, name, "info", "event-based-task-ran", &args).await?;
    }
    Ok(())
}

/// Runs the tasks that wait for what has happened to a computer that is there.
pub(crate) async fn react(write: &mut Write, id: Uuid, trigger: Trigger) -> Result<Aftermath, StoreError> {
    let tasks = write.event_based_tasks().await?;
    if !tasks.iter().any(|task| task.enabled && task.rule.triggers.contains(&trigger)) {
        return Ok(Aftermath::default());
    }
    let Some(mut row) = write.computer(id).await? else { return Ok(Aftermath::default()) };
    let groups = write.groups().await?;
    let verdict = judge(&tasks, trigger, &facts(&row, &groups));
    let outcome = &verdict.outcome;
    let before = row.clone();
    let mut after = Aftermath::default();
    match outcome.identity {
        Some(TaskActionKind::Delete) => {
            note_tasks(write, id, row.name(), trigger, &verdict).await?;
            write.delete_computer(id).await?;
            return Ok(Aftermath { gone: true, ..after });
        }
        Some(TaskActionKind::Deactivate) if row.life != Life::Unmanaged => {
            write.set_life(id, Life::Unmanaged, "event-based-task").await?;
            after.gone = true;
        }
        _ => {}
    }
    // What was deleted since the task was written is left out.
    if let Some(policy) = outcome.policy_id
        && write.policies().await?.iter().any(|known| known.id == policy)
        && row.policy != policy
    {
        row.policy = policy;
        after.policy = Some(policy);
    }
    if let Some(group) = outcome.group_id
        && groups.iter().any(|known| known.id == group)
    {
        row.group = Some(group);
    }
    add_tags(&mut row.tags, &outcome.tags);
    row.ephemeral |= outcome.ephemeral;
    let same = row.policy == before.policy
        && row.group == before.group
        && row.tags == before.tags
        && row.ephemeral == before.ephemeral;
    if !same {
        write.update_computer(&row).await?;
        after.changed = true;
    }
    // A task that finds everything as it wants it is not worth a line each time.
    if !same || after.gone {
        note_tasks(write, id, row.name(), trigger, &verdict).await?;
    }
    Ok(after)
}

/// A computer is in contact that was suspended, or had gone: it has its identity back, and tasks that wait for that run.
pub(crate) async fn returned(
    app: &App,
    row: &ComputerRow,
    now: sakimori_model::Timestamp,
) -> Result<Aftermath, StoreError> {
    let ctx = TenantCtx::computer(row.tenant, row.id, row.name());
    let mut write = app.store.begin(&ctx, now).await?;
    let mut seen = Aftermath::default();
    if row.life == Life::Suspended {
        write.set_life(row.id, Life::Managed, "").await?;
        write
            .audit(Change {
                action: "computer.resume",
                object_kind: "computer",
                object_id: row.id.to_string(),
                before: Some(serde_json::json!({"life": "suspended", "reason": row.life_reason})),
                after: Some(serde_json::json!({"life": "managed"})),
            })
            .await?;
        write.notice(row.id, row.name(), "info", "computer-resumed", &[]).await?;
        seen.changed = true;
    }
    let reacted = react(&mut write, row.id, Trigger::Returned).await?;
    write.commit().await?;
    Ok(seen.then(reacted))
}

/// A computer says good-bye.
pub(crate) async fn left(
    app: &App,
    row: &ComputerRow,
    leaving: sakimori_protocol::Leaving,
    now: sakimori_model::Timestamp,
) -> Result<Aftermath, StoreError> {
    let (life, reason) = match leaving {
        sakimori_protocol::Leaving::Stopping if row.ephemeral && row.life == Life::Managed => {
            (Life::Suspended, "good-bye")
        }
        sakimori_protocol::Leaving::Stopping => return Ok(Aftermath::default()),
        sakimori_protocol::Leaving::Deactivated => (Life::Unmanaged, "deactivated-by-agent"),
    };
    let ctx = TenantCtx::computer(row.tenant, row.id, row.name());
    let mut write = app.store.begin(&ctx, now).await?;
    set_life(&mut write, row, life, reason).await?;
    write.commit().await?;
    Ok(Aftermath { policy: None, gone: life == Life::Unmanaged, changed: true })
}

/// Changes whether a computer is expected, with its audit record and notice.
pub(crate) async fn set_life(
    write: &mut Write,
    row: &ComputerRow,
    life: Life,
    reason: &str,
) -> Result<(), StoreError> {
    let (action, code) = match life {
        Life::Managed => ("computer.reactivate", "computer-reactivated"),
        Life::Suspended => ("computer.suspend", "computer-suspended"),
        Life::Unmanaged => ("computer.deactivate", "computer-deactivated"),
    };
    write.set_life(row.id, life, reason).await?;
    write
        .audit(Change {
            action,
            object_kind: "computer",
            object_id: row.id.to_string(),
            before: Some(serde_json::json!({"life": row.life.as_str()})),
            after: Some(serde_json::json!({"life": life.as_str(), "reason": reason})),
        })
        .await?;
    write.notice(row.id, row.name(), "info", code, &[("reason", reason.to_owned())]).await
}
