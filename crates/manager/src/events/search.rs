//! A filter as SQL, for both databases. What it finds is what [`Filter::matches`] says of an event, which a property
//! test holds. Nothing of a filter becomes part of a statement's text: [`Query`] takes only what stands here.
use super::{Comment, RankedPlace};
use crate::store::db::{Query, query};
use sakimori_query::{Bound, Filter, Measure, TextBound, TextField, TextTest, TimeField};
use uuid::Uuid;

/// Which database is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

/// What is counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CountBy {
    /// Severity.
    Severity,
    /// Module.
    Module,
    /// Computer, by its name at arrival.
    Computer,
    /// Rule, as `kind:rule`. Events without one are left out.
    Rule,
    /// Address that something came from. Events without one are left out.
    Source,
}

/// Most rows of a count by what strangers choose: whoever sends from ever new addresses fills no memory.
const MOST_COUNTED: u32 = 20_000;

/// By which member of its detail an event of a kind is told from others: kind, member of `SQLite`, of `PostgreSQL`.
const RULES: [(&str, &str, &str); 7] = [
    ("intrusion", "'$.sid'", "'sid'"),
    ("web-attack", "'$.message'", "'message'"),
    ("firewall", "'$.rule'", "'rule'"),
    ("malware", "'$.signature'", "'signature'"),
    ("integrity", "'$.set'", "'set'"),
    ("log", "'$.rule'", "'rule'"),
    ("web-reputation", "'$.category'", "'category'"),
];
const SOURCES: [(&str, &str, &str); 4] = [
    ("intrusion", "'$.client'", "'client'"),
    ("web-attack", "'$.client'", "'client'"),
    ("firewall", "'$.source'", "'source'"),
    ("log", "'$.sourceAddress'", "'sourceAddress'"),
];

/// What is read of an event, in the order and under the names that `stored` takes apart.
const SQLITE_COLUMNS: &str = "SELECT id, tenant_id, computer_id, computer_name, received_at, at, module, severity, action, \
     kind, detail, asset_value, rank, (SELECT group_concat(tag, char(10)) FROM event_tag t WHERE t.tenant_id = e.tenant_id AND t.event_id \
     = e.id) AS tags FROM event e WHERE e.tenant_id = ";
const POSTGRES_COLUMNS: &str = "SELECT id::text, tenant_id::text, computer_id::text, computer_name, received_at, at, \
     module, severity, action, kind, detail, asset_value, rank, (SELECT string_agg(tag, chr(10)) FROM event_tag t WHERE t.tenant_id = \
     e.tenant_id AND t.event_id = e.id) AS tags FROM event e WHERE e.tenant_id = ";

impl Dialect {
    /// An id and its place.
    pub(super) fn id(self, into: &mut Query, id: Uuid) {
        into.push_bind(id);
        if self == Self::Postgres {
            into.push("::uuid");
        }
    }

    /// The events of a tenant that a filter finds, newest first, older than `before`.
    pub(super) fn search(self, tenant: Uuid, filter: &Filter, before: Option<Uuid>, limit: u32) -> Query {
        let mut sql = self.columns(tenant);
        if let Some(before) = before {
            sql.push(" AND e.id < ");
            self.id(&mut sql, before);
        }
        sql.push(" AND ");
        self.filter(&mut sql, filter);
        sql.push(" ORDER BY e.id DESC LIMIT ").push_bind(limit);
        sql
    }

    /// The events of a tenant that a filter finds, highest rank first and of one rank the newest, after a place.
    pub(super) fn ranked(
        self,
        tenant: Uuid,
        filter: &Filter,
        after: Option<RankedPlace>,
        limit: u32,
    ) -> Query {
        let mut sql = self.columns(tenant);
        if let Some(after) = after {
            sql.push(" AND (e.rank, e.id) < (").push_bind(after.rank).push(", ");
            self.id(&mut sql, after.id);
            sql.push(")");
        }
        sql.push(" AND ");
        self.filter(&mut sql, filter);
        sql.push(" ORDER BY e.rank DESC, e.id DESC LIMIT ").push_bind(limit);
        sql
    }

    /// The events of a tenant that a filter finds, oldest first, after `after` and up to `through`.
    pub(super) fn follow(
        self,
        tenant: Uuid,
        filter: &Filter,
        (after, through): (Uuid, Uuid),
        limit: u32,
    ) -> Query {
        let mut sql = self.columns(tenant);
        sql.push(" AND e.id > ");
        self.id(&mut sql, after);
        sql.push(" AND e.id <= ");
        self.id(&mut sql, through);
        sql.push(" AND ");
        self.filter(&mut sql, filter);
        sql.push(" ORDER BY e.id LIMIT ").push_bind(limit);
        sql
    }

