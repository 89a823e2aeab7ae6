//! `sakimori policies export` and `apply`: policies and lists as files, for Git.
use super::{Out, policy_id};
use crate::client::Client;
use crate::command_line::policies::{Apply, Export, FileForm};
use crate::problem::Failure;
use crate::table::{Table, shown};
use sakimori_api::{
    Applied, ApplyDocument, ApplyOutcome, DocumentList, DocumentPolicy, FieldError, PolicyDocument,
};
use serde_json::Value;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Most bytes of one file, and of all together: the manager takes requests of 1 MiB.
const FILE_BYTES: u64 = 1 << 20;
/// Most files of a folder.
const FILES: usize = 1000;
/// Most folders below each other.
const DEPTH: usize = 16;

pub(super) async fn export(out: Out, client: &Client, export: Export) -> Result<(), Failure> {
    let mut query = Vec::new();
    if let Some(policy) = &export.policy {
        query.push(("policy", policy_id(client, policy).await?.to_string()));
    }
    let document: PolicyDocument = client.get("/policy-document", &query).await?;
    if out.json {
        return out.show(&document, |_| String::new());
    }
    let text = match export.form {
        FileForm::Yaml => serde_saphyr::to_string(&document).map_err(anyhow::Error::from)?,
        FileForm::Json => serde_json::to_string_pretty(&document)? + "\n",
        FileForm::Toml => toml::to_string_pretty(&document)?,
    };
    super::write_out(text.as_bytes())
}

pub(super) async fn apply(out: Out, client: &Client, apply: Apply) -> Result<(), Failure> {
    let sources = read(&apply.file)?;
    let document = sources.document();
    let mut asked =
        ApplyDocument { document, dry_run: apply.dry_run, prune: apply.prune, comment: apply.comment };
    if apply.prune && !apply.dry_run && !apply.yes {
        asked.dry_run = true;
        let would: Applied = send(client, &sources, &asked).await?;
        let gone: Vec<String> = would
            .objects
            .iter()
            .filter(|object| object.outcome == ApplyOutcome::Deleted)
            .map(|object| format!("  {} {}", object.kind, shown(&object.name)))
            .collect();
        if !gone.is_empty() {
            confirm(&gone)?;
        }
        asked.dry_run = false;
    }
    let applied: Applied = send(client, &sources, &asked).await?;
    out.show(&applied, text)
}

async fn send(client: &Client, sources: &Sources, asked: &ApplyDocument) -> Result<Applied, Failure> {
    let answer = client.post("/policy-document", asked).await;
    answer.map_err(|failure| match failure {
        Failure::Refused(mut problem) => {
            for error in &mut problem.errors {
                sources.locate(error);
            }
            Failure::Refused(problem)
        }
        other => other,
    })
}

/// Deleting is asked for twice: by `--prune`, and here or by `--yes`.
fn confirm(gone: &[String]) -> Result<(), Failure> {
    let said = format!("These are not in the files and will be deleted:\n{}\n", gone.join("\n"));
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage(format!("{said}Nothing was changed. Add --yes to delete them.")));
    }
    let mut terminal = io::stderr().lock();
    write!(terminal, "{said}Delete them? Type 'yes': ")?;
    terminal.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if answer.trim() == "yes" { Ok(()) } else { Err(Failure::Usage("Nothing was changed.".to_owned())) }
}

fn text(applied: &Applied) -> String {
    let mut table = Table::new(&["OUTCOME", "KIND", "NAME"]);
    for object in &applied.objects {
        let outcome = match (object.outcome, applied.dry_run) {
            (ApplyOutcome::Unchanged, _) => "unchanged",
            (ApplyOutcome::Created, false) => "created",
            (ApplyOutcome::Changed, false) => "changed",
            (ApplyOutcome::Deleted, false) => "deleted",
            (ApplyOutcome::Created, true) => "would be created",
            (ApplyOutcome::Changed, true) => "would be changed",
            (ApplyOutcome::Deleted, true) => "would be deleted",
        };
        table.row([outcome, &object.kind, &object.name]);
    }
    format!("{table}{}", super::policy_history::effect(&applied.effect))
}

/// What was read, and where each of its members stands.
#[derive(Debug, Default)]
struct Sources {
    lists: Vec<(Place, DocumentList)>,
    policies: Vec<(Place, DocumentPolicy)>,
}

/// Where a member stands: its file, and which of its lists or policies it is.
#[derive(Clone, Debug)]
struct Place {
    file: String,
    index: usize,
}

impl Sources {
    fn document(&self) -> PolicyDocument {
        PolicyDocument {
            sakimori: 1,
            lists: self.lists.iter().map(|(_, list)| list.clone()).collect(),
            policies: self.policies.iter().map(|(_, policy)| policy.clone()).collect(),
        }
    }

