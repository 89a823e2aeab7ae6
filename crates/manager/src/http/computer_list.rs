//! Lists of computers, and counts.
//!
//! The database finds by what it knows, with indices; what is known in memory alone (who is in contact, and how the modules
//! are) is decided of a few columns of each; the rest, of the filter language, of whole computers.
use super::auth::{Access, Caller, Resource};
use super::computer_search::SeenComputer;
use super::computers::{Names, api_state, gravest, shown};
use super::event_search::parse_of;
use super::extract::{Query, limit, page};
use super::groups::check_group;
use crate::app::App;
use crate::fleet::{self, Presence};
use crate::nodes::Elsewhere;
use crate::problem::Refused;
use crate::store::{
    ComputerSort, ComputersBy, ComputersWanted, Life, PlacedComputer, TagWanted, TenantCtx, with_descendants,
};
use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as Base64UrlUnpadded;
use sakimori_api::{
    Computer, ComputerCount, ComputerCounts, ComputerStatus, CountComputersBy, ModuleState, Page,
    SearchSubject,
};
use sakimori_model::Timestamp;
use sakimori_protocol as wire;
use sakimori_query::{Filter, TextField, TextTest};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// Computers whose few columns are read at once.
const PLACED: u32 = 5000;
/// Whole computers that are read at once.
const WHOLE: usize = 500;

/// In which order computers are listed.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "camelCase")]
pub(super) enum SortComputersBy {
    /// By activation.
    #[default]
    ActivatedAt,
    /// By name, in any case of ASCII letters.
    DisplayName,
    /// By last contact, which is written down every half minute.
    LastSeen,
    /// By what they are worth.
    AssetValue,
}

/// Filter of a list of computers.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ComputerQuery {
    /// Only computers in this status.
    pub(super) status: Option<ComputerStatus>,
    /// Only computers whose name, host name or address contains this text.
    pub(super) q: Option<String>,
    /// Only computers in this group or in one below it.
    pub(super) group_id: Option<Uuid>,
    /// Only computers with this tag: `key`, or `key=value`.
    pub(super) tag: Option<String>,
    /// Only computers with this policy.
    pub(super) policy_id: Option<Uuid>,
    /// Only computers whose operating system contains this text.
    pub(super) platform: Option<String>,
    /// Only computers of which this module is in `moduleState`.
    pub(super) module: Option<String>,
    /// See `module`.
    pub(super) module_state: Option<ModuleState>,
    /// Only computers that this filter finds: `status = offline AND tags.role = web`.
    pub(super) filter: Option<String>,
    /// Only computers of this smart folder: a saved search of computers.
    pub(super) search_id: Option<Uuid>,
    /// In which order.
    #[param(inline)]
    pub(super) sort: Option<SortComputersBy>,
    /// The other way round.
    pub(super) descending: Option<bool>,
    /// At most so many, 1 to 500; 100 where absent.
    #[param(minimum = 1, maximum = 500)]
    pub(super) limit: Option<u32>,
    /// The `nextCursor` of the part before.
    pub(super) cursor: Option<String>,
}

/// What of a query the database does not know.
#[derive(Debug, Default)]
struct Beyond {
    /// In one of these.
    statuses: Option<Vec<ComputerStatus>>,
    module: Option<(String, ModuleState)>,
    filters: Vec<Filter>,
}

/// What is known of a computer without reading all of it.
struct Glimpse {
    placed: PlacedComputer,
    /// Its status; nothing where its row has to be read for it.
    status: Option<ComputerStatus>,
    /// Whether its module is as wanted; nothing where its row has to be read for it.
    module: Option<bool>,
}

impl Beyond {
    /// Whether the database knows everything that is asked.
    const fn is_nothing(&self) -> bool {
        self.statuses.is_none() && self.module.is_none() && self.filters.is_empty()
    }

    /// Whether a computer may be found, by what is known without reading all of it.
    fn may_find(&self, glimpse: &Glimpse) -> bool {
        let status = match (&self.statuses, glimpse.status) {
            (Some(wanted), Some(status)) => wanted.contains(&status),
            _ => true,
        };
        status && glimpse.module != Some(false)
    }

