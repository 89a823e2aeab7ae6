//! The rules in force: those that came with the product, or newer ones ([`update`]).
pub(crate) mod update;

use bytes::Bytes;
use sakimori_api::{Explanation, Rule};
use sakimori_content::{Info, Metadata, Pack, embedded_files};
use sakimori_modules::{MODULES, intrusion_prevention};
use sakimori_protocol::{BlobRef, Hash};
use sakimori_recommend::RuleFacts;
use sakimori_signatures::{SourceFile, Variables, compile};
use std::fmt::Write as _;
use std::sync::{Arc, PoisonError, RwLock};

/// The content pack of this manager.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// Which pack the rules are of.
    pub info: Option<Info>,
    /// Every file, with the module that works with it.
    pub files: Vec<ContentFile>,
    /// Their rules, by sid.
    pub rules: Vec<Rule>,
    /// What the rules say of the software that they protect, for the recommendation scan.
    pub facts: Vec<RuleFacts>,
}

/// A file of rules or a list.
#[derive(Clone, Debug)]
pub struct ContentFile {
    /// The module that works with it.
    pub module: &'static str,
    /// Name, content address and length.
    pub blob: BlobRef,
    /// Its text, shared by all that is sent of it at once.
    pub text: Bytes,
}

/// The content in force, which is exchanged whole.
#[derive(Debug)]
pub(crate) struct InForce {
    current: RwLock<Arc<Content>>,
}

impl InForce {
    pub(crate) fn new(content: Content) -> Self {
        Self { current: RwLock::new(Arc::new(content)) }
    }

    /// What is in force now.
    pub(crate) fn now(&self) -> Arc<Content> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, content: Content) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(content);
    }
}

impl ContentFile {
    /// A file with its content address.
    pub fn new(module: &'static str, name: &str, text: Vec<u8>) -> Self {
        let size = u64::try_from(text.len()).unwrap_or(u64::MAX);
        Self {
            module,
            blob: BlobRef { name: name.to_owned(), hash: Hash::of(&text), size },
            text: text.into(),
        }
    }
}

impl Content {
    /// What a module works with.
    pub fn of_module(&self, module: &str) -> Vec<BlobRef> {
        self.files.iter().filter(|file| file.module == module).map(|file| file.blob.clone()).collect()
    }

    /// This content with another pack's rules in place of its own; refused whole where one of them does not compile.
    fn with_pack(&self, pack: &Pack) -> Result<Self, String> {
        let mut content = Self::of_pack(pack)?;
        let module = intrusion_prevention::MODULE.id;
        content.files.extend(self.files.iter().filter(|file| file.module != module).cloned());
        Ok(content)
    }

    /// Names what recommendations depend on: it changes when they have to be derived anew.
    pub fn facts_hash(&self) -> Hash {
        let mut text = String::new();
        for facts in &self.facts {
            let _infallible = write!(text, "{} {:?}", facts.id, facts.cves);
            for affects in &facts.affects {
                let (product, versions) = (&affects.product, &affects.versions);
                let _infallible = write!(text, " {}:{product:?} {versions}", product.kind.as_str());
            }
            text.push('\n');
        }
        Hash::of(text.as_bytes())
    }

    /// The content that came with the product.
    pub fn of_product() -> Result<Self, String> {
        let pack = Pack::embedded().map_err(|e| e.to_string())?;
        let mut content = Self::of_pack(&pack)?;
        for module in MODULES {
            let files = embedded_files(module.id);
            content.files.extend(files.map(|(name, text)| ContentFile::new(module.id, name, text.to_vec())));
        }
        Ok(content)
    }

    /// The content of a pack; refused whole where one of its rules does not compile.
    pub fn of_pack(pack: &Pack) -> Result<Self, String> {
        let sources: Vec<SourceFile> = pack
            .rules()
            .iter()
            .map(|file| SourceFile { name: file.name.clone(), text: file.text.clone().into_bytes() })
            .collect();
        let compiled = compile(&sources, &Variables::default());
        if compiled.refused > 0 {
            let findings: Vec<String> = compiled.diagnostics.iter().map(ToString::to_string).collect();
            return Err(findings.join("\n"));
        }
        let name = format!("{} {}", pack.info().name, pack.info().version);
        let mut rules: Vec<Rule> = compiled
            .rules
            .rules()
            .iter()
            .map(|written| rule(written, pack.metadata(written.sid), &name))
            .collect();
        rules.sort_by_key(|rule| rule.sid);
        let module = intrusion_prevention::MODULE.id;
        let files = sources.into_iter().map(|file| ContentFile::new(module, &file.name, file.text)).collect();
        Ok(Self { info: Some(pack.info().clone()), files, rules, facts: crate::recommendation::facts(pack) })
    }
}

/// A rule as the API shows it: as it is written, with what the pack says of it.
fn rule(written: &sakimori_signatures::Rule, said: Option<&Metadata>, pack: &str) -> Rule {
    let cves = said.map(|said| said.cve.clone()).filter(|cves| !cves.is_empty());
    let text = |of: fn(&Metadata) -> &sakimori_content::Text| {
        said.map_or_else(
            || Explanation { en: written.msg.clone(), ja: written.msg.clone() },
            |said| Explanation { en: of(said).en.clone(), ja: of(said).ja.clone() },
        )
    };
    Rule {
        sid: written.sid.0,
        rev: written.rev,
        message: written.msg.clone(),
        title: text(|said| &said.title),
        description: text(|said| &said.description),
        cves: cves.unwrap_or_else(|| written.cves.clone()),
        cvss: said.and_then(|said| said.cvss).map(f64::from),
        severity: said.map_or(written.severity, |said| said.severity).to_string(),
        application_type: said.map(|said| said.application_type.clone()).unwrap_or_default(),
        affected: said.map(|said| said.affected.clone()).unwrap_or_default(),
        published: said.map(|said| said.published.clone()).unwrap_or_default(),
        updated: said.map(|said| said.updated.clone()).unwrap_or_default(),
        references: said.map_or_else(
            || written.references.iter().map(|r| format!("{}: {}", r.kind, r.value)).collect(),
            |said| said.references.clone(),
        ),
        text: written.text.clone(),
        pack: pack.to_owned(),
    }
}
