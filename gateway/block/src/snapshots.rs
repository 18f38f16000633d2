//! Making, listing, protecting, rolling back to and removing the snapshots of an image.

use crate::error::BlockError;
use crate::header::{key, row_is};
use crate::images::Images;
use crate::knowledge::{self, unchanged};
use crate::name;
use crate::snapshot::{INTENT, Intent, Snapshot};
use futures_util::future::try_join_all;
use gateway_client::Rados;
use osd_class::lock::assert_held;
use osd_object::{Op, SnapId};
use std::time::Duration;
use stdx::Errno;
use stdx::codec::to_bytes;
use tokio::time::Instant;

/// A creation that another one stands in the way of tries for so long.
const CREATE_WITHIN: Duration = Duration::from_secs(15);
/// Objects rolled back at a time.
const AT_ONCE: u64 = 32;

impl<R: Rados> Images<R> {
    fn snap_label(&self, image: &str, snap: &str) -> String {
        format!("{}@{snap}", self.label(image))
    }
    fn no_snapshot(&self, image: &str, snap: &str) -> BlockError {
        BlockError::NoSuchSnapshot { snapshot: self.snap_label(image, snap) }
    }

    /// An image's snapshots, oldest first.
    pub async fn snapshots(&self, image: &str) -> Result<Vec<Snapshot>, BlockError> {
        Ok(self.info(image).await?.header.snapshots)
    }

    /// One snapshot that can be read.
    pub(crate) async fn snapshot(&self, image: &str, snap: &str) -> Result<(String, Snapshot), BlockError> {
        let id = self.directory().id(image).await?;
        let header = self.header(&id, image).await?;
        let found = header.snapshots.into_iter().find(|s| s.name == snap);
        Ok((id, found.ok_or_else(|| self.no_snapshot(image, snap))?))
    }

    /// Keeps what the image is at this moment under a name, whoever has it open: every write that was answered before
    /// is in it, none that is begun after this returns. Costs the same whatever the image's size. `SnapshotExists`.
    pub async fn snap_create(&self, image: &str, snap: &str) -> Result<SnapId, BlockError> {
        name::check_name(snap)?;
        let id = self.directory().id(image).await?;
        let begun = Instant::now();
        loop {
            let drawn = getrandom::u64().map_err(|e| BlockError::Invalid(format!("no entropy: {e}")))?;
            let intent = to_bytes(&Intent { token: drawn, name: snap.to_string() });
            self.snap_intend(&id, image, snap, &intent, begun).await?;
            let made = self.snap_make(&id, image, snap, &intent).await;
            if made.is_err() {
                // So that writers need not wait until it counts as given up. If this fails too, they do.
                let _ = knowledge::give_up(&self.rados, &self.pool, &name::header(&id), intent).await;
            }
            match made {
                // A writer that had to wait too long gave it up (a PG was slow to hear of it), or the image was resized.
                Err(BlockError::Changed { .. }) if begun.elapsed() < CREATE_WITHIN => {}
                made => return made,
            }
        }
    }

    /// Says in the header that a snapshot is about to be made, after any other that is.
    async fn snap_intend(
        &self,
        id: &str,
        image: &str,
        snap: &str,
        intent: &bytes::Bytes,
        begun: Instant,
    ) -> Result<(), BlockError> {
        loop {
            let header = self.header(id, image).await?;
            if header.snapshots.iter().any(|s| s.name == snap) {
                return Err(BlockError::SnapshotExists { snapshot: self.snap_label(image, snap) });
            }
            let ops = vec![
                row_is(INTENT, bytes::Bytes::new()),
                Op::OmapSet { rows: vec![(key(INTENT), intent.clone())] },
            ];
            match self.on_header(id, ops).await {
                Ok(_) => return Ok(()),
                Err(e) if e.code == Errno::ECANCELED && begun.elapsed() < CREATE_WITHIN => {
                    // Waits for the other creation, and gives up for it if it stands still.
                    let pools = (self.data_pool_of(&header), &*self.pool);
                    let header = name::header(id);
                    knowledge::Knowledge::default().renew(&self.rados, pools, &header, None).await?;
                }
                Err(e) => return Err(self.changed(image, e)),
            }
        }
    }

    async fn snap_make(
        &self,
        id: &str,
        image: &str,
        snap: &str,
        intent: &bytes::Bytes,
    ) -> Result<SnapId, BlockError> {
        // Where its data is never changes; all else of the header is read once the id is there.
        let data_pool = self.data_pool_of(&self.header(id, image).await?).to_string();
        let snap_id = self.rados.snap_create(&data_pool).await?;
        // Before it is listed: until every PG knows of it, a write that does not could still change what it shows.
        if let Err(failed) = self.rados.snap_settle(&data_pool).await {
            // Nothing names the id, and if it stays nothing but a number is lost.
            let _ = self.rados.snap_remove(&data_pool, snap_id).await;
            return Err(failed.into());
        }
        match self.snap_row(id, image, snap, snap_id, intent).await {
            Ok(()) => Ok(snap_id),
            // Decided, so the id is nobody's.
            Err(refused @ (BlockError::SnapshotExists { .. } | BlockError::Changed { .. })) => {
                self.rados.snap_remove(&data_pool, snap_id).await?;
                Err(refused)
            }
            Err(other) => Err(other),
        }
    }

