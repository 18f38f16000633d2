//! CRUSH as Ceph computes it, bit for bit: which devices hold a placement group, from nothing but a small map.
//!
//! * [`CrushMap::do_rule`] maps a seed to devices; [`hash`] has Ceph's hashes.
//! * [`CrushMap::new_jewel`] starts a map for programs, [`CrushMap::edit`] and the verbs beside it change one.
//! * [`CrushMap::shortfall`] says why a rule cannot place enough members, [`CrushMap::try_out`] tries mappings.
//! * [`CrushMap::validate`] says what is wrong with a map from outside.
//!
//! Invariant: no dependencies, no clock, file, thread or entropy; the same map gives the same answer everywhere.
//! The byte reference is Ceph 16.2; tests compare with files its own tools wrote.

mod binary;
mod bucket;
mod capacity;
mod choose_args;
mod edit;
mod error;
pub mod hash;
mod ln;
mod ln_table;
mod map;
mod mapper;
mod names;
mod rule;
mod straw;
mod tester;
mod text;
mod tree;
mod tunables;
mod validate;

pub use binary::{DecodeError, DecodeFault};
pub use bucket::{Alg, Bucket, WEIGHT_ONE};
pub use capacity::Shortfall;
pub use choose_args::{CHOOSE_ARGS_DEFAULT, ChooseArg, ChooseArgs};
pub use edit::{Edit, RuleShape, is_valid_name};
pub use error::Error;
pub use map::{BUCKETS_MAX, CrushMap, DEFAULT_TYPES, DEVICES_MAX, ITEM_NONE, RULES_MAX};
pub use mapper::Workspace;
pub use rule::{Mode, Op, RULE_ERASURE, RULE_REPLICATED, Rule, Step};
pub use tester::{Show, Trial, trial_weight};
pub use text::{Fault, TEXT_BYTES_MAX, TextError};
pub use tunables::Tunables;
