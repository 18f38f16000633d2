//! What can be wrong with a profile, with chunks, and with a stripe that lost too many of them.

use crate::ChunkSet;
use thiserror::Error;

/// A profile that names no code of ours.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProfileError {
    /// Too few or too many data chunks.
    #[error("k={0} data chunks: k goes from 2 to {max}; with one data chunk use a replicated pool", max = crate::profile::K_MAX)]
    DataChunks(usize),
    /// Too few or too many parity chunks.
    #[error("m={0} parity chunks: m goes from 1 to {max}; with none the first lost disk loses data", max = crate::profile::M_MAX)]
    ParityChunks(usize),
    /// ISA-L's Vandermonde matrix would not survive every loss of m chunks.
    #[error(
        "isa reed_sol_van cannot rebuild every loss with k={k}, m={m}: it takes m up to 4, and k up to 21 with m=4; use technique=cauchy"
    )]
    NotMds {
        /// Data chunks.
        k: usize,
        /// Parity chunks.
        m: usize,
    },
    /// The local groups do not come out even, or are too small.
    #[error(
        "lrc with k={k}, m={m}, l={l}: l must be 2 or more and divide k + m, and there must be 2 or more groups, (k + m) / l, that share k and m evenly"
    )]
    Groups {
        /// Data chunks.
        k: usize,
        /// Global parity chunks.
        m: usize,
        /// Chunks of a local group, without its local parity.
        l: usize,
    },
    /// More chunks than a stripe may have.
    #[error("{0} chunks a stripe: at most {max}", max = ChunkSet::POSITIONS_MAX)]
    TooManyChunks(usize),
    /// A plugin that is not offered.
    #[error("plugin {0:?} is not offered; take isa, jerasure or lrc")]
    Plugin(String),
    /// A technique that is not offered for this plugin.
    #[error("plugin {plugin} has no technique {technique:?} here; it takes {offered}")]
    Technique {
        /// The plugin.
        plugin: &'static str,
        /// What was asked for.
        technique: String,
        /// What it takes.
        offered: &'static str,
    },
    /// A setting that this code does not have.
    #[error("{0:?} is no setting of this erasure code; it takes plugin, technique, k, m, with lrc also l")]
    Setting(String),
    /// A setting without a value, with one that is no number, or given twice.
    #[error("{0:?} should be one NAME=VALUE, with a number where one is needed")]
    Value(String),
    /// A setting that is needed.
    #[error("{0} is missing from the profile")]
    Missing(&'static str),
    /// A stripe unit that Ceph's plugins would pad.
    #[error("stripe unit {0}: it must be a multiple of {alignment} bytes, and not 0", alignment = crate::CHUNK_ALIGNMENT)]
    StripeUnit(u64),
}

/// Chunks that do not fit the code or each other. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChunkError {
    /// Not as many as the code or the plan takes.
    #[error("{got} {what}, {wanted} are needed")]
    Count {
        /// Which chunks.
        what: &'static str,
        /// How many there must be.
        wanted: usize,
        /// How many there are.
        got: usize,
    },
    /// Chunks of one stripe are equally long.
    #[error("a chunk of {got} bytes among chunks of {wanted}: read it again in full, or count it as lost")]
    Length {
        /// The length of the first.
        wanted: usize,
        /// The length of this one.
        got: usize,
    },
    /// Chunks hold something.
    #[error("chunks of 0 bytes hold nothing to work on")]
    Empty,
    /// No such chunk, or none of the right kind.
    #[error("there is no {what} chunk {position} in this code")]
    Position {
        /// What it should be.
        what: &'static str,
        /// What was asked for.
        position: usize,
    },
}

/// The wanted chunks cannot be had from those that are available.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "chunks {missing} are lost and cannot be rebuilt from chunks {available}: bring one of the lost back"
)]
pub struct TooManyLost {
    /// Wanted, and neither available nor to be rebuilt.
    pub missing: ChunkSet,
    /// What there is.
    pub available: ChunkSet,
}
