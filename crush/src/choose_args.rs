//! `choose_args`: weights and ids that replace a bucket's own while drawing, for one pool or for all.

use std::collections::BTreeMap;

/// The set that pools without one of their own use (Ceph's `DEFAULT_CHOOSE_ARGS`, the "compat weight set").
pub const CHOOSE_ARGS_DEFAULT: i64 = -1;

/// What replaces one bucket's numbers. An empty list replaces nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChooseArg {
    /// Ids to hash instead of the items', one an item.
    pub ids: Vec<i32>,
    /// Weights (16.16) by position in the result: the last entry also serves all later positions.
    pub weight_set: Vec<Vec<u32>>,
}

impl ChooseArg {
    /// Whether it changes nothing (Ceph does not store such an entry).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.weight_set.is_empty()
    }
}

/// One set, by bucket id.
pub type ChooseArgs = BTreeMap<i32, ChooseArg>;
