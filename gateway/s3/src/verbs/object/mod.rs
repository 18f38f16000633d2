//! Verbs about objects.

pub(crate) mod attributes;
pub(crate) mod attrs;
mod conditions;
pub(crate) mod copy;
mod copy_source;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod head;
mod headers;
pub(crate) mod legal_hold;
mod locks;
pub(crate) mod post;
pub(crate) mod put;
pub(crate) mod range;
pub(crate) mod retention;
pub(crate) mod settings;
pub(crate) mod version;

pub(crate) use conditions::write_conditions;
pub(crate) use copy_source::{CopySource, named as copy_source_named};
pub(crate) use headers::{checksum_text, set_checksum, set_expiration};
pub(crate) use locks::{bypass, of_headers as lock_of_headers};
pub(crate) use range::{Span, copy_range};
pub(crate) use version::text_of as version_text;

use crate::error::S3Error;

/// A key to be deleted may be anything that a key may be.
pub(crate) fn check_delete_key(key: &str) -> Result<(), S3Error> {
    crate::server::check_key(key)
}
