//! How a pool's copies are to be spread: the shapes that can be asked for by name.

/// Datacenters over which [`PoolPlacement::MultiAz`] spreads.
pub const ZONES: u32 = 3;

/// Where a new pool's copies (or shards) go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PoolPlacement {
    /// Each in another failure domain below the root.
    #[default]
    Spread,
    /// The same number in each of three datacenters: all can be read with any one of them gone.
    MultiAz,
    /// All in one datacenter, each in another failure domain there.
    OneZone {
        /// Its name.
        datacenter: String,
    },
    /// As a rule says that is there already.
    Rule {
        /// Its name.
        name: String,
    },
}
stdx::codec_enum!(PoolPlacement {
    0 => Spread,
    1 => MultiAz,
    2 => OneZone { datacenter },
    3 => Rule { name },
});
