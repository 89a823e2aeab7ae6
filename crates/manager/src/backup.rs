//! Backup while the manager runs, and restore into an empty place.
//!
//! A backup is one tar file: the system of record and the events as one moment each saw them, and the keys. It holds
//! private keys: it is readable by its owner alone, and has to be kept as the data directory is.
//!
//! *`SQLite`*: each database file by `VACUUM INTO`, which reads one snapshot and holds up nobody. The events' files come
//! before the record, so that a computer which an event names is there. *`PostgreSQL`*: every table by `COPY` in one
//! `REPEATABLE READ` transaction, record and events at the same moment; restored into an empty database whose schema
//! is brought to the step that the backup was made at. For databases too large for one file use `pg_basebackup`,
//! and this for the keys.
mod archive;

use crate::clock::{self, Clock};
use crate::events::Partitions;
use crate::store::db::Db;
use crate::store::{Database, Store, StoreError, schema};
use archive::{Reader, Writer};
use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Form of the archive.
const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest.json";
/// Bound of the manifest: a line a file.
const MANIFEST_BYTES: u64 = 16 << 20;
const CHUNK: usize = 1 << 16;

/// A backup could not be made, or not be restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file.
    #[error("cannot use {0}")]
    File(PathBuf, #[source] io::Error),
    /// The archive.
    #[error("the archive cannot be written or read")]
    Archive(#[from] io::Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A statement.
    #[error("the database refused a statement")]
    Database(#[from] sqlx::Error),
    /// The manifest.
    #[error("the manifest cannot be read")]
    Manifest(#[from] serde_json::Error),
    /// What is in the archive is not what was put there.
    #[error("the archive is damaged: {0}")]
    Damaged(String),
    /// There is something already.
    #[error("{0} is not empty: restore into an empty place")]
    NotEmpty(String),
    /// The archive is from another kind of database.
    #[error("the backup is of {0}: restore it into {0}")]
    OtherDatabase(String),
    /// The archive is from the future.
    #[error("the backup was made by a newer version (schema {0}): update this manager first")]
    Newer(i64),
}

/// What is in an archive; its last file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    format: u32,
    /// `SQLite` or `PostgreSQL`.
    database: String,
    /// The last step of the schema.
    schema: i64,
    /// The program that made it.
    version: String,
    made_at: String,
    /// The days of events, where they are partitions.
    days: Vec<i64>,
    /// The columns of each table, as its file has them.
    tables: BTreeMap<String, Vec<String>>,
    /// SHA-256 of each file in hexadecimal digits.
    files: BTreeMap<String, String>,
}

struct Backup {
    archive: Writer,
    manifest: Manifest,
}

/// Writes everything that a manager keeps into one file, also while it runs.
pub async fn backup(
    data_dir: &Path,
    database: &Database,
    to: &Path,
    clock: &Clock,
) -> Result<(), BackupError> {
    let unusable = |e| BackupError::File(to.to_owned(), e);
    let partial = to.with_extension("partial");
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&partial);
    let file = file.map_err(|e| BackupError::File(partial.clone(), e))?;
    let result = write(data_dir, database, file, clock).await;
    match result {
        Ok(()) => std::fs::rename(&partial, to).map_err(unusable),
        Err(error) => {
            if let Err(left) = std::fs::remove_file(&partial) {
                tracing::warn!(error = %left, path = %partial.display(), "a part of a backup is left");
            }
            Err(error)
        }
    }
}

async fn write(data_dir: &Path, database: &Database, file: File, clock: &Clock) -> Result<(), BackupError> {
    let manifest = Manifest {
        format: FORMAT,
        database: kind(database).to_owned(),
        schema: 0,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: clock::text(clock.now()),
        days: Vec::new(),
        tables: BTreeMap::new(),
        files: BTreeMap::new(),
    };
    let mut backup = Backup { archive: Writer::new(file), manifest };
    match database {
        Database::Sqlite(path) => {
            for name in databases(&data_dir.join("events"))? {
                backup.sqlite(&data_dir.join("events").join(&name), &format!("events/{name}")).await?;
            }
            backup.sqlite(path, "manager.db").await?;
            let mut connection = SqliteConnection::connect(&address(path)).await?;
            (backup.manifest.schema,) = sqlx::query_as("SELECT max(version) FROM _sqlx_migrations")
                .fetch_one(&mut connection)
                .await?;
            connection.close().await?;
        }
        Database::Postgres(url) => backup.postgres(url).await?,
    }
    backup.keys(data_dir)?;
    let manifest = serde_json::to_vec_pretty(&backup.manifest)?;
    backup.archive.begin(MANIFEST)?;
    backup.archive.write_all(&manifest)?;
    Ok(backup.archive.finish()?)
}

fn kind(database: &Database) -> &'static str {
    match database {
        Database::Sqlite(_) => "SQLite",
        Database::Postgres(_) => "PostgreSQL",
    }
}

