//! The images of a pool: making, finding, changing and removing them.

use crate::absent::Absent;
use crate::below::Below;
use crate::directory::Directory;
use crate::error::BlockError;
use crate::fence::Marked;
use crate::header::{
    self, FEATURE_DATA_POOL, FEATURE_EXCLUSIVE_LOCK, Header, PendingTrim, SIZE, STATE, State,
};
use crate::image::Image;
use crate::knowledge::{Knowledge, rows_of};
use crate::layout::Layout;
use crate::name;
use crate::object::Objects;
use crate::snapshot::{Parent, Snapshot, split_snapshot};
use crate::tenure::LockObject;
use futures_util::future::BoxFuture;
use gateway_client::{OpError, Rados};
use osd_class::lock::{Holder, assert_held};
use osd_object::{AllocHint, ObjectName, Op, OpResult};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use stdx::Errno;
use stdx::codec::{from_bytes, to_bytes};

/// How long a holder of a lock may be silent.
const LEASE: Duration = Duration::from_secs(15);
/// A making older than this was given up by who began it.
const MAKING_MAX: Duration = Duration::from_secs(3600);

/// The images of one pool. Cheap to clone.
#[derive(Clone)]
pub struct Images<R> {
    pub(crate) rados: R,
    pub(crate) pool: String,
    /// Where new ones keep their data; none: in the same pool.
    data_pool: Option<String>,
    lease: Duration,
}

/// A line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRow {
    /// Its name.
    pub name: String,
    /// Its id, which its objects are named by.
    pub id: String,
}

/// What is known of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageInfo {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Its properties.
    pub header: Header,
    /// Who has it open for writing.
    pub holder: Option<Holder>,
}

/// Space of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Bytes that its users see.
    pub provisioned: u64,
    /// Bytes up to the ends of its objects, one copy: what is cleared inside an object still counts.
    pub used: u64,
    /// Objects that hold data.
    pub objects: u64,
    /// Bytes that only its snapshots still have.
    pub kept: u64,
}

impl<R: Rados> Images<R> {
    /// The images of `pool`.
    pub fn new(rados: R, pool: impl Into<String>) -> Images<R> {
        Images { rados, pool: pool.into(), data_pool: None, lease: LEASE }
    }
    /// The same; images and clones that are made keep their data in another pool, which may be erasure-coded: it holds
    /// no rows. None: in the same one.
    pub fn with_data_pool(self, data_pool: Option<String>) -> Images<R> {
        let data_pool = data_pool.filter(|data| *data != self.pool);
        Images { data_pool, ..self }
    }
    /// The images of another pool.
    pub(crate) fn in_pool(&self, pool: &str) -> Images<R> {
        Images { pool: pool.to_string(), data_pool: None, ..self.clone() }
    }
    /// Where an image of this pool keeps its data.
    pub(crate) fn data_pool_of<'a>(&'a self, header: &'a Header) -> &'a str {
        header.data_pool.as_deref().unwrap_or(&self.pool)
    }
    /// The same with another lease of locks (15 s otherwise).
    pub fn with_lease(self, lease: Duration) -> Images<R> {
        Images { lease, ..self }
    }
    /// The pool.
    pub fn pool(&self) -> &str {
        &self.pool
    }

