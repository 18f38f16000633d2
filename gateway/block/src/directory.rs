//! The object that lists a pool's images: one row by name, one by id, and rows for what is being made or removed.
//! An image exists when its name row does; each change of it is one operation on this one object.

use crate::error::BlockError;
use crate::header::{key, row_is};
use crate::name;
use bytes::Bytes;
use gateway_client::{OpError, Rados};
use osd_object::op::Compare;
use osd_object::{ObjectName, OmapRange, Op, OpResult};
use stdx::Errno;
use stdx::codec::{from_bytes, to_bytes};

const BY_NAME: &str = "name_";
const BY_ID: &str = "id_";
const MAKING: &str = "nacre_making_";
const REMOVING: &str = "nacre_removing_";
const TRASH: &str = "nacre_trash_";

/// An image in the trash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trashed {
    /// Its id, by which it is known there.
    pub id: String,
    /// The name that it had.
    pub name: String,
    /// Until when it is to be kept, milliseconds since 1970.
    pub until_ms: u64,
}

/// The row of an image in the trash.
struct TrashRow {
    name: String,
    until_ms: u64,
}
stdx::codec_versioned!(TrashRow, 1 { name, until_ms });

/// What a row says of something under way.
pub(crate) struct UnderWay {
    /// The image's id.
    pub id: String,
    /// Its name, as far as it had one.
    pub name: String,
    /// Since when, milliseconds since 1970.
    pub since_ms: u64,
}
struct Note {
    name: String,
    since_ms: u64,
}
stdx::codec_versioned!(Note, 1 { name, since_ms });

/// The directory of one pool.
pub(crate) struct Directory<'a, R> {
    pub(crate) rados: &'a R,
    pub(crate) pool: &'a str,
}

fn row(prefix: &str, rest: &str) -> String {
    format!("{prefix}{rest}")
}
fn absent(name: &str) -> Op {
    row_is(name, Bytes::new())
}
fn present(name: &str) -> Op {
    Op::CmpOmap { key: key(name), compare: Compare::Ne, value: Bytes::new() }
}
fn set(rows: Vec<(String, Bytes)>) -> Op {
    Op::OmapSet { rows: rows.into_iter().map(|(k, v)| (k.into(), v)).collect() }
}
fn rm(rows: Vec<String>) -> Op {
    Op::OmapRm { keys: rows.into_iter().map(Bytes::from).collect() }
}
fn text(value: &str) -> Bytes {
    to_bytes(&value.to_string())
}

