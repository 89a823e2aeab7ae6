//! `sakimori-agent logs test`: what would be made of lines, as `ossec-logtest` says it.

use super::own_rules;
use super::worker::{moment, printable};
use crate::network::RuleFile;
use anyhow::Context as _;
use sakimori_kernel::{clock, files};
use sakimori_loginspect::{Dialect, Engine, Line, SourceFile, compile, limits};
use sakimori_model::Level;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads lines and says decoder, rule and level of each; false if the rules do not compile.
pub fn run(
    rules: &[PathBuf],
    wazuh: bool,
    lines: &mut dyn BufRead,
    out: &mut dyn Write,
) -> anyhow::Result<bool> {
    let files = if rules.is_empty() { own_rules() } else { load(rules)? };
    let sources: Vec<SourceFile> =
        files.into_iter().map(|file| SourceFile { name: file.name, text: file.text }).collect();
    let compiled = compile(&sources, if wazuh { Dialect::Wazuh } else { Dialect::Ossec });
    for finding in &compiled.diagnostics {
        writeln!(out, "{finding}")?;
    }
    let errors = compiled.diagnostics.iter().filter(|finding| finding.level == Level::Error).count();
    writeln!(
        out,
        "{} rules and {} decoders loaded; {} errors{}",
        compiled.loaded,
        compiled.decoders_loaded,
        errors,
        if errors > 0 { ": an agent would refuse this set" } else { "" }
    )?;
    let mut engine = Engine::new(Arc::new(compiled.rules));
    let mut line = Vec::new();
    loop {
        line.clear();
        // Bounded: a line without an end must not fill the memory.
        let mut bounded = std::io::Read::take(&mut *lines, (limits::LINE_BYTES + 1) as u64);
        if bounded.read_until(b'\n', &mut line)? == 0 {
            return Ok(errors == 0);
        }
        let bytes = line.strip_suffix(b"\n").unwrap_or(&line);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let now = moment(clock::monotonic().as_secs(), clock::wall_micros().div_euclid(1_000_000));
        let judged = engine.judge(Line { bytes, location: "stdin", header: true }, now);
        writeln!(out, "\n{}", printable(bytes, 1_024))?;
        let shown = |bytes: Option<&[u8]>| printable(bytes.unwrap_or(b"-"), 256);
        writeln!(out, "  host     {}", shown(judged.host()))?;
        writeln!(out, "  program  {}", shown(judged.program()))?;
        writeln!(out, "  decoder  {}", judged.decoder().unwrap_or("-"))?;
        for (name, value) in judged.fields() {
            writeln!(out, "  {name:<8} {}", printable(value, 256))?;
        }
        match judged.rule() {
            Some(rule) => {
                writeln!(out, "  rule     {} (level {})", rule.id, rule.level)?;
                writeln!(out, "  says     {}", printable(judged.description().as_bytes(), 1_024))?;
            }
            None => writeln!(out, "  rule     -")?,
        }
    }
}

/// Files as they are named, folders with all their `*.xml` by name.
fn load(paths: &[PathBuf]) -> anyhow::Result<Vec<RuleFile>> {
    let mut all = Vec::new();
    for path in paths {
        if path.is_dir() {
            let mut inside: Vec<PathBuf> = std::fs::read_dir(path)
                .with_context(|| path.display().to_string())?
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| path.extension().is_some_and(|ending| ending == "xml"))
                .collect();
            inside.sort();
            all.extend(inside);
        } else {
            all.push(path.clone());
        }
    }
    all.iter().map(|path| file(path)).collect()
}

fn file(path: &Path) -> anyhow::Result<RuleFile> {
    let text =
        files::read_capped(path, limits::FILE_BYTES as u64).with_context(|| path.display().to_string())?;
    Ok(RuleFile { name: path.display().to_string(), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_explained_with_our_own_rules() {
        let lines = b"Nov 25 17:00:00 web1 sshd[1]: Failed password for root from 192.0.2.7 port 4711 ssh2\nnothing\n";
        let mut out = Vec::new();
        assert!(run(&[], false, &mut lines.as_slice(), &mut out).unwrap());
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("rule     700002 (level 5)") && out.contains("srcip    192.0.2.7"), "{out}");
        assert!(out.contains("rule     -"), "{out}");
    }
}
