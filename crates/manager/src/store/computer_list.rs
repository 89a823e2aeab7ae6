//! Which computers there are: listed, filtered, in an order, counted.
//!
//! Rows are wide. What is looked for is decided by indices and a few columns first; whole rows are read for those that
//! are shown.
use super::computers::computer;
use super::db::{Query, query};
use super::{Store, StoreError, uuid};
use crate::store::{ComputerRow, Life, TenantCtx};
use sakimori_model::Timestamp;
use uuid::Uuid;

/// In which order computers are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ComputerSort {
    /// By activation.
    #[default]
    Activated,
    /// By name, in any case of ASCII letters.
    Name,
    /// By last contact as last written down.
    LastSeen,
    /// By what they are worth.
    AssetValue,
}

/// Which computers are listed.
#[derive(Clone, Debug, Default)]
pub struct ComputersWanted {
    /// Name, host name or address contain this.
    pub text: Option<String>,
    /// In one of these groups.
    pub groups: Option<Vec<Uuid>>,
    /// With all of these tags.
    pub tags: Vec<TagWanted>,
    /// With one of these policies.
    pub policies: Option<Vec<Uuid>>,
    /// Operating system contains this.
    pub platform: Option<String>,
    /// In which order.
    pub sort: ComputerSort,
    /// The other way round.
    pub descending: bool,
}

/// A tag that is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagWanted {
    /// Its key.
    pub key: String,
    /// One of these values; any where there are none.
    pub values: Vec<String>,
}

/// By what computers are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComputersBy {
    /// By the policy's id.
    Policy,
    /// By the group's id.
    Group,
    /// By operating system.
    Platform,
    /// By the value of the tag with this key.
    Tag(String),
}

/// A computer's place in an order, with what tells its status.
#[derive(Clone, Debug)]
pub struct PlacedComputer {
    /// The computer.
    pub id: Uuid,
    /// What it is sorted by, and its id.
    pub place: (String, String),
    /// The policy it is assigned.
    pub policy: Uuid,
    /// Whether it is expected, and may come.
    pub life: Life,
    /// Whether another machine used its identity.
    pub is_cloned: bool,
    /// When it was last in contact, as last flushed.
    pub last_seen: Option<Timestamp>,
    /// The manager at which its check-in is held, as last flushed.
    pub held_by: Option<Uuid>,
}

impl ComputerSort {
    /// What is sorted by: always a text or a number.
    const fn place(self) -> &'static str {
        match self {
            Self::Activated => "''",
            Self::Name => "lower(coalesce(c.display_name, c.host_name))",
            Self::LastSeen => "coalesce(c.last_seen, 0)",
            Self::AssetValue => "c.asset_value",
        }
    }

    const fn is_number(self) -> bool {
        matches!(self, Self::LastSeen | Self::AssetValue)
    }
}

impl ComputersWanted {
    /// The conditions after `WHERE`.
    fn push(&self, query: &mut Query, ctx: &TenantCtx) {
        query.push(" WHERE c.tenant_id = ").push_bind(ctx.tenant);
        if let Some(text) = &self.text {
            // instr, not LIKE: nothing in the text is a wildcard.
            let needle = text.to_lowercase();
            query.push(" AND (instr(lower(c.host_name), ").push_bind(needle.clone());
            query.push(") > 0 OR instr(lower(coalesce(c.display_name, '')), ").push_bind(needle.clone());
            query.push(") > 0 OR instr(c.addresses, ").push_bind(needle).push(") > 0)");
        }
        if let Some(groups) = &self.groups {
            query.push(" AND c.group_id");
            push_in(query, groups.iter().map(Uuid::to_string));
        }
        for tag in &self.tags {
            query.push(" AND c.id IN (SELECT t.computer_id FROM computer_tag t WHERE t.tenant_id = ");
            query.push_bind(ctx.tenant).push(" AND t.key = ").push_bind(&tag.key);
            if !tag.values.is_empty() {
                // The empty text is a value: of a tag that has none.
                query.push(" AND t.value IN (");
                for (index, value) in tag.values.iter().enumerate() {
                    query.push(if index == 0 { "" } else { ", " }).push_bind(value);
                }
                query.push(")");
            }
            query.push(")");
        }
        if let Some(policies) = &self.policies {
            query.push(" AND c.policy_id");
            push_in(query, policies.iter().map(Uuid::to_string));
        }
        if let Some(platform) = &self.platform {
            // There are few, and an index has them: the text is not looked for in each row.
            query.push(" AND c.operating_system IN (SELECT o.operating_system FROM (SELECT DISTINCT operating_system \
                        FROM computer WHERE tenant_id = ");
            query.push_bind(ctx.tenant).push(") o WHERE instr(lower(o.operating_system), ");
            query.push_bind(platform.to_lowercase()).push(") > 0)");
        }
    }

    /// Behind the last one of the part before.
    fn push_after(&self, query: &mut Query, (place, id): &(String, String)) {
        query.push(" AND (").push(self.sort.place()).push(", c.id)");
        query.push(if self.descending { " < (" } else { " > (" });
        match self.sort {
            ComputerSort::Activated => query.push("''"),
            ComputerSort::Name => query.push_bind(place),
            ComputerSort::LastSeen | ComputerSort::AssetValue => {
                query.push_bind(place.parse::<i64>().unwrap_or_default())
            }
        };
        query.push(", ").push_bind(id).push(")");
    }

