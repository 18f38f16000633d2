//! ListMultipartUploads.

use super::{owner, write_people};
use crate::access::Ask;
use crate::dates;
use crate::error::S3Error;
use crate::people::People;
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::storage::{UploadId, UploadListing, UploadQuery};
use crate::verbs::bucket::{Encoding, limit, text, write_prefixes};
use crate::xml::Document;
use gateway_client::Rados;
use http::StatusCode;

/// Lists a page of uploads under way.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::LIST_UPLOADS).await?;
    let encoding = Encoding::of(&rq.query)?;
    let max = limit(&rq.query, "max-uploads")?;
    let key_marker = text(&rq.query, "key-marker");
    // An id without its key is ignored, as S3 has it.
    let id_text = text(&rq.query, "upload-id-marker").filter(|_| key_marker.is_some());
    let upload_id_marker =
        match &id_text {
            None => None,
            Some(text) => Some(UploadId::parse(text).ok_or_else(|| {
                S3Error::invalid_argument("Invalid uploadId marker", "upload-id-marker", text)
            })?),
        };
    let query = UploadQuery {
        prefix: rq.query.get("prefix").unwrap_or("").to_string(),
        delimiter: text(&rq.query, "delimiter"),
        key_marker,
        upload_id_marker,
        max,
    };
    let page = match max {
        0 => UploadListing::default(),
        _ => gw.storage.upload_list(&bucket, &query).await?,
    };

    let owners = page.uploads.iter().map(|u| owner(&bucket, u)).collect::<Result<Vec<_>, _>>()?;
    let people = People::of(gw, owners.iter().map(String::as_str)).await?;
    let mut d = Document::new("ListMultipartUploadsResult");
    d.leaf("Bucket", &bucket.name);
    d.leaf("KeyMarker", &encoding.of_key(query.key_marker.as_deref().unwrap_or("")));
    d.leaf("UploadIdMarker", id_text.as_deref().unwrap_or(""));
    if page.truncated {
        d.leaf("NextKeyMarker", &encoding.of_key(page.next_key_marker.as_deref().unwrap_or("")));
        let id = page.next_upload_id_marker.map(|id| id.to_string()).unwrap_or_default();
        d.leaf("NextUploadIdMarker", &id);
    }
    d.leaf("Prefix", &encoding.of_key(&query.prefix));
    if let Some(delimiter) = &query.delimiter {
        d.leaf("Delimiter", &encoding.of_key(delimiter));
    }
    encoding.write(&mut d);
    d.leaf("MaxUploads", &max.to_string());
    d.leaf("IsTruncated", if page.truncated { "true" } else { "false" });
    for (upload, owner) in page.uploads.iter().zip(&owners) {
        d.open("Upload").leaf("Key", &encoding.of_key(&upload.key)).leaf("UploadId", &upload.id.to_string());
        write_people(&mut d, &people, owner);
        let class =
            if upload.attrs.storage_class.is_empty() { "STANDARD" } else { &upload.attrs.storage_class };
        d.leaf("StorageClass", class).leaf("Initiated", &dates::iso(upload.initiated));
        if let Some((algorithm, kind)) = upload.checksum {
            d.leaf("ChecksumAlgorithm", algorithm.name()).leaf("ChecksumType", kind.name());
        }
        d.close();
    }
    write_prefixes(&mut d, &page.common_prefixes, encoding);
    Ok(response::document(StatusCode::OK, d))
}
