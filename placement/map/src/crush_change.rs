//! Changes that operators make to the CRUSH map.

use crate::ids::OsdId;

/// One change. Names are those of buckets, rules or OSDs (`osd.3`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CrushChange {
    /// Makes an empty bucket that stands in no other yet.
    AddBucket {
        /// Its name.
        name: String,
        /// Its type: `rack`, `datacenter`, `root`, ...
        kind: String,
    },
    /// Hangs a bucket with all below it, or an OSD, below another bucket. All buckets named must exist.
    Move {
        /// What.
        name: String,
        /// Pairs of type and name; see [`crate::location`].
        location: Vec<(String, String)>,
    },
    /// Sets the weight of an OSD, or of each OSD below a bucket.
    Reweight {
        /// Which.
        name: String,
        /// The weight (16.16).
        weight: u32,
    },
    /// Removes an empty bucket, or what is left of an OSD that exists no more.
    Rm {
        /// Which.
        name: String,
    },
    /// Makes a rule of Ceph's simple kind: each member in another `domain` below `root`. Or, with `zone_members`, one
    /// that spreads over three datacenters.
    RuleCreate {
        /// Its name.
        name: String,
        /// The bucket to start from.
        root: String,
        /// A type.
        domain: String,
        /// Only OSDs of this class.
        class: Option<String>,
        /// For shards instead of copies.
        erasure: bool,
        /// So many members in each of three datacenters, each in another `domain` there; 0: wherever.
        zone_members: u32,
    },
    /// Removes a rule that no pool uses.
    RuleRm {
        /// Which.
        name: String,
    },
    /// Gives OSDs a device class, or takes it away.
    SetDeviceClass {
        /// The class.
        class: Option<String>,
        /// Which.
        osds: Vec<OsdId>,
    },
}
stdx::codec_enum!(CrushChange {
    0 => AddBucket { name, kind },
    1 => Move { name, location },
    2 => Reweight { name, weight },
    3 => Rm { name },
    4 => RuleCreate { name, root, domain, class, erasure, zone_members },
    5 => RuleRm { name },
    6 => SetDeviceClass { class, osds },
});