    /// One event.
    pub(super) fn one(self, tenant: Uuid, id: Uuid) -> Query {
        let mut sql = self.columns(tenant);
        sql.push(" AND e.id = ");
        self.id(&mut sql, id);
        sql
    }

    fn columns(self, tenant: Uuid) -> Query {
        let mut sql = query(match self {
            Self::Sqlite => SQLITE_COLUMNS,
            Self::Postgres => POSTGRES_COLUMNS,
        });
        self.id(&mut sql, tenant);
        sql
    }

    /// How many events a filter finds in each interval of `width` microseconds: interval, key, count.
    pub(super) fn counts(self, tenant: Uuid, filter: &Filter, width: i64, by: Option<CountBy>) -> Query {
        let mut sql = query("SELECT at / ");
        sql.push_bind(width);
        sql.push(match by {
            None => ", ''",
            Some(CountBy::Severity) => ", severity",
            Some(CountBy::Module) => ", module",
            Some(CountBy::Computer) => ", computer_name",
            Some(CountBy::Rule | CountBy::Source) => ", ",
        });
        let members: Option<&[_]> = match by {
            Some(CountBy::Rule) => Some(&RULES),
            Some(CountBy::Source) => Some(&SOURCES),
            _ => None,
        };
        if let Some(members) = members {
            if by == Some(CountBy::Rule) {
                sql.push("kind || ':' || ");
            }
            self.member(&mut sql, members);
        }
        sql.push(", count(*) FROM event e WHERE e.tenant_id = ");
        self.id(&mut sql, tenant);
        sql.push(" AND ");
        self.filter(&mut sql, filter);
        if let Some(members) = members {
            sql.push(" AND ");
            self.member(&mut sql, members);
            sql.push(" <> ''");
        }
        sql.push(" GROUP BY 1, 2");
        if members.is_some() {
            sql.push(" ORDER BY 3 DESC LIMIT ").push_bind(MOST_COUNTED);
        }
        sql
    }

