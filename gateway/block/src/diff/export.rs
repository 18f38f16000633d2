//! Writing what changed from one snapshot to another.

use super::DiffError;
use super::format::{Head, Mark, Record};
use super::records::Out;
use super::walk::Run;
use crate::error::BlockError;
use crate::header::key;
use crate::images::Images;
use crate::knowledge::rows_of;
use crate::name;
use crate::snapshot::{self, Snapshot};
use bytes::Bytes;
use gateway_client::Rados;
use osd_object::SnapId;
use std::collections::BTreeMap;
use stdx::codec::from_bytes;
use tokio::io::AsyncWrite;

const ORIGIN: &str = "nacre_origin_";

/// The row that says where a snapshot was made first, if that was elsewhere.
pub(crate) fn origin_row(snap: SnapId) -> Bytes {
    key(&format!("{ORIGIN}{:016x}", snap.0))
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Ranges.
    pub ranges: u64,
    /// Bytes of data in them; the rest are zeros.
    pub data_bytes: u64,
}

/// The snapshots of an image with where each was made first.
pub(super) struct Marked {
    pub(super) id: String,
    rows: BTreeMap<Bytes, Bytes>,
    snapshots: Vec<Snapshot>,
}

impl Marked {
    pub(super) fn find(&self, snap: &str) -> Option<&Snapshot> {
        self.snapshots.iter().find(|s| s.name == snap && !s.removing)
    }
    pub(super) fn mark(&self, snapshot: &Snapshot) -> Mark {
        let kept = self.rows.get(&origin_row(snapshot.id)).and_then(|row| from_bytes(row.clone()).ok());
        let own = || format!("{}.{:x}.{:x}", self.id, snapshot.id.0, snapshot.created.0);
        Mark { name: snapshot.name.clone(), origin: kept.unwrap_or_else(own) }
    }
    pub(super) fn row(&self, name: &str) -> Option<&Bytes> {
        self.rows.get(name.as_bytes())
    }
}

impl<R: Rados> Images<R> {
    pub(super) async fn marked(&self, image: &str) -> Result<Marked, BlockError> {
        let id = self.directory().id(image).await?;
        let header = name::header(&id);
        let rows = rows_of(&self.rados, &self.pool, &header).await?;
        let (snapshots, _) = snapshot::from_rows(&header, &rows)?;
        Ok(Marked { id, rows, snapshots })
    }

    /// Writes to `out` what makes an image that is as `image` was at the snapshot `from` (none: that holds nothing)
    /// one that is as it was at `to`. `progress` is told bytes done and bytes of the image. `NoSuchSnapshot`.
    pub async fn export_diff(
        &self,
        image: &str,
        from: Option<&str>,
        to: &str,
        out: impl AsyncWrite + Unpin,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Written, DiffError> {
        let label = |snap: &str| format!("{}@{snap}", self.label(image));
        let missing = |snap: &str| BlockError::NoSuchSnapshot { snapshot: label(snap) };
        let marked = self.marked(image).await?;
        let end = marked.find(to).ok_or_else(|| missing(to))?;
        let begin = match from {
            Some(from) => Some(marked.find(from).ok_or_else(|| missing(from))?),
            None => None,
        };
        if let Some(begin) = begin.filter(|begin| begin.id >= end.id) {
            return Err(DiffError::Backwards { from: label(&begin.name), to: label(to) });
        }
        let open = self.open_read_only(&format!("{image}@{to}")).await?;
        let head = Head {
            image: self.label(image),
            size: open.size(),
            object_bytes: open.layout().object_bytes(),
            from: begin.map(|begin| marked.mark(begin)),
            to: marked.mark(end),
        };
        let mut out = Out::begin(out).await?;
        out.put(Record::Head(head)).await?;
        let size = open.size();
        let each = async |run: Run| match run {
            Run::Data(at, data) => out.put(Record::Data(at, data)).await,
            // To begin with everything is zeros.
            Run::Zero(..) if begin.is_none() => Ok(()),
            Run::Zero(at, len) => out.put(Record::Zero(at, len)).await,
        };
        open.walk::<DiffError>(begin, each, |at| progress(at, size)).await?;
        // A snapshot that went meanwhile was read as absent: what was told of it must not be taken for the truth.
        let now = self.marked(image).await?;
        for snapshot in begin.into_iter().chain([end]) {
            if now.find(&snapshot.name).is_none_or(|s| s.id != snapshot.id) {
                return Err(missing(&snapshot.name).into());
            }
        }
        let (ranges, data_bytes) = out.end().await?;
        Ok(Written { ranges, data_bytes })
    }
}
