//! The same behaviour on `PostgreSQL`: every test of `behaviour`, and none of its own.
#[path = "behaviour/main.rs"]
mod behaviour;

use behaviour::support;
