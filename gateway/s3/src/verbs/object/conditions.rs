//! Conditional requests. Precedence of the four headers as RFC 9110 section 13.2.2 and S3 have it.

use crate::dates;
use crate::error::{Code, S3Error};
use crate::response::header_value;
use crate::storage::{Conditions, ETag, Entry, Match};
use http::HeaderMap;
use http::header::{ETAG, LAST_MODIFIED};

/// The names of the four headers.
pub(crate) struct Names {
    if_match: &'static str,
    if_none_match: &'static str,
    if_modified_since: &'static str,
    if_unmodified_since: &'static str,
}

/// Those of reads.
pub(crate) const READ: Names = Names {
    if_match: "if-match",
    if_none_match: "if-none-match",
    if_modified_since: "if-modified-since",
    if_unmodified_since: "if-unmodified-since",
};
/// Those about the source of a copy.
pub(crate) const COPY_SOURCE: Names = Names {
    if_match: "x-amz-copy-source-if-match",
    if_none_match: "x-amz-copy-source-if-none-match",
    if_modified_since: "x-amz-copy-source-if-modified-since",
    if_unmodified_since: "x-amz-copy-source-if-unmodified-since",
};

/// What the conditions say of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Go,
    NotModified,
    Failed(&'static str),
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|v| v.to_str().ok())
}

/// Reads a list of ETags, quoted or not, or `*`.
fn parse_match(text: &str) -> Match {
    if text.trim() == "*" {
        return Match::Any;
    }
    let tags = text.split(',').map(|t| t.trim()).map(|t| t.strip_prefix("W/").unwrap_or(t));
    Match::Tags(tags.filter_map(ETag::parse).collect())
}

fn matches(condition: &Match, etag: ETag) -> bool {
    match condition {
        Match::Any => true,
        Match::Tags(tags) => tags.contains(&etag),
    }
}

fn judge(headers: &HeaderMap, names: &Names, etag: ETag, modified: u64) -> Verdict {
    let date = |name| text(headers, name).and_then(dates::parse_http);
    // A condition on the ETag decides alone; the date beside it is for those who know no ETags.
    if let Some(tags) = text(headers, names.if_match) {
        if !matches(&parse_match(tags), etag) {
            return Verdict::Failed("If-Match");
        }
    } else if date(names.if_unmodified_since).is_some_and(|t| modified > t) {
        return Verdict::Failed("If-Unmodified-Since");
    }
    if let Some(tags) = text(headers, names.if_none_match) {
        if matches(&parse_match(tags), etag) {
            return Verdict::NotModified;
        }
    } else if date(names.if_modified_since).is_some_and(|t| modified <= t) {
        return Verdict::NotModified;
    }
    Verdict::Go
}

/// Whether a read may go on: `PreconditionFailed`, or `NotModified` with the headers that a 304 has.
pub(crate) fn check_read(headers: &HeaderMap, entry: &Entry) -> Result<(), S3Error> {
    match judge(headers, &READ, entry.etag, entry.mtime.seconds()) {
        Verdict::Go => Ok(()),
        Verdict::Failed(which) => Err(S3Error::new(Code::PreconditionFailed).field("Condition", which)),
        Verdict::NotModified => {
            let mut e = S3Error::new(Code::NotModified);
            let etag = format!("\"{}\"", entry.etag);
            for (name, value) in [(ETAG, etag), (LAST_MODIFIED, dates::http(entry.mtime.seconds()))] {
                if let Some(value) = header_value(&value) {
                    e = e.header(name, value);
                }
            }
            Err(e)
        }
    }
}

/// Whether a copy may go on: anything that does not hold is `PreconditionFailed`.
pub(crate) fn check_copy_source(headers: &HeaderMap, entry: &Entry) -> Result<(), S3Error> {
    match judge(headers, &COPY_SOURCE, entry.etag, entry.mtime.seconds()) {
        Verdict::Go => Ok(()),
        Verdict::Failed(_) | Verdict::NotModified => Err(Code::PreconditionFailed.into()),
    }
}

/// The conditions of a write, for storage to check in the transaction.
pub(crate) fn write_conditions(headers: &HeaderMap) -> Conditions {
    let of = |name| text(headers, name).map(parse_match);
    Conditions { if_match: of("if-match"), if_none_match: of("if-none-match") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: u64 = 784_111_777; // Sun, 06 Nov 1994 08:49:37 GMT
    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const TAG: &str = "\"5d41402abc4b2a76b9719d911017c592\"";
    const OTHER: &str = "\"00000000000000000000000000000000\"";

    fn of(pairs: &[(&'static str, &str)]) -> Verdict {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        judge(&headers, &READ, ETag::parse(TAG).unwrap(), T)
    }

    #[test]
    fn one_condition_each() {
        assert_eq!(of(&[]), Verdict::Go);
        assert_eq!(of(&[("if-match", TAG)]), Verdict::Go);
        assert_eq!(of(&[("if-match", "*")]), Verdict::Go);
        assert_eq!(of(&[("if-match", &TAG.replace('"', ""))]), Verdict::Go);
        assert_eq!(of(&[("if-match", OTHER)]), Verdict::Failed("If-Match"));
        assert_eq!(of(&[("if-match", "nonsense")]), Verdict::Failed("If-Match"));
        assert_eq!(of(&[("if-none-match", OTHER)]), Verdict::Go);
        assert_eq!(of(&[("if-none-match", &format!("{OTHER}, W/{TAG}"))]), Verdict::NotModified);
        assert_eq!(of(&[("if-modified-since", SAME)]), Verdict::NotModified);
        assert_eq!(of(&[("if-modified-since", BEFORE)]), Verdict::Go);
        assert_eq!(of(&[("if-unmodified-since", SAME)]), Verdict::Go);
        assert_eq!(of(&[("if-unmodified-since", BEFORE)]), Verdict::Failed("If-Unmodified-Since"));
        assert_eq!(of(&[("if-modified-since", "never")]), Verdict::Go, "no date, no condition");
    }

    #[test]
    fn etags_go_before_dates() {
        assert_eq!(of(&[("if-match", TAG), ("if-unmodified-since", BEFORE)]), Verdict::Go);
        assert_eq!(of(&[("if-none-match", OTHER), ("if-modified-since", SAME)]), Verdict::Go);
        assert_eq!(of(&[("if-none-match", TAG), ("if-modified-since", BEFORE)]), Verdict::NotModified);
        assert_eq!(of(&[("if-match", OTHER), ("if-none-match", TAG)]), Verdict::Failed("If-Match"));
    }
}
