//! An open image: ranges of bytes in, ranges of bytes out.

use crate::below::Below;
use crate::error::BlockError;
use crate::layout::{Layout, OP_BYTES_MAX, Piece};
use crate::object::Objects;
use crate::settle::SETTLED_AT_ONCE;
use crate::tenure::LockObject;
use bytes::Bytes;
use futures_util::future::{join_all, try_join_all};
use gateway_client::Rados;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Semaphore;

/// Objects that one request works on at a time. The client bounds the bytes of all requests together.
pub(crate) const AT_ONCE: usize = 32;
/// Objects whose extent one question may look up; the answer covers less of the range then.
pub(crate) const STATUS_OBJECTS_MAX: usize = 1024;

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
    below: Option<Below<R>>,
    pub(crate) settling: Semaphore,
}

impl<R: Rados> Image<R> {
    pub(crate) fn new(
        objects: Objects<R>,
        lock: LockObject<R>,
        (layout, size): (Layout, u64),
        below: Option<Below<R>>,
    ) -> Image<R> {
        let settling = Semaphore::new(SETTLED_AT_ONCE);
        Image { objects, lock, layout, size: AtomicU64::new(size), below, settling }
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

    pub(crate) fn objects(&self) -> &Objects<R> {
        &self.objects
    }
    /// Bytes of a parent that count, from its start; 0: there is none.
    pub(crate) fn overlap(&self) -> u64 {
        self.below.as_ref().map_or(0, Below::overlap)
    }

    pub(crate) fn check(&self, offset: u64, len: u64) -> Result<(), BlockError> {
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
            let reads = batch.iter().map(|p| self.read_piece(p));
            for extent in try_join_all(reads).await?.into_iter().flatten() {
                push(&mut all, extent);
            }
        }
        Ok(all)
    }

    async fn read_piece(&self, piece: &Piece) -> Result<Vec<ReadExtent>, BlockError> {
        self.settle(piece.object).await?;
        let data = match (self.objects.read(piece.object, piece.offset, piece.len).await?, &self.below) {
            (None, Some(below)) => return below.read(self.place(piece), piece.len).await,
            (data, _) => data.unwrap_or_default(),
        };
        let rest = piece.len - data.len() as u64;
        Ok(vec![ReadExtent::Data(data), ReadExtent::Hole(rest)])
    }

    /// Where a piece of an object lies in the image.
    fn place(&self, piece: &Piece) -> u64 {
        piece.object * self.layout.object_bytes() + piece.offset
    }

    /// The parent, if bytes of an object may still be its.
    pub(crate) fn below_object(&self, object: u64) -> Option<(&Below<R>, u64, u64)> {
        let bytes = self.layout.object_bytes();
        let below = self.below.as_ref()?;
        let within = below.within(object * bytes, bytes);
        (within > 0).then_some((below, object * bytes, within))
    }

    /// An object of a clone gets the bytes that it has of the parent, if it has none of its own. One that would be all
    /// zeros is not made.
    pub(crate) async fn copy_up(&self, object: u64) -> Result<(), BlockError> {
        let Some((below, offset, len)) = self.below_object(object) else { return Ok(()) };
        self.settle(object).await?;
        if self.objects.extent(object).await?.is_some() {
            return Ok(());
        }
        match below.bytes(offset, len).await? {
            Some(data) => self.objects.make(object, data).await,
            None => Ok(()),
        }
    }

    /// Changes an object that must first have all that it shows.
    async fn change_whole<F: Future<Output = Result<bool, BlockError>>>(
        &self,
        object: u64,
        change: impl Fn() -> F,
    ) -> Result<(), BlockError> {
        if change().await? {
            return Ok(());
        }
        let Some((below, offset, len)) = self.below_object(object) else { return Ok(()) };
        let data = below.bytes(offset, len).await?.unwrap_or_default();
        self.objects.make(object, data).await?;
        change().await.map(drop)
    }

    async fn write_piece(&self, p: &Piece, data: Bytes) -> Result<(), BlockError> {
        match self.below_object(p.object) {
            // Nothing of the parent is left to be seen in it.
            Some((_, _, within)) if p.offset == 0 && p.len >= within => {}
            Some(_) => {
                let write = || self.objects.write_existing(p.object, p.offset, data.clone());
                return self.change_whole(p.object, write).await;
            }
            None => {}
        }
        self.objects.write(p.object, p.offset, data).await
    }

    async fn clear_piece(&self, p: &Piece, to_end: bool) -> Result<(), BlockError> {
        let Some((_, _, within)) = self.below_object(p.object) else {
            return self.objects.clear(p.object, p.offset, p.len, to_end).await;
        };
        if p.offset == 0 && (to_end || p.len >= within) {
            // It stays, empty, and hides the parent. What it may have had behind the cleared range goes on to be there.
            return match to_end {
                true => self.objects.empty(p.object).await,
                false => self.objects.write_zero(p.object, p.len).await,
            };
        }
        self.change_whole(p.object, || self.objects.clear_existing(p.object, p.offset, p.len, to_end)).await
    }

