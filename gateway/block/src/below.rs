//! What lies below an image that is a clone: its parent's snapshot, read where the image has no object of its own.

use crate::error::BlockError;
use crate::image::{Image, ReadExtent};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use gateway_client::Rados;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The parent of an open image.
pub(crate) struct Below<R: Rados> {
    parent: Arc<Image<R>>,
    /// Bytes of it that count, from its start. A shrink makes them fewer for ever.
    overlap: AtomicU64,
}

impl<R: Rados> Below<R> {
    pub(crate) fn new(parent: Arc<Image<R>>, overlap: u64) -> Below<R> {
        let overlap = AtomicU64::new(overlap.min(parent.size()));
        Below { parent, overlap }
    }
    pub(crate) fn overlap(&self) -> u64 {
        self.overlap.load(Ordering::Relaxed)
    }
    /// No more than this counts from here on.
    pub(crate) fn shrink(&self, size: u64) {
        self.overlap.fetch_min(size, Ordering::Relaxed);
    }
    /// Bytes of a range that lie within it.
    pub(crate) fn within(&self, offset: u64, len: u64) -> u64 {
        self.overlap().saturating_sub(offset).min(len)
    }

    /// A range of the image as the parent has it.
    pub(crate) fn read(&self, offset: u64, len: u64) -> BoxFuture<'_, Result<Vec<ReadExtent>, BlockError>> {
        // A chain of clones is as deep as people make it.
        Box::pin(async move {
            let within = self.within(offset, len);
            let mut all = match within {
                0 => Vec::new(),
                _ => self.parent.read(offset, within).await?,
            };
            crate::image::push(&mut all, ReadExtent::Hole(len - within));
            Ok(all)
        })
    }

    /// What is stored of a range, as `Image::extents` tells it.
    pub(crate) fn extents(
        &self,
        offset: u64,
        len: u64,
    ) -> BoxFuture<'_, Result<Vec<crate::Extent>, BlockError>> {
        Box::pin(async move {
            let within = self.within(offset, len);
            let mut all = Vec::new();
            let mut at = 0;
            while at < within {
                for extent in self.parent.extents(offset + at, within - at, false).await? {
                    at += extent.len;
                    all.push(extent);
                }
            }
            if within < len {
                all.push(crate::Extent { len: len - within, hole: true });
            }
            Ok(all)
        })
    }

    /// The bytes of a range up to the last that is not zero; none: nothing is there.
    pub(crate) async fn bytes(&self, offset: u64, len: u64) -> Result<Option<Bytes>, BlockError> {
        let mut bytes: Vec<u8> = Vec::new();
        for extent in self.read(offset, len).await? {
            match extent {
                ReadExtent::Data(data) => bytes.extend_from_slice(&data),
                ReadExtent::Hole(len) => bytes.resize(bytes.len() + len as usize, 0),
            }
        }
        let end = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
        bytes.truncate(end);
        Ok((end > 0).then(|| bytes.into()))
    }
}
