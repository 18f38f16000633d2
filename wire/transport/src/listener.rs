//! Accepting links.

use crate::error::TransportError;
use crate::handshake::{HANDSHAKE_MAX, respond};
use crate::link::Link;
use crate::name::PeerName;
use crate::security::Security;
use crate::socket;
use crate::under_way::UnderWay;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

/// The most peers that may be proving themselves at once; for more, those make room that came from one address in number
/// and long ago (see `under_way`), and until then they wait in the kernel's queue.
const HANDSHAKES_MAX: usize = 256;
/// Proven links that wait to be accepted.
const READY_MAX: usize = 64;
/// The wait after the system could not give us a socket (too many open files).
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// Accepts links from daemons and clients of this cluster. Dropping it closes the port.
#[derive(Debug)]
pub struct Listener {
    addr: SocketAddr,
    ready: mpsc::Receiver<Link>,
    task: AbortHandle,
}

impl Listener {
    /// Listens on `addr` (port 0: any free one). Errors: `Bind`.
    pub async fn bind(addr: SocketAddr, security: Security) -> Result<Listener, TransportError> {
        let bound = async {
            let socket = TcpListener::bind(addr).await?;
            let addr = socket.local_addr()?;
            Ok((socket, addr))
        };
        let (socket, addr) = bound.await.map_err(|source| TransportError::Bind { addr, source })?;
        let (tx, ready) = mpsc::channel(READY_MAX);
        let task = tokio::spawn(serve(socket, security, tx)).abort_handle();
        Ok(Listener { addr, ready, task })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// The next peer that proved who it is. Those that do not are logged and dropped.
    pub async fn accept(&mut self) -> (PeerName, Link) {
        match self.ready.recv().await {
            Some(link) => (link.peer().clone(), link),
            // The serving task ends only with its runtime, and then nobody can be accepted any more.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(socket: TcpListener, security: Security, ready: mpsc::Sender<Link>) {
    // Dropped with this task, and the handshakes under way with it.
    let mut handshakes = JoinSet::new();
    let mut under_way = UnderWay::default();
    loop {
        let full = handshakes.len() >= HANDSHAKES_MAX;
        let due = if full { under_way.due() } else { None };
        tokio::select! {
            accepted = socket.accept(), if !full => match accepted {
                Ok((tcp, addr)) => {
                    let (security, ready) = (security.clone(), ready.clone());
                    let proven = Arc::new(AtomicBool::new(false));
                    let is_proven = proven.clone();
                    let task = handshakes.spawn(async move {
                        if let Some(link) = admit(tcp, addr, &security).await {
                            is_proven.store(true, Ordering::Relaxed);
                            // Gone only with the listener.
                            let _ = ready.send(link).await;
                        }
                    });
                    under_way.add(addr.ip(), proven, task);
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection; trying again");
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                }
            },
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => under_way.make_room(),
            Some(_) = handshakes.join_next() => under_way.tidy(),
        }
    }
}

async fn admit(tcp: TcpStream, addr: SocketAddr, security: &Security) -> Option<Link> {
    if let Err(error) = socket::prepare(&tcp) {
        tracing::debug!(%addr, %error, "a connection ended before it began");
        return None;
    }
    match timeout(HANDSHAKE_MAX, respond(tcp, addr, security)).await {
        Ok(Ok(link)) => Some(link),
        Ok(Err(error @ (TransportError::ModeMismatch { .. } | TransportError::Protocol { .. }))) => {
            // Only a daemon of this cluster gets so far: an operator must hear of it.
            tracing::warn!(%error, "a daemon of this cluster cannot link with this one");
            None
        }
        Ok(Err(error)) => {
            // Strangers must not be able to fill the log of a default set-up.
            tracing::debug!(%addr, %error, "a connection was refused");
            None
        }
        Err(_) => {
            tracing::debug!(%addr, "a connection did not authenticate in time");
            None
        }
    }
}