    fn finds(&self, computer: &Computer, names: &Names) -> bool {
        let in_state = |(id, state): &(String, ModuleState)| {
            computer.modules.iter().any(|module| module.module == *id && module.state == *state)
        };
        self.statuses.as_ref().is_none_or(|wanted| wanted.contains(&computer.status))
            && self.module.as_ref().is_none_or(in_state)
            && (self.filters.is_empty() || {
                let seen = SeenComputer::new(computer, &names.groups);
                self.filters.iter().all(|filter| filter.matches(&seen))
            })
    }

    /// Asks the database for what it can find of a filter; the filter is asked of what it finds.
    fn narrow(&mut self, filter: &Filter, wanted: &mut ComputersWanted, names: &Names) {
        match filter {
            Filter::And(all) => all.iter().for_each(|one| self.narrow(one, wanted, names)),
            Filter::Text(TextField::Tag, TextTest::In(tags)) => {
                if let [tag] = tags.as_slice() {
                    wanted.tags.push(tag_wanted(tag));
                }
            }
            Filter::Text(TextField::Detail(path), TextTest::In(values)) => match path.as_slice() {
                [tags, key] if tags == "tags" => {
                    wanted.tags.push(TagWanted { key: key.clone(), values: values.clone() });
                }
                [field] if field == "status" => {
                    let named =
                        values.iter().filter_map(|value| serde_json::from_value(value.as_str().into()).ok());
                    let before = self.statuses.take();
                    let both = named.filter(|one| before.as_ref().is_none_or(|before| before.contains(one)));
                    self.statuses = Some(both.collect());
                }
                [field] if field == "policy" => {
                    let named =
                        names.policies.iter().filter(|(_, name)| values.contains(name)).map(|(id, _)| *id);
                    let before = wanted.policies.take();
                    let both = named.filter(|one| before.as_ref().is_none_or(|before| before.contains(one)));
                    wanted.policies = Some(both.collect());
                }
                [field] if field == "platform" => {
                    if let ([only], None) = (values.as_slice(), &wanted.platform) {
                        wanted.platform = Some(only.clone());
                    }
                }
                [field] if field == "group" => {
                    let named = names.groups.iter().filter(|group| values.contains(&group.name));
                    let below = named.flat_map(|group| with_descendants(group.id, &names.groups));
                    let before = wanted.groups.take();
                    let both = below.filter(|one| before.as_ref().is_none_or(|before| before.contains(one)));
                    wanted.groups = Some(both.collect());
                }
                _ => {}
            },
            Filter::Exists(path) => {
                if let [tags, key] = path.as_slice()
                    && tags == "tags"
                {
                    wanted.tags.push(TagWanted { key: key.clone(), values: Vec::new() });
                }
            }
            _ => {}
        }
    }
}

/// `key`, or `key=value`: no key has a `=`.
fn tag_wanted(text: &str) -> TagWanted {
    match text.split_once('=') {
        Some((key, value)) => TagWanted { key: key.to_owned(), values: vec![value.to_owned()] },
        None => TagWanted { key: text.to_owned(), values: Vec::new() },
    }
}

/// What is known of computers without reading all of them.
fn glimpses(app: &App, tenant: Uuid, placed: Vec<PlacedComputer>, beyond: &Beyond) -> Vec<Glimpse> {
    let now = app.clock.now();
    let each = |placed: PlacedComputer, presence: Option<&Presence>| {
        let elsewhere = app.nodes.elsewhere(presence, placed.last_seen, placed.held_by);
        // What another manager knows better is in the row alone.
        let presence = presence.filter(|_| elsewhere.is_none());
        let status = glimpsed_status(app, tenant, &placed, (presence, elsewhere), now);
        let module = beyond.module.as_ref().zip(presence).map(|((id, state), presence)| {
            presence.modules.iter().any(|module| module.module == *id && api_state(module.state) == *state)
        });
        Glimpse { placed, status, module }
    };
    app.fleet.glance(placed, |placed| placed.id, each)
}

