//! Buckets as websites: their configuration (`document`), where a request is sent by it (`route`), and the endpoint that
//! browsers ask (`serve`).
//!
//! Amazon S3 user guide, "Hosting a static website"; the endpoint by host name follows RGW (`rgw_dns_s3website_name`).

mod document;
mod page;
mod route;
mod serve;

pub(crate) use document::{check_redirect, of_document, to_document};
pub(crate) use serve::{Visit, serve};

use crate::error::S3Error;
use bytes::Bytes;
use std::collections::BTreeMap;
use stdx::codec::{from_bytes, to_bytes};

const KEPT_AS: &str = "website";
/// The header of an object that sends browsers elsewhere, on the website endpoint.
pub(crate) const REDIRECT_HEADER: &str = "x-amz-website-redirect-location";

/// What a bucket is as a website.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Website {
    /// Every request is sent to another host.
    RedirectAll {
        /// The host.
        host: String,
        /// `http` or `https`; none: as the request came.
        protocol: Option<String>,
    },
    /// Objects are served.
    Serve {
        /// What is appended to the name of a folder.
        index: String,
        /// The object that is shown where something is wrong.
        error: Option<String>,
        /// Where requests are sent instead, the first that fits.
        rules: Vec<RoutingRule>,
    },
}
stdx::codec_enum!(Website { 0 => RedirectAll { host, protocol }, 1 => Serve { index, error, rules } });

/// A rule that sends requests elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RoutingRule {
    /// Of keys that begin so.
    prefix: Option<String>,
    /// Where this status would be answered.
    status: Option<u16>,
    redirect: Redirect,
}
stdx::codec_versioned!(RoutingRule, 1 { prefix, status, redirect });

/// Where to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Redirect {
    host: Option<String>,
    protocol: Option<String>,
    /// In place of the prefix of the rule.
    prefix: Option<String>,
    /// In place of the key.
    key: Option<String>,
    /// The status of the answer; none: 301.
    status: Option<u16>,
}
stdx::codec_versioned!(Redirect, 1 { host, protocol, prefix, key, status });

/// The website that is kept in a bucket's settings, if any.
pub(crate) fn of(kept: &BTreeMap<String, Bytes>) -> Result<Option<Website>, S3Error> {
    let Some(bytes) = kept.get(KEPT_AS) else { return Ok(None) };
    let damaged = |e| S3Error::internal(format!("a website's configuration cannot be read: {e}"));
    from_bytes(bytes.clone()).map(Some).map_err(damaged)
}

/// Keeps it in place of what was kept.
pub(crate) fn keep(kept: &mut BTreeMap<String, Bytes>, website: Option<&Website>) {
    match website {
        Some(website) => _ = kept.insert(KEPT_AS.into(), to_bytes(website)),
        None => _ = kept.remove(KEPT_AS),
    }
}
