//! Whether the manager is reached now: by a connection made for that alone. One that stands says nothing, because the
//! firewall lets established connections be.
use crate::check_in::gateway;
use crate::connection::explain;
use crate::identity::IdentityFiles;
use std::path::Path;
use std::time::Duration;

/// Resolves the manager's name, connects (through the proxy where there is one), and has its certificate verified.
///
/// All of it may take `patience`.
pub(super) fn reaches_manager(state_dir: &Path, patience: Duration) -> bool {
    // A thread of its own: who asks may be one of a runtime's.
    std::thread::scope(|scope| {
        let asked =
            std::thread::Builder::new().name("probe".into()).spawn_scoped(scope, || ask(state_dir, patience));
        match asked.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(Ok(()))) => true,
            Ok(Ok(Err(words))) => {
                tracing::debug!("the manager is not reached by a new connection: {words}");
                false
            }
            Ok(Err(_panicked)) => false,
            Err(error) => {
                tracing::error!(%error, "the manager could not be looked for");
                false
            }
        }
    })
}

fn ask(state_dir: &Path, patience: Duration) -> Result<(), String> {
    let keyed = IdentityFiles::in_dir(state_dir).load().map_err(|error| explain(&error))?;
    let keyed = keyed.ok_or("this computer has no manager")?;
    let gateway = gateway(&keyed).map_err(|error| explain(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let greeted = runtime.block_on(gateway.greet(patience)).map_err(|error| explain(&error));
    // A name that is still being resolved is not waited for.
    runtime.shutdown_background();
    greeted
}
