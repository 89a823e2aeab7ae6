//! What files say of the software that they belong to. Runs in the cage alone: whoever can write a web root writes
//! these bytes.
//!
//! Every parser gives what it understood and nothing else; nothing here fails. Bounds are those of [`super::material`].
use super::material::{Kind, Piece};
use sakimori_modules::event::printable;
use sakimori_protocol::{Application, Cloud, Inventory, Package};
use serde::Deserialize;
use serde_json::Value;

/// Most packages and most applications.
pub const ITEMS: usize = 50_000;
/// Most tags of a cloud instance.
const TAGS: usize = 64;

/// Makes an inventory of what was read.
pub fn inventory<'a>(pieces: impl Iterator<Item = Piece<'a>>) -> Inventory {
    let mut inventory = Inventory::default();
    for piece in pieces {
        match piece.kind {
            Kind::DpkgStatus => inventory.packages.extend(dpkg_status(piece.bytes)),
            Kind::AzureMetadata => inventory.cloud = azure(piece.bytes).or(inventory.cloud),
            Kind::AwsIdentity => inventory.cloud = aws(piece.bytes).or(inventory.cloud),
            _ => inventory.applications.extend(applications(&piece)),
        }
    }
    inventory.packages.sort();
    inventory.packages.dedup();
    inventory.applications.sort();
    inventory.applications.dedup();
    cut(&mut inventory.packages, "package", &mut inventory.incomplete);
    cut(&mut inventory.applications, "application", &mut inventory.incomplete);
    inventory
}

fn cut<T>(items: &mut Vec<T>, kind: &str, incomplete: &mut Vec<String>) {
    if items.len() > ITEMS {
        items.truncate(ITEMS);
        incomplete.push(kind.to_owned());
    }
}

fn text(bytes: &[u8]) -> String {
    printable(String::from_utf8_lossy(bytes).trim(), Inventory::TEXT)
}

// === packages ===

/// The installed packages of dpkg's status file.
///
/// # Source
/// Debian policy manual, 5.1; deb-substvars(5) for `Source: name (version)`.
pub fn dpkg_status(bytes: &[u8]) -> Vec<Package> {
    let mut packages = Vec::new();
    let mut current = Paragraph::default();
    for line in bytes.split(|byte| *byte == b'\n').chain([&b""[..]]) {
        if line.is_empty() {
            packages.extend(std::mem::take(&mut current).package());
            if packages.len() > ITEMS {
                break;
            }
            continue;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (field, value) =
            (line.get(..colon).unwrap_or_default(), line.get(colon + 1..).unwrap_or_default());
        match field {
            b"Package" => current.name = text(value),
            b"Version" => current.version = text(value),
            b"Architecture" => current.architecture = text(value),
            b"Source" => current.source = text(value),
            b"Status" => current.installed = value.trim_ascii().ends_with(b" installed"),
            _ => (),
        }
    }
    packages
}

#[derive(Default)]
struct Paragraph {
    name: String,
    version: String,
    architecture: String,
    source: String,
    installed: bool,
}

impl Paragraph {
    fn package(self) -> Option<Package> {
        let Self { name, version, architecture, source, installed } = self;
        if !installed || name.is_empty() || version.is_empty() {
            return None;
        }
        let (source, source_version) = match source.split_once('(') {
            Some((source, version)) => (source.trim().to_owned(), version.trim_end_matches(')').to_owned()),
            None if source.is_empty() => (name.clone(), version.clone()),
            None => (source, version.clone()),
        };
        Some(Package { name, version, architecture, source, source_version })
    }
}

// === applications ===

fn applications(piece: &Piece<'_>) -> Vec<Application> {
    let place = text(piece.path);
    let one = |kind: &str, name: String, title: String, version: String| Application {
        kind: kind.to_owned(),
        name: name.to_lowercase(),
        title,
        version,
        place: place.clone(),
    };
    match piece.kind {
        Kind::WordPressVersion => {
            let version = php_variable(piece.bytes, b"$wp_version");
            vec![one("application", "wordpress".into(), "WordPress".into(), version.unwrap_or_default())]
        }
        Kind::WordPressPlugin => match header(piece.bytes, "plugin name") {
            Some(title) => {
                let version = header(piece.bytes, "version").unwrap_or_default();
                vec![one("wordpress-plugin", last_name(piece.path), title, version)]
            }
            None => Vec::new(),
        },
        Kind::WordPressTheme => match header(piece.bytes, "theme name") {
            Some(title) => {
                let version = header(piece.bytes, "version").unwrap_or_default();
                vec![one("wordpress-theme", last_name(piece.path), title, version)]
            }
            None => Vec::new(),
        },
        Kind::ComposerInstalled => composer(piece.bytes)
            .into_iter()
            .map(|(name, version)| one("composer", name, String::new(), version))
            .collect(),
        Kind::JavaArchive => java(piece.path)
            .map(|(name, version)| one("java", name, String::new(), version))
            .into_iter()
            .collect(),
        Kind::Manifest => match serde_json::from_slice::<Manifest>(piece.bytes) {
            Ok(Manifest { name, version, title }) if !name.trim().is_empty() => {
                let plain = |text: &str| printable(text.trim(), Inventory::TEXT);
                vec![one("application", plain(&name), plain(&title), plain(&version))]
            }
            _ => Vec::new(),
        },
        Kind::DpkgStatus | Kind::AzureMetadata | Kind::AwsIdentity => Vec::new(),
    }
}

/// The value of `$name = '…';`.
pub fn php_variable(bytes: &[u8], name: &[u8]) -> Option<String> {
    bytes.split(|byte| *byte == b'\n').find_map(|line| {
        let rest =
            line.trim_ascii().strip_prefix(name)?.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
        let (quote, rest) = rest.split_first()?;
        if !matches!(quote, b'\'' | b'"') {
            return None;
        }
        let end = rest.iter().position(|byte| byte == quote)?;
        Some(text(rest.get(..end)?))
    })
}

/// The value of a header line in a comment: `* Plugin Name: …`.
///
/// # Source
/// `WordPress`, `get_file_data`: the first line with the name, after spaces and comment signs, in the first 8 KiB.
pub fn header(bytes: &[u8], name: &str) -> Option<String> {
    let bytes = bytes.get(..bytes.len().min(8192)).unwrap_or_default();
    bytes.split(|byte| matches!(byte, b'\n' | b'\r')).find_map(|line| {
        let line = line.trim_ascii_start();
        let line = line.strip_prefix(b"<?php").unwrap_or(line);
        let start = line.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'/' | b'*' | b'#' | b'@'))?;
        let line = line.get(start..)?;
        let (found, value) = line.split_at_checked(name.len())?;
        let value = value.strip_prefix(b":")?;
        if !found.eq_ignore_ascii_case(name.as_bytes()) {
            return None;
        }
        let value = text(value);
        let value = value.split("*/").next().and_then(|value| value.split("?>").next()).unwrap_or_default();
        (!value.trim().is_empty()).then(|| value.trim().to_owned())
    })
}

