//! Block images as exports: named POOL/IMAGE, opened under their lock with the first client and given back after the
//! last, and shared by all clients of this server in between.

use crate::access::{Access, Rule, View};
use crate::export::{Export, ExportError, Exports, Facts, NbdError, Peer};
use crate::throttle::Throttle;
use bytes::Bytes;
use gateway_block::{BlockError, Extent, Image, Images, Limits, ReadExtent, Span, ZeroMode, split_snapshot};
use gateway_client::Rados;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use stdx::Errno;

/// The pool of an export name without one.
const POOL_DEFAULT: &str = "rbd";
/// What the store takes in place, and file systems like.
const BLOCK_PREFERRED: u32 = 4096;

/// How soon a change of an image's limits is noticed while it is open.
const LIMITS_EVERY: std::time::Duration = std::time::Duration::from_secs(5);

/// Pool and image of an export name: `POOL/IMAGE`, or `IMAGE` in the pool `rbd`.
pub fn split_name(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or((POOL_DEFAULT, name))
}

/// All images of some pools.
pub struct ImageExports<R: Rados> {
    shared: Arc<Shared<R>>,
    rules: Arc<Vec<Rule>>,
    /// What this client may do.
    view: View,
    read_only: bool,
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
    limits: Option<Held>,
}

/// The limits of an image that is open, which are looked up now and then.
struct Held {
    throttle: Arc<Throttle>,
    looking: tokio::task::JoinHandle<()>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

impl Held {
    fn begin<R: Rados>(images: Images<R>, id: String, limits: Limits) -> Held {
        let throttle = Arc::new(Throttle::new(limits));
        let held = throttle.clone();
        let looking = tokio::spawn(async move {
            loop {
                tokio::time::sleep(LIMITS_EVERY).await;
                match images.limits_of(&id).await {
                    Ok(limits) => held.set(limits),
                    // Those that are known hold on.
                    Err(error) => tracing::debug!(%error, "the limits of an image could not be read"),
                }
            }
        });
        Held { throttle, looking }
    }
}

/// An image in use by one client.
pub struct OpenImage<R: Rados> {
    image: Arc<Image<R>>,
    facts: Facts,
    throttle: Arc<Throttle>,
    /// None: opened to be read only, without the lock, and shared with nobody.
    slot: Option<Arc<tokio::sync::Mutex<Slot<R>>>>,
}

impl<R: Rados> Clone for ImageExports<R> {
    fn clone(&self) -> Self {
        let ImageExports { shared, rules, view, read_only } = self;
        ImageExports {
            shared: shared.clone(),
            rules: rules.clone(),
            view: view.clone(),
            read_only: *read_only,
        }
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
        let (rules, view) = (Arc::new(Vec::new()), View::new(&[], &[]));
        ImageExports { shared: Arc::new(shared), rules, view, read_only: false }
    }

    /// The same, with rules about who may use which image.
    pub fn with_rules(self, rules: Vec<Rule>) -> ImageExports<R> {
        let view = View::new(&rules, &[]);
        ImageExports { rules: Arc::new(rules), view, ..self }
    }

    /// The same, to be read only: no image is locked, and any number of servers may serve it so.
    pub fn read_only(self) -> ImageExports<R> {
        ImageExports { read_only: true, ..self }
    }

