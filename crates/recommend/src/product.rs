//! What software is called, and which versions of it a rule is about.
use crate::version::{Ranges, RangesError};
use std::fmt;

/// Where a name comes from: the same name in two places is not the same software.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProductKind {
    /// A package of the distribution, by its source package's name.
    Package,
    /// An application that is on disk without a package: `WordPress` itself, or one that a manifest declares.
    Application,
    /// A plugin of `WordPress`, by the name of its folder.
    WordPressPlugin,
    /// A theme of `WordPress`, by the name of its folder.
    WordPressTheme,
    /// A package of PHP's Composer: `phpunit/phpunit`.
    Composer,
    /// A Java archive, by its name without version: `log4j-core`.
    Java,
}

impl ProductKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Package,
        Self::Application,
        Self::WordPressPlugin,
        Self::WordPressTheme,
        Self::Composer,
        Self::Java,
    ];

    /// The word used in content packs and inventories.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Package => "package",
            Self::Application => "application",
            Self::WordPressPlugin => "wordpress-plugin",
            Self::WordPressTheme => "wordpress-theme",
            Self::Composer => "composer",
            Self::Java => "java",
        }
    }

    /// The kind of that word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A piece of software by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Product {
    /// Where the name comes from.
    pub kind: ProductKind,
    /// The name, in lower case.
    pub name: String,
}

impl Product {
    /// A product of a kind; case does not matter.
    pub fn new(kind: ProductKind, name: &str) -> Self {
        Self { kind, name: name.to_lowercase() }
    }

    /// An application.
    pub fn application(name: &str) -> Self {
        Self::new(ProductKind::Application, name)
    }

    /// A package of the distribution.
    pub fn package(name: &str) -> Self {
        Self::new(ProductKind::Package, name)
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Versions of a product that have the hole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affects {
    /// The product.
    pub product: Product,
    /// Its versions.
    pub versions: Ranges,
}

impl Affects {
    /// A product with its versions as a content pack writes them.
    pub fn parse(product: Product, versions: &str) -> Result<Self, RangesError> {
        Ok(Self { product, versions: Ranges::parse(versions)? })
    }
}
