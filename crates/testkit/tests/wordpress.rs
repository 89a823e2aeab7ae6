//! Debian's `WordPress` with the plugin that brings CVE-2017-1001000 back, unprotected.

use std::time::Duration;

use sakimori_testkit::wordpress::WordPress;
use sakimori_testkit::{Lab, Role, attack, debian, http};

#[test]
fn the_unprotected_wordpress_falls_to_every_form_of_the_attack() {
    debian::require(&[debian::LAB, debian::WORDPRESS].concat()).unwrap();
    let lab = Lab::new().unwrap();
    let site = WordPress::start(&lab).unwrap();
    let (attacker, visitor) = (lab.host(Role::Attacker), lab.host(Role::Visitor));
    let front = || http::get(visitor, site.address(), "/", Duration::from_secs(20)).unwrap().body;
    let page = front();
    assert!(page.contains("The border guards of the east") && !page.contains("HACKED"), "{page}");
    for form in ["query", "body", "route"] {
        let outcome = attack::deface(attacker, site.address(), form).unwrap();
        assert!(outcome.succeeded(), "{form}: {outcome:?}");
        assert!(front().contains("HACKED"), "{form}");
        site.restore().unwrap();
        assert!(!front().contains("HACKED"), "{form}");
    }
    let outcome = attack::backdoor(attacker, site.address()).unwrap();
    assert!(outcome.succeeded(), "{outcome:?}");
    site.restore().unwrap();
    let post = format!("http://{}/wp-json/wp/v2/posts/1", site.address());
    let json = ["--header", "Content-Type: application/json", "--data", r#"{"title":"x"}"#];
    let common = ["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--max-time", "20"];
    let honest = attacker.run("curl", &[&common[..], &json, &[&post]].concat()).unwrap();
    assert_eq!(honest, "401", "an edit without log-in and without the trick");
}
