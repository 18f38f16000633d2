//! Leases: how a primary knows that nobody has replaced it, without asking before each read.
//!
//! A member that gets a request from the primary of its interval promises to obey no other primary's *writes
//! being acknowledged* for the lease's duration: should it become primary itself, it waits that long before it
//! serves. The primary counts from when it *sent* the request, so its lease ends before the promise does,
//! whatever the two clocks' origins. It must hold a lease from every member that could be made primary.

pub(crate) mod granted;
mod held;
