//! ListObjects, the first version.

use super::listing::{
    ENTRY_BYTES, Encoding, delimiter, limit, text, write_entry, write_owner, write_prefixes,
};
use crate::access::Ask;
use crate::error::S3Error;
use crate::people::People;
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::storage::ListQuery;
use crate::xml::Document;
use gateway_client::Rados;
use http::StatusCode;

/// Lists a page of objects behind `marker`.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::LIST).await?;
    let encoding = Encoding::of(&rq.query)?;
    let max = limit(&rq.query, "max-keys")?;
    let query = ListQuery {
        prefix: rq.query.get("prefix").unwrap_or("").to_string(),
        delimiter: delimiter(&rq.query)?,
        after: text(&rq.query, "marker"),
        max,
    };
    let page = super::page(gw, &bucket, &query).await?;

    let people = People::of(gw, [bucket.owner.as_str()]).await?;
    let mut d = Document::new("ListBucketResult");
    d.reserve(page.entries.len() * ENTRY_BYTES);
    d.leaf("Name", &bucket.name).leaf("Prefix", &encoding.of_prefix(&query.prefix));
    d.leaf("Marker", &encoding.of_key(query.after.as_deref().unwrap_or("")));
    d.leaf("MaxKeys", &max.to_string());
    if let Some(delimiter) = &query.delimiter {
        d.leaf("Delimiter", &encoding.of_key(delimiter));
        // Without a delimiter the last key is the marker, and S3 does not repeat it.
        if let (true, Some(next)) = (page.truncated, &page.next_after) {
            d.leaf("NextMarker", &encoding.of_key(next));
        }
    }
    encoding.write(&mut d);
    d.leaf("IsTruncated", if page.truncated { "true" } else { "false" });
    for entry in &page.entries {
        d.open("Contents");
        write_entry(&mut d, entry, encoding);
        write_owner(&mut d, &bucket, &people);
        d.close();
    }
    write_prefixes(&mut d, &page.common_prefixes, encoding);
    Ok(response::document(StatusCode::OK, d))
}