fn address(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

/// The database files in a folder; none where there is no folder.
fn databases(dir: &Path) -> Result<Vec<String>, BackupError> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(BackupError::File(dir.to_owned(), error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        names.extend(Path::new(&name).extension().is_some_and(|kind| kind == "db").then_some(name));
    }
    names.sort();
    Ok(names)
}

impl Backup {
    /// One file, from what `read` gives.
    fn file(&mut self, name: &str, mut content: impl io::Read) -> Result<(), BackupError> {
        self.archive.begin(name)?;
        let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
        let mut chunk = vec![0; CHUNK];
        loop {
            let length = content.read(&mut chunk)?;
            let Some(part) = chunk.get(..length).filter(|part| !part.is_empty()) else { break };
            hash.update(part);
            self.archive.write_all(part)?;
        }
        self.manifest.files.insert(name.to_owned(), crate::secrets::hex(hash.finish().as_ref()));
        Ok(())
    }

    async fn sqlite(&mut self, path: &Path, name: &str) -> Result<(), BackupError> {
        let copy = path.with_extension("backup");
        // One that a backup that was killed has left.
        match std::fs::remove_file(&copy) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(BackupError::File(copy, error));
            }
            _ => {}
        }
        let mut connection = SqliteConnection::connect(&address(path)).await?;
        sqlx::query("VACUUM INTO ?").bind(copy.display().to_string()).execute(&mut connection).await?;
        connection.close().await?;
        let content = File::open(&copy).map_err(|e| BackupError::File(copy.clone(), e))?;
        let result = self.file(name, content);
        std::fs::remove_file(&copy).map_err(|e| BackupError::File(copy, e))?;
        result
    }

    async fn postgres(&mut self, url: &str) -> Result<(), BackupError> {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut connection).await?;
        (self.manifest.schema,) =
            sqlx::query_as("SELECT max(version) FROM _sqlx_migrations").fetch_one(&mut connection).await?;
        let days: Vec<(String,)> = sqlx::query_as(
            "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = \
             'event'::regclass ORDER BY 1",
        )
        .fetch_all(&mut connection)
        .await?;
        self.manifest.days = days.iter().filter_map(|(name,)| Partitions::day_of(name)).collect();
        for (table, columns) in tables(&mut connection).await? {
            let name = format!("postgres/{table}.copy");
            self.archive.begin(&name)?;
            let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
            let sql = format!("COPY (SELECT {} FROM \"{table}\") TO STDOUT", columns.join(", "));
            let mut rows = connection.copy_out_raw(&sql).await?;
            while let Some(part) = rows.try_next().await? {
                hash.update(&part);
                self.archive.write_all(&part)?;
            }
            drop(rows);
            self.manifest.files.insert(name, crate::secrets::hex(hash.finish().as_ref()));
            self.manifest.tables.insert(table, columns);
        }
        sqlx::raw_sql("COMMIT").execute(&mut connection).await?;
        Ok(connection.close().await?)
    }

    /// Keys and certificates: the files that lie in the data directory itself and are no database.
    fn keys(&mut self, data_dir: &Path) -> Result<(), BackupError> {
        let unusable = |e| BackupError::File(data_dir.to_owned(), e);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(data_dir).map_err(unusable)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let wanted = [".key", ".pem", ".pub", ".crt"].iter().any(|kind| name.ends_with(kind));
            if wanted && entry.file_type()?.is_file() {
                names.push(name);
            }
        }
        names.sort();
        for name in names {
            let path = data_dir.join(&name);
            let content = File::open(&path).map_err(|e| BackupError::File(path, e))?;
            self.file(&name, content)?;
        }
        Ok(())
    }
}

/// The tables, those that others refer to first, each with its columns.
async fn tables(connection: &mut PgConnection) -> Result<Vec<(String, Vec<String>)>, BackupError> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT c.relname::text, quote_ident(a.attname) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
         WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition \
         AND a.attnum > 0 AND NOT a.attisdropped AND c.relname <> '_sqlx_migrations' ORDER BY c.oid, a.attnum",
    )
    .fetch_all(connection)
    .await?;
    let mut tables: Vec<(String, Vec<String>)> = Vec::new();
    for (table, column) in rows {
        match tables.last_mut().filter(|(last, _)| *last == table) {
            Some((_, columns)) => columns.push(column),
            None => tables.push((table, vec![column])),
        }
    }
    Ok(tables)
}

/// Unpacks a backup into an empty data directory and, where it is one of `PostgreSQL`, an empty database.
pub async fn restore(data_dir: &Path, database: &Database, from: &Path) -> Result<(), BackupError> {
    let unusable = |e| BackupError::File(data_dir.to_owned(), e);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir).map_err(unusable)?;
    if let Some(entry) = std::fs::read_dir(data_dir).map_err(unusable)?.next() {
        return Err(BackupError::NotEmpty(entry?.path().display().to_string()));
    }
    let unpacked = data_dir.join("restoring");
    let result = unpack_and_load(data_dir, &unpacked, database, from).await;
    if let Err(error) = std::fs::remove_dir_all(&unpacked)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %unpacked.display(), "what was unpacked is left");
    }
    result
}

