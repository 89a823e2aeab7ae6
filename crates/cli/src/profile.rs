//! Where the manager is and who we are: from the environment, else from the profile that `login` wrote.
use crate::problem::Failure;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

/// A profile, as it lies in `$XDG_CONFIG_HOME/sakimori/profile.json`, readable by its owner only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Profile {
    /// The manager: `https://host:port`.
    pub(crate) url: String,
    /// Pin of the manager's key or of its authority's.
    pub(crate) ca_pin: Option<String>,
    /// Key for scripts.
    pub(crate) api_key: Option<String>,
    /// The session's cookie, `name=value`.
    pub(crate) cookie: Option<String>,
    /// Goes with every change under a session.
    pub(crate) csrf_token: Option<String>,
}

/// Bound of the profile file, in bytes.
const PROFILE_BYTES: u64 = 64 << 10;

// === impl Profile ===

impl Profile {
    /// The profile in force: `SAKIMORI_URL`, `SAKIMORI_API_KEY` and `SAKIMORI_CA_PIN` go before the file.
    pub(crate) fn in_force() -> Result<Self, Failure> {
        let mut profile = Self::load()?.unwrap_or_default();
        let set = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        if let Some(url) = set("SAKIMORI_URL") {
            if url.trim_end_matches('/') != profile.url {
                // Another manager: what the file says of the first one does not count there.
                profile = Self::default();
            }
            url.trim_end_matches('/').clone_into(&mut profile.url);
        }
        if let Some(pin) = set("SAKIMORI_CA_PIN") {
            profile.ca_pin = Some(pin);
        }
        if let Some(key) = set("SAKIMORI_API_KEY") {
            profile.api_key = Some(key);
        }
        if profile.url.is_empty() {
            return Err(Failure::NotLoggedIn(
                "no manager is known: run 'sakimori login --url https://HOST:4433 --user admin', or set SAKIMORI_URL and SAKIMORI_API_KEY".to_owned(),
            ));
        }
        Ok(profile)
    }

    /// The profile file; nothing before the first log-in.
    pub(crate) fn load() -> Result<Option<Self>, Failure> {
        let file = match fs::File::open(path()?) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut text = String::new();
        file.take(PROFILE_BYTES).read_to_string(&mut text)?;
        Ok(Some(serde_json::from_str(&text)?))
    }

    /// Writes the profile file, whole.
    pub(crate) fn store(&self) -> Result<PathBuf, Failure> {
        let path = path()?;
        if let Some(dir) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let temporary = path.with_extension("tmp");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        Ok(path)
    }
}

/// Removes the profile file.
pub(crate) fn forget() -> Result<(), Failure> {
    match fs::remove_file(path()?) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn path() -> Result<PathBuf, Failure> {
    let dir = std::env::var_os("XDG_CONFIG_HOME")
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")));
    let dir = dir.ok_or_else(|| Failure::Usage("neither XDG_CONFIG_HOME nor HOME is set".to_owned()))?;
    Ok(dir.join("sakimori").join("profile.json"))
}