    /// A member of the detail as text, which one by the event's kind; NULL for kinds that have none.
    fn member(self, sql: &mut Query, of: &'static [(&'static str, &'static str, &'static str)]) {
        sql.push("CASE kind");
        for (kind, sqlite, postgres) in of {
            sql.push(" WHEN '").push(kind).push("' THEN ");
            match self {
                Self::Sqlite => sql.push("CAST(json_extract(detail, ").push(sqlite).push(") AS TEXT)"),
                Self::Postgres => sql.push("(detail::jsonb ->> ").push(postgres).push(")"),
            };
        }
        sql.push(" END");
    }

    /// Gives an event a tag; twice is as once.
    pub(super) fn tag(self, tenant: Uuid, event: Uuid, tag: &str) -> Query {
        let mut sql = query("INSERT INTO event_tag (tenant_id, event_id, tag) VALUES (");
        self.id(&mut sql, tenant);
        sql.push(", ");
        self.id(&mut sql, event);
        sql.push(", ").push_bind(tag).push(") ON CONFLICT DO NOTHING");
        sql
    }

    /// Takes a tag from an event.
    pub(super) fn untag(self, tenant: Uuid, event: Uuid, tag: &str) -> Query {
        let mut sql = query("DELETE FROM event_tag WHERE tenant_id = ");
        self.id(&mut sql, tenant);
        sql.push(" AND event_id = ");
        self.id(&mut sql, event);
        sql.push(" AND tag = ").push_bind(tag);
        sql
    }

    /// Adds a comment.
    pub(super) fn comment(self, tenant: Uuid, event: Uuid, comment: &Comment) -> Query {
        let mut sql = query("INSERT INTO event_comment (tenant_id, event_id, id, at, author, text) VALUES (");
        for id in [tenant, event, comment.id] {
            self.id(&mut sql, id);
            sql.push(", ");
        }
        sql.push_bind(comment.at.0).push(", ").push_bind(&comment.author);
        sql.push(", ").push_bind(&comment.text).push(")");
        sql
    }

    /// The comments on an event, oldest first.
    pub(super) fn comments(self, tenant: Uuid, event: Uuid) -> Query {
        let mut sql = query(match self {
            Self::Sqlite => "SELECT id, at, author, text FROM event_comment c WHERE c.tenant_id = ",
            Self::Postgres => "SELECT id::text, at, author, text FROM event_comment c WHERE c.tenant_id = ",
        });
        self.id(&mut sql, tenant);
        sql.push(" AND c.event_id = ");
        self.id(&mut sql, event);
        sql.push(" ORDER BY c.id");
        sql
    }

    fn filter(self, sql: &mut Query, filter: &Filter) {
        match filter {
            Filter::And(all) => self.join(sql, all, " AND ", "1 = 1"),
            Filter::Or(any) => self.join(sql, any, " OR ", "1 = 0"),
            Filter::Not(inner) => {
                sql.push("NOT ");
                self.filter(sql, inner);
            }
            Filter::Time(field, from, to) => {
                let column = match field {
                    TimeField::At => "e.at",
                    TimeField::Received => "e.received_at",
                };
                sql.push("(1 = 1");
                for (bound, operator) in [(from, " >= "), (to, " < ")] {
                    if let Some(bound) = bound {
                        sql.push(" AND ").push(column).push(operator).push_bind(*bound);
                    }
                }
                sql.push(")");
            }
            Filter::Severity(any) => {
                sql.push("e.severity IN (");
                values(sql, any.iter().map(|severity| severity.as_str()));
                sql.push(")");
            }
            Filter::Text(field, test) => self.text(sql, field, test),
            Filter::Number(path, low, high) => {
                self.members(sql, path);
                sql.push(match self {
                    Self::Sqlite => "m.type IN ('integer', 'real')",
                    Self::Postgres => "CASE WHEN jsonb_typeof(m.value) = 'number' THEN true",
                });
                let value = match self {
                    Self::Sqlite => "m.value",
                    Self::Postgres => "(m.value #>> '{}')::numeric",
                };
                within(sql, value, *low, *high);
                sql.push(match self {
                    Self::Sqlite => "))",
                    Self::Postgres => " ELSE false END))",
                });
            }
            Filter::Measure(measure, low, high) => {
                sql.push("(1 = 1");
                let column = match measure {
                    Measure::AssetValue => "e.asset_value",
                    Measure::Rank => "e.rank",
                };
                within(sql, column, *low, *high);
                sql.push(")");
            }
            Filter::Exists(path) => {
                self.members(sql, path);
                sql.push("1 = 1))");
            }
            Filter::Anywhere(text) => {
                self.contains(sql, "e.detail || ' ' || e.computer_name", text);
            }
        }
    }

    fn join(self, sql: &mut Query, parts: &[Filter], with: &'static str, none: &'static str) {
        sql.push("(");
        if parts.is_empty() {
            sql.push(none);
        }
        for (number, part) in parts.iter().enumerate() {
            if number > 0 {
                sql.push(with);
            }
            self.filter(sql, part);
        }
        sql.push(")");
    }

    fn text(self, sql: &mut Query, field: &TextField, test: &TextTest) {
        match field {
            TextField::Module => self.test(sql, "e.module", test),
            TextField::Kind => self.test(sql, "e.kind", test),
            TextField::Action => self.test(sql, "e.action", test),
            TextField::Computer => self.test(sql, "e.computer_name", test),
            TextField::ComputerId => self.computer_id(sql, test),
            TextField::Tag => {
                sql.push("EXISTS (SELECT 1 FROM event_tag t WHERE t.tenant_id = e.tenant_id AND t.event_id = e.id AND ");
                self.test(sql, "t.tag", test);
                sql.push(")");
            }
            TextField::Detail(path) => {
                self.members(sql, path);
                self.test(
                    sql,
                    match self {
                        Self::Sqlite => {
                            "CASE m.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(m.value AS TEXT) END"
                        }
                        Self::Postgres => "(m.value #>> '{}') COLLATE \"C\"",
                    },
                    test,
                );
                sql.push("))");
            }
        }
    }

    /// By the column itself where it can be, so that its index serves.
    fn computer_id(self, sql: &mut Query, test: &TextTest) {
        match test {
            TextTest::In(ids) => {
                sql.push("e.computer_id IN (");
                for (number, id) in ids.iter().enumerate() {
                    if number > 0 {
                        sql.push(", ");
                    }
                    self.id(sql, Uuid::parse_str(id).unwrap_or_default());
                }
                sql.push(if ids.is_empty() { "SELECT e.computer_id WHERE 1 = 0)" } else { ")" });
            }
            test => self.test(
                sql,
                match self {
                    Self::Sqlite => "e.computer_id",
                    Self::Postgres => "e.computer_id::text",
                },
                test,
            ),
        }
    }

    /// Begins to ask of the values of a member, as `m.value`: its elements where it is a list, else itself.
    fn members(self, sql: &mut Query, path: &[String]) {
        // Names of members hold letters, digits, - and _ only: the parser sees to it.
        match self {
            Self::Sqlite => {
                let path = path.iter().fold("$".to_owned(), |path, member| format!("{path}.\"{member}\""));
                sql.push("(json_type(e.detail, ").push_bind(path.clone());
                sql.push(") IS NOT 'object' AND EXISTS (SELECT 1 FROM json_each(e.detail, ").push_bind(path);
                sql.push(") m WHERE m.type NOT IN ('null', 'object', 'array') AND ");
            }
            Self::Postgres => {
                let path = format!("{{{}}}", path.join(","));
                sql.push("(EXISTS (SELECT 1 FROM (SELECT e.detail::jsonb #> ").push_bind(path);
                sql.push(
                    "::text[] AS v) d, jsonb_array_elements(CASE jsonb_typeof(d.v) WHEN 'array' THEN d.v ELSE \
                     jsonb_build_array(d.v) END) m(value) WHERE jsonb_typeof(m.value) NOT IN ('null', 'object', 'array') \
                     AND ",
                );
            }
        }
    }

    fn test(self, sql: &mut Query, value: &'static str, test: &TextTest) {
        match test {
            TextTest::In(any) => {
                sql.push(value).push(" IN (");
                values(sql, any.iter().map(String::as_str));
                sql.push(")");
            }
            TextTest::Like(parts) => match self {
                Self::Sqlite => {
                    let parts: Vec<String> = parts.iter().map(|part| glob(part)).collect();
                    sql.push(value).push(" GLOB ").push_bind(parts.join("*"));
                }
                Self::Postgres => {
                    let parts: Vec<String> = parts.iter().map(|part| like(part)).collect();
                    sql.push(value).push(" LIKE ").push_bind(parts.join("%"));
                }
            },
            TextTest::Contains(part) => self.contains(sql, value, part),
            TextTest::Between(low, high) => {
                sql.push("(1 = 1");
                for (bound, including, excluding) in [(low, " >= ", " > "), (high, " <= ", " < ")] {
                    let (text, operator) = match bound {
                        TextBound::Open => continue,
                        TextBound::Including(text) => (text, including),
                        TextBound::Excluding(text) => (text, excluding),
                    };
                    sql.push(" AND ").push(value).push(operator).push_bind(text);
                }
                sql.push(")");
            }
        }
    }

    /// Whether a text contains another one that is in lower case; ASCII letters alone have cases.
    fn contains(self, sql: &mut Query, value: &'static str, part: &str) {
        match self {
            Self::Sqlite => sql.push("instr(lower(").push(value).push("), ").push_bind(part).push(") > 0"),
            Self::Postgres => sql
                .push("strpos(lower((")
                .push(value)
                .push(") COLLATE \"C\"), ")
                .push_bind(part)
                .push(") > 0"),
        };
    }
}

