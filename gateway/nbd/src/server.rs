//! The doors: listening on TCP or a Unix socket, and a bounded number of clients.

use crate::connection;
use crate::export::Exports;
use crate::tls::NbdTls;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// Clients at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 64;
/// How long requests under way may take to end when the server stops: without enough OSDs they never do.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// After an error of accepting, such as no file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Where clients come in.
#[derive(Debug)]
pub enum Door {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

/// Refuses an address that others than this host reach unless only clients with a certificate get in: everybody
/// there could read and write every image. `insecure`: the operator says that the network is closed.
pub fn check_door(addr: SocketAddr, tls: Option<&NbdTls>, insecure: bool) -> Result<(), String> {
    if addr.ip().is_loopback() || insecure || tls.is_some_and(NbdTls::knows_clients) {
        return Ok(());
    }
    Err(format!(
        "{addr} can be reached by other hosts, and everybody there could read and write every image; listen on \
         127.0.0.1, ask for TLS with client certificates (--nbd-cert, --nbd-key, --nbd-client-ca), or say \
         --nbd-insecure if that network is closed"
    ))
}

/// Serves until `shutdown` is done and every request that was read has been answered.
pub async fn serve<E: Exports>(
    door: Door,
    tls: Option<NbdTls>,
    exports: E,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let tls = tls.map(Arc::new);
    // Ends with this function.
    let mut following = JoinSet::new();
    if let Some(tls) = tls.clone() {
        following.spawn(async move { tls.follow().await });
    }
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (stop, stopped) = watch::channel(false);
    let mut clients = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let permit = tokio::select! {
            () = &mut shutdown => break,
            permit = room.clone().acquire_owned() => permit.map_err(io::Error::other)?,
        };
        tokio::select! {
            () = &mut shutdown => break,
            () = accept(&door, permit, &tls, &exports, &stopped, &mut clients) => {}
        }
        while clients.try_join_next().is_some() {}
    }
    stop.send_replace(true);
    let all_gone = async { while clients.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_WITHIN, all_gone).await.is_err() {
        tracing::warn!("requests of NBD clients did not end in time; they are cut off without an answer");
    }
    Ok(())
}

async fn accept<E: Exports>(
    door: &Door,
    permit: OwnedSemaphorePermit,
    tls: &Option<Arc<NbdTls>>,
    exports: &E,
    stopped: &watch::Receiver<bool>,
    clients: &mut JoinSet<()>,
) {
    let (tls, exports, stopped) = (tls.clone(), exports.clone(), stopped.clone());
    let failed = match door {
        Door::Tcp(listener) => match listener.accept().await {
            Ok((stream, peer)) => {
                // Replies are small and waited for.
                let _ = stream.set_nodelay(true);
                clients.spawn(one(
                    permit,
                    peer.to_string(),
                    connection::serve(stream, tls, exports, stopped),
                ));
                return;
            }
            Err(error) => error,
        },
        Door::Unix(listener) => match listener.accept().await {
            Ok((stream, _)) => {
                clients.spawn(one(permit, "unix".into(), connection::serve(stream, tls, exports, stopped)));
                return;
            }
            Err(error) => error,
        },
    };
    tracing::warn!(error = %failed, "an NBD client could not be accepted");
    tokio::time::sleep(ACCEPT_AGAIN).await;
}

async fn one(
    permit: OwnedSemaphorePermit,
    peer: String,
    served: impl Future<Output = Result<(), connection::Ended>>,
) {
    if let Err(error) = served.await {
        tracing::info!(%peer, %error, "an NBD connection ended early");
    }
    drop(permit);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_to_other_hosts_has_to_be_meant() {
        for local in ["127.0.0.1:10809", "[::1]:10809"] {
            assert!(check_door(local.parse().unwrap(), None, false).is_ok());
        }
        for open in ["0.0.0.0:10809", "192.168.1.1:1", "[::]:1"] {
            let refused = check_door(open.parse().unwrap(), None, false).unwrap_err();
            assert!(refused.contains("--nbd-insecure") && refused.contains("--nbd-client-ca"), "{refused}");
            assert!(check_door(open.parse().unwrap(), None, true).is_ok());
        }
    }
}
