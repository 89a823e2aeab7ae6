//! Profiles of applications: exclusions for what they send on an ordinary day, as narrow as it goes. They are read behind the setup of
//! the Core Rule Set and before its rules.

/// `WordPress`: block editor and classic editor, REST, media, comments, log-in, settings, the customiser.
pub const WORDPRESS: &str = include_str!("profiles/wordpress.conf");