    /// An object becomes what it was at a snapshot.
    pub(crate) async fn roll_back(&self, object: u64, snap: osd_object::SnapId) -> Result<(), BlockError> {
        if self.objects.haunted() && self.below_object(object).is_some() {
            return Err(BlockError::Invalid(format!(
                "{} was not closed in order by its last user, and is a clone; flatten it, or clone the snapshot instead",
                self.label()
            )));
        }
        self.objects.roll_back(object, snap).await
    }

    /// Learns what its writes have to say of snapshots.
    pub(crate) async fn learn(&self) -> Result<(), BlockError> {
        self.objects.learn(None).await
    }

    /// Nothing of the parent counts beyond this any more.
    pub(crate) fn cut_below(&self, size: u64) {
        if let Some(below) = &self.below {
            below.shrink(size);
        }
    }

    /// Writes at any byte. Durable on every in-sync replica when it returns. After an error any part of it may
    /// have taken effect.
    pub async fn write(&self, offset: u64, data: Bytes) -> Result<(), BlockError> {
        self.check(offset, data.len() as u64)?;
        let pieces = self.layout.pieces(offset, data.len() as u64);
        self.each(pieces, |p| {
            let part = data.slice(p.at as usize..(p.at + p.len) as usize);
            async move { self.write_piece(&p, part).await }
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
                self.each(pieces, |p| {
                    let zeros = zeros.slice(..p.len as usize);
                    async move { self.write_piece(&p, zeros).await }
                })
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
            async move { self.clear_piece(&p, to_end).await }
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
            let known = try_join_all(batch.iter().map(|p| self.piece_extents(p))).await?;
            for extent in known.into_iter().flatten().filter(|e| e.len > 0) {
                add(extent.len, extent.hole);
                kinds |= if extent.hole { 2 } else { 1 };
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

    async fn piece_extents(&self, piece: &Piece) -> Result<Vec<Extent>, BlockError> {
        self.settle(piece.object).await?;
        let size = match (self.objects.extent(piece.object).await?, &self.below) {
            (None, Some(below)) => return below.extents(self.place(piece), piece.len).await,
            (size, _) => size.unwrap_or(0),
        };
        let stored = size.saturating_sub(piece.offset).min(piece.len);
        Ok(vec![Extent { len: stored, hole: false }, Extent { len: piece.len - stored, hole: true }])
    }

    /// Objects that exist, bytes up to their ends, and bytes that only snapshots still have, summed: an upper bound of
    /// what one copy takes.
    pub(crate) async fn stored(&self, snapshots: bool) -> Result<(u64, u64, u64), BlockError> {
        let (mut objects, mut bytes, mut kept) = (0, 0, 0);
        let count = self.layout.objects(self.size());
        let mut first = 0;
        while first < count {
            let last = count.min(first + 2 * AT_ONCE as u64);
            if snapshots {
                for (size, old) in try_join_all((first..last).map(|o| self.objects.kept(o))).await? {
                    objects += u64::from(size > 0);
                    bytes += size;
                    kept += old;
                }
            } else {
                for size in try_join_all((first..last).map(|o| self.objects.extent(o))).await? {
                    objects += u64::from(size.unwrap_or(0) > 0);
                    bytes += size.unwrap_or(0);
                }
            }
            first = last;
        }
        Ok((objects, bytes, kept))
    }

    /// Removes all data of bytes `from .. to`, which are no part of the image any more, but may be again: where late
    /// writes of an earlier holder are possible, what keeps them out stays.
    pub(crate) async fn trim(&self, from: u64, to: u64) -> Result<(), BlockError> {
        let (bytes, haunted) = (self.layout.object_bytes(), self.objects.haunted());
        let mut next = from / bytes;
        if !from.is_multiple_of(bytes) {
            self.settle(next).await?;
            match haunted && self.below_object(next).is_none() {
                true => self.objects.cut_marked(next, from % bytes).await?,
                // What a clone has of its parent there is there by now, or needs no object.
                false => self.objects.cut(next, from % bytes).await?,
            }
            next += 1;
        }
        let count = self.layout.objects(to);
        while next < count {
            let last = count.min(next + 2 * AT_ONCE as u64);
            try_join_all((next..last).map(|o| async move {
                if haunted { self.objects.empty(o).await } else { self.objects.remove(o).await }
            }))
            .await?;
            next = last;
        }
        Ok(())
    }

    /// Removes all data of bytes `.. to`, and with it all that keeps late writes out: the image goes.
    pub(crate) async fn erase(&self, to: u64) -> Result<(), BlockError> {
        let mut next = 0;
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
pub(crate) fn push(all: &mut Vec<ReadExtent>, next: ReadExtent) {
    match (all.last_mut(), &next) {
        _ if next.is_empty() => {}
        (Some(ReadExtent::Hole(a)), ReadExtent::Hole(b)) => *a += b,
        _ => all.push(next),
    }
}