/// The last section of a path, without `.php`.
fn last_name(path: &[u8]) -> String {
    let name = text(path.rsplit(|byte| *byte == b'/').next().unwrap_or_default());
    name.strip_suffix(".php").map_or_else(|| name.clone(), str::to_owned)
}

/// Name and version of `log4j-core-2.14.1.jar`.
pub fn java(path: &[u8]) -> Option<(String, String)> {
    let name = text(path.rsplit(|byte| *byte == b'/').next()?);
    let stem = name.strip_suffix(".jar")?;
    let dashes = stem.match_indices('-').map(|(at, _)| at);
    let (name, version) = dashes
        .filter_map(|at| Some((stem.get(..at)?, stem.get(at + 1..)?)))
        .find(|(name, version)| !name.is_empty() && version.starts_with(|c: char| c.is_ascii_digit()))?;
    Some((name.to_owned(), version.to_owned()))
}

/// What an application says of itself where nothing else does.
///
/// # Shape
/// `{"name": "…", "version": "…", "title": "…"}`, in `sakimori-application.json` of its folder or in
/// `/etc/sakimori/applications.d`.
#[derive(Deserialize)]
struct Manifest {
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    title: String,
}

/// Packages of Composer's `installed.json`, of its first and second form.
fn composer(bytes: &[u8]) -> Vec<(String, String)> {
    let Ok(parsed) = serde_json::from_slice::<Value>(bytes) else { return Vec::new() };
    let list = parsed.get("packages").unwrap_or(&parsed).as_array().map_or(&[][..], Vec::as_slice);
    list.iter()
        .take(ITEMS)
        .filter_map(|package| {
            let word = |name: &str| Some(printable(package.get(name)?.as_str()?.trim(), Inventory::TEXT));
            Some((word("name")?, word("version").unwrap_or_default()))
        })
        .collect()
}

// === clouds ===

/// The instance document of Azure's metadata service.
///
/// # Source
/// Azure Instance Metadata Service, `/metadata/instance?api-version=2021-02-01`.
pub fn azure(bytes: &[u8]) -> Option<Cloud> {
    let document: Value = serde_json::from_slice(bytes).ok()?;
    let compute = document.get("compute")?;
    let word = |name: &str| member(compute, name);
    let tags = compute.get("tagsList").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut tags: Vec<(String, String)> =
        tags.iter().take(TAGS).map(|tag| (member(tag, "name"), member(tag, "value"))).collect();
    tags.sort();
    let image = [word("publisher"), word("offer"), word("sku"), word("version")].join(":");
    Some(Cloud {
        provider: "azure".into(),
        instance: word("vmId"),
        name: word("name"),
        region: word("location"),
        zone: word("zone"),
        account: word("subscriptionId"),
        resource_group: word("resourceGroupName"),
        scale_set: word("vmScaleSetName"),
        image: if image == ":::" { String::new() } else { image },
        size: word("vmSize"),
        tags,
    })
    .filter(|cloud| !cloud.instance.is_empty())
}

