//! ListObjectVersions of a bucket without versioning: each object is its one version, called `null`.

use super::listing::{Encoding, limit, text, write_entry, write_owner, write_prefixes};
use crate::error::S3Error;
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::storage::ListQuery;
use crate::xml::Document;
use gateway_client::Rados;
use http::StatusCode;

/// Lists a page of versions behind `key-marker`.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket(gw).await?;
    let encoding = Encoding::of(&rq.query)?;
    let max = limit(&rq.query, "max-keys")?;
    let (key_marker, id_marker) = (text(&rq.query, "key-marker"), text(&rq.query, "version-id-marker"));
    if id_marker.is_some() && key_marker.is_none() {
        let message = "A version-id marker cannot be specified without a key marker.";
        return Err(S3Error::invalid_argument(message, "version-id-marker", ""));
    }
    let prefix = rq.query.get("prefix").unwrap_or("").to_string();
    let query = ListQuery { prefix, delimiter: text(&rq.query, "delimiter"), after: key_marker.clone(), max };
    let page = super::page(gw, &bucket, &query).await?;

    let mut d = Document::new("ListVersionsResult");
    d.leaf("Name", &bucket.name).leaf("Prefix", &encoding.of_key(&query.prefix));
    d.leaf("KeyMarker", &encoding.of_key(key_marker.as_deref().unwrap_or("")));
    d.leaf("VersionIdMarker", id_marker.as_deref().unwrap_or(""));
    if let (true, Some(next)) = (page.truncated, &page.next_after) {
        d.leaf("NextKeyMarker", &encoding.of_key(next));
        let at_a_key = page.entries.last().is_some_and(|e| e.key == *next);
        d.leaf_if("NextVersionIdMarker", at_a_key.then_some("null"));
    }
    d.leaf("MaxKeys", &max.to_string());
    if let Some(delimiter) = &query.delimiter {
        d.leaf("Delimiter", &encoding.of_key(delimiter));
    }
    encoding.write(&mut d);
    d.leaf("IsTruncated", if page.truncated { "true" } else { "false" });
    for entry in &page.entries {
        d.open("Version").leaf("VersionId", "null").leaf("IsLatest", "true");
        write_entry(&mut d, entry, encoding);
        write_owner(&mut d, &rq);
        d.close();
    }
    write_prefixes(&mut d, &page.common_prefixes, encoding);
    Ok(response::document(StatusCode::OK, d))
}
