//! `sakimori agent`: the agent on this machine, asked through its own program.
use super::Out;
use crate::command_line::Agent;
use crate::problem::Failure;
use std::process::ExitCode;

pub(super) fn execute(out: Out, command: Agent) -> Result<ExitCode, Failure> {
    let Agent::Status { program, run_dir } = command;
    // The socket's words are of the agent's version; its own program always understands them.
    #[expect(
        clippy::disallowed_methods,
        reason = "an unprivileged command that only passes on what another prints"
    )]
    let mut agent = std::process::Command::new(&program);
    agent.arg("status").arg("--output").arg(if out.json { "json" } else { "table" });
    if let Some(dir) = run_dir {
        agent.arg("--run-dir").arg(dir);
    }
    let ended = match agent.status() {
        Ok(ended) => ended,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let words =
                format!("{} is not there: is the agent installed on this machine?", program.display());
            return Err(Failure::NotFound(words));
        }
        Err(error) => return Err(error.into()),
    };
    Ok(if ended.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
