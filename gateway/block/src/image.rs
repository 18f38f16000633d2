//! An open image: ranges of bytes in, ranges of bytes out.

use crate::error::BlockError;
use crate::header::Header;
use crate::layout::{Layout, OP_BYTES_MAX, Piece};
use crate::object::Objects;
use crate::tenure::LockObject;
use bytes::Bytes;
use futures_util::future::{join_all, try_join_all};
use gateway_client::Rados;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Objects that one request works on at a time. The client bounds the bytes of all requests together.
const AT_ONCE: usize = 32;
/// Objects whose extent one question may look up; the answer covers less of the range then.
const STATUS_OBJECTS_MAX: usize = 1024;

/// What a range of an image is, as far as it is known without reading: objects know where they end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Bytes, not zero.
    pub len: u64,
    /// Nothing is stored there, and it reads as zeros.
    pub hole: bool,
}

/// A part of what was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadExtent {
    /// Bytes.
    Data(Bytes),
    /// So many zeros that are not stored.
    Hole(u64),
}

impl ReadExtent {
    /// Bytes it covers.
    pub fn len(&self) -> u64 {
        match self {
            ReadExtent::Data(data) => data.len() as u64,
            ReadExtent::Hole(len) => *len,
        }
    }
    /// Whether it covers nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How zeros are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZeroMode {
    /// Space is given back where whole units are cleared.
    Punch,
    /// Zeros are written, so that the range takes space.
    Allocate,
}

/// An image opened for reading, or for reading and writing under its lock. Requests may run at once; those that
/// overlap take effect in either order.
pub struct Image<R: Rados> {
    objects: Objects<R>,
    lock: LockObject<R>,
    layout: Layout,
    size: AtomicU64,
}

impl<R: Rados> Image<R> {
    pub(crate) fn new(objects: Objects<R>, lock: LockObject<R>, header: &Header) -> Image<R> {
        Image { objects, lock, layout: header.layout, size: AtomicU64::new(header.size) }
    }

