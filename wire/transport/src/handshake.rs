//! How two ends of a fresh connection prove who they are and agree on a mode. Drawn in docs/formats/frame.md.
//!
//! Until the other end's certificate was verified it is told nothing but TLS's own messages, and holds no
//! memory but one TLS connection's.

use crate::admission::Fingerprint;
use crate::credentials::certified_name;
use crate::error::TransportError;
use crate::link::Link;
use crate::name::PeerName;
use crate::program::Program;
use crate::record_gate::RecordGate;
use crate::security::{Mode, Security};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, CertificateError, Error as TlsError};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

/// How long a peer may take to prove itself.
pub(crate) const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// How long a refused peer is kept so that it can read why.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

const PROTOCOL: u8 = 1;
const HELLO_BYTES: usize = 16;
const HELLO_MAGIC: &[u8; 5] = b"NACRE";

/// The connecting side: the other end must be `wanted`.
pub(crate) async fn initiate(
    tcp: TcpStream,
    addr: SocketAddr,
    security: &Security,
    wanted: &PeerName,
) -> Result<Link, TransportError> {
    let name = certified_name(wanted, &security.fsid);
    let name = ServerName::try_from(name)
        .map_err(|e| TransportError::Authentication { addr, reason: format!("{wanted}: {e}") })?;
    let connector = TlsConnector::from(security.client.clone());
    let tls =
        connector.connect(name, RecordGate::new(tcp)).await.map_err(|e| of_tls(addr, e, Some(wanted)))?;
    let key = admitted(tls.get_ref().1.peer_certificates(), addr, security, wanted)?;
    let link = agree(TlsStream::Client(tls), addr, security, wanted.clone()).await?;
    watched(link, key, security)
}

/// The listening side: whoever proves a name of this cluster is let in under that name.
pub(crate) async fn respond(
    tcp: TcpStream,
    addr: SocketAddr,
    security: &Security,
) -> Result<Link, TransportError> {
    let acceptor = TlsAcceptor::from(security.server.clone());
    let tls = match acceptor.accept(RecordGate::new(tcp)).into_fallible().await {
        Ok(tls) => tls,
        Err((e, gate)) => {
            farewell(gate.into_inner()).await;
            return Err(of_tls(addr, e, None));
        }
    };
    let peer = match tls.get_ref().1.peer_certificates() {
        Some([certificate, ..]) => name_in(certificate, &security.suffix),
        _ => None,
    };
    let Some(peer) = peer else {
        let reason = "its certificate names no daemon of this cluster".to_string();
        return Err(TransportError::Authentication { addr, reason });
    };
    let key = admitted(tls.get_ref().1.peer_certificates(), addr, security, &peer)?;
    let link = agree(TlsStream::Server(tls), addr, security, peer).await?;
    watched(link, key, security)
}

