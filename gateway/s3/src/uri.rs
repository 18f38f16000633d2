//! Percent-encoding as S3 and SigV4 mean it, and query strings. No path is ever normalised: `..` and empty
//! segments are ordinary parts of a key.

use crate::error::{Code, S3Error};
use crate::hex;

/// Encodes everything but `A-Z a-z 0-9 - _ . ~`; `/` stays if `keep_slash`.
pub(crate) fn encode(bytes: &[u8], keep_slash: bool) -> String {
    let mut out = String::with_capacity(bytes.len() + bytes.len() / 8);
    for &b in bytes {
        let plain = b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
        if plain || (keep_slash && b == b'/') {
            out.push(char::from(b));
        } else {
            out.push('%');
            out.push_str(&hex::encode(&[b]).to_ascii_uppercase());
        }
    }
    out
}

/// Decodes `%XX`, and `+` as a space if `plus_is_space`. None if a `%` is not followed by two hex digits.
pub(crate) fn decode(text: &str, plus_is_space: bool) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        out.push(match b {
            b'%' => hex::digit(bytes.next()?)? << 4 | hex::digit(bytes.next()?)?,
            b'+' if plus_is_space => b' ',
            b => b,
        });
    }
    Some(out)
}

/// Decodes to text. `InvalidURI` if that is not possible.
pub(crate) fn decode_text(text: &str, plus_is_space: bool) -> Result<String, S3Error> {
    decode(text, plus_is_space)
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| S3Error::new(Code::InvalidURI).field("URI", text))
}

/// A decoded query string: its parameters in the order they came, a name without `=` having an empty value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

/// More parameters than any S3 request has.
const MAX_PARAMETERS: usize = 256;

impl Query {
    /// Decodes what stands behind the `?`. `InvalidURI` if it cannot be.
    pub(crate) fn parse(raw: &str) -> Result<Query, S3Error> {
        let mut pairs = Vec::new();
        for piece in raw.split('&').filter(|p| !p.is_empty()) {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            pairs.push((decode_text(name, true)?, decode_text(value, true)?));
            if pairs.len() > MAX_PARAMETERS {
                return Err(S3Error::with_message(Code::InvalidURI, "Too many query parameters."));
            }
        }
        Ok(Query(pairs))
    }
    /// The first value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
    /// Whether the parameter is there, with or without a value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
    /// All parameters.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_stay() {
        assert_eq!(encode("a b/ü~*".as_bytes(), true), "a%20b/%C3%BC~%2A");
        assert_eq!(encode(b"a/b", false), "a%2Fb");
    }

    #[test]
    fn plus_is_a_space_in_queries_only() {
        assert_eq!(decode("a+b%2B%00", true).unwrap(), b"a b+\0");
        assert_eq!(decode("a+b", false).unwrap(), b"a+b");
        for bad in ["%", "%1", "%zz"] {
            assert_eq!(decode(bad, false), None);
        }
        assert_eq!(decode_text("%ff", false).unwrap_err().code(), Code::InvalidURI);
    }

    #[test]
    fn queries_keep_their_order_and_empty_values() {
        let q = Query::parse("uploads&prefix=a%2Fb&&x=").unwrap();
        assert_eq!(q.iter().collect::<Vec<_>>(), [("uploads", ""), ("prefix", "a/b"), ("x", "")]);
        assert!(q.has("uploads") && !q.has("upload"));
        assert!(Query::parse(&"a&".repeat(300)).is_err());
    }
}
