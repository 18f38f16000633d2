//! Block images as exports: named POOL/IMAGE, opened under their lock with the first client and given back after the
//! last, and shared by all clients of this server in between.

use crate::export::{Export, ExportError, Exports, Facts, NbdError};
use bytes::Bytes;
use gateway_block::{BlockError, Extent, Image, Images, ReadExtent, ZeroMode, split_snapshot};
use gateway_client::Rados;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use stdx::Errno;

/// The pool of an export name without one.
const POOL_DEFAULT: &str = "rbd";
/// What the store takes in place, and file systems like.
const BLOCK_PREFERRED: u32 = 4096;

/// Pool and image of an export name: `POOL/IMAGE`, or `IMAGE` in the pool `rbd`.
pub fn split_name(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or((POOL_DEFAULT, name))
}

/// All images of some pools.
pub struct ImageExports<R: Rados> {
    shared: Arc<Shared<R>>,
}

struct Shared<R: Rados> {
    rados: R,
    owner: String,
    pools: Box<dyn Fn() -> Vec<String> + Send + Sync>,
    /// By pool and id. Grows with the images that were ever opened, by some hundred bytes each.
    slots: Mutex<BTreeMap<(String, String), Arc<tokio::sync::Mutex<Slot<R>>>>>,
}

/// An image that this server may have open.
struct Slot<R: Rados> {
    open: Option<Arc<Image<R>>>,
    clients: usize,
}

/// An image in use by one client.
pub struct OpenImage<R: Rados> {
    image: Arc<Image<R>>,
    size: u64,
    /// None: a snapshot.
    slot: Option<Arc<tokio::sync::Mutex<Slot<R>>>>,
}

impl<R: Rados> Clone for ImageExports<R> {
    fn clone(&self) -> Self {
        ImageExports { shared: self.shared.clone() }
    }
}

impl<R: Rados> ImageExports<R> {
    /// The images of the pools that `pools` names when asked. `owner` names this daemon in their locks.
    pub fn new(
        rados: R,
        owner: impl Into<String>,
        pools: impl Fn() -> Vec<String> + Send + Sync + 'static,
    ) -> ImageExports<R> {
        let slots = Mutex::new(BTreeMap::new());
        let shared = Shared { rados, owner: owner.into(), pools: Box::new(pools), slots };
        ImageExports { shared: Arc::new(shared) }
    }

    fn images(&self, pool: &str) -> Result<Images<R>, ExportError> {
        if !(self.shared.pools)().iter().any(|p| p == pool) {
            return Err(ExportError::Unknown(format!("there is no pool {pool} for images")));
        }
        Ok(Images::new(self.shared.rados.clone(), pool))
    }
}

fn refused(error: BlockError) -> ExportError {
    let text = error.to_string();
    match error {
        BlockError::NoSuchImage { .. } | BlockError::NoSuchSnapshot { .. } | BlockError::Invalid(_) => {
            ExportError::Unknown(text)
        }
        BlockError::InUse { .. } => ExportError::InUse(text),
        _ => {
            tracing::warn!(error = %text, "an image cannot be exported");
            ExportError::Unavailable(text)
        }
    }
}

fn failed(error: BlockError) -> NbdError {
    let told = match error.code() {
        Errno::ENOSPC | Errno::EDQUOT => NbdError::NoSpace,
        Errno::EPERM => NbdError::Forbidden,
        Errno::EINVAL => NbdError::Invalid,
        Errno::ESTALE => NbdError::Shutdown,
        _ => NbdError::Io,
    };
    tracing::warn!(%error, ?told, "a request of an NBD client failed");
    told
}

fn facts(size: u64, read_only: bool) -> Facts {
    Facts { size, read_only, block_min: 1, block_preferred: BLOCK_PREFERRED }
}

impl<R: Rados> Exports for ImageExports<R> {
    type Export = OpenImage<R>;

