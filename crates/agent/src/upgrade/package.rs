//! What is installed here, and whose signature counts.
//!
//! The package carries two files: what it is, and the public keys of its maker. So a new key comes with a package that an
//! old one has signed. An operator trusts another signer by a file of their own, which no package touches.
use crate::state::read_capped;
use sakimori_content::VerifyingKey;
use sakimori_content::package::keys_in;
use std::path::Path;
use std::sync::OnceLock;

/// Where the package puts the program.
pub const PROGRAM: &str = "/usr/bin/sakimori-agent";
/// Version and architecture of the installed package, in one line.
const ABOUT: &str = "/usr/share/sakimori-agent/package";
/// Keys of the product's maker, then the operator's own.
const KEYS: [&str; 2] = ["/usr/share/sakimori-agent/package-keys", "/etc/sakimori/agent-package-keys"];
/// Programs below this were put there by the package manager.
const SYSTEM: &str = "/usr/";

/// The installed package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Its version.
    pub version: String,
    /// Its architecture.
    pub architecture: String,
}

/// The package that this program was started from; nothing where it was none. Read once: another package may be put in its
/// place while this program runs.
pub fn installed() -> Option<&'static Installed> {
    static INSTALLED: OnceLock<Option<Installed>> = OnceLock::new();
    INSTALLED
        .get_or_init(|| {
            std::env::current_exe().ok().filter(|program| program.starts_with(SYSTEM))?;
            read(Path::new(ABOUT))
        })
        .as_ref()
}

/// The version of this agent: its package's, or the program's where there is none.
pub fn version() -> &'static str {
    installed().map_or(env!("CARGO_PKG_VERSION"), |installed| installed.version.as_str())
}

/// The version of the package that is installed now, whatever runs.
pub(super) fn version_on_disk() -> Option<String> {
    read(Path::new(ABOUT)).map(|installed| installed.version)
}

fn read(path: &Path) -> Option<Installed> {
    let bytes = read_capped(path, 1024).ok()??;
    let text = String::from_utf8(bytes).ok()?;
    let (version, architecture) = text.trim().split_once(' ')?;
    Some(Installed { version: version.to_owned(), architecture: architecture.to_owned() })
}

/// Whose signature counts here.
pub fn keys() -> Vec<VerifyingKey> {
    let (keys, wrong) = keys_in(&KEYS);
    for words in wrong {
        tracing::error!("a file of package keys does not count: {words}");
    }
    keys
}

/// Whether version `a` is newer than `b`, as the package manager orders them.
pub fn is_newer(a: &str, b: &str) -> Result<bool, String> {
    #[expect(clippy::disallowed_methods, reason = "the package manager orders its versions itself")]
    let status = std::process::Command::new("dpkg").args(["--compare-versions", a, "gt", b]).status();
    status.map(|status| status.success()).map_err(|error| format!("dpkg does not start: {error}"))
}
