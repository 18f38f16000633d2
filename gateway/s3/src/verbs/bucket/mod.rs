//! Verbs about buckets.

pub(crate) mod cors;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod delete_objects;
pub(crate) mod encryption;
pub(crate) mod head;
pub(crate) mod lifecycle;
pub(crate) mod list_objects;
pub(crate) mod list_objects_v2;
pub(crate) mod list_versions;
mod listing;
pub(crate) mod location;
pub(crate) mod logging;
pub(crate) mod name;
pub(crate) mod object_lock;
pub(crate) mod ownership;
pub(crate) mod policy;
pub(crate) mod public_access;
pub(crate) mod request_payment;
pub(crate) mod settings;
pub(crate) mod versioning;
pub(crate) mod website;

pub(crate) use listing::{Encoding, limit, text, write_prefixes};

use crate::error::S3Error;
use crate::server::Gateway;
use crate::storage::{Bucket, ListQuery, Listing};
use gateway_client::Rados;

/// A page of objects; an empty one, which never says that more follows, if none are asked for.
async fn page<R: Rados>(gw: &Gateway<R>, bucket: &Bucket, query: &ListQuery) -> Result<Listing, S3Error> {
    if query.max == 0 { Ok(Listing::default()) } else { gw.storage.list(bucket, query).await }
}

/// Whether a document is read by a verb that keeps its reader to itself: for the fuzzer.
pub(crate) fn reads_document(document: &[u8]) -> bool {
    delete_objects::parse(document).is_ok()
        || versioning::parse(document).is_ok()
        || request_payment::parse(document).is_ok()
}