/// The instance identity document of AWS.
///
/// # Source
/// Amazon EC2 user guide, `/latest/dynamic/instance-identity/document`.
pub fn aws(bytes: &[u8]) -> Option<Cloud> {
    let document: Value = serde_json::from_slice(bytes).ok()?;
    let word = |name: &str| member(&document, name);
    Some(Cloud {
        provider: "aws".into(),
        instance: word("instanceId"),
        region: word("region"),
        zone: word("availabilityZone"),
        account: word("accountId"),
        image: word("imageId"),
        size: word("instanceType"),
        ..Cloud::default()
    })
    .filter(|cloud| !cloud.instance.is_empty())
}

fn member(value: &Value, name: &str) -> String {
    printable(value.get(name).and_then(Value::as_str).unwrap_or_default().trim(), Inventory::TEXT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installed_packages_are_read_with_their_source() {
        let status = b"Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2.15-2+b7\nSource: bash (5.2.15-2)\nDescription: x\n Version: fake\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: libssl3\nStatus: install ok installed\nSource: openssl\nVersion: 3.0.1-1";
        let packages = dpkg_status(status);
        assert_eq!(packages.len(), 2);
        assert_eq!((packages[0].source.as_str(), packages[0].source_version.as_str()), ("bash", "5.2.15-2"));
        assert_eq!(
            (packages[1].source.as_str(), packages[1].source_version.as_str()),
            ("openssl", "3.0.1-1")
        );
        assert!(dpkg_status(b"").is_empty());
        let hostile = b"Package: \x1b[2J\nStatus: install ok installed\nVersion: \xff";
        assert!(!dpkg_status(hostile)[0].name.contains('\x1b'));
    }

    #[test]
    fn headers_are_found_as_wordpress_finds_them() {
        let plugin = b"<?php\n/**\n * Plugin Name: WP File Manager\n * Version: 6.8 */\n";
        assert_eq!(header(plugin, "plugin name").unwrap(), "WP File Manager");
        assert_eq!(header(plugin, "version").unwrap(), "6.8");
        assert_eq!(header(b"<?php /* Plugin Name: One line ?>", "plugin name").unwrap(), "One line");
        assert_eq!(header(b"$x = 'Plugin Name: no';", "plugin name"), None);
        assert_eq!(header(b"Theme Name: Twenty\r\nVersion: 1.2\r\n", "version").unwrap(), "1.2");
        assert_eq!(header(b"/* Version */", "version"), None);
        let far = [vec![b'\n'; 9000], b"Plugin Name: x".to_vec()].concat();
        assert_eq!(header(&far, "plugin name"), None);
    }

    #[test]
    fn versions_of_applications_are_read() {
        let php = b"<?php\n/** @global */\n$wp_version = '4.7.1';\n$wp_db_version = 3;";
        assert_eq!(php_variable(php, b"$wp_version").unwrap(), "4.7.1");
        assert_eq!(php_variable(b"$wp_version = evil();", b"$wp_version"), None);
        assert_eq!(java(b"/x/log4j-core-2.14.1.jar").unwrap(), ("log4j-core".into(), "2.14.1".into()));
        assert_eq!(java(b"/x/spring-beans-5.2.1.RELEASE.jar").unwrap().1, "5.2.1.RELEASE");
        assert_eq!(java(b"/x/noversion.jar"), None);
        assert_eq!(java(b"-1.jar"), None);
        let json = br#"{"packages":[{"name":"phpunit/phpunit","version":"5.6.2"},{"version":"x"}]}"#;
        assert_eq!(composer(json), [("phpunit/phpunit".to_owned(), "5.6.2".to_owned())]);
        assert_eq!(composer(br#"[{"name":"a/b"}]"#).len(), 1);
    }

    #[test]
    fn clouds_say_what_they_are() {
        let azure_document = br#"{"compute":{"vmId":"02aab8a4","name":"web1","location":"japaneast","vmScaleSetName":"web","tagsList":[{"name":"role","value":"web"},{"name":"env","value":"prod\u001b[2J"}]},"network":{}}"#;
        let cloud = azure(azure_document).unwrap();
        assert_eq!((cloud.region.as_str(), cloud.scale_set.as_str()), ("japaneast", "web"));
        assert_eq!(cloud.tags[0].0, "env");
        assert!(!cloud.tags[0].1.contains('\x1b'));
        assert_eq!(azure(b"{}"), None);
        let cloud = aws(br#"{"instanceId":"i-0","region":"ap-northeast-1","accountId":"1"}"#).unwrap();
        assert_eq!((cloud.instance.as_str(), cloud.provider.as_str()), ("i-0", "aws"));
        assert_eq!(aws(b"not json"), None);
    }
}
