//! The same behaviour on `PostgreSQL`: every test of `behaviour`, and that of several managers on one database.
#[path = "behaviour/main.rs"]
mod behaviour;
#[path = "behaviour/nodes.rs"]
mod nodes;

use behaviour::support;
