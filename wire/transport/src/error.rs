//! What can go wrong with a link, each kind told apart because what to do next differs.

use crate::frame::{Frame, FrameError};
use crate::name::PeerName;
use crate::security::Mode;
use std::io;
use std::net::SocketAddr;

/// Why there is no link, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// Nobody listens there: the daemon is not running (its host is).
    #[error("{addr} refused the connection: no daemon listens there")]
    Refused {
        /// Where.
        addr: SocketAddr,
    },
    /// No answer in time.
    #[error("{addr} did not {what} within {seconds} s; check the network and that the daemon is alive")]
    TimedOut {
        /// Where.
        addr: SocketAddr,
        /// What was waited for.
        what: &'static str,
        /// How long, seconds.
        seconds: u64,
    },
    /// The network or the system said no.
    #[error("cannot reach {addr}: {source}")]
    Unreachable {
        /// Where.
        addr: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The address to listen on is taken or not ours.
    #[error("cannot listen on {addr}: {source}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The peer is not who it should be, or did not prove it.
    #[error("{addr} could not be authenticated: {reason}")]
    Authentication {
        /// Where.
        addr: SocketAddr,
        /// What was wrong; never a secret.
        reason: String,
    },
    /// The peer is of this cluster, but another daemon than was wanted.
    #[error("the daemon at {addr} is not {wanted}; is the address out of date?")]
    WrongPeer {
        /// Where.
        addr: SocketAddr,
        /// Who was wanted there.
        wanted: PeerName,
    },
    /// The peer's certificate was made by another authority.
    #[error("{addr} belongs to another cluster (its certificate is not from this cluster's authority)")]
    ForeignCluster {
        /// Where.
        addr: SocketAddr,
    },
    /// One end wants encryption and the other does not.
    #[error(
        "{addr} runs links in mode `{theirs}`, this daemon in mode `{ours}`; give all daemons the same --link"
    )]
    ModeMismatch {
        /// Where.
        addr: SocketAddr,
        /// This end's mode.
        ours: Mode,
        /// The other end's.
        theirs: Mode,
    },
    /// The peer speaks a protocol that this build does not.
    #[error("{addr} speaks link protocol {theirs}, this build speaks {ours}; upgrade the older one")]
    Protocol {
        /// Where.
        addr: SocketAddr,
        /// This end's version.
        ours: u8,
        /// The other end's.
        theirs: u8,
    },
    /// The other end closed the link or its host gave it up.
    #[error("the link to {peer} was closed")]
    Closed {
        /// Who.
        peer: PeerName,
    },
    /// Bytes arrived that are no frame. The link is closed, since what follows cannot be trusted.
    #[error("a bad frame from {peer}: {source}")]
    BadFrame {
        /// Who.
        peer: PeerName,
        /// What was wrong.
        source: FrameError,
    },
}

impl TransportError {
    /// Whether the peer's host answered that nobody listens: strong evidence that the daemon is down.
    pub fn is_refused(&self) -> bool {
        matches!(self, TransportError::Refused { .. })
    }

    /// Sorts an error of making a connection.
    pub(crate) fn of_connect(addr: SocketAddr, source: io::Error) -> TransportError {
        match source.kind() {
            io::ErrorKind::ConnectionRefused => TransportError::Refused { addr },
            _ => TransportError::Unreachable { addr, source },
        }
    }
}

/// Why a frame was not queued. It comes back, for who wants to try again.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The queue is full: the peer or the network is slower than the sender.
    #[error("the send queue is full")]
    Full(Frame),
    /// There is no link (any more).
    #[error("there is no link")]
    Closed(Frame),
}