    fn add(&mut self, file: &str, document: PolicyDocument, before: (usize, usize)) {
        let at = |index| Place { file: file.to_owned(), index };
        let lists = document.lists.into_iter().enumerate();
        self.lists.extend(lists.map(|(index, list)| (at(before.0 + index), list)));
        let policies = document.policies.into_iter().enumerate();
        self.policies.extend(policies.map(|(index, policy)| (at(before.1 + index), policy)));
    }

    /// Says in a finding of the manager which file it is about, and where in it.
    fn locate(&self, error: &mut FieldError) {
        let mut parts = error.pointer.splitn(5, '/').skip(2);
        let (Some(what), Some(index)) =
            (parts.next(), parts.next().and_then(|index| index.parse::<usize>().ok()))
        else {
            return;
        };
        let rest = parts.next().unwrap_or_default().to_owned();
        let found = match what {
            "lists" => self.lists.get(index).map(|(at, list)| (at, &list.name)),
            "policies" => self.policies.get(index).map(|(at, policy)| (at, &policy.name)),
            _ => None,
        };
        if let Some((at, name)) = found {
            error.pointer = format!("{}: {what}[{}] '{}': /{rest}", at.file, at.index, shown(name));
        }
    }
}

/// Reads a file, standard input (`-`), or every file of a folder and those below it.
fn read(path: &Path) -> Result<Sources, Failure> {
    let mut sources = Sources::default();
    if path.as_os_str() == "-" {
        let text = bounded(io::stdin().lock(), "standard input")?;
        parse(&mut sources, "standard input", FileForm::Yaml, &text)?;
        return Ok(sources);
    }
    let mut files = Vec::new();
    if path.is_dir() {
        collect(path, 0, &mut files)?;
        files.sort();
        if files.is_empty() {
            let words = format!("{}: there is no .yaml, .yml, .toml or .json file", path.display());
            return Err(Failure::NotFound(words));
        }
    } else {
        files.push(path.to_owned());
    }
    for file in &files {
        let name = file.display().to_string();
        let form = form_of(file).unwrap_or(FileForm::Yaml);
        let opened = std::fs::File::open(file)
            .map_err(|error| Failure::NotFound(format!("{name}: it cannot be opened: {error}")))?;
        parse(&mut sources, &name, form, &bounded(opened, &name)?)?;
    }
    Ok(sources)
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() && depth < DEPTH {
            collect(&path, depth + 1, files)?;
        } else if kind.is_file() && form_of(&path).is_some() {
            if files.len() >= FILES {
                return Err(Failure::Usage(format!("{}: over {FILES} files", folder.display())));
            }
            files.push(path);
        }
    }
    Ok(())
}

fn form_of(path: &Path) -> Option<FileForm> {
    match path.extension()?.to_str()? {
        "yaml" | "yml" => Some(FileForm::Yaml),
        "toml" => Some(FileForm::Toml),
        "json" => Some(FileForm::Json),
        _ => None,
    }
}

fn bounded(from: impl io::Read, name: &str) -> Result<String, Failure> {
    let mut text = String::new();
    from.take(FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| Failure::Usage(format!("{name}: it cannot be read as text: {error}")))?;
    if u64::try_from(text.len()).is_ok_and(|length| length > FILE_BYTES) {
        return Err(Failure::Usage(format!("{name}: it is over {FILE_BYTES} bytes; split it up")));
    }
    Ok(text)
}

/// A file may hold several YAML documents; JSON and TOML files hold one.
fn parse(sources: &mut Sources, file: &str, form: FileForm, text: &str) -> Result<(), Failure> {
    let values: Vec<Value> = match form {
        FileForm::Yaml => yaml(text).map_err(|why| format!("{file}: {why}")),
        FileForm::Json => {
            serde_json::from_str(text).map(|one| vec![one]).map_err(|why| format!("{file}: {why}"))
        }
        FileForm::Toml => toml::from_str(text).map(|one| vec![one]).map_err(|why| format!("{file}: {why}")),
    }
    .map_err(Failure::Usage)?;
    let mut before = (0, 0);
    for value in values {
        let counted = |member: &str| value.get(member).and_then(Value::as_array).map_or(0, Vec::len);
        let (lists, policies) = (counted("lists"), counted("policies"));
        let document = typed(value).map_err(|why| Failure::Usage(format!("{file}: {why}")))?;
        if document.sakimori != 1 {
            let words = format!(
                "{file}: 'sakimori: {}' is of another version; write 'sakimori: 1'",
                document.sakimori
            );
            return Err(Failure::Usage(words));
        }
        sources.add(file, document, before);
        before = (before.0 + lists, before.1 + policies);
    }
    Ok(())
}

/// As of YAML 1.2: `off`, `no` and `on` are words, which modes need.
fn yaml(text: &str) -> Result<Vec<Value>, String> {
    let mut options = serde_saphyr::Options::default();
    options.strict_booleans = true;
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| error.to_string())
}