    async fn list(&self) -> Result<Vec<String>, ExportError> {
        let mut names = Vec::new();
        for pool in (self.shared.pools)() {
            let rows = self.images(&pool)?.list().await.map_err(refused)?;
            names.extend(rows.into_iter().map(|row| format!("{pool}/{}", row.name)));
        }
        Ok(names)
    }

    async fn info(&self, name: &str) -> Result<Facts, ExportError> {
        let (pool, image) = split_name(name);
        let images = self.images(pool)?;
        let (image, snap) = split_snapshot(image);
        let info = images.info(image).await.map_err(refused)?;
        let Some(snap) = snap else { return Ok(facts(info.header.size, false)) };
        let found = info.header.snapshots.iter().find(|s| s.name == snap && !s.removing);
        let missing = || ExportError::Unknown(format!("there is no snapshot {name}"));
        Ok(facts(found.ok_or_else(missing)?.size, true))
    }

    async fn open(&self, name: &str) -> Result<Arc<OpenImage<R>>, ExportError> {
        let (pool, image) = split_name(name);
        let images = self.images(pool)?;
        if split_snapshot(image).1.is_some() {
            // It never changes, so nobody need share it.
            let image = images.open_read_only(image).await.map_err(refused)?;
            let (size, slot) = (image.size(), None);
            return Ok(Arc::new(OpenImage { image, size, slot }));
        }
        // By id: an image that was renamed is still the one that is open.
        let info = images.info(image).await.map_err(refused)?;
        let slot = {
            let mut slots = self.shared.slots.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(tokio::sync::Mutex::new(Slot { open: None, clients: 0 }));
            slots.entry((pool.to_string(), info.id)).or_insert_with(new).clone()
        };
        let mut held = slot.lock().await;
        let open = match held.open.take().filter(|open| !open.lost()) {
            Some(open) => {
                // It may have grown. (It cannot have shrunk while it is open.)
                let now = images.info(image).await.map_err(refused);
                if let Ok(now) = &now {
                    open.set_size(now.header.size);
                }
                held.open = Some(open.clone());
                now?;
                open
            }
            None => {
                let open = images.open(image, &self.shared.owner).await.map_err(refused)?;
                held.open = Some(open.clone());
                open
            }
        };
        held.clients += 1;
        let size = open.size();
        drop(held);
        Ok(Arc::new(OpenImage { image: open, size, slot: Some(slot) }))
    }

    async fn close(&self, export: Arc<OpenImage<R>>) {
        // The connection's requests have ended, and with them their handles.
        let Some(OpenImage { image, slot, .. }) = Arc::into_inner(export) else { return };
        drop(image);
        let Some(slot) = slot else { return };
        let mut held = slot.lock().await;
        held.clients -= 1;
        if held.clients > 0 {
            return;
        }
        if let Some(image) = held.open.take()
            && let Err(error) = image.close().await
        {
            tracing::warn!(%error, "an image's lock was not given back; it is free after its lease");
        }
    }
}

impl<R: Rados> Export for OpenImage<R> {
    fn facts(&self) -> Facts {
        facts(self.size, self.slot.is_none())
    }
    async fn read(&self, offset: u64, len: u64) -> Result<Vec<ReadExtent>, NbdError> {
        self.image.read(offset, len).await.map_err(failed)
    }
    async fn write(&self, offset: u64, data: Bytes) -> Result<(), NbdError> {
        self.image.write(offset, data).await.map_err(failed)
    }
    async fn zero(&self, offset: u64, len: u64, mode: ZeroMode) -> Result<(), NbdError> {
        self.image.zero(offset, len, mode).await.map_err(failed)
    }
    async fn flush(&self) -> Result<(), NbdError> {
        self.image.flush().map_err(failed)
    }
    async fn extents(&self, offset: u64, len: u64, first_only: bool) -> Result<Vec<Extent>, NbdError> {
        self.image.extents(offset, len, first_only).await.map_err(failed)
    }
}
