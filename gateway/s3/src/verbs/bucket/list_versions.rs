//! ListObjectVersions.

use super::listing::{Encoding, delimiter, limit, text, write_entry, write_owner, write_prefixes};
use crate::access::Ask;
use crate::dates;
use crate::error::{Code, S3Error};
use crate::people::People;
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::storage::{VersionId, VersionListing, VersionQuery};
use crate::xml::Document;
use gateway_client::Rados;
use http::StatusCode;

/// Lists a page of versions behind `key-marker` and `version-id-marker`.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::LIST_VERSIONS).await?;
    let encoding = Encoding::of(&rq.query)?;
    let (query, id_marker) = query(&rq)?;
    let page = match query.max {
        0 => VersionListing::default(),
        _ => gw.storage.list_versions(&bucket, &query).await?,
    };

    let people = People::of(gw, [bucket.owner.as_str()]).await?;
    let mut d = Document::new("ListVersionsResult");
    d.leaf("Name", &bucket.name).leaf("Prefix", &encoding.of_key(&query.prefix));
    d.leaf("KeyMarker", &encoding.of_key(query.key_marker.as_deref().unwrap_or("")));
    d.leaf("VersionIdMarker", id_marker.as_deref().unwrap_or(""));
    if let (true, Some(next)) = (page.truncated, &page.next_key_marker) {
        d.leaf("NextKeyMarker", &encoding.of_key(next));
        let version = page.next_version_marker.map(|v| v.to_string());
        d.leaf_if("NextVersionIdMarker", version.as_deref());
    }
    d.leaf("MaxKeys", &query.max.to_string());
    if let Some(delimiter) = &query.delimiter {
        d.leaf("Delimiter", &encoding.of_key(delimiter));
    }
    encoding.write(&mut d);
    d.leaf("IsTruncated", if page.truncated { "true" } else { "false" });
    for entry in &page.versions {
        d.open(if entry.marker { "DeleteMarker" } else { "Version" });
        d.leaf("VersionId", &entry.version.to_string());
        d.leaf("IsLatest", if entry.latest { "true" } else { "false" });
        if entry.marker {
            d.leaf("Key", &encoding.of_key(&entry.object.key));
            d.leaf("LastModified", &dates::iso(entry.object.mtime));
        } else {
            write_entry(&mut d, &entry.object, encoding);
        }
        write_owner(&mut d, &bucket, &people);
        d.close();
    }
    write_prefixes(&mut d, &page.common_prefixes, encoding);
    Ok(response::document(StatusCode::OK, d))
}

/// What is asked, and the marker as it came. `InvalidArgument` for a version without a key, and for what no version
/// is called.
fn query(rq: &Request) -> Result<(VersionQuery, Option<String>), S3Error> {
    let id_marker = text(&rq.query, "version-id-marker");
    let key_marker = text(&rq.query, "key-marker");
    if id_marker.is_some() && key_marker.is_none() {
        let message = "A version-id marker cannot be specified without a key marker.";
        return Err(S3Error::invalid_argument(message, "version-id-marker", ""));
    }
    let version_marker = match &id_marker {
        Some(id) => Some(VersionId::parse(id).ok_or_else(|| {
            S3Error::with_message(Code::InvalidArgument, "Invalid version id specified")
                .field("ArgumentName", "version-id-marker")
                .field("ArgumentValue", id.clone())
        })?),
        None => None,
    };
    let query = VersionQuery {
        prefix: rq.query.get("prefix").unwrap_or("").to_string(),
        delimiter: delimiter(&rq.query)?,
        key_marker,
        version_marker,
        max: limit(&rq.query, "max-keys")?,
    };
    Ok((query, id_marker))
}
