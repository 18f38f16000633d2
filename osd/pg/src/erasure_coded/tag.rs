//! What a shard says of the object it is part of, and the view in which a shard looks like the object.

use bytes::Bytes;
use osd_class::snapped::{SNAPSET, WHITEOUT};
use osd_object::{ObjectId, ObjectMeta, ObjectRead, OmapPage, OmapRange};
use placement_map::PoolId;
use std::collections::BTreeMap;
use stdx::Errno;
use stdx::codec::{from_bytes, to_bytes};

/// The attribute of a shard that holds its [`Tag`].
pub(crate) const TAG: &str = "\0ec";

/// Attributes that are not for clients.
pub(crate) fn is_internal(attribute: &str) -> bool {
    attribute.starts_with('\0')
}

/// Whether the object has an attribute of this name: of those that an OSD keeps for itself, what tells its snapshots.
fn is_of_object(attribute: &str) -> bool {
    !is_internal(attribute) || [SNAPSET, WHITEOUT].contains(&attribute)
}

/// Which shard of which object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    /// The object's own size, bytes.
    pub(crate) size: u64,
    /// The shard's position.
    pub(crate) shard: u8,
}
stdx::codec_versioned!(Tag, 1 { size, shard });

impl Tag {
    pub(crate) fn bytes(self) -> Bytes {
        to_bytes(&self)
    }
    /// EIO for what is no tag: the shard is of no use then.
    pub(crate) fn read(bytes: Bytes) -> Result<Tag, Errno> {
        from_bytes(bytes).map_err(|_| Errno::EIO)
    }
    /// The tag of a stored shard; none if the object is not there.
    pub(crate) fn of(view: &dyn ObjectRead, object: &ObjectId) -> Result<Option<Tag>, Errno> {
        view.xattr(object, TAG)?.map(Tag::read).transpose()
    }
}

/// Size, version and time of the object that a stored shard is part of. EIO for a shard that does not say.
pub fn object_meta(view: &dyn ObjectRead, object: &ObjectId) -> Result<Option<ObjectMeta>, Errno> {
    Logical(view).meta(object)
}

/// A store of shards, seen as one of objects: sizes are the objects', and there is no omap.
pub(crate) struct Logical<'a>(pub(crate) &'a dyn ObjectRead);

impl ObjectRead for Logical<'_> {
    fn meta(&self, object: &ObjectId) -> Result<Option<ObjectMeta>, Errno> {
        let Some(mut meta) = self.0.meta(object)? else { return Ok(None) };
        meta.size = Tag::of(self.0, object)?.ok_or(Errno::EIO)?.size;
        Ok(Some(meta))
    }
    fn xattr(&self, object: &ObjectId, name: &str) -> Result<Option<Bytes>, Errno> {
        if is_of_object(name) { self.0.xattr(object, name) } else { Ok(None) }
    }
    fn xattrs(&self, object: &ObjectId) -> Result<BTreeMap<String, Bytes>, Errno> {
        let mut all = self.0.xattrs(object)?;
        all.retain(|name, _| is_of_object(name));
        Ok(all)
    }
    fn omap_get(&self, _: &ObjectId, _: &[u8]) -> Result<Option<Bytes>, Errno> {
        Err(Errno::EOPNOTSUPP)
    }
    fn omap_range(&self, _: &ObjectId, _: &OmapRange) -> Result<OmapPage, Errno> {
        Err(Errno::EOPNOTSUPP)
    }
    fn list(&self, pool: PoolId, from: Option<&ObjectId>, max: usize) -> Result<Vec<ObjectId>, Errno> {
        self.0.list(pool, from, max)
    }
}
