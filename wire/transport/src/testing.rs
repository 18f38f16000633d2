//! What the tests of this package share.

use crate::credentials::{create_authority, issue};
use crate::{Mode, PeerName, Security};
use bytes::Bytes;
use osd_object::{ObjectId, ObjectName, Op, RequestId, SnapContext};
use placement_map::{Epoch, PgId, PoolId};
use stdx::time::WallTime;
use wire_codec::{Message, OpTarget, OsdOp};

/// An authority in a scratch directory.
pub(crate) struct Cluster {
    dir: tempfile::TempDir,
}

impl Cluster {
    pub(crate) fn new(fsid: &str) -> Cluster {
        let dir = tempfile::tempdir().unwrap();
        create_authority(dir.path(), fsid).unwrap();
        Cluster { dir }
    }
    pub(crate) fn credential(&self, who: &str) -> crate::Credential {
        issue(self.dir.path(), &name(who)).unwrap()
    }
    pub(crate) fn security(&self, who: &str, mode: Mode) -> Security {
        Security::new(&self.credential(who), mode).unwrap()
    }
}

pub(crate) fn name(who: &str) -> PeerName {
    who.parse().unwrap()
}

pub(crate) fn ping(stamp: u64) -> Message {
    Message::Ping { stamp }
}

/// A write of `data`, the message that is largest in practice.
pub(crate) fn write_of(data: Bytes) -> Message {
    let pool = PoolId(1);
    Message::OsdOp(OsdOp {
        request: RequestId { client: 1, seq: 1 },
        epoch: Epoch(1),
        pg: PgId { pool, seed: 0 },
        target: OpTarget::Object {
            object: ObjectId::head(pool, 0, ObjectName::new("o")),
            ops: vec![Op::WriteFull { data }],
        },
        mtime: WallTime(0),
        snaps: SnapContext::default(),
    })
}
