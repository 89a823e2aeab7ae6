//! Our own log rules: decoders and rules in the OSSEC language, in the order they are loaded.

/// Name and text of each file of `content/logs/rules`, as they were when the program was built.
pub const fn log_rules() -> &'static [(&'static str, &'static str)] {
    &[
        ("10-decoders.xml", include_str!("../../../content/logs/rules/10-decoders.xml")),
        ("20-sshd.xml", include_str!("../../../content/logs/rules/20-sshd.xml")),
        ("30-web.xml", include_str!("../../../content/logs/rules/30-web.xml")),
    ]
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_file_of_the_folder_is_in_it() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../content/logs/rules");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        let known: Vec<&str> = super::log_rules().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, known);
    }
}
