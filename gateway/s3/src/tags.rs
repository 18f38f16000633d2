//! Tags of objects and buckets: read from headers and documents, with S3's limits.
//!
//! Limits: Amazon S3 user guide, "Categorizing your objects using tags" and "Using cost allocation S3 bucket tags".

use crate::error::{Code, S3Error};
use crate::uri;
use crate::xml::{self, Document};
use bytes::Bytes;
use std::collections::BTreeMap;
use stdx::codec::{from_bytes, to_bytes};

/// The most tags of an object.
pub(crate) const OBJECT_TAGS_MAX: usize = 10;
/// The most tags of a bucket.
pub(crate) const BUCKET_TAGS_MAX: usize = 50;
/// Under this name tags are kept with an object and with a bucket.
const KEPT_AS: &str = "tagging";
const KEY_CHARS_MAX: usize = 128;
const VALUE_CHARS_MAX: usize = 256;

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
}
stdx::codec_plain!(Tag { key, value });

/// Reads `x-amz-tagging`: `a=b&c=d`, percent-encoded. `InvalidArgument`, `InvalidTag`.
pub(crate) fn of_header(text: &str) -> Result<Vec<Tag>, S3Error> {
    let invalid = || {
        let message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.";
        S3Error::invalid_argument(message, "x-amz-tagging", text)
    };
    let decode = |t: &str| uri::decode(t, true).and_then(|b| String::from_utf8(b).ok()).ok_or_else(invalid);
    let mut tags = Vec::new();
    for piece in text.split('&').filter(|p| !p.is_empty()) {
        let (key, value) = piece.split_once('=').unwrap_or((piece, ""));
        tags.push(Tag { key: decode(key)?, value: decode(value)? });
        if tags.len() > OBJECT_TAGS_MAX {
            break;
        }
    }
    check(&tags, OBJECT_TAGS_MAX)?;
    Ok(tags)
}

/// Reads a `Tagging` document of at most `max` tags. `MalformedXML`, `InvalidTag`.
pub(crate) fn of_document(document: &[u8], max: usize) -> Result<Vec<Tag>, S3Error> {
    let malformed = || S3Error::new(Code::MalformedXML);
    let (mut tags, mut key, mut value, mut set) = (Vec::new(), None, None, false);
    xml::walk(document, "Tagging", 4 * max + 16, |path, text| {
        match path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["TagSet"] => set = true,
            ["TagSet", "Tag"] => match (key.take(), value.take()) {
                (Some(key), Some(value)) => tags.push(Tag { key, value }),
                _ => return Err(malformed()),
            },
            ["TagSet", "Tag", "Key"] => key = Some(text.to_string()),
            ["TagSet", "Tag", "Value"] => value = Some(text.to_string()),
            _ => return Err(malformed()),
        }
        Ok(())
    })?;
    if !set {
        return Err(malformed());
    }
    check(&tags, max)?;
    Ok(tags)
}

fn check(tags: &[Tag], max: usize) -> Result<(), S3Error> {
    let refuse = |text: &'static str, key: &str| {
        Err(S3Error::with_message(Code::InvalidTag, text).field("TagKey", key))
    };
    if tags.len() > max {
        return refuse("There are more tags than are allowed here", "");
    }
    for (i, tag) in tags.iter().enumerate() {
        if tag.key.is_empty() || tag.key.chars().count() > KEY_CHARS_MAX {
            return refuse("The TagKey you have provided is invalid", &tag.key);
        }
        if tag.value.chars().count() > VALUE_CHARS_MAX {
            return refuse("The TagValue you have provided is invalid", &tag.key);
        }
        if tags[..i].iter().any(|t| t.key == tag.key) {
            return refuse("Cannot provide multiple Tags with the same key", &tag.key);
        }
    }
    Ok(())
}

/// The tags that are kept in `kept`. What cannot be read is an internal error.
pub(crate) fn of(kept: &BTreeMap<String, Bytes>) -> Result<Vec<Tag>, S3Error> {
    let Some(bytes) = kept.get(KEPT_AS) else { return Ok(Vec::new()) };
    from_bytes(bytes.clone()).map_err(|e| S3Error::internal(format!("tags cannot be read: {e}")))
}

/// Keeps the tags, in place of those that were kept.
pub(crate) fn keep(kept: &mut BTreeMap<String, Bytes>, tags: &Vec<Tag>) {
    if tags.is_empty() {
        kept.remove(KEPT_AS);
    } else {
        kept.insert(KEPT_AS.into(), to_bytes(tags));
    }
}

/// The document that shows them, in the order of their keys.
pub(crate) fn document(tags: &[Tag]) -> Document {
    let mut d = Document::new("Tagging");
    d.open("TagSet");
    let mut tags: Vec<&Tag> = tags.iter().collect();
    tags.sort_by(|a, b| a.key.cmp(&b.key));
    for tag in tags {
        d.open("Tag").leaf("Key", &tag.key).leaf("Value", &tag.value).close();
    }
    d
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Result<Vec<(String, String)>, Code> {
        let tags = of_header(text).map_err(|e| e.code())?;
        Ok(tags.into_iter().map(|t| (t.key, t.value)).collect())
    }

    #[test]
    fn headers_are_queries() {
        let pair = |k: &str, v: &str| (k.to_string(), v.to_string());
        assert_eq!(header("foo=bar&b%26=+%C3%BC"), Ok(vec![pair("foo", "bar"), pair("b&", " ü")]));
        assert_eq!(header("foo&bar="), Ok(vec![pair("foo", ""), pair("bar", "")]));
        assert_eq!(header(""), Ok(Vec::new()));
        assert_eq!(header("a=%zz"), Err(Code::InvalidArgument));
        assert_eq!(header("a=1&a=2"), Err(Code::InvalidTag));
        assert_eq!(header("=1"), Err(Code::InvalidTag));
    }

    #[test]
    fn limits_hold_at_their_edge() {
        let many = |n: usize| (0..n).map(|i| format!("k{i}=v")).collect::<Vec<_>>().join("&");
        assert!(header(&many(10)).is_ok());
        assert_eq!(header(&many(11)), Err(Code::InvalidTag));
        let sized = |k: usize, v: usize| format!("{}={}", "k".repeat(k), "v".repeat(v));
        assert!(header(&sized(128, 256)).is_ok());
        assert_eq!(header(&sized(129, 1)), Err(Code::InvalidTag));
        assert_eq!(header(&sized(1, 257)), Err(Code::InvalidTag));
    }

    #[test]
    fn documents_and_what_is_kept() {
        let of_text = |inner: &str| {
            let text = format!("<Tagging>{inner}</Tagging>");
            of_document(text.as_bytes(), BUCKET_TAGS_MAX).map_err(|e| e.code())
        };
        let tags = of_text("<TagSet><Tag><Key>a</Key><Value>&lt;</Value></Tag></TagSet>").unwrap();
        let mut kept = BTreeMap::new();
        keep(&mut kept, &tags);
        assert_eq!(of(&kept).unwrap(), tags);
        assert_eq!(of_document(&document(&tags).finish(), 1).unwrap(), tags);
        keep(&mut kept, &Vec::new());
        assert!(kept.is_empty());
        assert_eq!(of_text("<TagSet/>"), Ok(Vec::new()));
        for bad in ["", "<TagSet><Tag><Key>a</Key></Tag></TagSet>", "<Tag/>", "<TagSet><Key>a</Key></TagSet>"]
        {
            assert_eq!(of_text(bad), Err(Code::MalformedXML), "{bad}");
        }
    }
}
