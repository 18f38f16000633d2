//! How ids and times stand in an OSDMap.

use super::error::{OsdMapError, OsdMapFault};
use super::wire::{Reader, Wire, wire_struct};
use crate::ids::{Epoch, OsdId, PgId, PoolId};
use crate::osd::Uuid;
use stdx::time::WallTime;

/// A time of day as Ceph keeps it (`utime_t`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Since 1970-01-01 UTC.
    pub seconds: u32,
    /// Below a billion where a Ceph wrote it.
    pub nanoseconds: u32,
}
wire_struct!(Stamp { seconds: u32, nanoseconds: u32 });

impl From<WallTime> for Stamp {
    /// Ends at 2106, as Ceph's does.
    fn from(time: WallTime) -> Stamp {
        let nanoseconds = (time.0 % 1_000_000_000) as u32;
        Stamp { seconds: u32::try_from(time.seconds()).unwrap_or(u32::MAX), nanoseconds }
    }
}

impl Wire for Epoch {
    const BYTES_MIN: usize = 4;
    fn read(r: &mut Reader<'_>) -> Result<Self, OsdMapError> {
        r.read().map(Epoch)
    }
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
}

/// Signed in Ceph, where -1 stands for nobody; the bits are kept.
impl Wire for OsdId {
    const BYTES_MIN: usize = 4;
    fn read(r: &mut Reader<'_>) -> Result<Self, OsdMapError> {
        r.read().map(OsdId)
    }
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
}

/// Signed in Ceph, where -1 stands for no pool; the bits are kept.
impl Wire for PoolId {
    const BYTES_MIN: usize = 8;
    fn read(r: &mut Reader<'_>) -> Result<Self, OsdMapError> {
        r.read().map(PoolId)
    }
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
}

/// `pg_t`: a version, pool, seed and the OSD that PGs bound to one OSD once preferred (-1 since there are none).
impl Wire for PgId {
    const BYTES_MIN: usize = 17;
    fn read(r: &mut Reader<'_>) -> Result<Self, OsdMapError> {
        let start = r.fault(OsdMapFault::Order);
        let wrong = |value: i64| OsdMapError { fault: OsdMapFault::Value(value), ..start.clone() };
        let version: u8 = r.read()?;
        if version != 1 {
            return Err(wrong(version.into()));
        }
        let pg = PgId { pool: r.read()?, seed: r.read()? };
        let preferred: i32 = r.read()?;
        if preferred != -1 {
            return Err(wrong(preferred.into()));
        }
        Ok(pg)
    }
    fn write(&self, out: &mut Vec<u8>) {
        1u8.write(out);
        self.pool.write(out);
        self.seed.write(out);
        (-1i32).write(out);
    }
}

impl Wire for Uuid {
    const BYTES_MIN: usize = 16;
    fn read(r: &mut Reader<'_>) -> Result<Self, OsdMapError> {
        r.array().map(Uuid)
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.0);
    }
}
