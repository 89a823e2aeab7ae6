//! Where the built programs and the files of the source tree are.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// The programs under test, of one build.
#[derive(Debug, Clone)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// The build that the running program belongs to, or the folder in `SAKIMORI_PROGRAMS`.
    pub fn find() -> anyhow::Result<Self> {
        let folder = if let Some(folder) = std::env::var_os("SAKIMORI_PROGRAMS") {
            PathBuf::from(folder)
        } else {
            let own = std::env::current_exe().context("the running program's own path")?;
            let folder = own.parent().context("a program lies in a folder")?;
            // Tests lie in `deps` beside the programs.
            if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder }.to_owned()
        };
        Ok(Self { folder })
    }

    /// The programs in `folder`.
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// # Errors
    /// When one of the product's programs is not built.
    pub fn check(&self) -> anyhow::Result<()> {
        for program in [self.manager(), self.agent(), self.cli()] {
            if !program.is_file() {
                bail!("{} is not built: run `cargo build --workspace --bins` first", program.display());
            }
        }
        Ok(())
    }

    /// `sakimori-manager`.
    pub fn manager(&self) -> PathBuf {
        self.folder.join("sakimori-manager")
    }

    /// `sakimori-agent`.
    pub fn agent(&self) -> PathBuf {
        self.folder.join("sakimori-agent")
    }

    /// `sakimori`, the command line.
    pub fn cli(&self) -> PathBuf {
        self.folder.join("sakimori")
    }

    /// `sakimori-simulator`, a fleet of agents.
    pub fn simulator(&self) -> PathBuf {
        self.folder.join("sakimori-simulator")
    }

    /// The vulnerable blog of the demo.
    pub fn blog(&self) -> PathBuf {
        self.folder.join("sakimori-demo-blog")
    }
}

/// The root of the source tree.
pub fn source() -> &'static Path {
    // The crate lies two folders below the root, wherever the tree was built.
    const CRATE: &str = env!("CARGO_MANIFEST_DIR");
    Path::new(CRATE).ancestors().nth(2).unwrap_or_else(|| Path::new("."))
}
