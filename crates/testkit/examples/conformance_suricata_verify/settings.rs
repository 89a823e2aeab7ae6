//! What of a test's `suricata.yaml` and arguments is honoured; the first thing that is not is the reason to skip the test.

use std::path::Path;

use sakimori_recordings::Options;
use sakimori_signatures::Variables;
use serde_json::Value;

use crate::test::yaml;

/// The engine's settings for a test.
pub(crate) struct Settings {
    pub(crate) options: Options,
    pub(crate) variables: Variables,
}

/// Parts of `suricata.yaml` that say what is written down, where, and how loudly: they change no verdict.
const WITHOUT_EFFECT: [&str; 11] = [
    "stats",
    "logging",
    "default-log-dir",
    "run-as",
    "pcap-file",
    "profiling",
    "classification-file",
    "reference-config-file",
    "default-rule-path",
    "rule-files",
    "engine-analysis",
];

/// Settings of the command line that change nothing here. A capture is read in the order of its packets by one thread, bodies
/// are decoded to any depth, and of honest streams in-line reassembly says the same.
const SET_WITHOUT_EFFECT: [&str; 8] = [
    "default-rule-path",
    "logging.",
    "stats.",
    "security.lua.",
    "datasets.enabled",
    "stream.inline",
    "outputs.",
    "app-layer.protocols.http.libhtp.default-config.response-body-decompress-layer-limit",
];

/// Reads both.
pub(crate) fn read(folder: &Path, name: &str, arguments: &[String]) -> Result<Settings, String> {
    let mut settings = Settings {
        options: Options {
            inline: name.contains("ips"),
            ignore_checksums: false,
            midstream: false,
            ethernet: false,
            dns_version: 3,
        },
        variables: Variables::default(),
    };
    settings.configuration(folder)?;
    let words: Vec<&str> = arguments.iter().flat_map(|line| line.split_whitespace()).collect();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word {
            "-k" => settings.options.ignore_checksums = words.next() == Some("none"),
            "--simulate-ips" => settings.options.inline = true,
            "--set" => settings.set(words.next().unwrap_or_default())?,
            word if word.starts_with("--set=") => settings.set(word.trim_start_matches("--set="))?,
            word if word.starts_with("--runmode") || word.starts_with("-v") => {}
            other => return Err(format!("argument {}", other.split('=').next().unwrap_or(other))),
        }
    }
    Ok(settings)
}

impl Settings {
    fn set(&mut self, setting: &str) -> Result<(), String> {
        let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
        if key == "stream.midstream" {
            self.options.midstream = matches!(value, "true" | "yes");
            return Ok(());
        }
        if SET_WITHOUT_EFFECT.iter().any(|known| key.starts_with(known)) {
            return Ok(());
        }
        Err(format!("setting {key}"))
    }

    fn configuration(&mut self, folder: &Path) -> Result<(), String> {
        let path = folder.join("suricata.yaml");
        if !path.is_file() {
            return Ok(());
        }
        let text = std::fs::read_to_string(&path)
            .map_err(|_unreadable| "suricata.yaml cannot be read".to_owned())?;
        let Some(Value::Object(parts)) = yaml(&text) else {
            return Err("suricata.yaml is not understood".to_owned());
        };
        for (key, value) in &parts {
            match key.as_str() {
                "outputs" => settings_of_eve(value, &mut self.options),
                "vars" => self.variables(value),
                "stream" => self.stream(value)?,
                key if WITHOUT_EFFECT.contains(&key) => {}
                key => return Err(format!("suricata.yaml: {key}")),
            }
        }
        Ok(())
    }

    fn variables(&mut self, value: &Value) {
        for groups in ["address-groups", "port-groups"] {
            let groups = value.get(groups).and_then(Value::as_object);
            for (name, value) in groups.into_iter().flatten() {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                self.variables.set(name.clone(), value);
            }
        }
    }

    fn stream(&mut self, value: &Value) -> Result<(), String> {
        for (key, value) in value.as_object().into_iter().flatten() {
            match key.as_str() {
                "midstream" => self.options.midstream = value.as_bool() == Some(true) || value == "yes",
                "inline" => {}
                key => return Err(format!("suricata.yaml: stream.{key}")),
            }
        }
        Ok(())
    }
}

/// What of the outputs changes what is in an event.
fn settings_of_eve(outputs: &Value, options: &mut Options) {
    let outputs = outputs.as_array().into_iter().flatten();
    let eve: Vec<&Value> = outputs.filter_map(|output| output.get("eve-log")).collect();
    let told = |value: &Value| value.as_bool() == Some(true) || value == "yes";
    options.ethernet = eve.iter().filter_map(|eve| eve.get("ethernet")).any(told);
    let kinds = eve.iter().filter_map(|eve| eve.get("types")?.as_array()).flatten();
    if kinds.filter_map(|kind| kind.get("dns")?.get("version")).any(|version| *version == 2) {
        options.dns_version = 2;
    }
}
