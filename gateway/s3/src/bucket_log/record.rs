//! The lines of a bucket's log.
//!
//! Amazon S3 user guide, "Amazon S3 server access log format": 26 fields with a space between, `-` for nothing, texts of
//! clients in quotes. Ceph's journal has eight of them: radosgw manual, "Bucket Logging".

use crate::dates;
use crate::uri;
use std::fmt::Write;
use stdx::time::WallTime;

/// Texts of clients are cut to so many bytes: a line stays a line.
const TEXT_BYTES_MAX: usize = 2048;

/// A request, and what became of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    pub(crate) bucket_owner: String,
    /// `[TENANT:]NAME`.
    pub(crate) bucket: String,
    pub(crate) time: WallTime,
    pub(crate) remote: String,
    pub(crate) requester: String,
    pub(crate) id: String,
    pub(crate) operation: String,
    pub(crate) key: String,
    /// Method, path and query, without what is secret.
    pub(crate) request: String,
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) bytes_sent: u64,
    pub(crate) object_size: u64,
    pub(crate) total_ms: u64,
    pub(crate) turnaround_ms: u64,
    pub(crate) referrer: String,
    pub(crate) user_agent: String,
    pub(crate) version: String,
    /// `SigV4` or `SigV2`.
    pub(crate) signature: &'static str,
    /// `AuthHeader` or `QueryString`.
    pub(crate) signed_in: &'static str,
    pub(crate) host: String,
    pub(crate) by_acl: bool,
    /// Unquoted; journals have it.
    pub(crate) etag: String,
}

/// A field: what would end it, or the line, is encoded as in a URL.
fn field(line: &mut String, text: &str) {
    line.push(' ');
    match text {
        "" => line.push('-'),
        text => escape(line, text, |c| c.is_control() || c.is_whitespace() || c == '"'),
    }
}

/// A text in quotes.
fn quoted(line: &mut String, text: &str) {
    if text.is_empty() {
        return line.push_str(" \"-\"");
    }
    line.push_str(" \"");
    escape(line, text, |c| c.is_control() || c == '"');
    line.push('"');
}

fn escape(line: &mut String, text: &str, hides: impl Fn(char) -> bool) {
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    for c in text[..end].chars() {
        if hides(c) {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a text does not fail.
                let _ = write!(line, "%{byte:02X}");
            }
        } else {
            line.push(c);
        }
    }
}

fn number(line: &mut String, value: u64) {
    match value {
        0 => line.push_str(" -"),
        value => _ = write!(line, " {value}"),
    }
}

impl Record {
    fn begin(&self) -> String {
        let mut line = String::with_capacity(512);
        field(&mut line, &self.bucket_owner);
        field(&mut line, &self.bucket);
        let _ = write!(line, " [{}]", dates::clf(self.time.seconds()));
        // The first field has no space before it.
        line.remove(0);
        line
    }

    /// The line of a standard log, with its end.
    pub(crate) fn standard(&self) -> String {
        let mut line = self.begin();
        for text in [&self.remote, &self.requester, &self.id, &self.operation] {
            field(&mut line, text);
        }
        field(&mut line, &uri::encode(self.key.as_bytes(), true));
        quoted(&mut line, &self.request);
        number(&mut line, u64::from(self.status));
        field(&mut line, &self.code);
        number(&mut line, self.bytes_sent);
        number(&mut line, self.object_size);
        let _ = write!(line, " {} {}", self.total_ms, self.turnaround_ms);
        quoted(&mut line, &self.referrer);
        quoted(&mut line, &self.user_agent);
        field(&mut line, &self.version);
        // There is no host id to send: one gateway is as good as another.
        field(&mut line, "");
        field(&mut line, self.signature);
        // Which cipher was agreed upon is not known where requests are.
        field(&mut line, "");
        field(&mut line, self.signed_in);
        field(&mut line, &self.host);
        // TLS version, access point.
        line.push_str(" - -");
        field(&mut line, if self.by_acl { "Yes" } else { "" });
        line.push('\n');
        line
    }

    /// The line of a journal, with its end.
    pub(crate) fn journal(&self) -> String {
        let mut line = self.begin();
        field(&mut line, &self.operation);
        field(&mut line, &uri::encode(self.key.as_bytes(), true));
        number(&mut line, self.object_size);
        field(&mut line, &self.version);
        field(&mut line, &self.etag);
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_fields_whatever_clients_send() {
        let record = Record {
            bucket_owner: "ann".into(),
            bucket: "b".into(),
            time: WallTime(784_111_777 * 1_000_000_000),
            operation: "REST.PUT.OBJECT".into(),
            key: "a b\n\"c".into(),
            request: "PUT /b/a%20b?x=\"\n HTTP/1.1".into(),
            status: 200,
            object_size: 5,
            user_agent: format!("x\" \n{}", "ü".repeat(3000)),
            version: "v 1".into(),
            ..Record::default()
        };
        let line = record.standard();
        assert!(line.starts_with(
            "ann b [06/Nov/1994:08:49:37 +0000] - - - REST.PUT.OBJECT a%20b%0A%22c \"PUT /b/a%20b?x=%22%0A HTTP/1.1\" 200 - - 5 0 0 \"-\" \"x%22 %0Aüü"
        ), "{line}");
        assert!(line.ends_with(" v%201 - - - - - - - -\n"), "{line}");
        assert_eq!(line.lines().count(), 1);
        assert!(line.len() < 3 * TEXT_BYTES_MAX);
        // Fields, as those count who read it: texts in quotes and the time are one each.
        let mut outside = String::new();
        let mut within = false;
        for c in line.chars() {
            within = if matches!(c, '"' | '[' | ']') { !within } else { within };
            outside.push(if within { 'x' } else { c });
        }
        assert_eq!(outside.split_whitespace().count(), 26);
        let journal = Record { etag: "e".into(), ..record }.journal();
        assert_eq!(journal, "ann b [06/Nov/1994:08:49:37 +0000] REST.PUT.OBJECT a%20b%0A%22c 5 v%201 e\n");
    }
}
