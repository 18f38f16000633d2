//! Lifecycle rules of a bucket: read and written (`document`), asked what is due (`judge`), and carried out by a
//! worker in every gateway (`worker`).
//!
//! Amazon S3 user guide, "Managing the lifecycle of objects".

mod document;
mod judge;
mod transition;
mod worker;

pub(crate) use document::{of_document, to_document};
pub(crate) use judge::{abort_of, expiration_of};
use transition::{NoncurrentTransition, Transition};
pub(crate) use worker::keep;
#[cfg(test)]
pub(crate) use worker::look;

use crate::error::S3Error;
use crate::tags::Tag;
use bytes::Bytes;
use std::collections::BTreeMap;
use stdx::codec::{from_bytes, to_bytes};

const KEPT_AS: &str = "lifecycle";

/// The most newer versions that a rule can make stay.
const NEWER_MAX: u32 = 100;
/// A day, milliseconds.
pub(crate) const DAY_MS: u64 = 86_400_000;

/// What an object must be like, all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    prefix: Option<String>,
    tags: Vec<Tag>,
    /// More bytes than this.
    larger: Option<u64>,
    /// Fewer bytes than this.
    smaller: Option<u64>,
}
stdx::codec_versioned!(Terms, 1 { prefix, tags, larger, smaller });

/// A rule's `Filter`: its terms, and those that it joins with `And`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    own: Terms,
    and: Option<Terms>,
}
stdx::codec_versioned!(Filter, 1 { own, and });

/// When current objects expire: exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiration {
    /// So many days after they were put.
    Days(u32),
    /// From this second since 1970 on, a midnight.
    Date(u64),
    /// Only delete markers with nothing behind them, or (false) not even those.
    Marker(bool),
}
stdx::codec_enum!(Expiration { 0 => Days(n), 1 => Date(s), 2 => Marker(on) });

/// When older versions expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Noncurrent {
    /// So many days after a newer version came.
    days: u32,
    /// But so many of the newest of them stay.
    newer: Option<u32>,
}
stdx::codec_plain!(Noncurrent { days, newer });

/// A rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    id: String,
    enabled: bool,
    /// The old form of a filter.
    prefix: Option<String>,
    filter: Option<Filter>,
    expiration: Option<Expiration>,
    noncurrent: Option<Noncurrent>,
    /// Uploads are aborted so many days after they began.
    abort_days: Option<u32>,
    transitions: Vec<Transition>,
    noncurrent_transitions: Vec<NoncurrentTransition>,
}
stdx::codec_versioned!(Rule, 2 { id, enabled, prefix, filter, expiration, noncurrent, abort_days }
    since 2 { transitions, noncurrent_transitions });

/// The rules that are kept in a bucket's settings. What cannot be read is an internal error.
pub(crate) fn of(kept: &BTreeMap<String, Bytes>) -> Result<Vec<Rule>, S3Error> {
    let Some(bytes) = kept.get(KEPT_AS) else { return Ok(Vec::new()) };
    from_bytes(bytes.clone()).map_err(|e| S3Error::internal(format!("lifecycle rules cannot be read: {e}")))
}

/// Keeps the rules, in place of those that were kept.
pub(crate) fn keep_rules(kept: &mut BTreeMap<String, Bytes>, rules: &Vec<Rule>) {
    if rules.is_empty() {
        kept.remove(KEPT_AS);
    } else {
        kept.insert(KEPT_AS.into(), to_bytes(rules));
    }
}