fn glimpsed_status(
    app: &App,
    tenant: Uuid,
    placed: &PlacedComputer,
    (presence, elsewhere): (Option<&Presence>, Option<Elsewhere>),
    now: Timestamp,
) -> Option<ComputerStatus> {
    let seen = presence.map_or(placed.last_seen, |presence| Some(presence.last_seen));
    let held_elsewhere = elsewhere.is_some_and(|elsewhere| elsewhere.held);
    let held = presence.map_or_else(|| u32::from(held_elsewhere), |presence| presence.held);
    let online = seen.map(|seen| fleet::is_online(held, seen, now));
    let degraded = match presence {
        Some(presence) => {
            let broken = |module: &wire::ModuleStatus| {
                matches!(module.state, wire::ModuleState::Degraded | wire::ModuleState::Failed)
            };
            presence.modules.iter().any(broken)
                || presence.refused.as_ref().is_some_and(|(hash, _)| {
                    let assigned = app.bundles.of(tenant, placed.id, placed.policy);
                    assigned.map(|bundle| bundle.hash.to_string()).unwrap_or_default() == *hash
                })
        }
        // Only the row says how its modules are: shortly after the manager's start.
        None if online == Some(true) && placed.life == Life::Managed && !placed.is_cloned => return None,
        None => false,
    };
    Some(gravest(placed.life, placed.is_cloned, online, degraded))
}

async fn beyond(app: &App, ctx: &TenantCtx, query: &ComputerQuery) -> Result<Beyond, Refused> {
    let now = app.clock.now();
    let mut filters = Vec::new();
    if let Some(text) = &query.filter {
        filters.push(parse_of(SearchSubject::Computers, "/filter", text, now)?);
    }
    if let Some(id) = query.search_id {
        let row = app.store.saved_search(ctx, id).await?;
        let row = row.filter(|row| row.subject == SearchSubject::Computers);
        let row = row.ok_or_else(|| {
            Refused::field("/searchId", "no-such-search", "There is no such saved search of computers.")
        })?;
        filters.push(parse_of(SearchSubject::Computers, "/searchId", &row.kept.filter, now)?);
    }
    let module = match (&query.module, query.module_state) {
        (Some(module), Some(state)) => Some((module.clone(), state)),
        (None, None) => None,
        _ => return Err(Refused::invalid("module and moduleState come together.")),
    };
    Ok(Beyond { statuses: query.status.map(|status| vec![status]), module, filters })
}

fn wanted(query: ComputerQuery, names: &Names) -> Result<ComputersWanted, Refused> {
    let groups = match query.group_id {
        None => None,
        Some(id) => {
            check_group("/groupId", id, &names.groups)?;
            Some(with_descendants(id, &names.groups))
        }
    };
    Ok(ComputersWanted {
        text: query.q,
        groups,
        tags: query.tag.iter().map(|tag| tag_wanted(tag)).collect(),
        policies: query.policy_id.map(|policy| vec![policy]),
        platform: query.platform,
        sort: match query.sort.unwrap_or_default() {
            SortComputersBy::ActivatedAt => ComputerSort::Activated,
            SortComputersBy::DisplayName => ComputerSort::Name,
            SortComputersBy::LastSeen => ComputerSort::LastSeen,
            SortComputersBy::AssetValue => ComputerSort::AssetValue,
        },
        descending: query.descending.unwrap_or_default(),
    })
}

/// Id and place, so that a cursor is one word: the id has no `~`.
fn cursor((place, id): &(String, String)) -> String {
    if place.is_empty() { id.clone() } else { format!("{id}~{}", Base64UrlUnpadded.encode(place)) }
}

fn place(cursor: &str) -> Result<(String, String), Refused> {
    let Some((id, place)) = cursor.split_once('~') else { return Ok((String::new(), cursor.to_owned())) };
    let place = Base64UrlUnpadded.decode(place).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let place = place.ok_or_else(|| Refused::invalid("cursor is not one that was given."))?;
    Ok((place, id.to_owned()))
}

/// The computers, oldest activation first unless said otherwise.
#[utoipa::path(get, path = "/computers", tag = "computers", operation_id = "listComputers", params(ComputerQuery),
    responses((status = 200, body = Page<Computer>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<ComputerQuery>,
) -> Result<Json<Page<Computer>>, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Read)?;
    let limit = limit(query.limit)?;
    let names = Names::read(&app, ctx).await?;
    let (beyond, wanted, cursor_given) = asked(&app, ctx, query, &names).await?;
    let most = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
    let mut after = cursor_given.as_deref().map(place).transpose()?;
    let mut found = find(&app, ctx, (&names, &wanted, &beyond), &mut after, most).await?;
    found.truncate(most);
    let page = page(found, limit, |(_, place)| cursor(place));
    let items = page.items.into_iter().map(|(computer, _)| computer).collect();
    Ok(Json(Page { items, next_cursor: page.next_cursor }))
}

