//! From a new interval to serving in it: notes the interval, asks the members, compares logs, has them
//! brought level, proposes the activation, waits out the lease that it granted a predecessor.

mod compare;
mod member;
pub(crate) mod peer;
pub(crate) mod primary;
mod propose;
mod yielding;
