//! The inventory of made-up web roots and clouds, by the real worker in its cage.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test: it makes files, says why it is skipped, and fails by panicking"
)]

use sakimori_agent::inventory::cloud::Provider;
use sakimori_agent::inventory::take_with;
use sakimori_protocol::{Cloud, Inventory};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_sakimori-agent").into()
}

fn put(root: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn taken(root: &Path, provider: Provider) -> Inventory {
    take_with(&[root.to_str().unwrap().to_owned()], provider, &program()).unwrap()
}

/// `kind name version` of what lies below `root`.
fn applications(inventory: &Inventory, root: &Path) -> Vec<String> {
    let below = inventory.applications.iter().filter(|a| a.place.starts_with(root.to_str().unwrap()));
    below.map(|a| format!("{} {} {}", a.kind, a.name, a.version)).collect()
}

#[test]
fn a_web_root_is_looked_through() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    put(root, "blog/wp-includes/version.php", "<?php\n$wp_version = '4.7.1';\n");
    let plugins = "blog/wp-content/plugins";
    put(
        root,
        &format!("{plugins}/wp-file-manager/file_folder_manager.php"),
        "<?php\n/**\n  Plugin Name: WP File Manager\n  Version: 6.8\n*/",
    );
    put(root, &format!("{plugins}/wp-file-manager/other.php"), "<?php echo 1;");
    put(root, &format!("{plugins}/wp-file-manager/lib/deep.php"), "<?php /* Plugin Name: not here */");
    put(root, &format!("{plugins}/hello.php"), "<?php\n/*\nPlugin Name: Hello Dolly\nVersion: 1.7.2\n*/");
    put(root, "blog/wp-content/mu-plugins/must.php", "<?php\n/*\nPlugin Name: Must\nVersion: 0.1\n*/");
    put(root, "blog/wp-content/themes/twenty/style.css", "/*\nTheme Name: Twenty\nVersion: 2.1\n*/");
    put(
        root,
        "shop/vendor/composer/installed.json",
        r#"{"packages":[{"name":"phpunit/phpunit","version":"5.6.2"}]}"#,
    );
    put(root, "app/WEB-INF/lib/log4j-core-2.14.1.jar", "PK");
    put(root, "demo/sakimori-application.json", r#"{"name":"sakimori-demo-blog","version":"0.1.0"}"#);
    symlink("..", root.join("blog/loop")).unwrap();
    let inventory = taken(root, Provider::None);
    assert_eq!(
        applications(&inventory, root),
        [
            "application sakimori-demo-blog 0.1.0",
            "application wordpress 4.7.1",
            "composer phpunit/phpunit 5.6.2",
            "java log4j-core 2.14.1",
            "wordpress-plugin hello 1.7.2",
            "wordpress-plugin must 0.1",
            "wordpress-plugin wp-file-manager 6.8",
            "wordpress-theme twenty 2.1",
        ]
    );
    assert_eq!(inventory.cloud, None);
    let own = program().file_name().unwrap().to_str().unwrap().to_owned();
    assert!(inventory.processes.iter().any(|process| process.count > 0), "{own}");
    if Path::new("/var/lib/dpkg/status").exists() {
        let listed = Command::new("dpkg-query")
            .args(["-W", "-f", "${db:Status-Status} ${Package}\n"])
            .output()
            .unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let installed = listed.lines().filter(|line| line.starts_with("installed ")).count();
        assert_eq!(inventory.packages.len(), installed, "as many as dpkg itself says");
        assert!(!inventory.incomplete.contains(&"package".to_owned()));
    }
    assert_eq!(inventory.hash(), taken(root, Provider::None).hash_like(&inventory));
}

/// Processes come and go between two looks: the rest must be the same.
trait HashLike {
    fn hash_like(self, other: &Inventory) -> sakimori_protocol::Hash;
}

impl HashLike for Inventory {
    fn hash_like(mut self, other: &Inventory) -> sakimori_protocol::Hash {
        self.processes.clone_from(&other.processes);
        self.hash()
    }
}

#[test]
fn hostile_files_end_in_an_inventory_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    put(root, "a/wp-includes/version.php", "$wp_version = '\x1b[2J\u{202e}';");
    put(root, "b/wp-includes/version.php", vec![0xff; 1 << 20]);
    put(root, "c/vendor/composer/installed.json", "[".repeat(100_000));
    put(root, "d/sakimori-application.json", "{\"name\":\"\u{0}\",\"version\":[]}");
    put(
        root,
        "e/wp-content/plugins/x/x.php",
        format!("<?php /*\nPlugin Name: {}\nVersion: 1\n*/", "n".repeat(7000)),
    );
    for number in 0..3000 {
        put(root, &format!("jars/j{number}-1.jar"), "");
    }
    let inventory = taken(root, Provider::None);
    let found = applications(&inventory, root);
    assert!(found.iter().all(|line| !line.chars().any(char::is_control)), "{found:?}");
    assert!(inventory.applications.iter().all(|a| a.title.chars().count() <= Inventory::TEXT));
    assert_eq!(found.iter().filter(|line| line.starts_with("java")).count(), 3000);
}

