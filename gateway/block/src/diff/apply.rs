//! Applying a difference: an image that is as it was at the snapshot where the difference begins becomes what it was at
//! the one where it ends, and gets that snapshot.
//!
//! The header's row `nacre_importing` names the difference from before its first change until after its snapshot is
//! made. Every record may be applied again, so one that was cut short is applied once more, and no other can be.

use super::DiffError;
use super::export::{Marked, origin_row};
use super::format::{Head, Record};
use super::records::In;
use crate::error::BlockError;
use crate::header::{key, row_is};
use crate::image::{Image, ZeroMode};
use crate::images::Images;
use crate::layout::Layout;
use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use gateway_client::Rados;
use osd_class::lock::assert_held;
use osd_object::Op;
use std::sync::Arc;
use stdx::codec::to_bytes;
use tokio::io::AsyncRead;

/// The row of a difference that is being applied.
pub(crate) const IMPORTING: &str = "nacre_importing";
/// Records under way at once, of up to 4 MiB each.
const AT_ONCE: usize = 6;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What the difference is about.
    pub head: Head,
    /// Bytes that were written.
    pub data_bytes: u64,
}

impl<R: Rados> Images<R> {
    /// Applies a difference to `image`, which is made if the difference begins at nothing. `owner` takes the image's
    /// lock. `progress` is told how far into the image it is, and its size.
    pub async fn import_diff(
        &self,
        image: &str,
        owner: &str,
        input: impl AsyncRead + Unpin,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Applied, DiffError> {
        let mut input = In::begin(input).await?;
        let Record::Head(head) = input.next().await? else {
            return Err(input.damaged("it does not begin with a head"));
        };
        let made = head.from.is_none() && self.make_for(image, &head).await?;
        let open = self.open(image, owner).await?;
        let done = self.apply(image, &open, &head, made, &mut input, &mut progress).await;
        open.close().await?;
        Ok(Applied { head, data_bytes: done? })
    }

    /// Makes the image that a difference from nothing becomes; false: there is one already.
    async fn make_for(&self, image: &str, head: &Head) -> Result<bool, DiffError> {
        match self.create(image, head.size, Layout::of_object_bytes(head.object_bytes)?).await {
            Ok(()) => Ok(true),
            Err(BlockError::Exists { .. }) => Ok(false),
            Err(other) => Err(other.into()),
        }
    }

    async fn apply(
        &self,
        image: &str,
        open: &Arc<Image<R>>,
        head: &Head,
        made: bool,
        input: &mut In<impl AsyncRead + Unpin>,
        progress: &mut impl FnMut(u64, u64),
    ) -> Result<u64, DiffError> {
        let marked = self.marked(image).await?;
        let token = to_bytes(&head.to.origin);
        let goes_on = match marked.row(IMPORTING) {
            Some(row) if *row == token => true,
            Some(_) => return Err(DiffError::Another { image: self.label(image) }),
            None => false,
        };
        if !goes_on {
            if marked.find(&head.to.name).is_some() {
                let snapshot = format!("{}@{}", self.label(image), head.to.name);
                return Err(BlockError::SnapshotExists { snapshot }.into());
            }
            self.check_start(image, open, head, made, &marked).await?;
            let ops = vec![
                row_is(IMPORTING, Bytes::new()),
                Op::OmapSet { rows: vec![(key(IMPORTING), token.clone())] },
            ];
            self.under_lock(image, &marked.id, open, ops).await?;
        }
        let mut data_bytes = 0;
        if marked.find(&head.to.name).is_none() {
            self.set_size_under_lock(image, &marked.id, open, head.size).await?;
            data_bytes = records(open, head.size, input, progress).await?;
            self.snap_create(image, &head.to.name).await?;
        }
        let now = self.marked(image).await?;
        let snap = now.find(&head.to.name).ok_or_else(|| BlockError::Changed { image: self.label(image) })?;
        let ops = vec![
            Op::OmapSet { rows: vec![(origin_row(snap.id), token)] },
            Op::OmapRm { keys: vec![key(IMPORTING)] },
        ];
        self.under_lock(image, &marked.id, open, ops).await?;
        Ok(data_bytes)
    }

    /// The image is what the difference begins at.
    async fn check_start(
        &self,
        image: &str,
        open: &Image<R>,
        head: &Head,
        made: bool,
        marked: &Marked,
    ) -> Result<(), DiffError> {
        let Some(from) = &head.from else {
            return if made { Ok(()) } else { Err(BlockError::Exists { image: self.label(image) }.into()) };
        };
        let snapshot = format!("{}@{}", self.label(image), from.name);
        let Some(found) = marked.find(&from.name) else { return Err(DiffError::StartMissing { snapshot }) };
        if marked.mark(found).origin != from.origin {
            return Err(DiffError::StartDiffers { snapshot });
        }
        let mut at = 0;
        while at < open.size() {
            for span in open.changes(found, at, open.size() - at).await? {
                if span.changed {
                    return Err(DiffError::Changed { snapshot });
                }
                at += span.len;
            }
        }
        if open.size() == found.size { Ok(()) } else { Err(DiffError::Changed { snapshot }) }
    }

    async fn under_lock(
        &self,
        image: &str,
        id: &str,
        open: &Image<R>,
        ops: Vec<Op>,
    ) -> Result<(), BlockError> {
        let ops = open.held().map(assert_held).into_iter().chain(ops).collect();
        self.on_header(id, ops).await.map(drop).map_err(|e| self.changed(image, e))
    }
}

/// Carries out the records up to the end.
async fn records<R: Rados>(
    open: &Image<R>,
    size: u64,
    input: &mut In<impl AsyncRead + Unpin>,
    progress: &mut impl FnMut(u64, u64),
) -> Result<u64, DiffError> {
    let mut under_way = FuturesUnordered::new();
    let mut failed: Option<BlockError> = None;
    let ended = loop {
        if under_way.len() >= AT_ONCE
            && let Some(Err(error)) = under_way.next().await
        {
            failed = Some(error);
        }
        if failed.is_some() {
            break Ok(0);
        }
        let next = {
            let mut next = std::pin::pin!(input.next());
            // A slow source must not keep what came before from being written.
            loop {
                tokio::select! {
                    record = &mut next => break record,
                    Some(done) = under_way.next(), if failed.is_none() => failed = done.err(),
                }
            }
        };
        let record = match next {
            _ if failed.is_some() => break Ok(0),
            Ok(record) => record,
            Err(error) => break Err(error),
        };
        let (at, len) = match &record {
            Record::Data(at, data) => (*at, data.len() as u64),
            Record::Zero(at, len) => (*at, *len),
            Record::End(_, bytes) => break Ok(*bytes),
            Record::Head(_) => break Err(input.damaged("a second head")),
        };
        if at + len > size {
            break Err(input.damaged("a range past the image's end"));
        }
        under_way.push(one(open, record));
        progress(at + len, size);
    };
    // What was begun ends, whatever came of the rest.
    while let Some(done) = under_way.next().await {
        failed = failed.or(done.err());
    }
    match failed {
        Some(error) => Err(error.into()),
        None => ended,
    }
}

async fn one<R: Rados>(open: &Image<R>, record: Record) -> Result<(), BlockError> {
    match record {
        Record::Data(at, data) => open.write(at, data).await,
        Record::Zero(at, len) => open.zero(at, len, ZeroMode::Punch).await,
        Record::Head(_) | Record::End(..) => Ok(()),
    }
}
