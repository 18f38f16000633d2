//! A link: an authenticated stream of messages both ways.

use crate::admission::Cut;
use crate::error::{SendError, TransportError};
use crate::frame::{self, Frame, FrameError, Front};
use crate::name::PeerName;
use crate::program::Program;
use bytes::BytesMut;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::AbortHandle;
use wire_codec::Message;

/// The most frames that wait in a link's send queue.
pub const QUEUE_FRAMES_MAX: usize = 2048;
/// The most bytes that wait there, KiB; more than the largest frame, so that each fits.
pub const QUEUE_KIB_MAX: usize = 64 * 1024;
/// The most frames that are handed to the system at once (it takes up to 1024 slices a call).
const BATCH_FRAMES_MAX: usize = 64;
/// Memory asked for at a time for small frames.
const READ_CHUNK_BYTES: usize = 32 * 1024;
/// A read is given at least so much room, so that the end of a chunk does not cost a system call per frame.
const READ_LEAST_BYTES: usize = 4 * 1024;

pub(crate) type ReadHalf = Box<dyn AsyncRead + Send + Unpin>;
pub(crate) type WriteHalf = Box<dyn AsyncWrite + Send + Unpin>;

/// A link to an authenticated peer.
#[derive(Debug)]
pub struct Link {
    sender: Sender,
    receiver: Receiver,
    program: Program,
}

impl Link {
    /// Starts the task that writes. Must be called within a tokio runtime.
    pub(crate) fn start(
        (peer, program): (PeerName, Program),
        addr: SocketAddr,
        read: ReadHalf,
        write: WriteHalf,
    ) -> Link {
        let (tx, rx) = mpsc::channel(QUEUE_FRAMES_MAX);
        let room = Arc::new(Semaphore::new(QUEUE_KIB_MAX));
        let writer = tokio::spawn(async move {
            // The end of a link is noticed and reported by its receiving half.
            let _ = write_frames(write, rx).await;
        })
        .abort_handle();
        Link {
            sender: Sender { peer: peer.clone(), queue: tx, room, writer: writer.clone() },
            receiver: Receiver { peer, addr, read, buf: BytesMut::new(), ended: false, writer, cut: None },
            program,
        }
    }

    pub(crate) fn writer(&self) -> AbortHandle {
        self.sender.writer.clone()
    }
    /// Ends the link when `cut` says so.
    pub(crate) fn cut_by(mut self, cut: Arc<Cut>) -> Link {
        self.receiver.cut = Some(cut);
        self
    }

    /// Who the other end proved to be.
    pub fn peer(&self) -> &PeerName {
        self.sender.peer()
    }
    /// What the other end runs.
    pub fn program(&self) -> Program {
        self.program
    }
    /// The other end's address.
    pub fn addr(&self) -> SocketAddr {
        self.receiver.addr
    }
    /// The two directions. The link ends when the other end closes it or all `Sender`s are dropped (what was
    /// queued is still written).
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }
}

/// Queues frames for one peer. Clones share the queue.
#[derive(Clone)]
pub struct Sender {
    peer: PeerName,
    queue: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
    writer: AbortHandle,
}

/// A frame in the queue, and its share of the queue's bytes, given back once it is written.
struct Queued {
    frame: Frame,
    _room: OwnedSemaphorePermit,
}

impl Sender {
    /// Who gets the frames.
    pub fn peer(&self) -> &PeerName {
        &self.peer
    }

    /// Queues `frame` if there is room for it now. Frames leave in the order they were queued. Queued does not
    /// mean arrived: a link that breaks drops what it held.
    pub fn try_send(&self, frame: Frame) -> Result<(), SendError> {
        let room = match self.room.clone().try_acquire_many_owned(share_of(&frame)) {
            Ok(room) => room,
            Err(_) if self.queue.is_closed() => return Err(SendError::Closed(frame)),
            Err(_) => return Err(SendError::Full(frame)),
        };
        self.queue.try_send(Queued { frame, _room: room }).map_err(|e| match e {
            mpsc::error::TrySendError::Full(q) => SendError::Full(q.frame),
            mpsc::error::TrySendError::Closed(q) => SendError::Closed(q.frame),
        })
    }

