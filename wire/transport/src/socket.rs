//! Options of every link's socket.

use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;

/// No Nagle: a frame leaves when it is written. A peer whose host vanished is noticed by the kernel within
/// about ten seconds, idle or not; daemons that need to know sooner ping.
pub(crate) fn prepare(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let s = SockRef::from(tcp);
    s.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(Duration::from_secs(4))
            .with_interval(Duration::from_secs(2))
            .with_retries(3),
    )?;
    s.set_tcp_user_timeout(Some(Duration::from_secs(10)))
}
