//! Images layered on a protected snapshot of another: made at once whatever the size, independent after a flatten.
//!
//! The parent's header lists the children of each snapshot, and is told before a child exists, so that a snapshot that
//! somebody needs is never unprotected. A child row whose image was never finished, or is gone, is cleared away.

use crate::error::BlockError;
use crate::header::{self, FEATURE_LAYERING, Header, PARENT, key, row_is};
use crate::images::Images;
use crate::knowledge::{rows_of, unchanged};
use crate::layout::ORDER_MAX;
use crate::name;
use crate::snapshot::Parent;
use bytes::Bytes;
use futures_util::future::try_join_all;
use gateway_client::Rados;
use osd_class::lock::assert_held;
use osd_object::{ObjectName, Op, SnapId};
use stdx::Errno;
use stdx::codec::{from_bytes, to_bytes};

const CHILD: &str = "nacre_child_";
/// Changes with each child that is added, so that who saw none can say so.
const CHILDREN: &str = "nacre_children";
/// Objects copied at a time by a flatten.
const AT_ONCE: u64 = 8;

/// A clone of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// Its pool.
    pub pool: String,
    /// Its id.
    pub id: String,
    /// Its name; none while it is being made or removed.
    pub name: Option<String>,
}

/// A child as its parent's header has it.
struct ChildRow {
    pool: String,
    id: String,
}
stdx::codec_versioned!(ChildRow, 1 { pool, id });

fn child_row(snap: SnapId, child: &str) -> Bytes {
    key(&format!("{CHILD}{:016x}_{child}", snap.0))
}

impl<R: Rados> Images<R> {
    /// Makes `name` in `into`, an image that begins as a protected snapshot is. Takes no space until it is written.
    pub async fn clone_snapshot(
        &self,
        image: &str,
        snap: &str,
        into: &Images<R>,
        name: &str,
    ) -> Result<(), BlockError> {
        name::check_name(name)?;
        let (parent, found) = self.snapshot(image, snap).await?;
        let label = format!("{}@{snap}", self.label(image));
        if !found.protected || found.removing {
            return Err(BlockError::NotProtected { snapshot: label });
        }
        let layout = self.header(&parent, image).await?.layout;
        if layout.order() >= ORDER_MAX {
            // An object has to fit one operation to be copied up.
            return Err(BlockError::Invalid(format!(
                "{label} has objects of 32 MiB; clones need smaller ones"
            )));
        }
        let header = Header {
            size: found.size,
            layout,
            features: header::FEATURE_EXCLUSIVE_LOCK | FEATURE_LAYERING,
            data_prefix: String::new(),
            data_pool: None,
            snap_seq: 0,
            created: self.rados.now(),
            pending: None,
            snapshots: Vec::new(),
            parent: Some(Parent {
                pool: self.pool.clone(),
                image: parent.clone(),
                snap: found.id,
                overlap: found.size,
            }),
        };
        let announce = async |child: &str| {
            let drawn = getrandom::u64().map_err(|e| BlockError::Invalid(format!("no entropy: {e}")))?;
            let row = ChildRow { pool: into.pool.clone(), id: child.to_string() };
            let rows = vec![(child_row(found.id, child), to_bytes(&row)), (key(CHILDREN), to_bytes(&drawn))];
            let ops = vec![unchanged(&found), Op::OmapSet { rows }];
            self.on_header(&parent, ops).await.map(drop).map_err(|e| self.changed(image, e))
        };
        into.make(name, header, announce).await
    }

    /// The clones of a snapshot.
    pub async fn children(&self, image: &str, snap: &str) -> Result<Vec<Child>, BlockError> {
        let (id, found) = self.snapshot(image, snap).await?;
        let mut children = Vec::new();
        for (_, child) in self.child_rows(&id, found.id).await?.0 {
            let name = self.in_pool(&child.pool).directory().name(&child.id).await?;
            children.push(Child { pool: child.pool, id: child.id, name });
        }
        Ok(children)
    }

