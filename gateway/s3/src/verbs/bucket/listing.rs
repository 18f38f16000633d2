//! What all listings have in common: their parameters, and how they write keys.

use crate::dates;
use crate::error::S3Error;
use crate::people::People;
use crate::storage::{Bucket, ListEntry};
use crate::uri::{self, Query};
use crate::xml::Document;
use std::borrow::Cow;

/// The most entries of a page.
const MAX_KEYS: u32 = 1000;

/// How keys are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As they are.
    Plain,
    /// Percent-encoded, since XML cannot carry every key.
    Url,
}

impl Encoding {
    /// Reads `encoding-type`.
    pub(crate) fn of(query: &Query) -> Result<Encoding, S3Error> {
        match query.get("encoding-type") {
            None => Ok(Encoding::Plain),
            Some(word) if word.eq_ignore_ascii_case("url") => Ok(Encoding::Url),
            Some(word) => Err(S3Error::invalid_argument(
                "Invalid Encoding Method specified in Request",
                "encoding-type",
                word,
            )),
        }
    }
    /// A key as it is written.
    pub(crate) fn of_key<'a>(self, key: &'a str) -> Cow<'a, str> {
        match self {
            Encoding::Plain => Cow::Borrowed(key),
            Encoding::Url => Cow::Owned(uri::encode(key.as_bytes(), true)),
        }
    }
    /// The prefix of a listing of the first version: common SDKs do not decode it there, so it is encoded only
    /// where XML leaves no choice.
    pub(super) fn of_prefix<'a>(self, prefix: &'a str) -> Cow<'a, str> {
        let carried = |c: char| u32::from(c) >= 0x20 || matches!(c, '\t' | '\n' | '\r');
        if prefix.chars().all(carried) { Cow::Borrowed(prefix) } else { self.of_key(prefix) }
    }
    /// The element that says so.
    pub(crate) fn write(self, d: &mut Document) {
        if self == Encoding::Url {
            d.leaf("EncodingType", "url");
        }
    }
}

/// Reads a limit such as `max-keys`: 0 to 1000, more counting as 1000. `InvalidArgument`.
pub(crate) fn limit(query: &Query, name: &str) -> Result<u32, S3Error> {
    let Some(text) = query.get(name).filter(|t| !t.is_empty()) else { return Ok(MAX_KEYS) };
    match text.parse::<i64>() {
        Ok(n) if (0..=i64::from(i32::MAX)).contains(&n) => {
            Ok(u32::try_from(n).unwrap_or(MAX_KEYS).min(MAX_KEYS))
        }
        Ok(_) => Err(S3Error::invalid_argument(
            format!("Argument {name} must be an integer between 0 and 2147483647"),
            name,
            text,
        )),
        Err(_) => Err(S3Error::invalid_argument(
            "Provided value not an integer or within integer range",
            name,
            text,
        )),
    }
}

/// A parameter that counts as absent when it is empty.
pub(crate) fn text(query: &Query, name: &str) -> Option<String> {
    query.get(name).filter(|t| !t.is_empty()).map(String::from)
}

/// The delimiter of a listing. `InvalidArgument` together with RGW's `allow-unordered`: what is not in order cannot be
/// rolled up. (Our listings are always in order, which `allow-unordered` lets us do.)
pub(super) fn delimiter(query: &Query) -> Result<Option<String>, S3Error> {
    let delimiter = text(query, "delimiter");
    let unordered = query.get("allow-unordered").is_some_and(|word| word.eq_ignore_ascii_case("true"));
    if unordered && let Some(delimiter) = &delimiter {
        let message = "allow-unordered and delimiter cannot go together";
        return Err(S3Error::invalid_argument(message, "delimiter", delimiter));
    }
    Ok(delimiter)
}

/// About how long an entry of a page becomes, bytes.
pub(super) const ENTRY_BYTES: usize = 260;

/// Writes the parts of an entry that all listings of objects have.
pub(super) fn write_entry(d: &mut Document, entry: &ListEntry, encoding: Encoding) {
    d.leaf("Key", &encoding.of_key(&entry.key))
        .leaf("LastModified", &dates::iso(entry.mtime))
        .leaf("ETag", &format!("\"{}\"", entry.etag));
    if let Some((algorithm, kind)) = entry.checksum {
        d.leaf("ChecksumAlgorithm", algorithm.name()).leaf("ChecksumType", kind.name());
    }
    let class = if entry.storage_class.is_empty() { "STANDARD" } else { &entry.storage_class };
    d.leaf("Size", &entry.size.to_string()).leaf("StorageClass", class);
}

/// Writes the owner: of all objects that of the bucket, for their ACLs are not looked into.
pub(super) fn write_owner(d: &mut Document, bucket: &Bucket, people: &People) {
    people.write(d, "Owner", &bucket.owner);
}

/// Writes common prefixes.
pub(crate) fn write_prefixes(d: &mut Document, prefixes: &[String], encoding: Encoding) {
    for prefix in prefixes {
        d.open("CommonPrefixes").leaf("Prefix", &encoding.of_key(prefix)).close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        let of = |text: &str| limit(&Query::parse(text).unwrap(), "max-keys").map_err(|e| e.code().name());
        assert_eq!(of(""), Ok(1000));
        assert_eq!(of("max-keys="), Ok(1000));
        assert_eq!(of("max-keys=0"), Ok(0));
        assert_eq!(of("max-keys=5000"), Ok(1000));
        for bad in ["max-keys=-1", "max-keys=x", "max-keys=2147483648", "max-keys=99999999999999999999"] {
            assert_eq!(of(bad), Err("InvalidArgument"), "{bad}");
        }
    }
}