    /// POOL/NAME, as it was opened.
    pub fn label(&self) -> &str {
        &self.objects.image
    }
    /// Bytes, as of opening or the last `set_size`.
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }
    /// Takes notice of a new size that the header has.
    pub fn set_size(&self, size: u64) {
        self.size.store(size, Ordering::Relaxed);
    }
    /// How it is cut into objects.
    pub fn layout(&self) -> Layout {
        self.layout
    }
    /// Whether the lock is known to be somebody else's by now: every request fails then.
    pub fn lost(&self) -> bool {
        self.objects.tenure.as_ref().is_some_and(|t| t.lost())
    }
    pub(crate) fn held(&self) -> Option<osd_class::lock::Held> {
        self.objects.tenure.as_ref().map(|t| t.held)
    }

    fn check(&self, offset: u64, len: u64) -> Result<(), BlockError> {
        let size = self.size();
        if offset.checked_add(len).is_some_and(|end| end <= size) {
            return Ok(());
        }
        Err(BlockError::OutOfRange { image: self.objects.image.clone(), offset, len, size })
    }

    /// Reads a range: extents in order that cover it. Memory: as many bytes as asked for.
    pub async fn read(&self, offset: u64, len: u64) -> Result<Vec<ReadExtent>, BlockError> {
        self.check(offset, len)?;
        let pieces: Vec<Piece> = self.layout.pieces(offset, len).collect();
        let mut all = Vec::with_capacity(pieces.len());
        for batch in pieces.chunks(AT_ONCE) {
            let reads = batch.iter().map(|p| self.objects.read(p.object, p.offset, p.len));
            for (piece, data) in batch.iter().zip(try_join_all(reads).await?) {
                let data = data.unwrap_or_default();
                let rest = piece.len - data.len() as u64;
                push(&mut all, ReadExtent::Data(data));
                push(&mut all, ReadExtent::Hole(rest));
            }
        }
        Ok(all)
    }

    /// Writes at any byte. Durable on every in-sync replica when it returns. After an error any part of it may
    /// have taken effect.
    pub async fn write(&self, offset: u64, data: Bytes) -> Result<(), BlockError> {
        self.check(offset, data.len() as u64)?;
        let pieces = self.layout.pieces(offset, data.len() as u64);
        self.each(pieces, |p| {
            let part = data.slice(p.at as usize..(p.at + p.len) as usize);
            self.objects.write(p.object, p.offset, part)
        })
        .await
    }

    /// The range reads as zeros, durably when it returns.
    pub async fn zero(&self, offset: u64, len: u64, mode: ZeroMode) -> Result<(), BlockError> {
        self.check(offset, len)?;
        match mode {
            ZeroMode::Punch => self.punch(offset, len).await,
            ZeroMode::Allocate => {
                let zeros = Bytes::from(vec![0; OP_BYTES_MAX.min(len) as usize]);
                let pieces = self.layout.pieces(offset, len);
                self.each(pieces, |p| self.objects.write(p.object, p.offset, zeros.slice(..p.len as usize)))
                    .await
            }
        }
    }

    /// What the range holds need not be kept; it reads as zeros and takes no space as far as whole units go.
    pub async fn discard(&self, offset: u64, len: u64) -> Result<(), BlockError> {
        self.zero(offset, len, ZeroMode::Punch).await
    }

    async fn punch(&self, offset: u64, len: u64) -> Result<(), BlockError> {
        let (bytes, size) = (self.layout.object_bytes(), self.size());
        self.each(self.layout.objects_of(offset, len), |p| {
            let end = p.offset + p.len;
            // The image's end ends its last object too.
            let to_end = end == bytes || p.object * bytes + end == size;
            self.objects.clear(p.object, p.offset, p.len, to_end)
        })
        .await
    }

    /// Waits for nothing: a write that returned is durable. Fails if the lock is lost, so that nobody believes that
    /// what follows will be.
    pub fn flush(&self) -> Result<(), BlockError> {
        if self.lost() {
            return Err(BlockError::Fenced { image: self.objects.image.clone() });
        }
        Ok(())
    }

    /// What is stored in a range, from its start; covers at least its first object. `first_only`: one extent.
    pub async fn extents(&self, offset: u64, len: u64, first_only: bool) -> Result<Vec<Extent>, BlockError> {
        self.check(offset, len)?;
        let pieces: Vec<Piece> = self.layout.objects_of(offset, len).take(STATUS_OBJECTS_MAX).collect();
        let mut all: Vec<Extent> = Vec::new();
        let mut add = |len: u64, hole: bool| match all.last_mut() {
            _ if len == 0 => {}
            Some(last) if last.hole == hole => last.len += len,
            _ => all.push(Extent { len, hole }),
        };
        let mut kinds = 0;
        for batch in pieces.chunks(AT_ONCE) {
            let sizes = try_join_all(batch.iter().map(|p| self.objects.extent(p.object))).await?;
            for (p, size) in batch.iter().zip(sizes) {
                let stored = size.saturating_sub(p.offset).min(p.len);
                add(stored, false);
                add(p.len - stored, true);
                kinds |= u8::from(stored > 0) | u8::from(stored < p.len) << 1;
            }
            if first_only && kinds == 3 {
                break;
            }
        }
        if first_only {
            all.truncate(1);
        }
        Ok(all)
    }

    /// Objects that exist and bytes up to their ends, summed: an upper bound of what one copy takes.
    pub(crate) async fn stored(&self) -> Result<(u64, u64), BlockError> {
        let (mut objects, mut bytes) = (0, 0);
        let count = self.layout.objects(self.size());
        let mut first = 0;
        while first < count {
            let last = count.min(first + 2 * AT_ONCE as u64);
            for size in try_join_all((first..last).map(|o| self.objects.extent(o))).await? {
                objects += u64::from(size > 0);
                bytes += size;
            }
            first = last;
        }
        Ok((objects, bytes))
    }

    /// Removes all data of bytes `from .. to`, which nobody may use any more.
    pub(crate) async fn trim(&self, from: u64, to: u64) -> Result<(), BlockError> {
        let bytes = self.layout.object_bytes();
        let mut next = from / bytes;
        if !from.is_multiple_of(bytes) {
            self.objects.cut(next, from % bytes).await?;
            next += 1;
        }
        let count = self.layout.objects(to);
        while next < count {
            let last = count.min(next + 2 * AT_ONCE as u64);
            try_join_all((next..last).map(|o| self.objects.remove(o))).await?;
            next = last;
        }
        Ok(())
    }

    /// Runs a change on each piece, some at once. All of a batch end before an error is given, so that nothing is
    /// left under way.
    async fn each<F: Future<Output = Result<(), BlockError>>>(
        &self,
        pieces: impl Iterator<Item = Piece>,
        change: impl Fn(Piece) -> F,
    ) -> Result<(), BlockError> {
        let mut pieces = pieces;
        loop {
            let batch: Vec<F> = pieces.by_ref().take(AT_ONCE).map(&change).collect();
            if batch.is_empty() {
                return Ok(());
            }
            join_all(batch).await.into_iter().collect::<Result<(), BlockError>>()?;
        }
    }

    /// Gives the lock back; an image opened for reading only has none. Requests must have ended: what was dropped
    /// half-way, or got no answer, makes the next holder guard against it.
    pub async fn close(self: Arc<Self>) -> Result<(), BlockError> {
        let sole = Arc::into_inner(self);
        let Some(Image { objects, lock, .. }) = sole else {
            // Somebody still works with it; its last user lets the lease run out.
            return Ok(());
        };
        let clean = !objects.loose_ends.load(Ordering::Relaxed);
        match objects.tenure {
            Some(tenure) => lock.release(tenure, clean).await,
            None => Ok(()),
        }
    }
}

/// Appends an extent, joined with a hole before it.
fn push(all: &mut Vec<ReadExtent>, next: ReadExtent) {
    match (all.last_mut(), &next) {
        _ if next.is_empty() => {}
        (Some(ReadExtent::Hole(a)), ReadExtent::Hole(b)) => *a += b,
        _ => all.push(next),
    }
}