/// The bounds of a number, each with `AND` before it.
fn within(sql: &mut Query, value: &'static str, low: Bound, high: Bound) {
    for (bound, including, excluding) in [(low, " >= ", " > "), (high, " <= ", " < ")] {
        let (number, operator) = match bound {
            Bound::Open => continue,
            Bound::Including(number) => (number, including),
            Bound::Excluding(number) => (number, excluding),
        };
        sql.push(" AND ").push(value).push(operator);
        sql.push("CAST(").push_bind(number.to_string()).push(" AS NUMERIC)");
    }
}

/// Values of a list. Where there are none, a list of no rows: `NULL` in it would make `NOT` find nothing too.
fn values<'a>(sql: &mut Query, values: impl Iterator<Item = &'a str>) {
    let mut any = false;
    for value in values {
        if any {
            sql.push(", ");
        }
        sql.push_bind(value);
        any = true;
    }
    if !any {
        sql.push("SELECT '' WHERE 1 = 0");
    }
}

/// Takes from `GLOB` what it would read as more than a character.
fn glob(part: &str) -> String {
    part.chars()
        .map(|c| if matches!(c, '*' | '?' | '[') { format!("[{c}]") } else { c.to_string() })
        .collect()
}

/// Takes from `LIKE` what it would read as more than a character.
fn like(part: &str) -> String {
    part.chars()
        .map(|c| if matches!(c, '%' | '_' | '\\') { format!("\\{c}") } else { c.to_string() })
        .collect()
}
