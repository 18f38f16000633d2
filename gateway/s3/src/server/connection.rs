//! One connection: HTTP/1.1 with limits, and an end that lets the last answer arrive.

use super::handle::Gateway;
use crate::request::Way;
use gateway_client::Rados;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// How long a client may take over a request's head, and how long an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a client may take over the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// hyper answers a head above this by itself, with 431. Between our own limit and this one the client gets
/// S3's error. It bounds what a connection buffers, too.
const MAX_BUFFER_BYTES: usize = 192 * 1024;
const MAX_HEADERS: usize = 400;
/// A client that takes nothing of an answer for so long has gone.
const STALL_TIMEOUT: Duration = Duration::from_secs(120);
/// What is still read, and thrown away, from a client that was refused while it was sending.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 8 << 20;

/// Serves one connection until it ends, or until `stop` and the request under way ends.
pub(super) async fn run<R: Rados>(
    gateway: Arc<Gateway<R>>,
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    stop: impl Future<Output = ()> + Send,
) {
    // Without it a small answer waits for the client's delayed ACK.
    if let Err(e) = stream.set_nodelay(true) {
        tracing::debug!("TCP_NODELAY could not be set: {e}");
    }
    // A client that stops reading holds buffers of a transfer; for ever it may not.
    if let Err(e) = SockRef::from(&stream).set_tcp_user_timeout(Some(STALL_TIMEOUT)) {
        tracing::debug!("TCP_USER_TIMEOUT could not be set: {e}");
    }
    let peer = stream.peer_addr().ok().map(|address| address.ip());
    let Some(tls) = tls else {
        return serve(gateway, stream, Way { peer, secure: false }, stop).await;
    };
    // Apart, so that the state of TLS is no part of every plain connection, of which thousands may be idle.
    Box::pin(secure(gateway, stream, tls, peer, stop)).await;
}

/// Shakes hands, then serves.
async fn secure<R: Rados>(
    gateway: Arc<Gateway<R>>,
    stream: TcpStream,
    tls: Arc<ServerConfig>,
    peer: Option<IpAddr>,
    stop: impl Future<Output = ()> + Send,
) {
    let handshake = TlsAcceptor::from(tls).accept(stream);
    tokio::pin!(stop);
    tokio::select! {
        done = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake) => match done {
            Ok(Ok(stream)) => serve(gateway, stream, Way { peer, secure: true }, stop).await,
            Ok(Err(e)) => tracing::debug!("a TLS handshake failed: {e}"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        },
        () = &mut stop => {}
    }
}

/// Serves requests over a stream.
async fn serve<R: Rados, S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    gateway: Arc<Gateway<R>>,
    stream: S,
    way: Way,
    stop: impl Future<Output = ()> + Send,
) {
    let door = gateway.clone();
    let service = service_fn(move |request| {
        let gateway = door.clone();
        // Boxed, since the connection must stay movable to give back its socket.
        Box::pin(async move { Ok::<_, Infallible>(gateway.handle(request, way).await) })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_BUFFER_BYTES)
        .max_headers(MAX_HEADERS)
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(stop);
    let mut stopping = false;
    let outcome = loop {
        tokio::select! {
            outcome = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break outcome,
            () = &mut stop, if !stopping => {
                stopping = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    if let Err(e) = outcome {
        // The client's doing, as a rule: it went away, or it does not speak HTTP.
        tracing::debug!("a connection ended: {e}");
        if let Some(status) = told_by_hyper(&e) {
            gateway.unreadable(way, status);
        }
    }
    linger(connection.into_parts().io.into_inner()).await;
}

/// What hyper answers by itself to a head that it cannot read, without a document; none where it only hangs up.
fn told_by_hyper(e: &hyper::Error) -> Option<u16> {
    match () {
        () if e.is_parse_too_large() => Some(431),
        () if e.is_parse_version_h2() => None,
        () if e.is_parse() => Some(400),
        () => None,
    }
}

/// Closes our side first and reads on for a while: closing with unread bytes in the socket would send a reset,
/// which can destroy the answer before the client has read it.
async fn linger(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let drain = async {
        let mut buffer = vec![0; 64 * 1024];
        let mut left = LINGER_BYTES;
        while let Ok(n @ 1..) = stream.read(&mut buffer).await {
            left = left.saturating_sub(n);
            if left == 0 {
                break;
            }
        }
    };
    // A client that keeps sending for longer has had its chance.
    let _ = tokio::time::timeout(LINGER, drain).await;
}
