//! Object lock as documents and headers write it. Source: S3 API reference, `PutObjectLockConfiguration`,
//! `PutObjectRetention`, `PutObjectLegalHold`.

use crate::dates;
use crate::error::{Code, S3Error};
use crate::storage::{BucketLock, DefaultRetention, LockPeriod, Retention, RetentionMode};
use crate::xml::{self, Document};
use stdx::time::WallTime;

/// How a mode is called.
pub(crate) fn mode_name(mode: RetentionMode) -> &'static str {
    match mode {
        RetentionMode::Governance => "GOVERNANCE",
        RetentionMode::Compliance => "COMPLIANCE",
    }
}

/// The mode of a name; none for what is none.
pub(crate) fn parse_mode(text: &str) -> Option<RetentionMode> {
    [RetentionMode::Governance, RetentionMode::Compliance].into_iter().find(|m| mode_name(*m) == text)
}

/// A retention until a date that must be to come. `InvalidArgument`.
pub(crate) fn retention(mode: RetentionMode, until: &str, now_s: u64) -> Result<Retention, S3Error> {
    const NAME: &str = "x-amz-object-lock-retain-until-date";
    let malformed = || {
        let message = "The retain until date must be provided in ISO 8601 format";
        S3Error::invalid_argument(message, NAME, until)
    };
    let seconds = dates::parse_http(until).ok_or_else(malformed)?;
    if seconds <= now_s {
        let message = "The retain until date must be in the future!";
        return Err(S3Error::invalid_argument(message, NAME, until));
    }
    Ok(Retention { mode, until_ms: seconds.saturating_mul(1000) })
}

/// A bucket's object lock. `MalformedXML`, `InvalidRetentionPeriod`.
pub(crate) fn bucket_of_document(document: &[u8]) -> Result<BucketLock, S3Error> {
    let malformed = || S3Error::new(Code::MalformedXML);
    let (mut enabled, mut mode, mut days, mut years, mut rule) = (false, None, None, None, false);
    let number = |text: &str| -> Result<u32, S3Error> {
        let n: i64 = text.trim().parse().map_err(|_| malformed())?;
        // Beyond a century of years nobody means it.
        u32::try_from(n).ok().filter(|n| (1..=36_500).contains(n)).ok_or(Code::InvalidRetentionPeriod.into())
    };
    xml::walk(document, "ObjectLockConfiguration", 16, |path, text| {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match path[..] {
            ["ObjectLockEnabled"] if text.trim() == "Enabled" => enabled = true,
            ["Rule"] => rule = true,
            ["Rule", "DefaultRetention"] => {}
            ["Rule", "DefaultRetention", "Mode"] => {
                mode = Some(parse_mode(text.trim()).ok_or_else(malformed)?);
            }
            ["Rule", "DefaultRetention", "Days"] => days = Some(number(text)?),
            ["Rule", "DefaultRetention", "Years"] => years = Some(number(text)?),
            _ => return Err(malformed()),
        }
        Ok(())
    })?;
    let default = match (mode, days, years) {
        (Some(mode), Some(n), None) => Some(DefaultRetention { mode, period: LockPeriod::Days(n) }),
        (Some(_), None, Some(n)) if n > 100 => return Err(Code::InvalidRetentionPeriod.into()),
        (Some(mode), None, Some(n)) => Some(DefaultRetention { mode, period: LockPeriod::Years(n) }),
        (None, None, None) if !rule => None,
        _ => return Err(malformed()),
    };
    if enabled { Ok(BucketLock { default }) } else { Err(malformed()) }
}

/// The document of a bucket's object lock.
pub(crate) fn bucket_document(lock: &BucketLock) -> Document {
    let mut d = Document::new("ObjectLockConfiguration");
    d.leaf("ObjectLockEnabled", "Enabled");
    if let Some(default) = lock.default {
        d.open("Rule").open("DefaultRetention").leaf("Mode", mode_name(default.mode));
        match default.period {
            LockPeriod::Days(n) => d.leaf("Days", &n.to_string()),
            LockPeriod::Years(n) => d.leaf("Years", &n.to_string()),
        };
        d.close().close();
    }
    d
}