    /// Queues `frame`, waiting for room.
    pub async fn send(&self, frame: Frame) -> Result<(), SendError> {
        let room = tokio::select! {
            room = self.room.clone().acquire_many_owned(share_of(&frame)) => room,
            () = self.queue.closed() => return Err(SendError::Closed(frame)),
        };
        let Ok(room) = room else { return Err(SendError::Closed(frame)) };
        self.queue.send(Queued { frame, _room: room }).await.map_err(|e| SendError::Closed(e.0.frame))
    }

    /// Stops writing now, for every clone; what was queued is dropped.
    pub fn close(&self) {
        self.writer.abort();
    }

    /// Whether the writing side has ended.
    pub fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sender(to {})", self.peer)
    }
}

/// A frame's share of the queue's bytes, KiB, at least one.
fn share_of(frame: &Frame) -> u32 {
    u32::try_from(frame.bytes().div_ceil(1024)).expect("a frame's size is bounded")
}

/// Messages from one peer, in the order they were sent.
pub struct Receiver {
    peer: PeerName,
    addr: SocketAddr,
    read: ReadHalf,
    buf: BytesMut,
    ended: bool,
    writer: AbortHandle,
    cut: Option<Arc<Cut>>,
}

impl Receiver {
    /// Who sends.
    pub fn peer(&self) -> &PeerName {
        &self.peer
    }
    /// The other end's address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The next message. Not reading holds the peer back. May be cancelled without losing anything.
    ///
    /// Errors end the link in both directions: `Closed` at a frame's border, `BadFrame` for anything that is no whole frame.
    pub async fn recv(&mut self) -> Result<Message, TransportError> {
        loop {
            if self.ended || self.cut.as_ref().is_some_and(|cut| cut.refused()) {
                return Err(TransportError::Closed { peer: self.peer.clone() });
            }
            let need = match frame::take(&mut self.buf) {
                Ok(Front::Message(m)) => return Ok(m),
                Ok(Front::Need(n)) => n,
                Err(source) => return Err(self.bad(source)),
            };
            if self.buf.capacity() - self.buf.len() < need.max(READ_LEAST_BYTES) {
                self.buf.reserve(need.max(READ_CHUNK_BYTES));
            }
            let read = self.read.read_buf(&mut self.buf);
            let read = match &self.cut {
                None => read.await,
                Some(cut) => tokio::select! {
                    biased;
                    read = read => read,
                    () = cut.wait() => Ok(0),
                },
            };
            match read {
                Ok(0) => return Err(self.end()),
                Ok(_) => {}
                // A reset or an end of TLS without goodbye: the peer died. Data is guarded by frames.
                Err(_) => return Err(self.end()),
            }
        }
    }

    fn end(&mut self) -> TransportError {
        if self.buf.is_empty() {
            self.ended = true;
            self.writer.abort();
            return TransportError::Closed { peer: self.peer.clone() };
        }
        let cut = FrameError::Cut(self.buf.len());
        self.bad(cut)
    }

    fn bad(&mut self, source: FrameError) -> TransportError {
        self.ended = true;
        self.writer.abort();
        self.buf = BytesMut::new();
        TransportError::BadFrame { peer: self.peer.clone(), source }
    }
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Receiver(from {})", self.peer)
    }
}

/// Writes what is queued, as much as there is in one system call, until all senders are gone.
async fn write_frames(mut write: WriteHalf, mut queue: mpsc::Receiver<Queued>) -> io::Result<()> {
    let mut batch = Vec::with_capacity(BATCH_FRAMES_MAX);
    while queue.recv_many(&mut batch, BATCH_FRAMES_MAX).await > 0 {
        write_batch(&mut write, &batch).await?;
        write.flush().await?;
        batch.clear();
    }
    write.shutdown().await
}

async fn write_batch(write: &mut WriteHalf, batch: &[Queued]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> =
        batch.iter().flat_map(|q| q.frame.slices()).map(IoSlice::new).collect();
    let mut left = &mut slices[..];
    while !left.is_empty() {
        let n = write.write_vectored(left).await?;
        if n == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        IoSlice::advance_slices(&mut left, n);
    }
    Ok(())
}
