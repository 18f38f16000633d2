//! Just enough XML to read listings and errors: S3's answers have no attributes on what is asked here.

use std::collections::BTreeMap;

/// The text of the first element called `name`, with entities resolved.
pub fn field(xml: &str, name: &str) -> Option<String> {
    fields(xml, name).into_iter().next()
}

/// The texts of all elements called `name`, in order; markup inside is kept as it is.
pub fn fields(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut all = Vec::new();
    let mut rest = xml;
    while let Some(begin) = rest.find(&open) {
        rest = &rest[begin + open.len()..];
        let Some(end) = rest.find(&close) else { break };
        all.push(unescape(&rest[..end]));
        rest = &rest[end + close.len()..];
    }
    all
}

fn unescape(text: &str) -> String {
    let pairs =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#34;", "\""), ("&apos;", "'"), ("&#39;", "'")];
    // The ampersand last: `&amp;lt;` is the text `&lt;`.
    pairs.iter().fold(text.to_string(), |t, (from, to)| t.replace(from, to)).replace("&amp;", "&")
}

/// Undoes percent-encoding; `+` is a space, as in listings with encoding-type=url.
pub fn decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = bytes.get(i + 1..i + 3).and_then(|h| std::str::from_utf8(h).ok());
        match (bytes[i], hex.and_then(|h| u8::from_str_radix(h, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                i += 3;
            }
            (b'+', _) => {
                out.push(b' ');
                i += 1;
            }
            (byte, _) => {
                out.push(byte);
                i += 1;
            }
        }
    }
    out
}

/// What a listing says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Bytes.
    pub size: u64,
    /// Without its quotation marks.
    pub etag: String,
}

/// The objects of one ListObjectsV2 page with encoding-type=url.
pub fn contents(xml: &str) -> BTreeMap<String, Listed> {
    let (open, close) = ("<Contents>", "</Contents>");
    let mut all = BTreeMap::new();
    let mut rest = xml;
    while let Some(begin) = rest.find(open) {
        rest = &rest[begin + open.len()..];
        let Some(end) = rest.find(close) else { break };
        let row = &rest[..end];
        let key = decode(&field(row, "Key").unwrap_or_default());
        let size = field(row, "Size").and_then(|s| s.parse().ok()).unwrap_or(u64::MAX);
        let etag = field(row, "ETag").unwrap_or_default().trim_matches('"').to_string();
        all.insert(String::from_utf8_lossy(&key).into_owned(), Listed { size, etag });
        rest = &rest[end + close.len()..];
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read() {
        let xml = "<R><Contents><Key>a%2Fb+c%C3%A4</Key><Size>7</Size><ETag>&quot;x&quot;</ETag></Contents>\
                   <Contents><Key>d</Key><ETag>\"y\"</ETag><Size>0</Size></Contents></R>";
        let page = contents(xml);
        assert_eq!(page.len(), 2);
        assert_eq!(page["a/b cä"], Listed { size: 7, etag: "x".into() });
        assert_eq!(page["d"], Listed { size: 0, etag: "y".into() });
        assert_eq!(field("<A>&amp;lt;</A>", "A"), Some("&lt;".into()));
    }
}
