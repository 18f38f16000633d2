//! Making a link.

use crate::error::TransportError;
use crate::handshake::{HANDSHAKE_MAX, initiate};
use crate::link::Link;
use crate::name::PeerName;
use crate::security::Security;
use crate::socket;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a host may take to answer at all.
const CONNECT_MAX: Duration = Duration::from_secs(3);

/// Connects to the daemon `wanted` at `addr`. Gives up after 3 s without a connection or 5 s of handshake.
pub async fn connect(
    addr: SocketAddr,
    security: &Security,
    wanted: &PeerName,
) -> Result<Link, TransportError> {
    let timed_out = |what, d: Duration| TransportError::TimedOut { addr, what, seconds: d.as_secs() };
    let tcp = timeout(CONNECT_MAX, TcpStream::connect(addr))
        .await
        .map_err(|_| timed_out("answer", CONNECT_MAX))?
        .map_err(|e| TransportError::of_connect(addr, e))?;
    socket::prepare(&tcp).map_err(|e| TransportError::of_connect(addr, e))?;
    timeout(HANDSHAKE_MAX, initiate(tcp, addr, security, wanted))
        .await
        .map_err(|_| timed_out("finish the handshake", HANDSHAKE_MAX))?
}