/// All computers that a query finds.
pub(super) async fn chosen(
    app: &App,
    ctx: &TenantCtx,
    query: ComputerQuery,
) -> Result<Vec<Computer>, Refused> {
    let names = Names::read(app, ctx).await?;
    let (beyond, wanted, _) = asked(app, ctx, query, &names).await?;
    let found = find(app, ctx, (&names, &wanted, &beyond), &mut None, usize::MAX).await?;
    Ok(found.into_iter().map(|(computer, _)| computer).collect())
}

/// Computers after a place, at least `most` where there are so many.
async fn find(
    app: &App,
    ctx: &TenantCtx,
    (names, wanted, beyond): (&Names, &ComputersWanted, &Beyond),
    after: &mut Option<(String, String)>,
    most: usize,
) -> Result<Vec<(Computer, (String, String))>, Refused> {
    let mut found = Vec::new();
    let at_once = match u32::try_from(most) {
        Ok(most) if beyond.is_nothing() => most.min(PLACED),
        _ => PLACED,
    };
    while found.len() < most {
        let placed = app.store.computers_placed(ctx, wanted, after.as_ref(), at_once).await?;
        let ended = u32::try_from(placed.len()).unwrap_or(u32::MAX) < at_once;
        *after = placed.last().map(|placed| placed.place.clone());
        let mut candidates = glimpses(app, ctx.tenant, placed, beyond);
        candidates.retain(|glimpse| beyond.may_find(glimpse));
        for part in candidates.chunks(most.min(WHOLE)) {
            if found.len() >= most {
                break;
            }
            found.extend(
                whole(app, ctx, names, part).await?.into_iter().filter(|(c, _)| beyond.finds(c, names)),
            );
        }
        if ended {
            break;
        }
    }
    Ok(found)
}

/// What a query asks of the database, what beyond, and where the part before ended.
async fn asked(
    app: &App,
    ctx: &TenantCtx,
    mut query: ComputerQuery,
    names: &Names,
) -> Result<(Beyond, ComputersWanted, Option<String>), Refused> {
    let mut beyond = beyond(app, ctx, &query).await?;
    let cursor = query.cursor.take();
    let mut wanted = wanted(query, names)?;
    let filters = std::mem::take(&mut beyond.filters);
    for filter in &filters {
        beyond.narrow(filter, &mut wanted, names);
    }
    beyond.filters = filters;
    Ok((beyond, wanted, cursor))
}

/// Computers with everything, in the same order, each with its place.
async fn whole(
    app: &App,
    ctx: &TenantCtx,
    names: &Names,
    part: &[Glimpse],
) -> Result<Vec<(Computer, (String, String))>, Refused> {
    let ids: Vec<Uuid> = part.iter().map(|glimpse| glimpse.placed.id).collect();
    let mut rows = app.store.computers_of(ctx, &ids).await?;
    let each = part.iter().filter_map(|glimpse| {
        // One that was deleted in between is left out.
        let at = rows.iter().position(|row| row.id == glimpse.placed.id)?;
        let row = rows.swap_remove(at);
        let computer = shown(app, &row, names, app.presence(&row).as_ref());
        Some((computer, glimpse.placed.place.clone()))
    });
    Ok(each.collect())
}

/// What is counted, and of which computers.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CountQuery {
    /// By what.
    #[param(inline)]
    by: CountComputersBy,
    /// With `by=tag`: the key whose values are counted.
    tag_key: Option<String>,
    /// Only computers in this status.
    status: Option<ComputerStatus>,
    /// Only computers whose name, host name or address contains this text.
    q: Option<String>,
    /// Only computers in this group or in one below it.
    group_id: Option<Uuid>,
    /// Only computers with this tag: `key`, or `key=value`.
    tag: Option<String>,
    /// Only computers with this policy.
    policy_id: Option<Uuid>,
    /// Only computers whose operating system contains this text.
    platform: Option<String>,
    /// Only computers that this filter finds.
    filter: Option<String>,
    /// Only computers of this smart folder.
    search_id: Option<Uuid>,
}

