//! The caged process that looks into what was gathered: bytes in, an inventory as JSON out, and it is gone.
use super::material::{BYTES, pieces};
use super::parse::inventory;
use sakimori_kernel::sandbox::{self, Cage, SystemCalls};
use sakimori_kernel::spawn;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::process::ExitCode;

/// Names the socket that the worker inherits.
pub(super) const DESCRIPTOR_VARIABLE: &str = "SAKIMORI_INVENTORY";
/// Bound of heap and private mappings: the material, and a few times as much for what it says.
const DATA_BYTES: u64 = 512 << 20;

/// The body of `sakimori-agent worker inventory`; gives the process's exit code.
pub fn run() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_unsayable) => ExitCode::FAILURE,
    }
}

fn serve() -> io::Result<()> {
    let list = std::env::var(DESCRIPTOR_VARIABLE).map_err(io::Error::other)?;
    let [socket]: [OwnedFd; 1] = spawn::inherited_list(&list)?
        .try_into()
        .map_err(|_other_count| io::Error::other("not the descriptor of an inventory worker"))?;
    let cage = Cage {
        system_calls: SystemCalls {
            read: vec![socket.as_raw_fd()],
            write: vec![socket.as_raw_fd()],
            ..SystemCalls::default()
        },
        data_bytes: DATA_BYTES,
        without_seccomp: false,
    };
    let _in_force = sandbox::enter(&cage, || Ok(())).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = rustix::io::read(&socket, &mut buffer)?;
        if length == 0 {
            break;
        }
        bytes.extend_from_slice(buffer.get(..length).unwrap_or_default());
        if bytes.len() > BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
    }
    let said = serde_json::to_vec(&inventory(pieces(&bytes))).map_err(io::Error::other)?;
    let mut rest = said.as_slice();
    while !rest.is_empty() {
        let written = rustix::io::write(&socket, rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}
