//! The signals that ask a daemon to stop.

use crate::exit::{Context, Failure};
use std::future::Future;
use tokio::signal::unix::{SignalKind, signal};

/// Done when SIGTERM or SIGINT has come. Listening starts at once.
pub(crate) fn asked() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let mut terminate = signal(SignalKind::terminate()).or_unusable("SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).or_unusable("SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
