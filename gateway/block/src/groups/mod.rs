//! Groups of images whose snapshots are of one moment: a VM's disks, a database's data and log.
//!
//! A pool's groups are rows of one object, each replaced as a whole if it is still what was read. Rows:
//! docs/formats/image.md.

mod snapshots;

use crate::error::BlockError;
use crate::header::{key, row_is};
use crate::images::Images;
use crate::knowledge::rows_of;
use crate::name::check_name;
use bytes::Bytes;
use gateway_client::Rados;
use osd_object::{ObjectName, OmapRange, Op, OpResult};
use stdx::Errno;
use stdx::codec::{from_bytes, to_bytes};
use stdx::time::WallTime;

/// The object of a pool's groups.
const DIRECTORY: &str = "rbd_group_directory";
const ROW: &str = "nacre_group_";
/// The most images of a group: while its snapshot is made they all wait for each other.
const MEMBERS_MAX: usize = 32;
/// The most snapshots of a group.
const SNAPSHOTS_MAX: usize = 64;
/// The most groups of a pool.
const GROUPS_MAX: usize = 500;

/// One snapshot of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSnapshot {
    /// Its name.
    pub name: String,
    /// When it was begun.
    pub created: WallTime,
    /// All its images have it. If not, its making was cut short, or goes on.
    pub complete: bool,
    /// The ids of the images that it is of.
    pub members: Vec<String>,
}
stdx::codec_plain!(GroupSnapshot { name, created, complete, members });

/// The row of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Row {
    members: Vec<String>,
    snapshots: Vec<GroupSnapshot>,
}
stdx::codec_versioned!(Row, 1 { members, snapshots });

/// An image of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: String,
    /// Its name; none: it was removed, or lies in the trash.
    pub name: Option<String>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its images.
    pub members: Vec<Member>,
    /// Its snapshots, oldest first.
    pub snapshots: Vec<GroupSnapshot>,
}

fn row_key(group: &str) -> String {
    format!("{ROW}{group}")
}

impl<R: Rados> Images<R> {
    fn group_label(&self, group: &str) -> String {
        format!("{}/{group}", self.pool)
    }

    async fn on_groups(&self, ops: Vec<Op>) -> Result<Vec<OpResult>, gateway_client::OpError> {
        self.rados.operate(&self.pool, ObjectName::new(DIRECTORY), ops).await.map(|r| r.results)
    }

    /// All rows, by group.
    async fn group_rows(&self) -> Result<Vec<(String, Bytes)>, BlockError> {
        let rows = match rows_of(&self.rados, &self.pool, DIRECTORY).await {
            Err(e) if e.code == Errno::ENOENT && e.step.is_some() => return Ok(Vec::new()),
            other => other?,
        };
        let damaged = || BlockError::Damaged { object: self.group_label(DIRECTORY), row: ROW.to_string() };
        let groups = rows.into_iter().filter(|(key, _)| key.starts_with(ROW.as_bytes()));
        let name = |key: Bytes| String::from_utf8(key[ROW.len()..].to_vec()).map_err(|_| damaged());
        groups.map(|(key, value)| Ok((name(key)?, value))).collect()
    }

    fn group_row(&self, group: &str, value: Bytes) -> Result<Row, BlockError> {
        let damaged = |_| BlockError::Damaged { object: self.group_label(DIRECTORY), row: row_key(group) };
        from_bytes(value).map_err(damaged)
    }

    /// The row as it is stored, and what it says. `NoSuchGroup`.
    async fn group_read(&self, group: &str) -> Result<(Bytes, Row), BlockError> {
        // Of all keys that begin so the one that ends there comes first.
        let wanted = row_key(group);
        let range = OmapRange { rows_max: 1, ..OmapRange::prefix(wanted.as_bytes()) };
        let found = match self.on_groups(vec![Op::OmapGetRange { range }]).await {
            Err(e) if e.code == Errno::ENOENT && e.step.is_some() => None,
            other => match other?.into_iter().next() {
                Some(OpResult::Rows(page)) => page.rows.into_iter().next(),
                _ => None,
            },
        };
        let found = found.filter(|(key, _)| *key == wanted.as_bytes());
        let missing = || BlockError::NoSuchGroup { group: self.group_label(group) };
        let (_, value) = found.ok_or_else(missing)?;
        Ok((value.clone(), self.group_row(group, value)?))
    }