/// The key of a peer whose name is verified, if it is still admitted.
fn admitted(
    certificates: Option<&[CertificateDer<'_>]>,
    addr: SocketAddr,
    security: &Security,
    peer: &PeerName,
) -> Result<Fingerprint, TransportError> {
    let key = certificates.and_then(|all| all.first()).map(|own| Fingerprint::of(own));
    let key = key.filter(|key| security.admission.admits(peer, key));
    key.ok_or_else(|| not_admitted(addr, peer))
}

/// Ties the link to the rules, which may have changed since.
fn watched(link: Link, key: Fingerprint, security: &Security) -> Result<Link, TransportError> {
    let (peer, addr) = (link.peer().clone(), link.addr());
    let cut = security.admission.watch(peer.clone(), key, link.writer());
    Ok(link.cut_by(cut.ok_or_else(|| not_admitted(addr, &peer))?))
}

fn not_admitted(addr: SocketAddr, peer: &PeerName) -> TransportError {
    let reason = format!("the key of {peer} was revoked or replaced (`nacre auth ls` shows those admitted)");
    TransportError::Authentication { addr, reason }
}

/// The one daemon's name that a verified certificate carries.
fn name_in(certificate: &CertificateDer<'_>, suffix: &str) -> Option<PeerName> {
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    let mut names = certificate.valid_dns_names().filter_map(|n| n.strip_suffix(suffix)?.parse().ok());
    match (names.next(), names.next()) {
        (Some(name), None) => Some(name),
        _ => None,
    }
}

/// Exchanges hellos inside TLS and leaves the connection in the mode that both want.
async fn agree(
    mut tls: TlsStream<RecordGate<TcpStream>>,
    addr: SocketAddr,
    security: &Security,
    peer: PeerName,
) -> Result<Link, TransportError> {
    let mode = security.mode;
    let mut theirs = [0; HELLO_BYTES];
    let exchange = async {
        tls.write_all(&hello(mode, security.program)).await?;
        tls.flush().await?;
        tls.read_exact(&mut theirs).await
    };
    exchange.await.map_err(|e| of_tls(addr, e, Some(&peer)))?;
    let (theirs, program) = understand(&theirs, addr)?;
    if theirs != mode {
        // Both ends notice; a clean end lets the other read our hello first.
        let _ = tls.shutdown().await;
        return Err(TransportError::ModeMismatch { addr, ours: mode, theirs });
    }
    match mode {
        Mode::Secure => {
            match &mut tls {
                TlsStream::Client(s) => s.get_mut().0.open(),
                TlsStream::Server(s) => s.get_mut().0.open(),
            }
            let (read, write) = tokio::io::split(tls);
            Ok(Link::start((peer, program), addr, Box::new(read), Box::new(write)))
        }
        Mode::Crc => {
            let (gate, pending) = match tls {
                TlsStream::Client(s) => {
                    let (gate, tls) = s.into_inner();
                    (gate, tls.wants_write())
                }
                TlsStream::Server(s) => {
                    let (gate, tls) = s.into_inner();
                    (gate, tls.wants_write())
                }
            };
            // A peer that sends anything between its hello and its first frame does not speak this protocol.
            if pending || !gate.at_boundary() {
                let reason = "it went on with TLS where plain frames begin".to_string();
                return Err(TransportError::Authentication { addr, reason });
            }
            let (read, write) = gate.into_inner().into_split();
            Ok(Link::start((peer, program), addr, Box::new(read), Box::new(write)))
        }
    }
}

fn hello(mode: Mode, program: Program) -> [u8; HELLO_BYTES] {
    let mut h = [0; HELLO_BYTES];
    h[..5].copy_from_slice(HELLO_MAGIC);
    h[5] = PROTOCOL;
    h[6] = match mode {
        Mode::Secure => 0,
        Mode::Crc => 1,
    };
    h[7..14].copy_from_slice(&program.to_bytes());
    h
}

fn understand(h: &[u8; HELLO_BYTES], addr: SocketAddr) -> Result<(Mode, Program), TransportError> {
    if h[..5] != HELLO_MAGIC[..] {
        return Err(TransportError::Authentication {
            addr,
            reason: "it does not speak Nacre's protocol".into(),
        });
    }
    if h[5] != PROTOCOL {
        return Err(TransportError::Protocol { addr, ours: PROTOCOL, theirs: h[5] });
    }
    let mut said = [0; 7];
    said.copy_from_slice(&h[7..14]);
    let program = Program::from_bytes(said);
    match h[6] {
        0 => Ok((Mode::Secure, program)),
        1 => Ok((Mode::Crc, program)),
        _ => Err(TransportError::Authentication {
            addr,
            reason: "it asks for a link mode unknown here".into(),
        }),
    }
}

/// Closing a socket that holds unread bytes resets the connection, and the reset overtakes the alert that
/// says why. So read a little before closing.
async fn farewell(mut tcp: TcpStream) {
    let drain = async {
        let mut buf = [0; 2048];
        let mut left = 32 * 1024usize;
        let _ = tcp.shutdown().await;
        while left > 0 {
            match tcp.read(&mut buf).await {
                Ok(n) if n > 0 => left = left.saturating_sub(n),
                _ => break,
            }
        }
    };
    let _ = tokio::time::timeout(FAREWELL_MAX, drain).await;
}

/// Sorts an error of TLS or of the socket below it.
fn of_tls(addr: SocketAddr, e: io::Error, wanted: Option<&PeerName>) -> TransportError {
    let Some(tls) = e.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) else {
        return match e.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                TransportError::Authentication { addr, reason: "it hung up during the handshake".into() }
            }
            _ => TransportError::Unreachable { addr, source: e },
        };
    };
    match (tls, wanted) {
        (
            TlsError::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature),
            _,
        )
        | (TlsError::AlertReceived(AlertDescription::UnknownCA | AlertDescription::DecryptError), _) => {
            TransportError::ForeignCluster { addr }
        }
        (
            TlsError::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ),
            Some(wanted),
        ) => TransportError::WrongPeer { addr, wanted: wanted.clone() },
        (tls, _) => TransportError::Authentication { addr, reason: tls.to_string() },
    }
}
