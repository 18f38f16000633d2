//! DeleteObjects.

use crate::access::Ask;
use crate::access_log::Change;
use crate::authorise::Wish;
use crate::dates;
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::storage::{Conditions, Deletion, ETag, Match, Which};
use crate::verbs::object::version::parse as parse_version;
use crate::verbs::object::{bypass, check_delete_key};
use crate::xml::{self, Document};
use gateway_client::Rados;
use http::StatusCode;

/// The most keys of one request.
const MAX_KEYS: usize = 1000;
/// The largest document: 1000 keys of 1024 bytes, each byte written as a reference, stay below it.
const MAX_DOCUMENT_BYTES: u64 = 8 << 20;
/// An `Object` has up to five elements in it.
const MAX_ELEMENTS: usize = MAX_KEYS * 6 + 8;

/// What the document says of one object.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    key: Option<String>,
    version: Option<String>,
    etag: Option<String>,
    modified: Option<String>,
    size: Option<String>,
}

/// Removes up to 1000 objects and says for each how it went.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Result<Response, S3Error> {
    // Each key is asked about by itself.
    let bucket = rq.bucket_of_anybody(gw).await?;
    let document = rq.document(MAX_DOCUMENT_BYTES).await?;
    let (wanted, quiet) = parse(&document)?;

    // Refused before storage is asked: those come back with their error in their place.
    let mut refused: Vec<Option<S3Error>> = Vec::with_capacity(wanted.len());
    let mut asked = Vec::new();
    for w in &wanted {
        let key = w.key.clone().unwrap_or_default();
        let may = |deletion: &Deletion| {
            rq.check(gw, &bucket, Wish::new(Ask::DELETE, Some(&key)).version(deletion.which))
        };
        match check(w, &key).and_then(|deletion| may(&deletion).map(|()| deletion)) {
            Ok(deletion) => {
                asked.push(Deletion { bypass: bypass(gw, &rq, &bucket, &key), ..deletion });
                refused.push(None);
            }
            Err(e) => refused.push(Some(e)),
        }
    }
    let mut done = gw.storage.delete_many(&bucket, asked).await.into_iter();

    let mut d = Document::new("DeleteResult");
    for (w, refused) in wanted.iter().zip(refused) {
        let outcome = match refused {
            Some(e) => Err(e),
            None => done.next().unwrap_or_else(|| Err(S3Error::internal("a delete has no result"))),
        };
        let key = w.key.as_deref().unwrap_or("");
        if let Ok(done) = &outcome {
            let marker = done.marker.then(|| done.version.to_string());
            rq.noted().changed(Change {
                key: key.to_string(),
                size: 0,
                version: w.version.clone().or(marker),
                etag: String::new(),
            });
        }
        match outcome {
            Ok(_) if quiet => {}
            Ok(done) => {
                d.open("Deleted").leaf("Key", key).leaf_if("VersionId", w.version.as_deref());
                if done.marker {
                    d.leaf("DeleteMarker", "true").leaf("DeleteMarkerVersionId", &done.version.to_string());
                }
                d.close();
            }
            Err(e) => {
                if e.code().status().is_server_error() {
                    tracing::warn!("a delete failed: {e}");
                }
                d.open("Error").leaf("Key", key).leaf_if("VersionId", w.version.as_deref());
                d.leaf("Code", e.code().name()).leaf("Message", e.message()).close();
            }
        }
    }
    Ok(response::document(StatusCode::OK, d))
}

fn check(wanted: &Wanted, key: &str) -> Result<Deletion, S3Error> {
    check_delete_key(key)?;
    let version = wanted.version.as_deref().filter(|v| !v.is_empty());
    let if_match = wanted.etag.as_deref().map(|text| match text {
        "*" => Match::Any,
        text => Match::Tags(ETag::parse(text).into_iter().collect()),
    });
    let invalid = |name, text: &str| S3Error::invalid_argument("", name, text);
    let modified = wanted.modified.as_deref();
    let size = wanted.size.as_deref();
    Ok(Deletion {
        key: key.to_string(),
        which: version.map_or(Ok(Which::Current), parse_version)?,
        conditions: Conditions { if_match, if_none_match: None },
        if_modified_at: modified
            .map(|t| dates::parse_http(t).ok_or_else(|| invalid("LastModifiedTime", t)))
            .transpose()?,
        if_size: size.map(|t| t.parse().map_err(|_| invalid("Size", t))).transpose()?,
        ..Deletion::default()
    })
}

/// The objects, and whether only errors are wanted. `MalformedXML` also for none and for too many.
pub(super) fn parse(document: &[u8]) -> Result<(Vec<Wanted>, bool), S3Error> {
    let malformed = || S3Error::new(Code::MalformedXML);
    let (mut all, mut current, mut quiet) = (Vec::new(), Wanted::default(), false);
    xml::walk(document, "Delete", MAX_ELEMENTS, |path, text| {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match path[..] {
            ["Quiet"] => quiet = text.trim().eq_ignore_ascii_case("true"),
            ["Object", "Key"] => current.key = Some(text.to_string()),
            ["Object", "VersionId"] => current.version = Some(text.trim().to_string()),
            ["Object", "ETag"] => current.etag = Some(text.trim().to_string()),
            ["Object", "LastModifiedTime"] => current.modified = Some(text.trim().to_string()),
            ["Object", "Size"] => current.size = Some(text.trim().to_string()),
            ["Object"] => {
                let wanted = std::mem::take(&mut current);
                if wanted.key.as_deref().is_none_or(str::is_empty) || all.len() >= MAX_KEYS {
                    return Err(malformed());
                }
                all.push(wanted);
            }
            _ => {}
        }
        Ok(())
    })?;
    if all.is_empty() { Err(malformed()) } else { Ok((all, quiet)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read_and_bounded() {
        let text = "<Delete><Quiet>true</Quiet><Object><Key> a&#10;</Key></Object><Object><Key>b</Key><VersionId>null</VersionId></Object></Delete>";
        let (wanted, quiet) = parse(text.as_bytes()).unwrap();
        assert!(quiet);
        assert_eq!(wanted[0].key.as_deref(), Some(" a\n"));
        assert_eq!(wanted[1].version.as_deref(), Some("null"));
        let many = |n: usize| format!("<Delete>{}</Delete>", "<Object><Key>k</Key></Object>".repeat(n));
        assert_eq!(parse(many(1000).as_bytes()).unwrap().0.len(), 1000);
        for bad in [many(1001), many(0), "<Delete><Object/></Delete>".into()] {
            assert_eq!(parse(bad.as_bytes()).unwrap_err().code(), Code::MalformedXML);
        }
    }
}
