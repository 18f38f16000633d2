//! The CRUSH map as part of the cluster map: shared, compared by pointer first, stored in Ceph's binary form.

use bytes::Bytes;
use crush::CrushMap;
use std::ops::Deref;
use std::sync::Arc;
use stdx::codec::{Decode, DecodeError, Encode, Reader, Writer};

/// A CRUSH map that copies of a cluster map share until one of them changes it.
#[derive(Clone, Debug)]
pub struct SharedCrush(Arc<CrushMap>);

impl SharedCrush {
    /// A map to share.
    pub fn new(map: CrushMap) -> SharedCrush {
        SharedCrush(Arc::new(map))
    }
    /// The map, for changing it; copied first if somebody else holds it too.
    pub fn make_mut(&mut self) -> &mut CrushMap {
        Arc::make_mut(&mut self.0)
    }
}

impl Deref for SharedCrush {
    type Target = CrushMap;
    fn deref(&self) -> &CrushMap {
        &self.0
    }
}

impl PartialEq for SharedCrush {
    fn eq(&self, other: &SharedCrush) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}
impl Eq for SharedCrush {}

impl Encode for SharedCrush {
    fn encode(&self, w: &mut Writer) {
        w.bytes(&self.0.encode());
    }
}

impl Decode for SharedCrush {
    fn decode(r: &mut Reader) -> Result<SharedCrush, DecodeError> {
        let bytes: Bytes = r.bytes()?;
        let map = CrushMap::decode(&bytes).map_err(|_| DecodeError::Invalid("CRUSH map"))?;
        Ok(SharedCrush::new(map))
    }
}
