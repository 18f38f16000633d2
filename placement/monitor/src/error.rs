//! Why a monitor cannot run.

use crate::store::StoreError;
use wire_transport::TransportError;

/// Why a monitor cannot start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// Its name is not `mon.NUMBER`.
    #[error("{0} is no monitor's name; monitors are called mon.0, mon.1 and so on")]
    Name(String),
    /// Its store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its address.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The cluster uses what this program does not know.
    #[error(
        "the cluster is at feature level {needs} and this program can do {can}: start a newer program on this monitor's directory"
    )]
    TooOld {
        /// What it can do.
        can: u32,
        /// What the cluster uses.
        needs: u32,
    },
    /// The replicated log stopped: the disk failed, or a bug.
    #[error("the monitor had to stop: {0}; its data is as it was, start it again once the cause is gone")]
    Stopped(String),
}
