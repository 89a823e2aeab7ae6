//! The engine with the Core Rule Set of a folder.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sakimori_model::Timestamp;
use sakimori_seclang::{
    Compiled, Loader, Memory, Opening, RECOMMENDED, Ruleset, SourceFile, Transaction, Verdict, compile,
};
use sakimori_testkit::peer::{Play, Rules};

pub(crate) const NOW: Timestamp = Timestamp(1_790_000_000_000_000);

struct Beside(PathBuf);

impl Loader for Beside {
    fn load(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.0.join(name)).ok()
    }
}

/// Files of a rule set in their order.
#[derive(Debug)]
pub(crate) struct RuleFiles {
    pub(crate) folder: PathBuf,
    pub(crate) setup: PathBuf,
    pub(crate) rules: Vec<PathBuf>,
}

impl RuleFiles {
    /// Finds them in a folder, or in `rules` of it.
    pub(crate) fn find(folder: &Path) -> anyhow::Result<Self> {
        let inner = folder.join("rules");
        let folder = if inner.is_dir() { inner } else { folder.to_owned() };
        let setup = ["crs-setup.conf.example", "crs-setup.conf"];
        let setup = setup
            .iter()
            .flat_map(|name| [folder.join(name), folder.join("..").join(name)])
            .find(|path| path.is_file())
            .context("no crs-setup.conf.example beside the rules")?;
        let mut rules: Vec<PathBuf> =
            std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<_>>()?;
        rules.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
        rules.sort();
        Ok(Self { folder, setup, rules })
    }

    /// The same for libmodsecurity, which keeps what is set first.
    pub(crate) fn for_peer(&self, own: &[&str]) -> Vec<Rules> {
        let recommended = RECOMMENDED.replace("SecRuleEngine DetectionOnly", "");
        let mut parts = vec![
            Rules::Text("SecAuditEngine Off".to_owned()),
            Rules::Text(own.join("\n")),
            Rules::Text(recommended),
            Rules::File(self.setup.clone()),
        ];
        parts.extend(self.rules.iter().cloned().map(Rules::File));
        parts
    }

    /// Loads them, with directives of one's own between the setup and the rules.
    pub(crate) fn load(&self, own: &str) -> anyhow::Result<Ruleset> {
        let source = |name: &str, text: Vec<u8>| SourceFile { name: name.to_owned(), text };
        let mut files = vec![
            source("recommended.conf", RECOMMENDED.into()),
            source("crs-setup.conf.example", std::fs::read(&self.setup)?),
            source("own.conf", own.into()),
        ];
        for path in &self.rules {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.push(source(&name, std::fs::read(path)?));
        }
        let Compiled { ruleset, diagnostics } = compile(&files, &Beside(self.folder.clone()));
        for finding in &diagnostics {
            println!("{finding}");
        }
        ruleset.context("the rules do not load")
    }
}

/// Judges a request with its answer through all phases, as long as it passes; the last phase beside.
pub(crate) fn play<'r>(ruleset: &'r Ruleset, store: &'r Memory, play: &Play) -> (Transaction<'r>, u8) {
    let opening = Opening {
        client: ([192, 0, 2, 10], 40_000).into(),
        server: ([192, 0, 2, 80], 80).into(),
        unique_id: "0c1d2e3f405162738495".to_owned(),
        now: NOW,
    };
    let mut transaction = ruleset.transaction(store, &opening);
    let phase = phases(&mut transaction, play);
    transaction.finish(NOW);
    (transaction, phase)
}

fn phases(transaction: &mut Transaction<'_>, play: &Play) -> u8 {
    transaction.request_line(&play.method, &play.target, &play.protocol);
    for (name, value) in &play.headers {
        transaction.request_header(name, value);
    }
    if transaction.request_headers_end() != &Verdict::Pass {
        return 1;
    }
    transaction.request_body(&play.body);
    if transaction.request_body_end() != &Verdict::Pass {
        return 2;
    }
    transaction.response_line(b"HTTP/1.1", play.status);
    for (name, value) in &play.response_headers {
        transaction.response_header(name, value);
    }
    if transaction.response_headers_end() != &Verdict::Pass {
        return 3;
    }
    transaction.response_body(&play.response_body);
    transaction.response_body_end();
    4
}

/// The status that a verdict answers with; none where it passes.
pub(crate) fn status(verdict: &Verdict) -> Option<u16> {
    match verdict {
        Verdict::Pass => None,
        Verdict::Deny { status, .. } | Verdict::Redirect { status, .. } => Some(*status),
        Verdict::Drop { .. } => Some(444),
    }
}