/// The retention that a document asks for; none: an empty one, which takes it away. `MalformedXML`, `InvalidArgument`.
pub(crate) fn retention_of_document(document: &[u8], now_s: u64) -> Result<Option<Retention>, S3Error> {
    let malformed = || S3Error::new(Code::MalformedXML);
    let (mut mode, mut until) = (None, None);
    xml::walk(document, "Retention", 8, |path, text| {
        match path[0].as_str() {
            "Mode" => mode = Some(parse_mode(text.trim()).ok_or_else(malformed)?),
            "RetainUntilDate" => until = Some(text.trim().to_string()),
            _ => return Err(malformed()),
        }
        Ok(())
    })?;
    match (mode, until) {
        (Some(mode), Some(until)) => retention(mode, &until, now_s).map(Some),
        (None, None) => Ok(None),
        _ => Err(malformed()),
    }
}

/// The document of a retention.
pub(crate) fn retention_document(retention: Retention) -> Document {
    let mut d = Document::new("Retention");
    d.leaf("Mode", mode_name(retention.mode));
    d.leaf("RetainUntilDate", &dates::iso(WallTime(retention.until_ms.saturating_mul(1_000_000))));
    d
}

/// Whether a document puts a hold on or takes it off. `MalformedXML`.
pub(crate) fn hold_of_document(document: &[u8]) -> Result<bool, S3Error> {
    let mut on = None;
    xml::walk(document, "LegalHold", 4, |path, text| {
        match (path[0].as_str(), text.trim()) {
            ("Status", "ON") => on = Some(true),
            ("Status", "OFF") => on = Some(false),
            _ => return Err(Code::MalformedXML.into()),
        }
        Ok(())
    })?;
    on.ok_or_else(|| Code::MalformedXML.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_documents_are_read_and_written() {
        let of = |inner: &str| {
            let text = format!("<ObjectLockConfiguration>{inner}</ObjectLockConfiguration>");
            bucket_of_document(text.as_bytes()).map_err(|e| e.code())
        };
        let rule = |inner: &str| {
            of(&format!(
                "<ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>{inner}</DefaultRetention></Rule>"
            ))
        };
        assert_eq!(of("<ObjectLockEnabled>Enabled</ObjectLockEnabled>"), Ok(BucketLock::default()));
        assert_eq!(of(""), Err(Code::MalformedXML));
        assert_eq!(of("<ObjectLockEnabled>Disabled</ObjectLockEnabled>"), Err(Code::MalformedXML));
        let lock = rule("<Mode>COMPLIANCE</Mode><Years>2</Years>").unwrap();
        let period = LockPeriod::Years(2);
        assert_eq!(lock.default, Some(DefaultRetention { mode: RetentionMode::Compliance, period }));
        assert_eq!(bucket_of_document(&bucket_document(&lock).finish()).unwrap(), lock);
        for bad in [
            "<Mode>COMPLIANCE</Mode>",
            "<Mode>COMPLIANCE</Mode><Days>1</Days><Years>1</Years>",
            "<Mode>governance</Mode><Days>1</Days>",
            "<Days>1</Days>",
            "<Mode>COMPLIANCE</Mode><Days>x</Days>",
        ] {
            assert_eq!(rule(bad), Err(Code::MalformedXML), "{bad}");
        }
        for bad in ["<Days>0</Days>", "<Years>-1</Years>", "<Years>101</Years>", "<Days>99999999999</Days>"] {
            let bad = format!("<Mode>GOVERNANCE</Mode>{bad}");
            assert_eq!(rule(&bad), Err(Code::InvalidRetentionPeriod), "{bad}");
        }
    }

    #[test]
    fn retentions_end_in_the_future() {
        let of = |inner: &str| {
            let text = format!("<Retention>{inner}</Retention>");
            retention_of_document(text.as_bytes(), 1_000_000_000).map_err(|e| e.code())
        };
        let good = of("<Mode>GOVERNANCE</Mode><RetainUntilDate>2030-01-01T00:00:00.5Z</RetainUntilDate>");
        let good = good.unwrap().unwrap();
        assert_eq!(good.until_ms, 1_893_456_000_000);
        assert!(
            retention_document(good)
                .finish()
                .ends_with(b"<RetainUntilDate>2030-01-01T00:00:00.000Z</RetainUntilDate></Retention>")
        );
        assert_eq!(of(""), Ok(None));
        let past = "<Mode>GOVERNANCE</Mode><RetainUntilDate>2001-01-01T00:00:00Z</RetainUntilDate>";
        assert_eq!(of(past), Err(Code::InvalidArgument));
        assert_eq!(of("<Mode>GOVERNANCE</Mode>"), Err(Code::MalformedXML));
        assert!(hold_of_document(b"<LegalHold><Status>ON</Status></LegalHold>").unwrap());
        assert!(hold_of_document(b"<LegalHold><Status>on</Status></LegalHold>").is_err());
    }
}
