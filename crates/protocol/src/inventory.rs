//! What is installed and runs on a computer.
use crate::Hash;
use serde::{Deserialize, Serialize};

/// What is installed and runs on a computer, as its agent found it. Texts from the computer are printable and at most
/// [`Inventory::TEXT`] characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Inventory {
    /// Packages of the distribution.
    pub packages: Vec<Package>,
    /// Applications, plugins and libraries that lie on disk without a package.
    pub applications: Vec<Application>,
    /// Programs that run.
    pub processes: Vec<Process>,
    /// What the cloud says, where it is one.
    pub cloud: Option<Cloud>,
    /// Kinds of [`Application::kind`] (and `package`) that were not looked for, or not to the end: what is not listed
    /// may be there all the same.
    pub incomplete: Vec<String>,
}

/// A package of the distribution.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Architecture.
    pub architecture: String,
    /// The source package that it was built from: advisories speak of those.
    pub source: String,
    /// The source package's version.
    pub source_version: String,
}

/// Something on disk that says its name and version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    /// `application`, `wordpress-plugin`, `wordpress-theme`, `composer`, `java`.
    pub kind: String,
    /// Its name as its kind counts names: a folder's for plugins.
    pub name: String,
    /// Its name for people, where it has another.
    pub title: String,
    /// Its version, empty where it says none.
    pub version: String,
    /// Where it lies.
    pub place: String,
}

/// A program that runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Its name.
    pub name: String,
    /// Its file, empty for the kernel's own threads' kind.
    pub program: String,
    /// The user that it runs as, by number.
    pub user: u32,
    /// How many there are.
    pub count: u32,
}

/// What the cloud says of the computer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cloud {
    /// `azure` or `aws`.
    pub provider: String,
    /// The instance's id.
    pub instance: String,
    /// Its name in the cloud.
    pub name: String,
    /// Region.
    pub region: String,
    /// Availability zone.
    pub zone: String,
    /// Subscription or account.
    pub account: String,
    /// Resource group, empty where the cloud has none.
    pub resource_group: String,
    /// Scale set or auto-scaling group, empty where it is in none.
    pub scale_set: String,
    /// Image it was made from.
    pub image: String,
    /// Its kind of hardware.
    pub size: String,
    /// Tags, in the order of their names.
    pub tags: Vec<(String, String)>,
}

impl Inventory {
    /// Bound of an inventory as JSON, in bytes; lists are cut, and said to be, before it is passed.
    pub const BYTES: usize = 4 << 20;
    /// Bound of one text in it, in characters.
    pub const TEXT: usize = 256;

    /// Names this inventory: equal inventories have equal names.
    pub fn hash(&self) -> Hash {
        Hash::of(&serde_json::to_vec(self).unwrap_or_default())
    }
}