/// How many computers there are, by status, policy, group, operating system or the values of a tag; the most first.
#[utoipa::path(get, path = "/computers/counts", tag = "computers", operation_id = "countComputers", params(CountQuery),
    responses((status = 200, body = ComputerCounts)))]
pub(super) async fn count(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<CountQuery>,
) -> Result<Json<ComputerCounts>, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Read)?;
    let names = Names::read(&app, ctx).await?;
    let CountQuery { by, tag_key, status, q, group_id, tag, policy_id, platform, filter, search_id } = query;
    let by_column = match (by, tag_key) {
        (CountComputersBy::Tag, Some(key)) => Some(ComputersBy::Tag(key)),
        (CountComputersBy::Tag, None) | (_, Some(_)) => {
            return Err(Refused::invalid("by=tag and tagKey come together."));
        }
        (CountComputersBy::Policy, None) => Some(ComputersBy::Policy),
        (CountComputersBy::Group, None) => Some(ComputersBy::Group),
        (CountComputersBy::Platform, None) => Some(ComputersBy::Platform),
        (CountComputersBy::Status, None) => None,
    };
    let of = ComputerQuery {
        status,
        q,
        group_id,
        tag,
        policy_id,
        platform,
        filter,
        search_id,
        ..ComputerQuery::default()
    };
    let (beyond, wanted, _) = asked(&app, ctx, of, &names).await?;
    let (total, counts) = match (&by_column, beyond.is_nothing()) {
        (Some(by), true) => {
            let counts = app.store.computers_counted(ctx, &wanted, by).await?;
            (app.store.computers_total(ctx, &wanted).await?, counts.into_iter().collect())
        }
        _ => counted(&app, ctx, &names, &beyond, &wanted, by_column.as_ref()).await?,
    };
    let named = |value: &str| match by {
        CountComputersBy::Policy => names.policies.get(&value.parse::<Uuid>().ok()?).cloned(),
        CountComputersBy::Group => names.group(value.parse().ok()?),
        _ => None,
    };
    let mut counts: Vec<ComputerCount> = counts
        .into_iter()
        .map(|(value, count)| ComputerCount { name: named(&value), value, count })
        .collect();
    counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
    Ok(Json(ComputerCounts { total, counts }))
}

/// Counts where the database does not know everything that is asked.
async fn counted(
    app: &App,
    ctx: &TenantCtx,
    names: &Names,
    beyond: &Beyond,
    wanted: &ComputersWanted,
    by: Option<&ComputersBy>,
) -> Result<(u64, BTreeMap<String, u64>), Refused> {
    let (mut total, mut counts) = (0, BTreeMap::new());
    let mut add = |value: Option<String>| {
        total += 1;
        if let Some(value) = value {
            *counts.entry(value).or_default() += 1;
        }
    };
    let mut after = None;
    loop {
        let placed = app.store.computers_placed(ctx, wanted, after.as_ref(), PLACED).await?;
        let ended = u32::try_from(placed.len()).unwrap_or(u32::MAX) < PLACED;
        after = placed.last().map(|placed| placed.place.clone());
        let mut candidates = glimpses(app, ctx.tenant, placed, beyond);
        candidates.retain(|glimpse| beyond.may_find(glimpse));
        if by.is_none() && beyond.filters.is_empty() && beyond.module.is_none() {
            candidates.retain(|glimpse| {
                let known = glimpse.status.and_then(word);
                let is_known = known.is_some();
                if is_known {
                    add(known);
                }
                !is_known
            });
        }
        for part in candidates.chunks(WHOLE) {
            for (computer, _) in whole(app, ctx, names, part).await? {
                if !beyond.finds(&computer, names) {
                    continue;
                }
                add(match by {
                    None => word(computer.status),
                    Some(ComputersBy::Policy) => Some(computer.policy_id.to_string()),
                    Some(ComputersBy::Group) => computer.group_id.map(|id| id.to_string()),
                    Some(ComputersBy::Platform) => Some(computer.operating_system),
                    Some(ComputersBy::Tag(key)) => computer.tags.get(key).cloned(),
                });
            }
        }
        if ended {
            return Ok((total, counts));
        }
    }
}

/// A status as the API writes it.
fn word(status: ComputerStatus) -> Option<String> {
    serde_json::to_value(status).ok()?.as_str().map(str::to_owned)
}
