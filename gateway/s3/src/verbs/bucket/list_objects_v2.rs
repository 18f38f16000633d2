//! ListObjectsV2.

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
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway_client::Rados;
use http::StatusCode;

/// Lists a page of objects behind a continuation token, or else behind `start-after`.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::LIST).await?;
    let encoding = Encoding::of(&rq.query)?;
    let max = limit(&rq.query, "max-keys")?;
    let start_after = text(&rq.query, "start-after");
    let token = rq.query.get("continuation-token");
    let after = match token {
        Some(token) if !token.is_empty() => Some(read_token(token)?),
        _ => start_after.clone(),
    };
    let prefix = rq.query.get("prefix").unwrap_or("").to_string();
    let query = ListQuery { prefix, delimiter: delimiter(&rq.query)?, after, max };
    let page = super::page(gw, &bucket, &query).await?;

    let people = People::of(gw, [bucket.owner.as_str()]).await?;
    let mut d = Document::new("ListBucketResult");
    d.reserve(page.entries.len() * ENTRY_BYTES);
    d.leaf("Name", &bucket.name).leaf("Prefix", &encoding.of_key(&query.prefix));
    d.leaf_if("ContinuationToken", token);
    if let (true, Some(next)) = (page.truncated, &page.next_after) {
        d.leaf("NextContinuationToken", &write_token(next));
    }
    if let Some(start_after) = &start_after {
        d.leaf("StartAfter", &encoding.of_key(start_after));
    }
    let count = page.entries.len() + page.common_prefixes.len();
    d.leaf("KeyCount", &count.to_string()).leaf("MaxKeys", &max.to_string());
    if let Some(delimiter) = &query.delimiter {
        d.leaf("Delimiter", &encoding.of_key(delimiter));
    }
    encoding.write(&mut d);
    d.leaf("IsTruncated", if page.truncated { "true" } else { "false" });
    let owner = rq.query.get("fetch-owner").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    for entry in &page.entries {
        d.open("Contents");
        write_entry(&mut d, entry, encoding);
        if owner {
            write_owner(&mut d, &bucket, &people);
        }
        d.close();
    }
    write_prefixes(&mut d, &page.common_prefixes, encoding);
    Ok(response::document(StatusCode::OK, d))
}

/// A token is the last key in a form that no client takes for one.
fn write_token(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("1{key}"))
}

fn read_token(token: &str) -> Result<String, S3Error> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok().and_then(|b| String::from_utf8(b).ok());
    let key = bytes.as_deref().and_then(|text| text.strip_prefix('1'));
    key.map(String::from).ok_or_else(|| {
        S3Error::invalid_argument("The continuation token provided is incorrect", "continuation-token", token)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back() {
        for key in ["a", "", "ü\u{1}/"] {
            assert_eq!(read_token(&write_token(key)).unwrap(), key);
        }
        for bad in ["", "x", "!!", "AAAA"] {
            assert!(read_token(bad).is_err(), "{bad}");
        }
    }
}
