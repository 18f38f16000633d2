//! What the server serves: exports, as traits, so that the protocol can be tested over memory.

use gateway_block::{Extent, ReadExtent, Span, ZeroMode};
use std::future::Future;
use std::sync::Arc;

/// What a client is told of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Bytes.
    pub size: u64,
    /// Writes are refused.
    pub read_only: bool,
    /// The least bytes of a request; 1: any.
    pub block_min: u32,
    /// Bytes of a request that does not cost more than its due; a power of two.
    pub block_preferred: u32,
}

/// Why a request failed, as NBD's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NbdError {
    /// EPERM: the export is read-only.
    Forbidden,
    /// EIO.
    Io,
    /// EINVAL.
    Invalid,
    /// ENOSPC: the cluster is full, or the range lies past the end.
    NoSpace,
    /// EOVERFLOW: longer than the server takes.
    TooLong,
    /// ENOTSUP.
    Unsupported,
    /// ESHUTDOWN: the server is stopping, or this side lost the image to another.
    Shutdown,
}

impl NbdError {
    /// The number on the wire.
    pub fn code(self) -> u32 {
        match self {
            NbdError::Forbidden => 1,
            NbdError::Io => 5,
            NbdError::Invalid => 22,
            NbdError::NoSpace => 28,
            NbdError::TooLong => 75,
            NbdError::Unsupported => 95,
            NbdError::Shutdown => 108,
        }
    }
}

/// Why an export cannot be used. The text is sent to the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// There is none of that name.
    #[error("{0}")]
    Unknown(String),
    /// Another has it.
    #[error("{0}")]
    InUse(String),
    /// Not now.
    #[error("{0}")]
    Unavailable(String),
}

/// One export in use. Requests are within its bounds, and may run at once. A write that returned is durable.
pub trait Export: Send + Sync + 'static {
    /// What it is like.
    fn facts(&self) -> Facts;
    /// Extents in order that cover the range.
    fn read(&self, offset: u64, len: u64) -> impl Future<Output = Result<Vec<ReadExtent>, NbdError>> + Send;
    /// Writes.
    fn write(&self, offset: u64, data: bytes::Bytes) -> impl Future<Output = Result<(), NbdError>> + Send;
    /// Zeros.
    fn zero(
        &self,
        offset: u64,
        len: u64,
        mode: ZeroMode,
    ) -> impl Future<Output = Result<(), NbdError>> + Send;
    /// Everything that was answered is durable.
    fn flush(&self) -> impl Future<Output = Result<(), NbdError>> + Send;
    /// What is stored, from the start of the range; at least one extent, of at least one byte.
    fn extents(
        &self,
        offset: u64,
        len: u64,
        first_only: bool,
    ) -> impl Future<Output = Result<Vec<Extent>, NbdError>> + Send;
    /// What was changed since a snapshot that `Exports::snapshots` named, from the start of the range; at least one
    /// span, of at least one byte.
    fn changes(
        &self,
        since: &str,
        offset: u64,
        len: u64,
    ) -> impl Future<Output = Result<Vec<Span>, NbdError>> + Send {
        let _ = (since, offset, len);
        async { Err(NbdError::Unsupported) }
    }
}

/// Who a client is, as far as that is certain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// The names in its verified certificate; none: it showed none.
    pub names: Vec<String>,
}

/// All exports.
pub trait Exports: Clone + Send + Sync + 'static {
    /// One of them.
    type Export: Export;
    /// Their names.
    fn list(&self) -> impl Future<Output = Result<Vec<String>, ExportError>> + Send;
    /// What one is like, without using it.
    fn info(&self, name: &str) -> impl Future<Output = Result<Facts, ExportError>> + Send;
    /// The snapshots that an export can be compared with.
    fn snapshots(&self, name: &str) -> impl Future<Output = Result<Vec<String>, ExportError>> + Send {
        let _ = name;
        async { Ok(Vec::new()) }
    }
    /// Uses one; given back by `close`.
    fn open(&self, name: &str) -> impl Future<Output = Result<Arc<Self::Export>, ExportError>> + Send;
    /// The exports as far as somebody may see and use them. Asked once TLS has begun.
    fn seen_by(&self, peer: &Peer) -> Self {
        let _ = peer;
        self.clone()
    }
    /// A connection is done with it, and none of its requests is under way.
    fn close(&self, export: Arc<Self::Export>) -> impl Future<Output = ()> + Send;
}
