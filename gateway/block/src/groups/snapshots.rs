//! Snapshots of a group: all its images as they were at one moment.
//!
//! Each image gets an intent first, so that its writer, refused once, waits; then each an id; then every PG of the pool
//! is asked to know them, and only then the images' rows are written. A write that is in no snapshot is carried out
//! after its writer read such a row, so after every PG had refused writers that know of no snapshot, and so after every
//! write that is in one: all that is in comes before all that is not, whichever image it went to. No holder of a lock
//! has to be reached for this, and none that is cut off can slip in.

use super::{GroupSnapshot, Row, SNAPSHOTS_MAX};
use crate::error::BlockError;
use crate::header::{key, row_is};
use crate::images::Images;
use crate::knowledge::{self, Knowledge};
use crate::name;
use crate::snapshot::{INTENT, Intent};
use bytes::Bytes;
use futures_util::future::{join_all, try_join_all};
use gateway_client::Rados;
use osd_object::{Op, SnapId};
use std::collections::BTreeSet;
use std::time::Duration;
use stdx::codec::to_bytes;
use tokio::time::Instant;

/// A creation that others stand in the way of tries for so long.
const CREATE_WITHIN: Duration = Duration::from_secs(20);

/// The name of an image's snapshot that belongs to a group's.
fn member_snapshot(group: &str, snap: &str) -> String {
    format!(".group.{group}.{snap}")
}

/// An image on the way to its part of the snapshot.
struct Part {
    id: String,
    image: String,
    /// Whose snapshots the image's are.
    data_pool: String,
    /// As it is stored.
    intent: Bytes,
}

impl<R: Rados> Images<R> {
    /// Keeps what all images of a group are at one moment, in use or not: a write that was answered before another was
    /// begun is in it if that one is, whichever of the images they go to.
    pub async fn group_snap_create(&self, group: &str, snap: &str) -> Result<(), BlockError> {
        name::check_name(&member_snapshot(group, snap))?;
        let entry = GroupSnapshot {
            name: snap.to_string(),
            created: self.rados.now(),
            complete: false,
            members: Vec::new(),
        };
        let label = format!("{}@{snap}", self.group_label(group));
        let begin = |row: &mut Row| {
            if row.snapshots.iter().any(|s| s.name == snap) {
                return Err(BlockError::SnapshotExists { snapshot: label.clone() });
            }
            if row.members.is_empty() || row.snapshots.len() >= SNAPSHOTS_MAX {
                let why = format!(
                    "a group needs an image to make a snapshot, and has up to {SNAPSHOTS_MAX} of them"
                );
                return Err(BlockError::Invalid(why));
            }
            row.snapshots.push(GroupSnapshot { members: row.members.clone(), ..entry.clone() });
            Ok(())
        };
        let row = self.group_change(group, begin).await?;
        let made = self.group_snap_make(group, snap, row.members).await;
        if let Err(failed) = made {
            // Whatever of it there is goes; if that fails too, `group snap rm` does it.
            let _ = self.group_snap_remove(group, snap).await;
            return Err(failed);
        }
        let complete = |row: &mut Row| {
            if let Some(found) = row.snapshots.iter_mut().find(|s| s.name == snap) {
                found.complete = true;
            }
            Ok(())
        };
        let row = self.group_change(group, complete).await?;
        // Somebody removed it while it was made.
        match row.snapshots.iter().any(|s| s.name == snap) {
            true => Ok(()),
            false => Err(BlockError::NoSuchSnapshot { snapshot: label }),
        }
    }

    async fn group_snap_make(&self, group: &str, snap: &str, members: Vec<String>) -> Result<(), BlockError> {
        let name = member_snapshot(group, snap);
        let begun = Instant::now();
        loop {
            let mut parts = Vec::new();
            let made = self.group_snap_try(&name, &members, &mut parts).await;
            if made.is_ok() {
                return made;
            }
            let headers: Vec<String> = parts.iter().map(|part| name::header(&part.id)).collect();
            let given_up = parts.iter().zip(&headers).map(|(part, header)| {
                knowledge::give_up(&self.rados, &self.pool, header, part.intent.clone())
            });
            join_all(given_up).await;
            match made {
                // Another snapshot was being made, or an image resized: both end.
                Err(BlockError::Changed { .. }) if begun.elapsed() < CREATE_WITHIN => {
                    for id in &members {
                        let data_pool = self.data_pool_of(&self.header(id, id).await?).to_string();
                        let (pools, header) = ((&*data_pool, &*self.pool), name::header(id));
                        Knowledge::default().renew(&self.rados, pools, &header, None).await?;
                    }
                    self.drop_parts(&name, &members).await?;
                }
                other => return other,
            }
        }
    }

