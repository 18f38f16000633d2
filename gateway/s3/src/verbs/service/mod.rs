//! Verbs about the service.

pub(crate) mod list_buckets;
pub(crate) mod usage;