async fn unpack_and_load(
    data_dir: &Path,
    unpacked: &Path,
    database: &Database,
    from: &Path,
) -> Result<(), BackupError> {
    let manifest = unpack(from, unpacked)?;
    if manifest.database != kind(database) {
        return Err(BackupError::OtherDatabase(manifest.database));
    }
    if schema::STEPS.last().is_none_or(|step| manifest.schema > step.version) {
        return Err(BackupError::Newer(manifest.schema));
    }
    if let Database::Postgres(url) = database {
        load(url, database, &manifest, unpacked).await?;
    }
    // Only what is whole comes to its place.
    for name in manifest.files.keys().filter(|name| !name.starts_with("postgres/")) {
        let to = match (name.as_str(), database) {
            ("manager.db", Database::Sqlite(path)) => path.clone(),
            (name, _) => data_dir.join(name),
        };
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent).map_err(|e| BackupError::File(parent.to_owned(), e))?;
        }
        std::fs::rename(unpacked.join(name), &to).map_err(|e| BackupError::File(to, e))?;
    }
    Ok(())
}

/// Unpacks every file and holds it against the manifest.
fn unpack(from: &Path, into: &Path) -> Result<Manifest, BackupError> {
    let file = File::open(from).map_err(|e| BackupError::File(from.to_owned(), e))?;
    let mut archive = Reader::new(file);
    let mut sums = BTreeMap::new();
    let mut manifest: Option<Manifest> = None;
    while let Some(mut entry) = archive.next()? {
        let length = entry.content.limit();
        let name = entry.name.clone();
        let plain = |part: &str| {
            !part.is_empty()
                && part != ".."
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        if !name.split('/').all(plain) || name.split('/').count() > 2 {
            return Err(BackupError::Damaged(format!("{name} is not the name of a file of a backup")));
        }
        if name == MANIFEST {
            let mut text = String::new();
            entry.content.by_ref().take(MANIFEST_BYTES).read_to_string(&mut text)?;
            manifest = Some(serde_json::from_str(&text)?);
        } else {
            let to = into.join(&name);
            if let Some(parent) = to.parent() {
                std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
            }
            let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&to)?;
            let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
            let mut chunk = vec![0; CHUNK];
            loop {
                let read = entry.content.read(&mut chunk)?;
                let Some(part) = chunk.get(..read).filter(|part| !part.is_empty()) else { break };
                hash.update(part);
                out.write_all(part)?;
            }
            out.sync_all()?;
            sums.insert(name, crate::secrets::hex(hash.finish().as_ref()));
        }
        archive.skip_padding(length)?;
    }
    let manifest = manifest.ok_or_else(|| BackupError::Damaged("it has no manifest".to_owned()))?;
    if manifest.format != FORMAT {
        return Err(BackupError::Damaged(format!("its form is {}, not {FORMAT}", manifest.format)));
    }
    if sums != manifest.files {
        let wrong = manifest.files.iter().find(|(name, sum)| sums.get(*name) != Some(*sum));
        let name = wrong.map_or("a file that is not in the manifest", |(name, _)| name.as_str());
        return Err(BackupError::Damaged(format!("{name} is not what was put there")));
    }
    Ok(manifest)
}

/// Brings an empty database to the schema of the backup and copies every table, all or nothing.
async fn load(
    url: &str,
    database: &Database,
    manifest: &Manifest,
    unpacked: &Path,
) -> Result<(), BackupError> {
    let mut connection = PgConnection::connect(url).await?;
    if !tables(&mut connection).await?.is_empty() {
        return Err(BackupError::NotEmpty("the database".to_owned()));
    }
    let store = Store::open_until(database, manifest.schema).await?;
    if let Db::Postgres(pool) = store.db() {
        Partitions::make(pool, &manifest.days).await?;
    }
    store.close().await;
    let there = tables(&mut connection).await?;
    sqlx::raw_sql("BEGIN").execute(&mut connection).await?;
    for (table, columns) in there {
        let Some(written) = manifest.tables.get(&table) else { continue };
        // The names in the manifest become part of a statement only where the database has them too.
        if let Some(unknown) = written.iter().find(|column| !columns.contains(column)) {
            return Err(BackupError::Damaged(format!("{table} has no column {unknown}")));
        }
        let sql = format!("COPY \"{table}\" ({}) FROM STDIN", written.join(", "));
        let mut rows = File::open(unpacked.join(format!("postgres/{table}.copy")))?;
        let mut copy = connection.copy_in_raw(&sql).await?;
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = rows.read(&mut chunk)?;
            let Some(part) = chunk.get(..read).filter(|part| !part.is_empty()) else { break };
            copy.send(part).await?;
        }
        copy.finish().await?;
    }
    sqlx::raw_sql("COMMIT").execute(&mut connection).await?;
    Ok(connection.close().await?)
}
