//! Rules: the small programs that turn a placement seed into devices.

/// What a step does. The numbers are Ceph's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Nothing.
    Noop,
    /// Start from item `arg1`.
    Take,
    /// Choose `arg1` items of type `arg2` under each item at hand, closing up over failures.
    ChooseFirstn,
    /// The same, leaving holes, so that positions keep their meaning (erasure code shards).
    ChooseIndep,
    /// Put the items at hand into the result.
    Emit,
    /// Like [`Op::ChooseFirstn`], then one device under each.
    ChooseleafFirstn,
    /// Like [`Op::ChooseIndep`], then one device under each.
    ChooseleafIndep,
    /// Override the total tries for this rule.
    SetChooseTries,
    /// Override the tries below a chosen bucket.
    SetChooseleafTries,
    /// Override `choose_local_tries`.
    SetChooseLocalTries,
    /// Override `choose_local_fallback_tries`.
    SetChooseLocalFallbackTries,
    /// Override `chooseleaf_vary_r`.
    SetChooseleafVaryR,
    /// Override `chooseleaf_stable`.
    SetChooseleafStable,
    /// Newer Ceph (squid), MSR rules only. Kept, never run.
    SetMsrDescents,
    /// Newer Ceph (squid), MSR rules only. Kept, never run.
    SetMsrCollisionTries,
    /// Newer Ceph (squid), MSR rules only. Kept, never run.
    ChooseMsr,
    /// A number that this version does not know. Kept, never run.
    Unknown(u32),
}

const OPS: [(u32, Op); 16] = [
    (0, Op::Noop),
    (1, Op::Take),
    (2, Op::ChooseFirstn),
    (3, Op::ChooseIndep),
    (4, Op::Emit),
    (6, Op::ChooseleafFirstn),
    (7, Op::ChooseleafIndep),
    (8, Op::SetChooseTries),
    (9, Op::SetChooseleafTries),
    (10, Op::SetChooseLocalTries),
    (11, Op::SetChooseLocalFallbackTries),
    (12, Op::SetChooseleafVaryR),
    (13, Op::SetChooseleafStable),
    (14, Op::SetMsrDescents),
    (15, Op::SetMsrCollisionTries),
    (16, Op::ChooseMsr),
];

impl Op {
    /// Ceph's number.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Unknown(number) => number,
            known => OPS.iter().find(|(_, op)| *op == known).map_or(0, |(number, _)| *number),
        }
    }

    /// The step of Ceph's number.
    #[must_use]
    pub fn from_number(number: u32) -> Self {
        OPS.iter().find(|(known, _)| *known == number).map_or(Self::Unknown(number), |(_, op)| *op)
    }
}

/// One step; what the arguments mean depends on `op`, unused ones are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What to do.
    pub op: Op,
    /// The item of a take, the count of a choose (0 or less: counted from the size asked for), else a value.
    pub arg1: i32,
    /// The type of a choose.
    pub arg2: i32,
}

impl Step {
    /// A step from its parts.
    #[must_use]
    pub fn new(op: Op, arg1: i32, arg2: i32) -> Self {
        Self { op, arg1, arg2 }
    }
}

/// Which kind of pool a rule serves; Ceph's numbers.
pub const RULE_REPLICATED: u8 = 1;
/// See [`RULE_REPLICATED`].
pub const RULE_ERASURE: u8 = 3;
/// Newer Ceph (squid): multi-step retry rules. Read and kept, not computed.
pub(crate) const RULE_MSR_FIRSTN: u8 = 4;
/// See [`RULE_MSR_FIRSTN`].
pub(crate) const RULE_MSR_INDEP: u8 = 5;

/// How a choose step treats a position it cannot fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Close up: for replicas, which are all alike.
    Firstn,
    /// Leave a hole ([`crate::ITEM_NONE`]): for shards, whose position is their identity.
    Indep,
}

/// A rule with its mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Ceph's old second number of a rule; equal to the id in every map made since luminous.
    pub ruleset: u8,
    /// [`RULE_REPLICATED`], [`RULE_ERASURE`] or a number of a newer Ceph.
    pub kind: u8,
    /// Smallest pool size it serves: an OSDMap of 16.2 takes no rule for smaller pools (informative since quincy).
    pub min_size: u8,
    /// Largest pool size it serves; see `min_size`.
    pub max_size: u8,
    /// What it does, in order.
    pub steps: Vec<Step>,
}
