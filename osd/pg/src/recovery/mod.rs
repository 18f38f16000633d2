//! Bringing a member level: objects are pushed whole, then its log is replaced by the primary's.
//!
//! Two kinds of member, one machinery. An *in-sync member during peering* may have to become primary itself
//! at any moment, so nothing of it changes until everything does: pushes are staged and take effect in the
//! transaction that replaces the log. A *joiner* is not in sync, so pushes take effect one by one, and what
//! they touched is noted until the log is replaced.

pub(crate) mod adopt;
pub(crate) mod follower;
mod push;
mod receive;
pub(crate) mod source;
