//! What a line says, and how: a JSON object with the names that RGW's operations log has, so that what reads one
//! reads the other.

use crate::dates;
use crate::uri;
use serde_json::json;
use std::borrow::Cow;
use stdx::time::WallTime;

/// Texts of clients are cut to so many bytes: a line stays a line.
const TEXT_BYTES_MAX: usize = 2048;

/// Parameters whose values would let a reader of the log do what the sender could.
const SECRETS: [&str; 4] = ["x-amz-signature", "signature", "x-amz-security-token", "secret-key"];

/// One request and what became of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) time: WallTime,
    pub(super) remote: String,
    pub(super) bucket: String,
    pub(super) object: String,
    pub(super) operation: &'static str,
    /// The request line, without what is secret.
    pub(super) request: String,
    /// Who it was, once that was believed; `anonymous` for nobody.
    pub(super) user: String,
    /// The key that it named, whether or not it was believed.
    pub(super) access_key: String,
    /// How it was signed: `v4`, `v2`, `form`, or nothing.
    pub(super) signed: &'static str,
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    pub(super) milliseconds: u64,
    pub(super) user_agent: String,
    pub(super) referrer: String,
}

impl Record {
    /// The line, with its end.
    pub(super) fn line(&self) -> Vec<u8> {
        // RGW has the status as a text.
        let value = json!({
            "trans_id": self.id,
            "time": dates::iso(self.time),
            "remote_addr": self.remote,
            "user": cut(&self.user),
            "access_key_id": cut(&self.access_key),
            "authentication_type": self.signed,
            "bucket": cut(&self.bucket),
            "object": cut(&self.object),
            "operation": self.operation,
            "uri": cut(&self.request),
            "http_status": self.status.to_string(),
            "error_code": self.code,
            "bytes_sent": self.bytes_sent,
            "bytes_received": self.bytes_received,
            "total_time": self.milliseconds,
            "user_agent": cut(&self.user_agent),
            "referrer": cut(&self.referrer),
        });
        let mut line = value.to_string().into_bytes();
        line.push(b'\n');
        line
    }
}

/// A text's beginning.
pub(super) fn cut(text: &str) -> &str {
    if text.len() <= TEXT_BYTES_MAX {
        return text;
    }
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

/// A query without the values of secrets.
pub(crate) fn without_secrets(query: &str) -> String {
    let shown = query.split('&').map(|piece| match piece.split_once('=') {
        Some((name, _)) if is_secret(name) => Cow::Owned(format!("{name}=-")),
        _ => Cow::Borrowed(piece),
    });
    shown.collect::<Vec<_>>().join("&")
}

fn is_secret(name: &str) -> bool {
    // As the gateway reads it, or an encoded letter would be enough to have a secret written down.
    let name = uri::decode(name, true).unwrap_or_else(|| name.as_bytes().to_vec());
    SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_out() {
        assert_eq!(
            without_secrets("X-Amz-Date=1&X-Amz-Signature=abc&x=y%26&secret%2Dkey=s&Signature="),
            "X-Amz-Date=1&X-Amz-Signature=-&x=y%26&secret%2Dkey=-&Signature=-"
        );
        assert_eq!(without_secrets(""), "");
        assert_eq!(without_secrets("uploads&%zz=1"), "uploads&%zz=1");
    }

    #[test]
    fn a_line_is_one_line_of_bounded_length() {
        let record = Record {
            object: format!("a\nb\"\u{1}{}", "ü".repeat(5000)),
            user_agent: "{\"".into(),
            status: 403,
            ..Record::default()
        };
        let line = record.line();
        assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
        assert!(line.len() < 4 * TEXT_BYTES_MAX, "{}", line.len());
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert!(value["object"].as_str().unwrap().starts_with("a\nb\"\u{1}üü"));
        assert_eq!(value["http_status"], "403");
    }
}
