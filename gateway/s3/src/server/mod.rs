//! The HTTP server: accepts connections, and ends them in good order.

mod connection;
mod cross_origin;
mod handle;
mod target;
mod tls;

pub(crate) use handle::Gateway;
use handle::Shared;
pub(crate) use target::{Target, check_key};
pub use tls::S3Tls;

use crate::config::S3Config;
use crate::storage::Storage;
use gateway_client::Rados;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// After an accept that failed for want of descriptors or memory, others get time to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves S3 until `shutdown` is done; then lets the requests under way end, and storage's background work with
/// them. Errors: none after the socket is bound, so far; a broken connection only ends itself.
pub async fn serve<R: Rados>(
    config: S3Config,
    storage: Storage<R>,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let access_log = config.access_log.clone();
    let S3Config { listener, tls, max_connections, shutdown_grace, .. } = config;
    let shared = Shared {
        domains: config.domains,
        website_domains: config.website_domains,
        region: config.region,
        sigv2: config.sigv2,
        cluster_id: config.cluster_id,
        usage_log: config.usage_log,
        access_log: access_log.clone(),
        log_roll_s: config.log_roll_s,
    };
    let (stop, stopping) = watch::channel(false);
    let background = tokio::spawn({
        let (storage, stopping) = (storage.clone(), stopping.clone());
        async move { storage.run(stopped(stopping)).await }
    });
    let lifecycle = tokio::spawn({
        let (storage, stopping) = (storage.clone(), stopping.clone());
        async move {
            tokio::select! {
                () = crate::lifecycle::keep(storage) => {}
                // What it is at can be left at any point.
                () = stopped(stopping) => {}
            }
        }
    });
    let gateway = Arc::new(Gateway::new(storage, shared));
    let usage = tokio::spawn({
        let (gateway, stopping) = (gateway.clone(), stopping.clone());
        async move { gateway.traffic.keep(&gateway.storage, stopped(stopping)).await }
    });
    // Journals wait for it: it outlives the requests.
    let (end_logs, logs_ending) = watch::channel(false);
    let logs = tokio::spawn({
        let gateway = gateway.clone();
        async move { gateway.bucket_logs.keep(&gateway.storage, stopped(logs_ending)).await }
    });
    let deliveries = tokio::spawn({
        let (gateway, stopping) = (gateway.clone(), stopping.clone());
        // What it is at can be left at any point.
        async move { gateway.bucket_logs.deliver(&gateway.storage, stopped(stopping)).await }
    });
    let secured = tls.as_ref().map(S3Tls::current);
    let follow = async {
        match tls {
            Some(tls) => tls.follow().await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(follow);
    let permits = Arc::new(Semaphore::new(max_connections));
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            () = &mut follow => {}
            (stream, permit) = accept(&listener, &permits) => {
                let (gateway, stopping) = (gateway.clone(), stopping.clone());
                let secured = secured.as_ref().map(|current| current.borrow().clone());
                connections.spawn(async move {
                    connection::run(gateway, stream, secured, stopped(stopping)).await;
                    drop(permit);
                });
            }
            // Ended ones are taken out, so that the set holds only live ones.
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    // Nobody receives any more only if everything has ended already.
    let _ = stop.send(true);
    let rest = async {
        while connections.join_next().await.is_some() {}
        let _ = end_logs.send(true);
        for (what, task) in [
            ("background work", background),
            ("lifecycle worker", lifecycle),
            ("usage log", usage),
            ("bucket logs", logs),
            ("deliveries of bucket logs", deliveries),
        ] {
            if let Err(e) = task.await {
                tracing::error!("the gateway's {what} ended with a fault: {e}");
            }
        }
        gateway.traffic.end(&gateway.storage).await;
        gateway.bucket_logs.store(&gateway.storage).await;
    };
    if tokio::time::timeout(shutdown_grace, rest).await.is_err() {
        tracing::warn!("requests did not end within {shutdown_grace:?} of the shutdown and are cut off");
    }
    connections.shutdown().await;
    access_log.settle();
    Ok(())
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop as well.
    let _ = stopping.wait_for(|stop| *stop).await;
}

async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    loop {
        // The semaphore is never closed.
        let Ok(permit) = permits.clone().acquire_owned().await else { unreachable!("semaphore closed") };
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(e) => {
                tracing::warn!("accepting a connection failed: {e}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
