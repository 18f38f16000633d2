//! ListBuckets.

use crate::dates;
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::xml::Document;
use gateway_client::Rados;
use http::StatusCode;

/// The most buckets of one page.
const MAX_BUCKETS: usize = 10_000;
/// How many a step of looking through them reads.
const STEP: usize = 1000;

/// Lists the sender's buckets, by name, in pages if `max-buckets` asks for them. An anonymous sender has none.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    // As RGW answers: nobody owns nothing.
    if rq.credential.is_none() {
        let mut d = Document::new("ListAllMyBucketsResult");
        d.open("Owner").leaf("ID", "anonymous").leaf("DisplayName", "").close();
        d.open("Buckets").close();
        return Ok(response::document(StatusCode::OK, d));
    }
    let user = rq.owner(gw).await?;
    let max = match rq.query.get("max-buckets") {
        None => MAX_BUCKETS,
        Some(text) => text.parse().ok().filter(|n| (1..=MAX_BUCKETS).contains(n)).ok_or_else(|| {
            S3Error::invalid_argument("max-buckets must be 1 to 10000", "max-buckets", text)
        })?,
    };
    let prefix = rq.query.get("prefix").unwrap_or("");
    if rq.query.get("bucket-region").is_some_and(|region| region != gw.region) {
        return Err(S3Error::new(Code::InvalidArgument).field("ArgumentName", "bucket-region"));
    }
    let mut after = rq.query.get("continuation-token").map(String::from);
    let mut found = Vec::new();
    // One more than asked for tells whether a page follows.
    while found.len() <= max {
        let step = gw.storage.bucket_list(&user.uid, after.as_deref(), STEP).await?;
        let Some(last) = step.last() else { break };
        after = Some(last.full_name());
        let whole = step.len() < STEP;
        found.extend(step.into_iter().filter(|b| b.name.starts_with(prefix)));
        if whole {
            break;
        }
    }
    let more = found.len() > max;
    found.truncate(max);

    let mut d = Document::new("ListAllMyBucketsResult");
    d.open("Owner").leaf("ID", &user.uid).leaf("DisplayName", &user.display_name).close();
    d.open("Buckets");
    for bucket in &found {
        d.open("Bucket").leaf("Name", &bucket.name).leaf("CreationDate", &dates::iso(bucket.created)).close();
    }
    d.close();
    if more && let Some(last) = found.last() {
        d.leaf("ContinuationToken", &last.full_name());
    }
    if !prefix.is_empty() {
        d.leaf("Prefix", prefix);
    }
    Ok(response::document(StatusCode::OK, d))
}