    /// Puts a snapshot's row in the place of its intent. `Changed` if the intent was given up, or the image resized or
    /// removed meanwhile.
    pub(crate) async fn snap_row(
        &self,
        id: &str,
        image: &str,
        snap: &str,
        snap_id: SnapId,
        intent: &bytes::Bytes,
    ) -> Result<(), BlockError> {
        // As it is now: between the intent and its end nobody else adds a snapshot, and the size is guarded.
        let header = self.header(id, image).await?;
        if header.snapshots.iter().any(|s| s.name == snap) {
            return Err(BlockError::SnapshotExists { snapshot: self.snap_label(image, snap) });
        }
        let snapshot = Snapshot {
            id: snap_id,
            name: snap.to_string(),
            size: header.size,
            created: self.rados.now(),
            protected: false,
            removing: false,
            parent: header.parent,
        };
        let ops = vec![
            row_is(INTENT, intent.clone()),
            row_is("size", to_bytes(&header.size)),
            Op::OmapSet {
                rows: vec![
                    (key(&Snapshot::row(snap_id)), to_bytes(&snapshot)),
                    (key("snap_seq"), to_bytes(&snap_id.0)),
                ],
            },
            Op::OmapRm { keys: vec![key(INTENT)] },
        ];
        self.on_header(id, ops).await.map(drop).map_err(|e| self.changed(image, e))
    }

    /// Guards a snapshot against removal, or no longer.
    pub async fn snap_protect(&self, image: &str, snap: &str, protect: bool) -> Result<(), BlockError> {
        let (id, found) = self.snapshot(image, snap).await?;
        if found.removing {
            return Err(self.no_snapshot(image, snap));
        }
        if found.protected == protect {
            return Ok(());
        }
        let mut ops = vec![unchanged(&found)];
        if !protect {
            ops.push(self.no_children(&id, found.id, &self.snap_label(image, snap)).await?);
        }
        let row = to_bytes(&Snapshot { protected: protect, ..found.clone() });
        ops.push(Op::OmapSet { rows: vec![(key(&Snapshot::row(found.id)), row)] });
        self.on_header(&id, ops).await.map(drop).map_err(|e| self.changed(image, e))
    }

    /// Lets a snapshot go. What only it kept is freed in the background. `Protected`.
    pub async fn snap_remove(&self, image: &str, snap: &str) -> Result<(), BlockError> {
        let (id, found) = self.snapshot(image, snap).await?;
        if found.protected {
            return Err(BlockError::Protected { snapshot: self.snap_label(image, snap) });
        }
        let going = Snapshot { removing: true, ..found.clone() };
        let rows = vec![(key(&Snapshot::row(found.id)), to_bytes(&going))];
        // From here on nobody reads it; who is interrupted removes it again.
        self.on_header(&id, vec![unchanged(&found), Op::OmapSet { rows }])
            .await
            .map_err(|e| self.changed(image, e))?;
        let data_pool = self.data_pool_of(&self.header(&id, image).await?).to_string();
        self.rados.snap_remove(&data_pool, found.id).await?;
        let keys = vec![key(&Snapshot::row(found.id)), crate::diff::origin_row(found.id)];
        let ops = vec![unchanged(&going), Op::OmapRm { keys }];
        self.on_header(&id, ops).await.map_err(|e| self.changed(image, e))?;
        self.let_parent_go(&id, image, found.parent.as_ref()).await
    }

    /// The image becomes what it was at a snapshot, its size too. It must not be in use. Interrupted, it is done again
    /// from the start: until then the image is neither.
    pub async fn snap_rollback(&self, image: &str, snap: &str, owner: &str) -> Result<(), BlockError> {
        let (_, found) = self.snapshot(image, snap).await?;
        if found.removing {
            return Err(self.no_snapshot(image, snap));
        }
        let header = self.info(image).await?.header;
        if header.parent.is_some() != found.parent.is_some() {
            return Err(BlockError::Invalid(format!(
                "{} was made before the image was flattened, and cannot be gone back to; clone it instead",
                self.snap_label(image, snap)
            )));
        }
        if found.size < header.size {
            self.resize(image, found.size, true, owner).await?;
        }
        let id = self.directory().id(image).await?;
        let open = self.open_id(image, &id, owner).await?;
        let done = async {
            let objects = open.layout().objects(found.size);
            let mut first = 0;
            while first < objects {
                let last = objects.min(first + AT_ONCE);
                try_join_all((first..last).map(|o| open.roll_back(o, found.id))).await?;
                first = last;
            }
            let mut ops: Vec<Op> = open.held().map(assert_held).into_iter().collect();
            let mut rows = vec![(key("size"), to_bytes(&found.size))];
            if let Some(parent) = &found.parent {
                rows.push((key(crate::header::PARENT), to_bytes(parent)));
            }
            ops.push(Op::OmapSet { rows });
            // A difference that was applied in part is undone with the rest.
            ops.push(Op::OmapRm { keys: vec![key(crate::diff::IMPORTING)] });
            self.on_header(&id, ops).await.map(drop).map_err(|e| self.changed(image, e))
        };
        let done = done.await;
        open.close().await?;
        done
    }
}