    async fn child_rows(
        &self,
        id: &str,
        snap: SnapId,
    ) -> Result<(Vec<(Bytes, ChildRow)>, Bytes), BlockError> {
        let header = name::header(id);
        let rows = rows_of(&self.rados, &self.pool, &header).await?;
        let prefix = child_row(snap, "");
        let mut children = Vec::new();
        for (row, value) in rows.range(prefix.clone()..).take_while(|(row, _)| row.starts_with(&prefix)) {
            let damaged = |_| BlockError::Damaged {
                object: header.clone(),
                row: String::from_utf8_lossy(row).into_owned(),
            };
            children.push((row.clone(), from_bytes(value.clone()).map_err(damaged)?));
        }
        Ok((children, rows.get(CHILDREN.as_bytes()).cloned().unwrap_or_default()))
    }

    /// A guard that holds while a snapshot has no clones. `HasChildren`.
    pub(crate) async fn no_children(&self, id: &str, snap: SnapId, label: &str) -> Result<Op, BlockError> {
        let (children, generation) = self.child_rows(id, snap).await?;
        let count = children.len();
        for (row, child) in children {
            let there = self.in_pool(&child.pool);
            let making = there.directory().making().await?;
            let header = there.rados.operate(
                &there.pool,
                ObjectName::new(name::header(&child.id)),
                vec![Op::AssertExists],
            );
            match header.await {
                Err(e) if e.code == Errno::ENOENT && !making.iter().any(|m| m.id == child.id) => {
                    // Never finished, or gone.
                    self.on_header(id, vec![Op::OmapRm { keys: vec![row] }]).await?;
                }
                Err(e) if e.code != Errno::ENOENT => return Err(e.into()),
                _ => return Err(BlockError::HasChildren { snapshot: label.to_string(), count }),
            }
        }
        Ok(row_is(CHILDREN, generation))
    }

    /// The image keeps all its bytes itself: what is still its parent's is copied, holes stay holes. It must not be in
    /// use. Gives whether there was anything to do.
    pub async fn flatten(
        &self,
        image: &str,
        owner: &str,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<bool, BlockError> {
        let id = self.directory().id(image).await?;
        let open = self.open_id(image, &id, owner).await?;
        let done = async {
            let header = self.header(&id, image).await?;
            let Some(parent) = header.parent else { return Ok(None) };
            let objects = header.layout.objects(parent.overlap.min(header.size));
            let mut first = 0;
            while first < objects {
                let last = objects.min(first + AT_ONCE);
                try_join_all((first..last).map(|o| open.copy_up(o))).await?;
                first = last;
                progress(first, objects);
            }
            let mut ops: Vec<Op> = open.held().map(assert_held).into_iter().collect();
            let features = header.features & !FEATURE_LAYERING;
            ops.push(row_is(PARENT, to_bytes(&parent)));
            ops.push(Op::OmapSet { rows: vec![(key("features"), to_bytes(&features))] });
            ops.push(Op::OmapRm { keys: vec![key(PARENT)] });
            self.on_header(&id, ops).await.map_err(|e| self.changed(image, e))?;
            Ok(Some(parent))
        };
        let done: Result<Option<Parent>, BlockError> = done.await;
        open.close().await?;
        let parent = done?;
        self.let_parent_go(&id, image, parent.as_ref()).await?;
        Ok(parent.is_some())
    }

    /// An image, or a snapshot of it, no longer needs a parent: the parent hears of it once nothing of the image does.
    pub(crate) async fn let_parent_go(
        &self,
        id: &str,
        image: &str,
        parent: Option<&Parent>,
    ) -> Result<(), BlockError> {
        let Some(parent) = parent else { return Ok(()) };
        let same = |other: Option<&Parent>| {
            other.is_some_and(|o| (&o.pool, &o.image, o.snap) == (&parent.pool, &parent.image, parent.snap))
        };
        match self.header(id, image).await {
            Ok(header) => {
                let needed =
                    same(header.parent.as_ref()) || header.snapshots.iter().any(|s| same(s.parent.as_ref()));
                if needed {
                    return Ok(());
                }
            }
            Err(BlockError::NoSuchImage { .. }) => {}
            Err(other) => return Err(other),
        }
        let ops = vec![Op::AssertExists, Op::OmapRm { keys: vec![child_row(parent.snap, id)] }];
        match self.in_pool(&parent.pool).on_header(&parent.image, ops).await {
            Err(e) if e.code == Errno::ENOENT => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }
}