    const fn order(&self) -> &'static str {
        if self.descending { " ORDER BY place DESC, id DESC" } else { " ORDER BY place, id" }
    }
}

/// One of these; the empty text, which nothing is, stands for none.
fn push_in(query: &mut Query, values: impl Iterator<Item = String>) {
    query.push(" IN (''");
    for value in values {
        query.push(", ").push_bind(value);
    }
    query.push(")");
}

impl Store {
    /// Computers in their order, after `after` (what they are sorted by, and id), at most `limit`; with the place of
    /// each, for the next part.
    pub async fn computers(
        &self,
        ctx: &TenantCtx,
        wanted: &ComputersWanted,
        after: Option<&(String, String)>,
        limit: u32,
    ) -> Result<Vec<(ComputerRow, (String, String))>, StoreError> {
        let placed = self.computers_placed(ctx, wanted, after, limit).await?;
        let ids: Vec<Uuid> = placed.iter().map(|placed| placed.id).collect();
        let mut rows = self.computers_of(ctx, &ids).await?;
        let found = placed.into_iter().filter_map(|placed| {
            // One that was deleted in between is left out.
            let at = rows.iter().position(|row| row.id == placed.id)?;
            Some((rows.swap_remove(at), placed.place))
        });
        Ok(found.collect())
    }

    /// As [`Self::computers`], without what is only shown.
    pub async fn computers_placed(
        &self,
        ctx: &TenantCtx,
        wanted: &ComputersWanted,
        after: Option<&(String, String)>,
        limit: u32,
    ) -> Result<Vec<PlacedComputer>, StoreError> {
        let mut query = query(
            "SELECT c.id AS id, c.policy_id, c.life, CAST(CASE WHEN c.clone IS NULL THEN 0 ELSE 1 END AS BIGINT) AS cloned, \
             c.last_seen, c.held_by, ",
        );
        query.push(wanted.sort.place()).push(" AS place FROM computer c");
        wanted.push(&mut query, ctx);
        if let Some(after) = after {
            wanted.push_after(&mut query, after);
        }
        query.push(wanted.order()).push(" LIMIT ").push_bind(limit);
        let rows = query.rows(self.read(ctx)).await?;
        let placed = rows.iter().map(|row| {
            let id: String = row.get("id")?;
            let place = if wanted.sort.is_number() {
                row.get::<i64>("place")?.to_string()
            } else {
                row.get::<String>("place")?
            };
            Ok(PlacedComputer {
                policy: uuid(&row.get::<String>("policy_id")?),
                life: Life::of(&row.get::<String>("life")?),
                is_cloned: row.get::<i64>("cloned")? != 0,
                last_seen: row.get::<Option<i64>>("last_seen")?.map(Timestamp),
                held_by: row.get::<Option<String>>("held_by")?.map(|id| uuid(&id)),
                id: uuid(&id),
                place: (place, id),
            })
        });
        placed.collect()
    }

    /// These computers, in no order.
    pub async fn computers_of(&self, ctx: &TenantCtx, ids: &[Uuid]) -> Result<Vec<ComputerRow>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = query(super::computers::COLUMNS);
        query.push(" WHERE c.tenant_id = ").push_bind(ctx.tenant).push(" AND c.id");
        push_in(&mut query, ids.iter().map(Uuid::to_string));
        query.rows(self.read(ctx)).await?.iter().map(computer).collect()
    }

    /// How many computers there are of each value; those without one are left out.
    pub async fn computers_counted(
        &self,
        ctx: &TenantCtx,
        wanted: &ComputersWanted,
        by: &ComputersBy,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        let mut query = query("SELECT ");
        query.push(match by {
            ComputersBy::Policy => "c.policy_id AS value, count(*) FROM computer c",
            ComputersBy::Group => "c.group_id AS value, count(*) FROM computer c",
            ComputersBy::Platform => "c.operating_system AS value, count(*) FROM computer c",
            ComputersBy::Tag(_) => {
                "tag.value AS value, count(*) FROM computer c JOIN computer_tag tag ON tag.tenant_id = c.tenant_id \
                 AND tag.computer_id = c.id"
            }
        });
        wanted.push(&mut query, ctx);
        query.push(match by {
            ComputersBy::Policy => " GROUP BY c.policy_id",
            ComputersBy::Group => " AND c.group_id IS NOT NULL GROUP BY c.group_id",
            ComputersBy::Platform => " GROUP BY c.operating_system",
            ComputersBy::Tag(_) => " AND tag.key = ",
        });
        if let ComputersBy::Tag(key) = by {
            query.push_bind(key).push(" GROUP BY tag.value");
        }
        let rows: Vec<(String, i64)> = query.fetch_all(self.read(ctx)).await?;
        let count = |(value, count)| (value, u64::try_from(count).unwrap_or_default());
        Ok(rows.into_iter().map(count).collect())
    }

    /// How many computers there are.
    pub async fn computers_total(
        &self,
        ctx: &TenantCtx,
        wanted: &ComputersWanted,
    ) -> Result<u64, StoreError> {
        let mut query = query("SELECT count(*) FROM computer c");
        wanted.push(&mut query, ctx);
        let row: Option<(i64,)> = query.fetch_optional(self.read(ctx)).await?;
        Ok(row.and_then(|(count,)| u64::try_from(count).ok()).unwrap_or_default())
    }
}