#[test]
fn a_worker_that_cannot_be_started_is_said_so() {
    let dir = tempfile::tempdir().unwrap();
    let roots = [dir.path().to_str().unwrap().to_owned()];
    take_with(&roots, Provider::None, Path::new("/nonexistent")).unwrap_err();
    take_with(&roots, Provider::None, Path::new("/bin/true")).unwrap_err();
}

/// A metadata service in a network namespace of its own, which answers each request by `answer`.
fn with_metadata(answer: fn(&str) -> (u16, &'static str), work: impl FnOnce() + Send) {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: a network namespace needs root");
        return;
    }
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            sakimori_kernel_sys::process::unshare_network().unwrap();
            for words in ["link set lo up", "addr add 169.254.169.254/32 dev lo"] {
                assert!(Command::new("ip").args(words.split(' ')).status().unwrap().success());
            }
            let listener = TcpListener::bind("169.254.169.254:80").unwrap();
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    let mut stream = stream.unwrap();
                    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
                    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                        let length = stream.read(&mut buffer).unwrap();
                        request.extend_from_slice(&buffer[..length]);
                    }
                    let (status, body) = answer(&String::from_utf8_lossy(&request));
                    let _gone = write!(stream, "HTTP/1.1 {status} X\r\nServer: test\r\n\r\n{body}");
                }
            });
            work();
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

#[test]
fn azure_says_what_the_instance_is() {
    fn answer(request: &str) -> (u16, &'static str) {
        if !request.starts_with("GET /metadata/instance?api-version=") || !request.contains("Metadata: true")
        {
            return (400, "");
        }
        let document = r#"{"compute":{"vmId":"02aab8a4-74ef-476e-8182-f6d2ba4166a6","name":"web_3","location":"japaneast","vmScaleSetName":"web","subscriptionId":"s","resourceGroupName":"g","tagsList":[{"name":"role","value":"web"}]}}"#;
        (200, document)
    }
    with_metadata(answer, || {
        let dir = tempfile::tempdir().unwrap();
        let Cloud { provider, instance, scale_set, tags, .. } =
            taken(dir.path(), Provider::Azure).cloud.unwrap();
        assert_eq!((provider.as_str(), scale_set.as_str()), ("azure", "web"));
        assert_eq!(instance, "02aab8a4-74ef-476e-8182-f6d2ba4166a6");
        assert_eq!(tags, [("role".to_owned(), "web".to_owned())]);
    });
}

#[test]
fn aws_is_asked_with_a_token() {
    fn answer(request: &str) -> (u16, &'static str) {
        if request.starts_with("PUT /latest/api/token")
            && request.contains("X-aws-ec2-metadata-token-ttl-seconds")
        {
            (200, "TOKEN==")
        } else if request.contains("X-aws-ec2-metadata-token: TOKEN==") {
            (
                200,
                r#"{"instanceId":"i-0abc","region":"ap-northeast-1","availabilityZone":"ap-northeast-1a","accountId":"123"}"#,
            )
        } else {
            (401, "")
        }
    }
    with_metadata(answer, || {
        let dir = tempfile::tempdir().unwrap();
        let cloud = taken(dir.path(), Provider::Aws).cloud.unwrap();
        assert_eq!((cloud.instance.as_str(), cloud.zone.as_str()), ("i-0abc", "ap-northeast-1a"));
    });
}

#[test]
fn a_service_that_talks_nonsense_gives_no_cloud() {
    with_metadata(
        |_| (200, "<html>router login</html>"),
        || {
            let dir = tempfile::tempdir().unwrap();
            assert_eq!(taken(dir.path(), Provider::Azure).cloud, None);
            assert_eq!(taken(dir.path(), Provider::Aws).cloud, None);
        },
    );
}
