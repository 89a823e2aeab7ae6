//! The manager of the fleet.
#![forbid(unsafe_code)]
use std::io::Write as _;

fn main() -> anyhow::Result<()> {
    std::io::stdout().write_all(sakimori_manager::http::openapi_json()?.as_bytes())?;
    Ok(())
}
