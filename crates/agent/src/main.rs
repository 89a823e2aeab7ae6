//! The agent on each server.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    sakimori_agent::commands::main()
}