    /// What the client may do with an image. `Unknown` if nothing, so that names cannot be tried out.
    fn access(&self, pool: &str, image: &str) -> Result<Access, ExportError> {
        let unknown = || ExportError::Unknown(format!("there is no image {pool}/{image} for this client"));
        let (whose, snap) = split_snapshot(image);
        let access = self.view.access(pool, whose).ok_or_else(unknown)?;
        // A snapshot is as much an image's as what the image holds now, and never changes.
        Ok(if self.read_only || snap.is_some() { Access::Read } else { access })
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

fn facts(size: u64, access: Access) -> Facts {
    Facts { size, read_only: access == Access::Read, block_min: 1, block_preferred: BLOCK_PREFERRED }
}

impl<R: Rados> Exports for ImageExports<R> {
    type Export = OpenImage<R>;

    async fn list(&self) -> Result<Vec<String>, ExportError> {
        let mut names = Vec::new();
        for pool in (self.shared.pools)() {
            let rows = self.images(&pool)?.list().await.map_err(refused)?;
            let seen = rows.into_iter().filter(|row| self.view.access(&pool, &row.name).is_some());
            names.extend(seen.map(|row| format!("{pool}/{}", row.name)));
        }
        Ok(names)
    }

    fn seen_by(&self, peer: &Peer) -> Self {
        ImageExports { view: View::new(&self.rules, &peer.names), ..self.clone() }
    }

    async fn info(&self, name: &str) -> Result<Facts, ExportError> {
        let (pool, image) = split_name(name);
        let access = self.access(pool, image)?;
        let (image, snap) = split_snapshot(image);
        let info = self.images(pool)?.info(image).await.map_err(refused)?;
        let Some(snap) = snap else { return Ok(facts(info.header.size, access)) };
        let found = info.header.snapshots.iter().find(|s| s.name == snap && !s.removing);
        let missing = || ExportError::Unknown(format!("there is no snapshot {name}"));
        Ok(facts(found.ok_or_else(missing)?.size, access))
    }

    async fn snapshots(&self, name: &str) -> Result<Vec<String>, ExportError> {
        let (pool, image) = split_name(name);
        self.access(pool, image)?;
        let (image, until) = split_snapshot(image);
        let mut all = self.images(pool)?.snapshots(image).await.map_err(refused)?;
        if let Some(until) = until {
            // Oldest first: what was made before.
            all.truncate(all.iter().position(|s| s.name == until).unwrap_or(0));
        }
        Ok(all.into_iter().filter(|s| !s.removing).map(|s| s.name).collect())
    }

    async fn open(&self, name: &str) -> Result<Arc<OpenImage<R>>, ExportError> {
        let (pool, image) = split_name(name);
        let access = self.access(pool, image)?;
        let images = self.images(pool)?;
        if access == Access::Read {
            let id = images.info(split_snapshot(image).0).await.map_err(refused)?.id;
            let throttle = Arc::new(Throttle::new(images.limits_of(&id).await.map_err(refused)?));
            let image = images.open_read_only(image).await.map_err(refused)?;
            let facts = facts(image.size(), access);
            return Ok(Arc::new(OpenImage { facts, image, throttle, slot: None }));
        }
        // By id: an image that was renamed is still the one that is open.
        let info = images.info(image).await.map_err(refused)?;
        let slot = {
            let mut slots = self.shared.slots.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(tokio::sync::Mutex::new(Slot { open: None, clients: 0, limits: None }));
            slots.entry((pool.to_string(), info.id.clone())).or_insert_with(new).clone()
        };
        let limits = images.limits_of(&info.id).await.map_err(refused)?;
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
        let held_to = held.limits.get_or_insert_with(|| Held::begin(images, info.id, limits));
        held_to.throttle.set(limits);
        let throttle = held_to.throttle.clone();
        held.clients += 1;
        let facts = facts(open.size(), access);
        drop(held);
        Ok(Arc::new(OpenImage { image: open, facts, throttle, slot: Some(slot) }))
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
        held.limits = None;
        if let Some(image) = held.open.take()
            && let Err(error) = image.close().await
        {
            tracing::warn!(%error, "an image's lock was not given back; it is free after its lease");
        }
    }
}

impl<R: Rados> Export for OpenImage<R> {
    fn facts(&self) -> Facts {
        self.facts
    }
    async fn read(&self, offset: u64, len: u64) -> Result<Vec<ReadExtent>, NbdError> {
        self.throttle.admit(len).await;
        self.image.read(offset, len).await.map_err(failed)
    }
    async fn write(&self, offset: u64, data: Bytes) -> Result<(), NbdError> {
        self.throttle.admit(data.len() as u64).await;
        self.image.write(offset, data).await.map_err(failed)
    }
    async fn zero(&self, offset: u64, len: u64, mode: ZeroMode) -> Result<(), NbdError> {
        // What is punched out moves no bytes.
        self.throttle.admit(if mode == ZeroMode::Allocate { len } else { 0 }).await;
        self.image.zero(offset, len, mode).await.map_err(failed)
    }
    async fn flush(&self) -> Result<(), NbdError> {
        self.image.flush().map_err(failed)
    }
    async fn extents(&self, offset: u64, len: u64, first_only: bool) -> Result<Vec<Extent>, NbdError> {
        self.image.extents(offset, len, first_only).await.map_err(failed)
    }
    async fn changes(&self, since: &str, offset: u64, len: u64) -> Result<Vec<Span>, NbdError> {
        self.image.changes_since(since, offset, len).await.map_err(failed)
    }
}
