//! What the methods of `lock` take and give, and the row they keep.

use osd_object::Op;
use stdx::codec::to_bytes;

/// The class, as `Op::Call` names it.
pub const CLASS: &str = "lock";
/// The omap key of the row.
pub const ROW: &[u8] = b"nacre_lock";
/// The longest owner, bytes.
pub const OWNER_BYTES_MAX: usize = 256;

/// Who has the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The daemon or client, for people: `gateway.0`.
    pub owner: String,
    /// Drawn at random by each taker, so that two lives of one owner differ.
    pub cookie: u64,
    /// How long its silence has to be before another may take over, milliseconds.
    pub lease_ms: u32,
}
stdx::codec_plain!(Holder { owner, cookie, lease_ms });

/// The state of the lock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockRow {
    /// Counts the holders, from 1; 0: never held.
    pub generation: u64,
    /// Counts this holder's signs of life.
    pub renewals: u64,
    /// The newest generation that did not release the lock itself: it may still have writes under way. 0: none.
    pub unclean: u64,
    /// Who has it; none: free.
    pub holder: Option<Holder>,
}
stdx::codec_versioned!(LockRow, 1 { generation, renewals, unclean, holder });

impl LockRow {
    /// What a taker over must have seen.
    pub fn stamp(&self) -> Stamp {
        Stamp { generation: self.generation, renewals: self.renewals }
    }
}

/// One state of a holder: it changes with each sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The holder's generation.
    pub generation: u64,
    /// Its signs of life.
    pub renewals: u64,
}
stdx::codec_plain!(Stamp { generation, renewals });

/// Input of `take`. Gives the row. EBUSY, with the row as detail, if another has it and `over` is not its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Take {
    /// Who wants it.
    pub holder: Holder,
    /// The state of the silent holder to take it from.
    pub over: Option<Stamp>,
}
stdx::codec_plain!(Take { holder, over });

/// Input of `renew` (gives the row), `release` and `assert`. ESTALE if the lock is no longer that holder's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The holder's generation.
    pub generation: u64,
    /// Its cookie.
    pub cookie: u64,
}
stdx::codec_plain!(Held { generation, cookie });

/// Input of `break`: by an operator's word that the holder is gone. Gives the row; EBUSY if another generation has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Break {
    /// The generation to break.
    pub generation: u64,
}
stdx::codec_plain!(Break { generation });

/// A step that lets a compound operation happen only while that holder has the lock on the same object.
pub fn assert_held(held: Held) -> Op {
    Op::Call { class: CLASS.into(), method: "assert".into(), input: to_bytes(&held) }
}
