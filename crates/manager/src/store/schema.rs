//! The schema, by migrations that only ever go forward.
//!
//! Each migration is one file for both databases, written for `SQLite` with `STRICT` tables; for `PostgreSQL` its
//! types are translated word by word ([`for_postgres`]). So a migration keeps to what both have: `CREATE TABLE`,
//! `CREATE INDEX`, `ALTER TABLE … ADD COLUMN`, `INSERT`, `UPDATE`, `DELETE`; `TEXT`, `INTEGER` (an `i64`; truth is
//! 0 or 1), `BLOB`. What they say differently has a file for each, what one alone needs a file of its own. A released migration is never
//! changed: the database keeps its checksum and refuses another.
//!
//! Every table with a `tenant_id` is put under row-level security by [`secure`], without being named anywhere.
use super::db::{Db, ROWS_ROLE};
use crate::store::StoreError;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, PgPool, SqlSafeStr as _};

/// A step of the schema.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Its number; the order in which steps are taken.
    pub version: i64,
    /// What it is for.
    pub name: &'static str,
    /// Its statements.
    pub sql: Statements,
}

/// The statements of a step.
#[derive(Clone, Copy, Debug)]
pub enum Statements {
    /// Both databases take it; written for `SQLite`.
    Both(&'static str),
    /// Only `PostgreSQL` takes it, as it is.
    Postgres(&'static str),
    /// Each takes its own.
    Each {
        /// For `SQLite`.
        sqlite: &'static str,
        /// For `PostgreSQL`.
        postgres: &'static str,
    },
}

/// All steps. A new one is added at the end, with the next number.
pub const STEPS: &[Step] = &[
    Step {
        version: 1,
        name: "initial",
        sql: Statements::Both(include_str!("../../migrations/0001_initial.sql")),
    },
    Step {
        version: 2,
        name: "events",
        sql: Statements::Postgres(include_str!("../../migrations/0002_events.postgres.sql")),
    },
    Step {
        version: 3,
        name: "searches",
        sql: Statements::Both(include_str!("../../migrations/0003_searches.sql")),
    },
    Step {
        version: 4,
        name: "policy model",
        sql: Statements::Both(include_str!("../../migrations/0004_policy_model.sql")),
    },
    Step {
        version: 5,
        name: "fleet",
        sql: Statements::Both(include_str!("../../migrations/0005_fleet.sql")),
    },
    Step {
        version: 6,
        name: "inventory",
        sql: Statements::Both(include_str!("../../migrations/0006_inventory.sql")),
    },
    Step {
        version: 7,
        name: "alerts",
        sql: Statements::Both(include_str!("../../migrations/0007_alerts.sql")),
    },
    Step {
        version: 8,
        name: "channels",
        sql: Statements::Both(include_str!("../../migrations/0008_channels.sql")),
    },
    Step {
        version: 9,
        name: "tasks",
        sql: Statements::Both(include_str!("../../migrations/0009_tasks.sql")),
    },
    Step {
        version: 10,
        name: "nodes",
        sql: Statements::Both(include_str!("../../migrations/0010_nodes.sql")),
    },
    Step {
        version: 11,
        name: "channel losses",
        sql: Statements::Both(include_str!("../../migrations/0011_channel_losses.sql")),
    },
    Step { version: 12, name: "api", sql: Statements::Both(include_str!("../../migrations/0012_api.sql")) },
    Step {
        version: 13,
        name: "operations",
        sql: Statements::Both(include_str!("../../migrations/0013_operations.sql")),
    },
    Step {
        version: 14,
        name: "tags of computers",
        sql: Statements::Both(include_str!("../../migrations/0014_computer_tags.sql")),
    },
    Step {
        version: 15,
        name: "tags of computers that are there",
        sql: Statements::Each {
            sqlite: include_str!("../../migrations/0015_computer_tags.sqlite.sql"),
            postgres: include_str!("../../migrations/0015_computer_tags.postgres.sql"),
        },
    },
    Step {
        version: 16,
        name: "ranks of events",
        sql: Statements::Postgres(include_str!("../../migrations/0016_event_rank.postgres.sql")),
    },
    Step {
        version: 17,
        name: "upgrades",
        sql: Statements::Both(include_str!("../../migrations/0017_upgrades.sql")),
    },
    Step {
        version: 18,
        name: "orders about firewalls",
        sql: Statements::Both(include_str!("../../migrations/0018_firewall_orders.sql")),
    },
    Step {
        version: 19,
        name: "ids of orders about firewalls",
        sql: Statements::Both(include_str!("../../migrations/0019_firewall_orders_id.sql")),
    },
    Step {
        version: 20,
        name: "rule sets of the web application firewall",
        sql: Statements::Both(include_str!("../../migrations/0020_waf_rule_sets.sql")),
    },
];

/// Brings the database to this version's schema, or to that of step `until`.
pub(crate) async fn migrate(db: &Db, until: Option<i64>) -> Result<(), StoreError> {
    let migrator = |postgres: bool| {
        let steps = STEPS.iter().filter(|step| until.is_none_or(|until| step.version <= until));
        let migrations = steps.filter_map(|step| {
            let sql = match step.sql {
                Statements::Both(sql) if postgres => AssertSqlSafe(for_postgres(sql)).into_sql_str(),
                Statements::Each { postgres: sql, .. } | Statements::Postgres(sql) if postgres => {
                    sql.into_sql_str()
                }
                Statements::Both(sql) | Statements::Each { sqlite: sql, .. } => sql.into_sql_str(),
                Statements::Postgres(_) => return None,
            };
            Some(Migration::new(step.version, step.name.into(), MigrationType::Simple, sql, false))
        });
        Migrator::with_migrations(migrations.collect())
    };
    match db {
        Db::Sqlite { write, .. } => migrator(false).run(write).await?,
        Db::Postgres(pool) => {
            // A step over large tables takes its time; the connection then goes, for its session is not like the others'.
            let mut connection = pool.acquire().await?;
            sqlx::raw_sql("SET statement_timeout = 0").execute(&mut *connection).await?;
            migrator(true).run(&mut *connection).await?;
            connection.close().await?;
            secure(pool).await?;
        }
    }
    Ok(())
}

/// A migration in the words of `PostgreSQL`. Texts compare by their bytes there too.
pub fn for_postgres(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len() * 2);
    for line in sql.lines() {
        let code = line.split("--").next().unwrap_or_default();
        let mut word = String::new();
        for c in code.chars().chain(['\n']) {
            if c.is_alphanumeric() || c == '_' {
                word.push(c);
                continue;
            }
            out.push_str(match word.as_str() {
                "TEXT" => "TEXT COLLATE \"C\"",
                "INTEGER" => "BIGINT",
                "BLOB" => "BYTEA",
                "STRICT" => "",
                other => other,
            });
            word.clear();
            out.push(c);
        }
    }
    out
}

/// Puts each table with a `tenant_id` under row-level security and opens it, so guarded, to the tenants' role.
///
/// It changes nothing that is as it should be: managers that start beside others take no lock.
async fn secure(pool: &PgPool) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    sqlx::raw_sql("SELECT pg_advisory_xact_lock(hashtext('sakimori schema'))").execute(&mut *tx).await?;
    // Roles belong to the whole server: somebody else may be making it for another database right now.
    let role = format!(
        "DO $$ BEGIN
           IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROWS_ROLE}') THEN
             BEGIN CREATE ROLE {ROWS_ROLE} NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END;
           END IF;
           IF NOT pg_has_role(current_user, '{ROWS_ROLE}', 'MEMBER') THEN
             EXECUTE format('GRANT {ROWS_ROLE} TO %I', current_user);
           END IF;
         END $$"
    );
    sqlx::raw_sql(AssertSqlSafe(role)).execute(&mut *tx).await.map_err(StoreError::Role)?;
    // What SQLite calls instr.
    let instr = "DO $$ BEGIN
           IF to_regprocedure('instr(text, text)') IS NULL THEN
             CREATE FUNCTION instr(text, text) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
               AS 'SELECT strpos($1, $2)::bigint';
           END IF;
         END $$";
    sqlx::raw_sql(instr).execute(&mut *tx).await?;
    let guard = format!(
        "DO $$ DECLARE t record; mine text; BEGIN
           IF NOT has_schema_privilege('{ROWS_ROLE}', current_schema(), 'USAGE') THEN
             EXECUTE format('GRANT USAGE ON SCHEMA %I TO {ROWS_ROLE}', current_schema());
           END IF;
           FOR t IN SELECT c.oid, c.relname, c.relrowsecurity, a.attnotnull, format_type(a.atttypid, NULL) AS kind
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
             WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
           LOOP
             IF NOT t.relrowsecurity THEN
               EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t.relname);
             END IF;
             IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = t.oid AND polname = 'own_rows') THEN
               mine := 'tenant_id = current_setting(''sakimori.tenant'')::' || t.kind;
               EXECUTE format('CREATE POLICY own_rows ON %I TO {ROWS_ROLE} USING (%s) WITH CHECK (%s)', t.relname,
                 CASE WHEN t.attnotnull THEN mine ELSE 'tenant_id IS NULL OR ' || mine END, mine);
             END IF;
             IF NOT has_table_privilege('{ROWS_ROLE}', t.oid, 'DELETE') THEN
               EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO {ROWS_ROLE}', t.relname);
             END IF;
           END LOOP;
         END $$"
    );
    sqlx::raw_sql(AssertSqlSafe(guard)).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_is_said_in_the_words_of_postgres() {
        let sql = "-- TEXT\nCREATE TABLE a (\n    b TEXT NOT NULL, -- INTEGER\n    c INTEGER,\n    d BLOB\n) STRICT;\n";
        let expected =
            "\nCREATE TABLE a (\n    b TEXT COLLATE \"C\" NOT NULL, \n    c BIGINT,\n    d BYTEA\n) ;\n";
        assert_eq!(for_postgres(sql), expected);
    }

    #[test]
    fn steps_are_numbered_without_gaps() {
        for (expected, step) in (1..).zip(STEPS) {
            assert_eq!(step.version, expected, "{}", step.name);
        }
    }
}