    /// Changes a group's row, again as often as somebody else was faster.
    async fn group_change(
        &self,
        group: &str,
        mut change: impl FnMut(&mut Row) -> Result<(), BlockError>,
    ) -> Result<Row, BlockError> {
        loop {
            let (before, mut row) = self.group_read(group).await?;
            change(&mut row)?;
            let value = to_bytes(&row);
            if value == before {
                return Ok(row);
            }
            let ops = vec![
                row_is(&row_key(group), before),
                Op::OmapSet { rows: vec![(key(&row_key(group)), value)] },
            ];
            match self.on_groups(ops).await {
                Err(e) if e.code == Errno::ECANCELED => {}
                other => return Ok(other.map(|_| row)?),
            }
        }
    }

    /// Makes a group of no images yet.
    pub async fn group_create(&self, group: &str) -> Result<(), BlockError> {
        check_name(group)?;
        if self.group_rows().await?.len() >= GROUPS_MAX {
            return Err(BlockError::Invalid(format!("the pool has {GROUPS_MAX} groups already")));
        }
        let exists = || BlockError::Invalid(format!("the group {} exists already", self.group_label(group)));
        let row = vec![(key(&row_key(group)), to_bytes(&Row::default()))];
        let ops = vec![row_is(&row_key(group), Bytes::new()), Op::OmapSet { rows: row }];
        match self.on_groups(ops).await {
            Err(e) if e.code == Errno::ECANCELED => Err(exists()),
            other => Ok(other.map(drop)?),
        }
    }

    /// All groups, by name.
    pub async fn groups(&self) -> Result<Vec<Group>, BlockError> {
        let mut all = Vec::new();
        for (name, value) in self.group_rows().await? {
            let row = self.group_row(&name, value)?;
            all.push(self.with_names(name, row).await?);
        }
        Ok(all)
    }

    /// One group. `NoSuchGroup`.
    pub async fn group(&self, group: &str) -> Result<Group, BlockError> {
        let (_, row) = self.group_read(group).await?;
        self.with_names(group.to_string(), row).await
    }

    async fn with_names(&self, name: String, row: Row) -> Result<Group, BlockError> {
        let mut members = Vec::new();
        for id in row.members {
            let name = self.directory().name(&id).await?;
            members.push(Member { id, name });
        }
        Ok(Group { name, members, snapshots: row.snapshots })
    }

    /// Takes an image of the pool into a group. It may be in several.
    pub async fn group_add(&self, group: &str, image: &str) -> Result<(), BlockError> {
        let id = self.directory().id(image).await?;
        let change = |row: &mut Row| {
            if row.members.contains(&id) {
                return Ok(());
            }
            if row.members.len() >= MEMBERS_MAX {
                return Err(BlockError::Invalid(format!("a group has up to {MEMBERS_MAX} images")));
            }
            row.members.push(id.clone());
            Ok(())
        };
        self.group_change(group, change).await.map(drop)
    }

    /// Takes an image (its name, or its id if it is gone) out of a group. Snapshots that the group has stay what they are.
    pub async fn group_remove(&self, group: &str, image: &str) -> Result<(), BlockError> {
        let id = match self.directory().id(image).await {
            Err(BlockError::NoSuchImage { .. }) => image.to_string(),
            other => other?,
        };
        let missing = || BlockError::NoSuchImage { image: self.label(image) };
        let change = |row: &mut Row| {
            let at = row.members.iter().position(|member| *member == id).ok_or_else(missing)?;
            row.members.remove(at);
            Ok(())
        };
        self.group_change(group, change).await.map(drop)
    }

    /// Removes a group, not its images. `Invalid` while it has snapshots.
    pub async fn group_delete(&self, group: &str) -> Result<(), BlockError> {
        loop {
            let (before, row) = self.group_read(group).await?;
            if !row.snapshots.is_empty() {
                return Err(BlockError::Invalid(format!(
                    "the group {} has {} snapshots (`nacre group snap ls` shows them); remove them first",
                    self.group_label(group),
                    row.snapshots.len()
                )));
            }
            let ops = vec![row_is(&row_key(group), before), Op::OmapRm { keys: vec![key(&row_key(group))] }];
            match self.on_groups(ops).await {
                Err(e) if e.code == Errno::ECANCELED => {}
                other => return Ok(other.map(drop)?),
            }
        }
    }
}