/// A document by its type; what does not fit is named with its place.
fn typed(value: Value) -> Result<PolicyDocument, String> {
    let Value::Object(mut members) = value else {
        return Err("it is no document: begin with 'sakimori: 1', then 'lists' and 'policies'".to_owned());
    };
    let mut document = PolicyDocument::default();
    let version = members.remove("sakimori").and_then(|version| version.as_u64());
    document.sakimori = version
        .and_then(|version| u32::try_from(version).ok())
        .ok_or("the version is missing: begin with 'sakimori: 1'")?;
    document.lists = each(members.remove("lists"), "lists")?;
    document.policies = each(members.remove("policies"), "policies")?;
    match members.keys().next() {
        Some(unknown) => Err(format!("'{}' is not known: there are 'lists' and 'policies'", shown(unknown))),
        None => Ok(document),
    }
}

fn each<T: serde::de::DeserializeOwned>(value: Option<Value>, member: &str) -> Result<Vec<T>, String> {
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => {
            let typed = items.into_iter().enumerate().map(|(index, item)| {
                let name = item.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
                serde_json::from_value(item)
                    .map_err(|why| format!("{member}[{index}] '{}': {why}", shown(&name)))
            });
            typed.collect()
        }
        Some(_) => Err(format!("'{member}' is a list: begin each member with '-'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sakimori_api::ObjectKind;
    use serde_json::json;

    const YAML: &str = r"
sakimori: 1
lists:
  - kind: ports
    name: web
    items: ['80', 8000-8090]
policies:
  - name: Shop
    parent: Base
    settings:
      firewall:
        mode: off
        rules:
          ssh: {action: allow, direction: in, ports: ['22'], protocol: tcp}
          old: excluded
      intrusion-prevention:
        mode: prevent
        assignAll: true
        ruleModes: {7: off}
---
sakimori: 1
policies:
  - name: Shop EU
    parent: Shop
";

    #[test]
    fn yaml_toml_and_json_say_the_same() {
        let mut sources = Sources::default();
        parse(&mut sources, "a.yaml", FileForm::Yaml, YAML).unwrap();
        let document = sources.document();
        assert_eq!(document.lists[0].kind, ObjectKind::Ports);
        let settings = serde_json::to_value(&document.policies[0].settings).unwrap();
        assert_eq!(settings["firewall"]["mode"], "off", "a word, not a truth value");
        assert_eq!(settings["intrusion-prevention"]["ruleModes"], json!({"7": "off"}));
        assert_eq!(settings["intrusion-prevention"]["assignAll"], true);
        for form in [FileForm::Yaml, FileForm::Json, FileForm::Toml] {
            let text = match form {
                FileForm::Yaml => serde_saphyr::to_string(&document).unwrap(),
                FileForm::Json => serde_json::to_string(&document).unwrap(),
                FileForm::Toml => toml::to_string_pretty(&document).unwrap(),
            };
            let mut again = Sources::default();
            parse(&mut again, "b", form, &text).unwrap();
            assert_eq!(again.document(), document, "{text}");
        }
    }

    #[test]
    fn findings_name_the_file_and_the_place() {
        let mut sources = Sources::default();
        parse(&mut sources, "a.yaml", FileForm::Yaml, YAML).unwrap();
        let mut error = FieldError {
            pointer: "/document/policies/1/settings/firewall/mode".to_owned(),
            code: String::new(),
            message: String::new(),
            args: std::collections::BTreeMap::new(),
        };
        sources.locate(&mut error);
        assert_eq!(error.pointer, "a.yaml: policies[1] 'Shop EU': /settings/firewall/mode");
        let said = |text: &str| {
            parse(&mut Sources::default(), "b.yaml", FileForm::Yaml, text).unwrap_err().to_string()
        };
        assert!(said("policies: []").contains("begin with 'sakimori: 1'"));
        assert!(said("sakimori: 1\npolicies:\n  - name: A\n    colour: red").contains("policies[0] 'A'"));
        assert!(said("sakimori: 1\npolices: []").contains("'polices' is not known"));
        assert!(
            said("sakimori: 1\npolicies:\n  - name: A\n    name: B").starts_with("b.yaml: "),
            "a key twice"
        );
        assert!(said("a: [").starts_with("b.yaml: "));
    }

    #[test]
    fn a_folder_is_read_whole_and_in_order() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("sub/.git")).unwrap();
        std::fs::write(dir.path().join("b.yml"), "sakimori: 1\npolicies: [{name: B}]").unwrap();
        std::fs::write(dir.path().join("sub/a.toml"), "sakimori = 1\n[[policies]]\nname = 'A'").unwrap();
        std::fs::write(dir.path().join("sub/.git/c.json"), "no").unwrap();
        std::fs::write(dir.path().join("README.md"), "no").unwrap();
        let names: Vec<String> =
            read(dir.path()).unwrap().document().policies.into_iter().map(|policy| policy.name).collect();
        assert_eq!(names, ["B", "A"]);
    }
}
