//! The demo, as `cargo xtask demo --once` plays it.

use sakimori_testkit::debian;
use sakimori_testkit::story::{self, Target};

#[test]
fn the_attack_on_the_blog_goes_as_told() {
    debian::require(debian::LAB).unwrap();
    assert!(story::play(Target::Blog, true).unwrap());
}

#[test]
fn the_attack_on_wordpress_goes_as_told() {
    debian::require(&[debian::LAB, debian::WORDPRESS].concat()).unwrap();
    assert!(story::play(Target::WordPress, true).unwrap());
}