    pub(crate) fn label(&self, image: &str) -> String {
        format!("{}/{image}", self.pool)
    }
    pub(crate) fn directory(&self) -> Directory<'_, R> {
        Directory { rados: &self.rados, pool: &self.pool }
    }
    fn lock(&self, id: &str, image: &str) -> LockObject<R> {
        LockObject {
            rados: self.rados.clone(),
            pool: self.pool.clone(),
            object: name::header(id),
            image: self.label(image),
        }
    }
    pub(crate) async fn on_header(&self, id: &str, ops: Vec<Op>) -> Result<Vec<OpResult>, OpError> {
        let object = ObjectName::new(name::header(id));
        self.rados.operate(&self.pool, object, ops).await.map(|r| r.results)
    }

    /// Makes an image. It takes no space until it is written. `Exists`, `Invalid`.
    pub async fn create(&self, image: &str, size: u64, layout: Layout) -> Result<(), BlockError> {
        name::check_name(image)?;
        header::check_size(size)?;
        let header = Header {
            size,
            layout,
            features: FEATURE_EXCLUSIVE_LOCK,
            data_prefix: String::new(),
            data_pool: None,
            snap_seq: 0,
            created: self.rados.now(),
            pending: None,
            snapshots: Vec::new(),
            parent: None,
        };
        self.make(image, header, async |_: &str| Ok(())).await
    }

    /// Makes an image with these properties under an id of its own, which `announced` is told before it exists.
    pub(crate) async fn make(
        &self,
        image: &str,
        mut header: Header,
        announced: impl AsyncFnOnce(&str) -> Result<(), BlockError>,
    ) -> Result<(), BlockError> {
        if let Some(data_pool) = &self.data_pool {
            // A pool that is not there is better told now than with the first write.
            self.rados.snap_seq(data_pool, None).await?;
            header.features |= FEATURE_DATA_POOL;
            header.data_pool = Some(data_pool.clone());
        }
        self.tidy_makings().await?;
        let drawn = getrandom::u64().map_err(|e| BlockError::Invalid(format!("no entropy: {e}")))?;
        let id = format!("{drawn:016x}");
        let directory = self.directory();
        directory.announce(&id, image).await?;
        header.data_prefix = name::data_prefix(&id);
        if let Err(refused) = announced(&id).await {
            directory.forget(&id).await?;
            return Err(refused);
        }
        self.on_header(&id, vec![Op::Create { exclusive: true }, Op::OmapSet { rows: header.rows() }])
            .await?;
        match directory.enter(&id, image).await {
            Ok(()) => Ok(()),
            Err(refused @ (BlockError::Exists { .. } | BlockError::Changed { .. })) => {
                // If it was entered by an earlier sending of the same, whose answer was lost, all is well.
                if !directory.abandon(&id, image).await? && directory.name(&id).await?.is_some() {
                    return Ok(());
                }
                self.drop_header(&id).await?;
                directory.forget(&id).await?;
                self.let_parent_go(&id, image, header.parent.as_ref()).await?;
                Err(refused)
            }
            Err(other) => Err(other),
        }
    }

    /// Removes what creations that died long ago left behind.
    async fn tidy_makings(&self) -> Result<(), BlockError> {
        let now_ms = self.rados.now().millis();
        for making in self.directory().making().await? {
            if now_ms.saturating_sub(making.since_ms) > MAKING_MAX.as_millis() as u64 {
                // The row first: with it gone the image can no longer be entered. But it may just have been.
                if self.directory().abandon(&making.id, &making.name).await? {
                    self.drop_header(&making.id).await?;
                    self.directory().forget(&making.id).await?;
                }
            }
        }
        Ok(())
    }

    async fn drop_header(&self, id: &str) -> Result<(), BlockError> {
        match self.on_header(id, vec![Op::Delete]).await {
            Err(e) if e.code == Errno::ENOENT => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }

    /// All images, by name.
    pub async fn list(&self) -> Result<Vec<ImageRow>, BlockError> {
        let all = self.directory().list().await?;
        Ok(all.into_iter().map(|(name, id)| ImageRow { name, id }).collect())
    }

    /// One image.
    pub async fn info(&self, image: &str) -> Result<ImageInfo, BlockError> {
        let id = self.directory().id(image).await?;
        let header = self.header(&id, image).await?;
        let holder = self.lock(&id, image).stat().await?.holder;
        Ok(ImageInfo { name: image.to_string(), id, header, holder })
    }

    pub(crate) async fn header(&self, id: &str, image: &str) -> Result<Header, BlockError> {
        let object = name::header(id);
        let rows = match rows_of(&self.rados, &self.pool, &object).await {
            // Removed between two looks.
            Err(e) if e.code == Errno::ENOENT && e.step.is_some() => {
                return Err(BlockError::NoSuchImage { image: self.label(image) });
            }
            other => other?,
        };
        Header::from_rows(&self.label(image), &object, &rows)
    }

    /// Gives an image another name. Whoever has it open goes on.
    pub async fn rename(&self, from: &str, to: &str) -> Result<(), BlockError> {
        name::check_name(to)?;
        let id = self.directory().id(from).await?;
        self.directory().rename(&id, from, to).await
    }

    /// Opens an image to read it, or its snapshot if `image` is IMAGE@SNAPSHOT. Without one it sees what the image's
    /// writer writes, without any order among requests.
    pub async fn open_read_only(&self, image: &str) -> Result<Arc<Image<R>>, BlockError> {
        let (name, snap) = split_snapshot(image);
        let id = self.directory().id(name).await?;
        let header = self.header(&id, name).await?;
        let Some(snap) = snap else { return self.assemble(image, &id, &header, None, None).await };
        let found = header.snapshots.iter().find(|s| s.name == snap && !s.removing);
        let found = found.ok_or_else(|| BlockError::NoSuchSnapshot { snapshot: self.label(image) })?;
        self.assemble(image, &id, &header, Some(found), None).await
    }

    /// Opens a snapshot of an image that is known by its id.
    fn open_parent<'a>(&'a self, parent: &'a Parent) -> BoxFuture<'a, Result<Arc<Image<R>>, BlockError>> {
        // A chain of clones is as deep as people make it.
        Box::pin(async move {
            let image = format!("(id {})", parent.image);
            let header = self.header(&parent.image, &image).await?;
            let found = header.snapshots.iter().find(|s| s.id == parent.snap && !s.removing);
            let missing =
                || BlockError::NoSuchSnapshot { snapshot: self.label(&format!("{image}@{}", parent.snap.0)) };
            let open =
                self.assemble(&image, &parent.image, &header, Some(found.ok_or_else(missing)?), None).await?;
            // Protected when it was cloned, and so complete, and never changed.
            open.objects().absent.trust();
            Ok(open)
        })
    }

    /// Opens an image to write it, under its lock. `owner` names this daemon: what an earlier life of it had open is
    /// taken over at once, what another has open after its lease, if it is silent. `InUse`.
    pub async fn open(&self, image: &str, owner: &str) -> Result<Arc<Image<R>>, BlockError> {
        let id = self.directory().id(image).await?;
        self.open_id(image, &id, owner).await
    }

    pub(crate) async fn open_id(
        &self,
        image: &str,
        id: &str,
        owner: &str,
    ) -> Result<Arc<Image<R>>, BlockError> {
        // First whether we can serve it at all, then the lock.
        self.header(id, image).await?;
        let tenure = self.lock(id, image).take(owner, self.lease).await?;
        let header = self.header(id, image).await?;
        let open = self.assemble(image, id, &header, None, Some(tenure)).await?;
        open.learn().await?;
        if let Some(pending) = header.pending {
            self.finish_trim(image, id, &open, pending).await?;
        }
        Ok(open)
    }

    async fn assemble(
        &self,
        image: &str,
        id: &str,
        header: &Header,
        snap: Option<&Snapshot>,
        tenure: Option<crate::tenure::Tenure>,
    ) -> Result<Arc<Image<R>>, BlockError> {
        let parent = snap.map_or(&header.parent, |snap| &snap.parent);
        let below = match parent {
            Some(parent) => {
                let open = self.in_pool(&parent.pool);
                let open = open.open_parent(parent).await?;
                Some(Below::new(open, parent.overlap))
            }
            None => None,
        };
        let objects = Objects {
            rados: self.rados.clone(),
            pool: self.data_pool_of(header).to_string(),
            image: self.label(image),
            prefix: header.data_prefix.clone(),
            header_pool: self.pool.clone(),
            header: name::header(id),
            snap: snap.map(|snap| snap.id),
            knowledge: Knowledge::default(),
            // Of a holder before us whose writes may still come we know nothing.
            absent: Absent::new(tenure.as_ref().is_some_and(|t| t.unclean == 0)),
            tenure,
            marked: Marked::default(),
            hint: AllocHint { expected_object_bytes: header.layout.object_bytes(), ..AllocHint::default() },
            loose_ends: AtomicBool::new(false),
        };
        let size = snap.map_or(header.size, |snap| snap.size);
        Ok(Arc::new(Image::new(objects, self.lock(id, image), (header.layout, size), below)))
    }

    /// The size becomes `size`. Growing works while the image is in use (its clients see it when they connect
    /// again); shrinking needs the image for itself, and `allow_shrink`. Gives the size before.
    pub async fn resize(
        &self,
        image: &str,
        size: u64,
        allow_shrink: bool,
        owner: &str,
    ) -> Result<u64, BlockError> {
        header::check_size(size)?;
        let id = self.directory().id(image).await?;
        let mut header = self.header(&id, image).await?;
        let before = header.size;
        if size < before && !allow_shrink {
            return Err(BlockError::WouldShrink { image: self.label(image), from: before, to: size });
        }
        if size < before || header.pending.is_some() {
            let open = self.open_id(image, &id, owner).await?;
            header = self.header(&id, image).await?;
            let shrunk = match size < header.size {
                true => self.shrink(image, &id, &open, &header, size).await,
                false => Ok(()),
            };
            open.close().await?;
            shrunk?;
        }
        if size > header.size {
            let ops = vec![
                header::row_is(SIZE, to_bytes(&header.size)),
                // What a shrink has still to remove would come back to light.
                header::row_is(STATE, State::bytes(None)),
                Op::OmapSet { rows: vec![(header::key(SIZE), to_bytes(&size))] },
            ];
            self.on_header(&id, ops).await.map_err(|e| self.changed(image, e))?;
        }
        Ok(before)
    }

    /// Makes an image that we have open so large, larger or smaller.
    pub(crate) async fn set_size_under_lock(
        &self,
        image: &str,
        id: &str,
        open: &Image<R>,
        size: u64,
    ) -> Result<(), BlockError> {
        header::check_size(size)?;
        let header = self.header(id, image).await?;
        if size < header.size {
            self.shrink(image, id, open, &header, size).await?;
        } else if size > header.size {
            let mut ops: Vec<Op> = open.held().map(assert_held).into_iter().collect();
            ops.push(header::row_is(SIZE, to_bytes(&header.size)));
            ops.push(Op::OmapSet { rows: vec![(header::key(SIZE), to_bytes(&size))] });
            self.on_header(id, ops).await.map_err(|e| self.changed(image, e))?;
        }
        open.set_size(size);
        Ok(())
    }

    async fn shrink(
        &self,
        image: &str,
        id: &str,
        open: &Image<R>,
        header: &Header,
        to: u64,
    ) -> Result<(), BlockError> {
        let from = header.size;
        let pending = PendingTrim { from: to, to: from };
        let mut ops: Vec<Op> = open.held().map(assert_held).into_iter().collect();
        ops.push(header::row_is(SIZE, to_bytes(&from)));
        let mut rows =
            vec![(header::key(SIZE), to_bytes(&to)), (header::key(STATE), State::bytes(Some(pending)))];
        // What was cut of the parent does not come back when the image grows again.
        rows.extend(header.parent.as_ref().map(|parent| {
            let parent = Parent { overlap: parent.overlap.min(to), ..parent.clone() };
            (header::key(header::PARENT), to_bytes(&parent))
        }));
        if open.objects().haunted() {
            // What `trim` leaves there is to go with the image.
            let reach = self.reach(id).await?.max(from);
            rows.push((header::key(header::REACH), to_bytes(&reach)));
        }
        ops.push(Op::OmapSet { rows });
        open.cut_below(to);
        self.on_header(id, ops).await.map_err(|e| self.changed(image, e))?;
        self.finish_trim(image, id, open, pending).await
    }

    async fn finish_trim(
        &self,
        image: &str,
        id: &str,
        open: &Image<R>,
        pending: PendingTrim,
    ) -> Result<(), BlockError> {
        open.trim(pending.from, pending.to).await?;
        let mut ops: Vec<Op> = open.held().map(assert_held).into_iter().collect();
        ops.push(Op::OmapSet { rows: vec![(header::key(STATE), State::bytes(None))] });
        self.on_header(id, ops).await.map(drop).map_err(|e| self.changed(image, e))
    }

    pub(crate) fn changed(&self, image: &str, error: OpError) -> BlockError {
        match error.code {
            Errno::ECANCELED => BlockError::Changed { image: self.label(image) },
            Errno::ESTALE => BlockError::Fenced { image: self.label(image) },
            _ => error.into(),
        }
    }

    /// Removes an image that nobody has open, and frees its space. What an earlier removal left is removed too.
    pub async fn remove(&self, image: &str, owner: &str) -> Result<(), BlockError> {
        let id = self.directory().id(image).await?;
        let count = self.header(&id, image).await?.snapshots.len();
        if count > 0 {
            return Err(BlockError::HasSnapshots { image: self.label(image), count });
        }
        let open = self.open_id(image, &id, owner).await?;
        if let Err(refused) = self.directory().retire(&id, image).await {
            open.close().await?;
            return Err(refused);
        }
        self.erase(&id, &open).await?;
        for left in self.directory().removing().await? {
            match self.open_id(&left.name, &left.id, owner).await {
                Ok(open) => self.erase(&left.id, &open).await?,
                Err(BlockError::NoSuchImage { .. }) => self.directory().forget(&left.id).await?,
                // Somebody is at it.
                Err(BlockError::InUse { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    /// Up to which byte there may be objects behind the image's end; 0: none.
    async fn reach(&self, id: &str) -> Result<u64, BlockError> {
        let ops = vec![Op::OmapGet { keys: vec![header::key(header::REACH)] }];
        let results = self.on_header(id, ops).await?;
        let Some(OpResult::Rows(page)) = results.into_iter().next() else { return Ok(0) };
        let damaged = |_| BlockError::Damaged { object: name::header(id), row: header::REACH.to_string() };
        let value = page.rows.into_iter().next().map(|(_, value)| from_bytes(value).map_err(damaged));
        Ok(value.transpose()?.unwrap_or(0))
    }

    /// Removes data, then header, then the note that it has to be done.
    async fn erase(&self, id: &str, open: &Image<R>) -> Result<(), BlockError> {
        let parent = self.header(id, id).await?.parent;
        open.erase(open.size().max(self.reach(id).await?)).await?;
        let mut ops: Vec<Op> = open.held().map(assert_held).into_iter().collect();
        ops.push(Op::Delete);
        self.on_header(id, ops).await?;
        self.let_parent_go(id, id, parent.as_ref()).await?;
        self.directory().forget(id).await
    }

    /// What an image takes. One question per object of the image.
    pub async fn usage(&self, image: &str) -> Result<Usage, BlockError> {
        let open = self.open_read_only(image).await?;
        let snapshots = !image.contains('@') && !self.info(image).await?.header.snapshots.is_empty();
        let (objects, used, kept) = open.stored(snapshots).await?;
        Ok(Usage { provisioned: open.size(), used, objects, kept })
    }
}
