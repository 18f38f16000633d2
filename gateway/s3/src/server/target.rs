//! What a request is about: from its host and its path.

use crate::error::{Code, S3Error};
use crate::uri;

/// The longest key, bytes of UTF-8.
pub(crate) const MAX_KEY_BYTES: usize = 1024;

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The service: its buckets.
    Service,
    /// A bucket, by a name that may be no valid one.
    Bucket(String),
    /// An object of a bucket.
    Object(String, String),
}

impl Target {
    /// Reads the target. `path` is still encoded; `host` may have a port. `InvalidURI`, `KeyTooLongError`.
    pub(crate) fn of(host: &str, path: &str, domains: &[String]) -> Result<Target, S3Error> {
        let rest = path.strip_prefix('/').unwrap_or(path);
        let (bucket, key) = match bucket_of_host(host, domains) {
            Some(bucket) => (bucket.to_string(), rest),
            None => {
                let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
                (uri::decode_text(bucket, false)?, key)
            }
        };
        if bucket.is_empty() {
            return if key.is_empty() { Ok(Target::Service) } else { Err(Code::InvalidBucketName.into()) };
        }
        let key = uri::decode_text(key, false)?;
        if key.is_empty() {
            return Ok(Target::Bucket(bucket));
        }
        check_key(&key)?;
        Ok(Target::Object(bucket, key))
    }

    /// The bucket's name.
    pub(crate) fn bucket(&self) -> Option<&str> {
        match self {
            Target::Service => None,
            Target::Bucket(bucket) | Target::Object(bucket, _) => Some(bucket),
        }
    }
    /// The object's key.
    pub(crate) fn key(&self) -> Option<&str> {
        match self {
            Target::Object(_, key) => Some(key),
            _ => None,
        }
    }
}

/// `KeyTooLongError` if it is.
pub(crate) fn check_key(key: &str) -> Result<(), S3Error> {
    if key.len() <= MAX_KEY_BYTES {
        return Ok(());
    }
    Err(S3Error::new(Code::KeyTooLongError)
        .field("Size", key.len().to_string())
        .field("MaxSizeAllowed", MAX_KEY_BYTES.to_string()))
}

/// The bucket that a virtual host names.
pub(super) fn bucket_of_host<'a>(host: &'a str, domains: &[String]) -> Option<&'a str> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    domains.iter().find_map(|domain| {
        let at = name.len().checked_sub(domain.len())?;
        let (bucket, end) = name.split_at_checked(at)?;
        let bucket = bucket.strip_suffix('.')?;
        (end.eq_ignore_ascii_case(domain) && !bucket.is_empty()).then_some(bucket)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(host: &str, path: &str) -> Result<Target, Code> {
        Target::of(host, path, &["s3.example.com".into()]).map_err(|e| e.code())
    }
    fn object(bucket: &str, key: &str) -> Result<Target, Code> {
        Ok(Target::Object(bucket.into(), key.into()))
    }

    #[test]
    fn path_style_keeps_the_key_as_it_is() {
        assert_eq!(of("127.0.0.1:9000", "/"), Ok(Target::Service));
        assert_eq!(of("h", "/b"), Ok(Target::Bucket("b".into())));
        assert_eq!(of("h", "/b/"), Ok(Target::Bucket("b".into())));
        assert_eq!(of("h", "/b//x/../%2e%2e/y+z%20"), object("b", "/x/../../y+z "));
        assert_eq!(of("s3.example.com", "/b/k"), object("b", "k"));
        assert_eq!(of("h", "//k"), Err(Code::InvalidBucketName));
    }

    #[test]
    fn virtual_hosts_name_the_bucket() {
        assert_eq!(of("b.s3.example.com:80", "/k/x"), object("b", "k/x"));
        assert_eq!(of("a.b.S3.Example.com", "/"), Ok(Target::Bucket("a.b".into())));
        assert_eq!(of("bs3.example.com", "/b/k"), object("b", "k"));
        assert_eq!(of("[::1]:9000", "/b"), Ok(Target::Bucket("b".into())));
        assert_eq!(of("ü.example.com", "/b"), Ok(Target::Bucket("b".into())));
    }

    #[test]
    fn keys_are_bounded_and_utf8() {
        assert_eq!(of("h", &format!("/b/{}", "k".repeat(1024))), object("b", &"k".repeat(1024)));
        assert_eq!(of("h", &format!("/b/{}", "k".repeat(1025))), Err(Code::KeyTooLongError));
        assert_eq!(of("h", "/b/%ff"), Err(Code::InvalidURI));
        assert_eq!(of("h", "/b/%0"), Err(Code::InvalidURI));
        assert_eq!(of("h", "/b/%01%0a"), object("b", "\u{1}\n"));
    }
}
