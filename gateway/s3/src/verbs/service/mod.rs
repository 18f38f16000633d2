//! Verbs about the service.

pub(crate) mod list_buckets;
