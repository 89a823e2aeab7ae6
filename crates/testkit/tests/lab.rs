//! The laboratory itself, and the unprotected blog in it: without these the demo would prove nothing.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use sakimori_testkit::blog::Blog;
use sakimori_testkit::nginx::Nginx;
use sakimori_testkit::{Lab, Programs, Role, attack, bench, debian, http, process};

const PATIENCE: Duration = Duration::from_secs(5);

#[test]
fn nothing_leaves_a_lab_and_nothing_of_it_stays() {
    let lab = Lab::new().unwrap();
    let folder = lab.folder().to_owned();
    let (server, attacker) = (lab.host(Role::Server), lab.host(Role::Attacker));

    attacker.run("ip", &["route", "get", &server.v4().to_string()]).unwrap();
    attacker.run("ip", &["route", "get", &server.v6().to_string()]).unwrap();
    assert!(attacker.run("ip", &["route", "get", "192.0.2.1"]).is_err(), "there is a way out of the lab");

    server.shell("touch /etc/lab-was-here /usr/bin/lab-was-here /var/lib/lab-was-here").unwrap();
    for path in ["/etc/lab-was-here", "/usr/bin/lab-was-here", "/var/lib/lab-was-here"] {
        assert!(server.outside(path).exists(), "{path} on the server");
        assert!(!Path::new(path).exists(), "{path} on the machine itself");
    }
    let real = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    assert_ne!(server.shell("cat /etc/machine-id").unwrap(), real);

    let mut forgotten = server.command("sleep");
    forgotten.arg("600");
    let forgotten = std::mem::ManuallyDrop::new(server.start("forgotten", forgotten).unwrap());
    assert!(server.processes().contains(&forgotten.pid()));
    drop(lab);
    assert!(!process::runs(forgotten.pid()), "a process outlived its lab");
    assert!(!folder.exists());
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    assert!(!process::call("ip", &["netns", "list"]).unwrap().contains(&name));
}

#[test]
fn the_unprotected_blog_falls_to_every_form_of_the_attack() {
    let lab = Lab::new().unwrap();
    let blog = Blog::start(&lab, &Programs::find().unwrap()).unwrap();
    let (attacker, visitor) = (lab.host(Role::Attacker), lab.host(Role::Visitor));
    let front = || http::get(visitor, blog.address(), "/", PATIENCE).unwrap().body;
    let original = front();
    assert!(original.contains("border guards") && !original.contains("HACKED"));

    for form in ["query", "body", "route"] {
        let outcome = attack::deface(attacker, blog.address(), form).unwrap();
        assert!(outcome.succeeded(), "{form}: {outcome:?}");
        assert!(front().contains("HACKED"), "{form}");
        blog.restore().unwrap();
        assert_eq!(front(), original, "{form}");
    }
    let outcome = attack::backdoor(attacker, blog.address()).unwrap();
    assert!(outcome.succeeded(), "{outcome:?}");
    blog.restore().unwrap();
    let marker = "/wp-content/plugins/wp-file-manager/lib/files/demo-backdoor.php";
    assert_eq!(http::get(visitor, blog.address(), marker, PATIENCE).unwrap().status, 404);
}

#[test]
fn the_blog_refuses_an_honest_edit_and_a_stranger_s_restore() {
    let lab = Lab::new().unwrap();
    let blog = Blog::start(&lab, &Programs::find().unwrap()).unwrap();
    let attacker = lab.host(Role::Attacker);
    let status = |arguments: &[&str]| {
        let common = ["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--max-time", "5"];
        attacker.run("curl", &[&common[..], arguments].concat()).unwrap()
    };
    let post = format!("http://{}/wp-json/wp/v2/posts/1", blog.address());
    let json = ["--header", "Content-Type: application/json", "--data", r#"{"title":"x"}"#];
    assert_eq!(status(&[&json[..], &[&post]].concat()), "401");
    let restore = format!("http://{}/restore", blog.address());
    assert_eq!(status(&["--request", "POST", "--header", "x-restore-secret: guessed", &restore]), "403");
}

#[test]
fn the_blog_listens_only_where_it_was_told_and_only_when_it_was_told() {
    let lab = Lab::new().unwrap();
    let programs = Programs::find().unwrap();
    let server = lab.host(Role::Server);
    let blog = Blog::start(&lab, &programs).unwrap();
    let v6 = SocketAddr::new(IpAddr::V6(server.v6()), 80);
    assert!(http::get(lab.host(Role::Visitor), v6, "/", PATIENCE).is_err());
    drop(blog);
    let secret = server.folder().join("restore-secret").to_string_lossy().into_owned();
    let folder = server.folder().join("uploads").to_string_lossy().into_owned();
    let options = ["--uploads", &folder, "--pages", &folder, "--restore-secret-file", &secret];
    let program = programs.blog();
    let unasked = server.run(&program, &[&["--listen", "127.0.0.1:8000"][..], &options].concat());
    assert!(unasked.unwrap_err().to_string().contains("server"));
    let everywhere = ["--i-know-this-is-vulnerable", "--listen", "0.0.0.0:8000"];
    assert!(server.run(&program, &[&everywhere[..], &options].concat()).is_err());
}

#[test]
fn the_benchmarks_web_server_serves_and_takes_uploads() {
    debian::require(debian::BENCH).unwrap();
    let lab = Lab::new().unwrap();
    let nginx = Nginx::start(&lab).unwrap();
    let visitor = lab.host(Role::Visitor);
    let site = nginx.address();
    assert_eq!(http::get(visitor, site, "/1k", PATIENCE).unwrap().body.len(), 1024);
    assert_eq!(http::get(visitor, site, "/100k", PATIENCE).unwrap().body.len(), 100 * 1024);
    assert!(bench::requests(&lab, &format!("http://{site}/1k"), 1).unwrap() > 100.0);
    assert!(bench::upload(&lab, &site.to_string(), 8).unwrap() > 0.01);
    assert_eq!(http::get(visitor, site, "/upload/bulk", PATIENCE).unwrap().status, 404);
}
