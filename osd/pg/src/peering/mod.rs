//! From a new interval to serving in it: notes the interval, asks the members, compares logs, has them
//! brought level, proposes the activation, waits out the lease that it granted a predecessor.

mod compare;
pub(crate) mod last_words;
mod member;
pub(crate) mod peer;
pub(crate) mod primary;
mod propose;
mod yielding;