impl<R: Rados> Directory<'_, R> {
    fn label(&self, name: &str) -> String {
        format!("{}/{name}", self.pool)
    }
    fn exists(&self, name: &str) -> BlockError {
        BlockError::Exists { image: self.label(name) }
    }
    fn missing(&self, name: &str) -> BlockError {
        BlockError::NoSuchImage { image: self.label(name) }
    }
    fn damaged(&self, row: &str) -> BlockError {
        BlockError::Damaged { object: self.label(name::DIRECTORY), row: row.to_string() }
    }
    async fn run(&self, ops: Vec<Op>) -> Result<Vec<OpResult>, OpError> {
        self.rados.operate(self.pool, ObjectName::new(name::DIRECTORY), ops).await.map(|r| r.results)
    }

    /// Notes that an image is being made, so that what a crash leaves of it is found. `Exists`.
    pub(crate) async fn announce(&self, id: &str, name: &str) -> Result<(), BlockError> {
        let note = Note { name: name.to_string(), since_ms: self.rados.now().millis() };
        let ops = vec![absent(&row(BY_NAME, name)), set(vec![(row(MAKING, id), to_bytes(&note))])];
        self.run(ops).await.map(drop).map_err(|e| match e.code {
            Errno::ECANCELED => self.exists(name),
            _ => e.into(),
        })
    }

    /// The image exists from here on. `Exists`; `Changed` if it was tidied away meanwhile.
    pub(crate) async fn enter(&self, id: &str, name: &str) -> Result<(), BlockError> {
        let ops = vec![
            absent(&row(BY_NAME, name)),
            present(&row(MAKING, id)),
            set(vec![(row(BY_NAME, name), text(id)), (row(BY_ID, id), text(name))]),
            rm(vec![row(MAKING, id)]),
        ];
        match self.run(ops).await {
            Ok(_) => Ok(()),
            Err(e) if (e.code, e.step) == (Errno::ECANCELED, Some(0)) => Err(self.exists(name)),
            Err(e) if e.code == Errno::ECANCELED => Err(BlockError::Changed { image: self.label(name) }),
            Err(e) => Err(e.into()),
        }
    }

    /// An image that is being made never will be: it cannot be entered from here on, and what there is of it is to be
    /// removed. False: it was entered, or somebody else was quicker.
    pub(crate) async fn abandon(&self, id: &str, name: &str) -> Result<bool, BlockError> {
        let note = Note { name: name.to_string(), since_ms: self.rados.now().millis() };
        let ops = vec![
            present(&row(MAKING, id)),
            rm(vec![row(MAKING, id)]),
            set(vec![(row(REMOVING, id), to_bytes(&note))]),
        ];
        match self.run(ops).await {
            Ok(_) => Ok(true),
            Err(e) if e.code == Errno::ECANCELED => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// The id of an image.
    pub(crate) async fn id(&self, name: &str) -> Result<String, BlockError> {
        let by_name = row(BY_NAME, name);
        let results = match self.run(vec![Op::OmapGet { keys: vec![key(&by_name)] }]).await {
            // No image was ever made; a missing pool is another matter.
            Err(e) if e.code == Errno::ENOENT && e.step.is_some() => return Err(self.missing(name)),
            other => other?,
        };
        let [OpResult::Rows(page)] = &results[..] else { return Err(self.damaged(&by_name)) };
        let (_, value) = page.rows.first().ok_or_else(|| self.missing(name))?;
        from_bytes(value.clone()).map_err(|_| self.damaged(&by_name))
    }

    /// The name of an image; none if it has none (yet, or any more).
    pub(crate) async fn name(&self, id: &str) -> Result<Option<String>, BlockError> {
        let by_id = row(BY_ID, id);
        let results = match self.run(vec![Op::OmapGet { keys: vec![key(&by_id)] }]).await {
            Err(e) if e.code == Errno::ENOENT && e.step.is_some() => return Ok(None),
            other => other?,
        };
        let [OpResult::Rows(page)] = &results[..] else { return Err(self.damaged(&by_id)) };
        let value = page.rows.first().map(|(_, value)| value.clone());
        value.map(from_bytes).transpose().map_err(|_| self.damaged(&by_id))
    }

    /// All images, by name: (name, id).
    pub(crate) async fn list(&self) -> Result<Vec<(String, String)>, BlockError> {
        let mut all = Vec::new();
        for (k, value) in self.scan(BY_NAME).await? {
            let id = from_bytes(value).map_err(|_| self.damaged(&k))?;
            all.push((k[BY_NAME.len()..].to_string(), id));
        }
        Ok(all)
    }

    /// Images whose removal has begun and not ended.
    pub(crate) async fn removing(&self) -> Result<Vec<UnderWay>, BlockError> {
        self.under_way(REMOVING).await
    }
    /// Images whose making has begun and not ended.
    pub(crate) async fn making(&self) -> Result<Vec<UnderWay>, BlockError> {
        self.under_way(MAKING).await
    }
    async fn under_way(&self, prefix: &str) -> Result<Vec<UnderWay>, BlockError> {
        let mut all = Vec::new();
        for (k, value) in self.scan(prefix).await? {
            let note: Note = from_bytes(value).map_err(|_| self.damaged(&k))?;
            all.push(UnderWay {
                id: k[prefix.len()..].to_string(),
                name: note.name,
                since_ms: note.since_ms,
            });
        }
        Ok(all)
    }

    async fn scan(&self, prefix: &str) -> Result<Vec<(String, Bytes)>, BlockError> {
        let mut all = Vec::new();
        let mut range = OmapRange::prefix(prefix.as_bytes());
        loop {
            let results = match self.run(vec![Op::OmapGetRange { range: range.clone() }]).await {
                Err(e) if e.code == Errno::ENOENT && e.step.is_some() => return Ok(all),
                other => other?,
            };
            let [OpResult::Rows(page)] = &results[..] else { return Err(self.damaged(prefix)) };
            for (k, value) in &page.rows {
                let name = String::from_utf8(k.to_vec()).map_err(|_| self.damaged(prefix))?;
                all.push((name, value.clone()));
            }
            match page.rows.last() {
                Some((last, _)) if page.more => range = range.after(last),
                _ => return Ok(all),
            }
        }
    }

    /// Another name for an image. `NoSuchImage`, `Exists`.
    pub(crate) async fn rename(&self, id: &str, from: &str, to: &str) -> Result<(), BlockError> {
        let ops = vec![
            row_is(&row(BY_NAME, from), text(id)),
            absent(&row(BY_NAME, to)),
            set(vec![(row(BY_NAME, to), text(id)), (row(BY_ID, id), text(to))]),
            rm(vec![row(BY_NAME, from)]),
        ];
        match self.run(ops).await {
            Ok(_) => Ok(()),
            Err(e) if (e.code, e.step) == (Errno::ECANCELED, Some(0)) => Err(self.missing(from)),
            Err(e) if e.code == Errno::ECANCELED => Err(self.exists(to)),
            Err(e) => Err(e.into()),
        }
    }

    /// The name is free, the image on its way out.
    pub(crate) async fn retire(&self, id: &str, name: &str) -> Result<(), BlockError> {
        let note = Note { name: name.to_string(), since_ms: self.rados.now().millis() };
        let ops = vec![
            row_is(&row(BY_NAME, name), text(id)),
            rm(vec![row(BY_NAME, name), row(BY_ID, id)]),
            set(vec![(row(REMOVING, id), to_bytes(&note))]),
        ];
        self.run(ops).await.map(drop).map_err(|e| match e.code {
            Errno::ECANCELED => self.missing(name),
            _ => e.into(),
        })
    }

    /// The name is free, the image in the trash. `NoSuchImage` if it has not that name.
    pub(crate) async fn trash(&self, id: &str, name: &str, until_ms: u64) -> Result<(), BlockError> {
        self.trash_as(id, name, name, until_ms).await
    }

    /// The same, to be restored under another name than the one that it has.
    pub(crate) async fn trash_as(
        &self,
        id: &str,
        name: &str,
        restore_as: &str,
        until_ms: u64,
    ) -> Result<(), BlockError> {
        let note = TrashRow { name: restore_as.to_string(), until_ms };
        let ops = vec![
            row_is(&row(BY_NAME, name), text(id)),
            rm(vec![row(BY_NAME, name), row(BY_ID, id)]),
            set(vec![(row(TRASH, id), to_bytes(&note))]),
        ];
        self.run(ops).await.map(drop).map_err(|e| match e.code {
            Errno::ECANCELED => self.missing(name),
            _ => e.into(),
        })
    }

    /// What is in the trash, by id.
    pub(crate) async fn trashed(&self) -> Result<Vec<Trashed>, BlockError> {
        let mut all = Vec::new();
        for (k, value) in self.scan(TRASH).await? {
            let TrashRow { name, until_ms } = from_bytes(value).map_err(|_| self.damaged(&k))?;
            all.push(Trashed { id: k[TRASH.len()..].to_string(), name, until_ms });
        }
        Ok(all)
    }

    /// An image of the trash has a name again. `Exists`; `NotInTrash` if somebody else was quicker.
    pub(crate) async fn restore(&self, id: &str, name: &str) -> Result<(), BlockError> {
        let ops = vec![
            present(&row(TRASH, id)),
            absent(&row(BY_NAME, name)),
            set(vec![(row(BY_NAME, name), text(id)), (row(BY_ID, id), text(name))]),
            rm(vec![row(TRASH, id)]),
        ];
        match self.run(ops).await {
            Ok(_) => Ok(()),
            Err(e) if (e.code, e.step) == (Errno::ECANCELED, Some(0)) => {
                Err(BlockError::NotInTrash { pool: self.pool.to_string(), id: id.to_string() })
            }
            Err(e) if e.code == Errno::ECANCELED => Err(self.exists(name)),
            Err(e) => Err(e.into()),
        }
    }

    /// Nothing is left of it.
    pub(crate) async fn forget(&self, id: &str) -> Result<(), BlockError> {
        self.run(vec![rm(vec![row(REMOVING, id), row(MAKING, id)])]).await?;
        Ok(())
    }
}
