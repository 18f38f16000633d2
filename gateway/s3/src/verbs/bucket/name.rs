//! Which names buckets may have. Source: the S3 user guide, "General purpose bucket naming rules".

use crate::error::{Code, S3Error};

/// `InvalidBucketName` unless the name is one that a bucket may have.
pub(crate) fn check(name: &str) -> Result<(), S3Error> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = name.as_bytes();
    let good = (3..=63).contains(&bytes.len())
        && bytes.iter().all(|b| plain(*b) || matches!(b, b'.' | b'-'))
        && bytes.first().is_some_and(|b| plain(*b))
        && bytes.last().is_some_and(|b| plain(*b))
        && !name.contains("..")
        && !name.contains(".-")
        && !name.contains("-.")
        && !is_address(name)
        && !["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|p| name.starts_with(p))
        && !["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"].iter().any(|s| name.ends_with(s));
    if good { Ok(()) } else { Err(S3Error::new(Code::InvalidBucketName).field("BucketName", name)) }
}

/// Whether it looks like an IPv4 address.
fn is_address(name: &str) -> bool {
    let parts: Vec<&str> = name.split('.').collect();
    parts.len() == 4 && parts.iter().all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_the_guide_has_them() {
        let longest = "a".repeat(63);
        for good in ["abc", "a-b", "a.b.c", "123", "1.2.3", "my--bucket", longest.as_str()] {
            assert!(check(good).is_ok(), "{good}");
        }
        let too_long = "a".repeat(64);
        for bad in [
            "",
            "-",
            "ab",
            "Abc",
            "a_b",
            "-abc",
            "abc-",
            ".abc",
            "abc.",
            "a..b",
            "a.-b",
            "a-.b",
            "192.168.0.1",
            "xn--abc",
            "abc-s3alias",
            "a b",
            "äbc",
            "a/b",
            too_long.as_str(),
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