    /// One attempt. `parts`: what has an intent, for whoever has to take it back.
    async fn group_snap_try(
        &self,
        name: &str,
        members: &[String],
        parts: &mut Vec<Part>,
    ) -> Result<(), BlockError> {
        for id in members {
            let image = self.directory().name(id).await?;
            let gone = || BlockError::NoSuchImage { image: self.label(&format!("(id {id})")) };
            let image = image.ok_or_else(gone)?;
            let data_pool = self.data_pool_of(&self.header(id, &image).await?).to_string();
            let token = getrandom::u64().map_err(|e| BlockError::Invalid(format!("no entropy: {e}")))?;
            let intent = to_bytes(&Intent { token, name: name.to_string() });
            let ops = vec![
                Op::AssertExists,
                row_is(INTENT, Bytes::new()),
                Op::OmapSet { rows: vec![(key(INTENT), intent.clone())] },
            ];
            self.on_header(id, ops).await.map_err(|e| self.changed(&image, e))?;
            parts.push(Part { id: id.clone(), image, data_pool, intent });
        }
        let ids = try_join_all(parts.iter().map(|part| self.rados.snap_create(&part.data_pool))).await?;
        let rows = async {
            let pools: BTreeSet<&str> = parts.iter().map(|part| &*part.data_pool).collect();
            try_join_all(pools.into_iter().map(|pool| self.rados.snap_settle(pool))).await?;
            let rows = parts.iter().zip(&ids);
            try_join_all(
                rows.map(|(part, snap)| self.snap_row(&part.id, &part.image, name, *snap, &part.intent)),
            )
            .await
        };
        let made: Result<Vec<()>, BlockError> = rows.await;
        if let Err(failed) = made {
            self.drop_ids(parts, &ids).await?;
            return Err(failed);
        }
        Ok(())
    }

    /// Ids that are in no image's header are let go of.
    async fn drop_ids(&self, parts: &[Part], ids: &[SnapId]) -> Result<(), BlockError> {
        for (part, snap) in parts.iter().zip(ids) {
            let used = match self.header(&part.id, &part.image).await {
                Ok(header) => header.snapshots.iter().any(|s| s.id == *snap),
                Err(BlockError::NoSuchImage { .. }) => false,
                Err(other) => return Err(other),
            };
            if !used {
                self.rados.snap_remove(&part.data_pool, *snap).await?;
            }
        }
        Ok(())
    }

    /// Removes an image's snapshots of that name from all these images.
    async fn drop_parts(&self, name: &str, members: &[String]) -> Result<(), BlockError> {
        for id in members {
            // An image that is gone has no snapshots; one in the trash keeps them until it is back.
            let Some(image) = self.directory().name(id).await? else { continue };
            match self.snap_remove(&image, name).await {
                Err(BlockError::NoSuchSnapshot { .. } | BlockError::NoSuchImage { .. }) => {}
                other => other?,
            }
        }
        Ok(())
    }

    async fn group_snapshot(&self, group: &str, snap: &str) -> Result<GroupSnapshot, BlockError> {
        let (_, row) = self.group_read(group).await?;
        let found = row.snapshots.into_iter().find(|s| s.name == snap);
        let missing =
            || BlockError::NoSuchSnapshot { snapshot: format!("{}@{snap}", self.group_label(group)) };
        found.ok_or_else(missing)
    }

    /// Lets a group's snapshot go, with all its parts. `Protected` if somebody cloned one.
    pub async fn group_snap_remove(&self, group: &str, snap: &str) -> Result<(), BlockError> {
        let found = self.group_snapshot(group, snap).await?;
        self.drop_parts(&member_snapshot(group, snap), &found.members).await?;
        let change = |row: &mut Row| {
            row.snapshots.retain(|s| s.name != snap);
            Ok(())
        };
        self.group_change(group, change).await.map(drop)
    }

    /// All images of a group's snapshot become what they were then. None may be in use. Interrupted, it is done again.
    pub async fn group_snap_rollback(&self, group: &str, snap: &str, owner: &str) -> Result<(), BlockError> {
        let found = self.group_snapshot(group, snap).await?;
        if !found.complete {
            return Err(BlockError::Invalid(format!(
                "the snapshot {}@{snap} was never completed; remove it",
                self.group_label(group)
            )));
        }
        let mut images = Vec::new();
        for id in &found.members {
            let name = self.directory().name(id).await?;
            let gone = || BlockError::NoSuchImage { image: self.label(&format!("(id {id})")) };
            let name = name.ok_or_else(gone)?;
            // Known before the first is touched, so that none goes back alone.
            if let Some(holder) = self.info(&name).await?.holder {
                return Err(BlockError::InUse { image: self.label(&name), owner: holder.owner });
            }
            images.push(name);
        }
        for image in images {
            self.snap_rollback(&image, &member_snapshot(group, snap), owner).await?;
        }
        Ok(())
    }
}
