//! How many files and sockets this process may have open: a service manager's usual 1,024 would end a gateway's growth
//! long before memory does.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than this is not asked for, whatever the machine would give.
const WANTED: u64 = 65_536;

/// Raises the limit as far as it may be raised without privileges. Gives what it is now.
pub(crate) fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let now = limit.current.unwrap_or(WANTED);
    let reach = limit.maximum.unwrap_or(WANTED).min(WANTED);
    if now >= reach {
        return now;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(reach), maximum: limit.maximum }) {
        Ok(()) => reach,
        Err(e) => {
            tracing::warn!("at most {now} files and sockets can be open, more are not allowed: {e}");
            now
        }
    }
}
