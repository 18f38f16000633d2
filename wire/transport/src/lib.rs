//! Links between daemons: authenticated, framed, bounded, and re-made when they break (decision D9).
//!
//! * `credentials`: the cluster's authority and the key of each daemon, made at bootstrap, kept as files;
//! * `Admission`: which keys are still admitted, by the map;
//! * `connect` and `Listener`: mutual TLS 1.3, then frames inside TLS (`secure`) or plain with CRC (`crc`);
//! * `Link`, split into a `Sender` (bounded, coalescing) and a `Receiver`;
//! * `Sessions`: one outgoing link per peer that reconnects by itself.
//!
//! Frames and handshake are drawn in docs/formats/frame.md. Everything here is `Send` and runs on either
//! flavour of tokio runtime.

mod admission;
mod backoff;
mod connect;
pub mod credentials;
mod error;
mod frame;
mod handshake;
mod link;
mod listener;
mod name;
mod program;
mod record_gate;
mod security;
mod sessions;
mod socket;
mod under_way;

#[cfg(test)]
mod link_test;
#[cfg(test)]
mod sessions_test;
#[cfg(test)]
mod testing;

pub use admission::{Admission, Fingerprint};
pub use connect::connect;
pub use credentials::{Credential, CredentialError};
pub use error::{SendError, TransportError};
pub use frame::{Frame, FrameError, PAYLOAD_BYTES_MAX, TooLarge};
pub use link::{Link, QUEUE_FRAMES_MAX, QUEUE_KIB_MAX, Receiver, Sender};
pub use listener::Listener;
pub use name::{BadName, PeerName, Role};
pub use program::Program;
pub use security::{Mode, Security};
pub use sessions::{SessionEvent, SessionId, Sessions};
