//! What a bucket says of its log: read from documents, shown in them, kept as the setting `logging`.
//!
//! Amazon S3 API reference, `BucketLoggingStatus`; beside it Ceph's extensions, radosgw manual, "Bucket Logging":
//! `LoggingType`, `ObjectRollTime`, `RecordsBatchSize` and, for journals, `Filter`.

use crate::error::{Code, S3Error};
use crate::xml::{self, Document};
use bytes::Bytes;
use std::collections::BTreeMap;
use stdx::codec::{from_bytes, to_bytes};

const KEPT_AS: &str = "logging";
/// The longest prefix and the longest pattern of a filter, bytes: a key of S3 has 1024.
const TEXT_BYTES_MAX: usize = 800;
/// Rules of a filter.
const RULES_MAX: usize = 3;
/// Grants that a document may bring.
const ELEMENTS_MAX: usize = 1000;
/// The longest time between two log objects, seconds.
const ROLL_S_MAX: u32 = 7 * 86_400;

/// What is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LoggingType {
    /// Every request, when it is over.
    #[default]
    Standard,
    /// Changes of objects, before their requests are answered.
    Journal,
}
stdx::codec_enum!(LoggingType { 0 => Standard, 1 => Journal });

/// How keys of log objects are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum KeyFormat {
    /// Prefix, time and something unique.
    #[default]
    Simple,
    /// Folders for source and day, of the delivery.
    ByDelivery,
    /// Folders for source and day, of the requests.
    ByEvent,
}
stdx::codec_enum!(KeyFormat { 0 => Simple, 1 => ByDelivery, 2 => ByEvent });

/// Where and how a bucket's requests are logged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Logging {
    /// As the document names the bucket.
    pub(crate) target_named: String,
    /// Its full name.
    pub(crate) target: String,
    pub(crate) prefix: String,
    pub(crate) kind: LoggingType,
    pub(crate) format: KeyFormat,
    /// Seconds between two log objects; none: the gateway's setting.
    pub(crate) roll_s: Option<u32>,
    /// So many records are taken down without waiting for more; 0: whatever there is, soon.
    pub(crate) batch: u32,
    /// Which keys a journal is about.
    pub(crate) starts: Option<String>,
    pub(crate) ends: Option<String>,
    /// When it was set, milliseconds since 1970.
    pub(crate) set_ms: u64,
}
stdx::codec_versioned!(Logging, 1 {
    target_named, target, prefix, kind, format, roll_s, batch, starts, ends, set_ms
});

impl Logging {
    /// What is kept, if anything is.
    pub(crate) fn of(kept: &BTreeMap<String, Bytes>) -> Result<Option<Logging>, S3Error> {
        let Some(bytes) = kept.get(KEPT_AS) else { return Ok(None) };
        from_bytes(bytes.clone())
            .map(Some)
            .map_err(|e| S3Error::internal(format!("the logging of a bucket cannot be read: {e}")))
    }

    /// Keeps it, or keeps none.
    pub(crate) fn keep(this: Option<&Logging>, kept: &mut BTreeMap<String, Bytes>) {
        match this {
            Some(logging) => _ = kept.insert(KEPT_AS.into(), to_bytes(logging)),
            None => _ = kept.remove(KEPT_AS),
        }
    }

    /// Whether both say the same, whenever they were set.
    pub(crate) fn says(&self, other: &Logging) -> bool {
        *self == Logging { set_ms: self.set_ms, ..other.clone() }
    }

    /// Whether a journal is about the key.
    pub(crate) fn is_about(&self, key: &str) -> bool {
        self.starts.as_deref().is_none_or(|text| key.starts_with(text))
            && self.ends.as_deref().is_none_or(|text| key.ends_with(text))
    }
}

/// Whether something is kept: without reading it.
pub(crate) fn is_kept(kept: &BTreeMap<String, Bytes>) -> bool {
    kept.contains_key(KEPT_AS)
}

fn malformed() -> S3Error {
    Code::MalformedXML.into()
}

fn bounded(text: &str) -> Result<String, S3Error> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(S3Error::with_message(Code::InvalidArgument, "A prefix or suffix is too long."));
    }
    Ok(text.to_string())
}

/// What the document wants; none: no logging. Of the target only its name is known so far.
pub(crate) fn of_document(document: &[u8]) -> Result<Option<Logging>, S3Error> {
    let (mut found, mut enabled) = (Logging::default(), false);
    let (mut has_target, mut has_prefix, mut simple, mut partitioned) = (false, false, false, false);
    let (mut rule, mut rules) = ((None, None), 0);
    xml::walk(document, "BucketLoggingStatus", ELEMENTS_MAX, |path, text| {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let Some(("LoggingEnabled", inner)) = path.split_first().map(|(first, rest)| (*first, rest)) else {
            return Err(malformed());
        };
        let number = |max: u32| text.trim().parse().ok().filter(|n| *n <= max).ok_or_else(malformed);
        match inner {
            [] => enabled = true,
            ["TargetBucket"] => (has_target, found.target_named) = (true, text.trim().to_string()),
            ["TargetPrefix"] => (has_prefix, found.prefix) = (true, bounded(text)?),
            ["LoggingType"] => {
                found.kind = match text.trim() {
                    "Standard" => LoggingType::Standard,
                    "Journal" => LoggingType::Journal,
                    _ => return Err(malformed()),
                }
            }
            ["ObjectRollTime"] => found.roll_s = Some(number(ROLL_S_MAX)?).filter(|s| *s > 0),
            ["RecordsBatchSize"] => found.batch = number(u32::MAX)?,
            ["TargetObjectKeyFormat", "SimplePrefix"] => simple = true,
            ["TargetObjectKeyFormat", "PartitionedPrefix"] => {
                partitioned = true;
                if found.format == KeyFormat::Simple {
                    found.format = KeyFormat::ByDelivery;
                }
            }
            ["TargetObjectKeyFormat", "PartitionedPrefix", "PartitionDateSource"] => {
                found.format = match text.trim() {
                    "DeliveryTime" => KeyFormat::ByDelivery,
                    "EventTime" => KeyFormat::ByEvent,
                    _ => return Err(malformed()),
                }
            }
            // As RGW does: taken, and of no effect. Log objects belong to the bucket's owner, whose policy says who reads.
            ["TargetGrants", ..] | ["TargetObjectKeyFormat"] => {}
            ["Filter"] | ["Filter", "S3Key" | "Key"] => {}
            ["Filter", "S3Key" | "Key", "FilterRule", "Name"] => rule.0 = Some(text.trim().to_lowercase()),
            ["Filter", "S3Key" | "Key", "FilterRule", "Value"] => rule.1 = Some(bounded(text)?),
            ["Filter", "S3Key" | "Key", "FilterRule"] => {
                rules += 1;
                let (name, value) = (rule.0.take(), rule.1.take());
                match (name.as_deref(), value) {
                    _ if rules > RULES_MAX => return Err(malformed()),
                    (Some("prefix"), Some(value)) => found.starts = Some(value),
                    (Some("suffix"), Some(value)) => found.ends = Some(value),
                    (Some("regex"), Some(_)) => {
                        return Err(S3Error::with_message(
                            Code::NotImplemented,
                            "Filters by regular expressions are not built.",
                        ));
                    }
                    _ => return Err(malformed()),
                }
            }
            _ => return Err(malformed()),
        }
        Ok(())
    })?;
    if !enabled {
        return Ok(None);
    }
    if !has_target || !has_prefix || (simple && partitioned) {
        return Err(malformed());
    }
    Ok(Some(found))
}

/// The document that shows it; `roll_s` where nothing was said of that.
pub(crate) fn to_document(logging: Option<&Logging>, roll_s: u32) -> Document {
    let mut d = Document::new("BucketLoggingStatus");
    let Some(l) = logging else { return d };
    d.open("LoggingEnabled").leaf("TargetBucket", &l.target_named).leaf("TargetPrefix", &l.prefix);
    d.leaf("LoggingType", if l.kind == LoggingType::Journal { "Journal" } else { "Standard" });
    d.leaf("ObjectRollTime", &l.roll_s.unwrap_or(roll_s).to_string());
    d.leaf("RecordsBatchSize", &l.batch.to_string());
    d.open("TargetObjectKeyFormat");
    match l.format {
        KeyFormat::Simple => _ = d.leaf("SimplePrefix", ""),
        KeyFormat::ByDelivery => {
            _ = d.open("PartitionedPrefix").leaf("PartitionDateSource", "DeliveryTime").close()
        }
        KeyFormat::ByEvent => {
            _ = d.open("PartitionedPrefix").leaf("PartitionDateSource", "EventTime").close()
        }
    }
    d.close();
    if l.starts.is_some() || l.ends.is_some() {
        d.open("Filter").open("S3Key");
        for (name, value) in [("prefix", &l.starts), ("suffix", &l.ends)] {
            if let Some(value) = value {
                d.open("FilterRule").leaf("Name", name).leaf("Value", value).close();
            }
        }
    }
    d
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(inner: &str) -> Result<Option<Logging>, Code> {
        of_document(format!("<BucketLoggingStatus>{inner}</BucketLoggingStatus>").as_bytes())
            .map_err(|e| e.code())
    }

    #[test]
    fn what_is_said_comes_back() {
        let inner = "<LoggingEnabled><TargetBucket>t:b</TargetBucket><TargetPrefix> log/</TargetPrefix><LoggingType>Journal</LoggingType><ObjectRollTime>7</ObjectRollTime><TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>EventTime</PartitionDateSource></PartitionedPrefix></TargetObjectKeyFormat><Filter><S3Key><FilterRule><Name>prefix</Name><Value>a</Value></FilterRule><FilterRule><Name>suffix</Name><Value>.txt</Value></FilterRule></S3Key></Filter></LoggingEnabled>";
        let logging = of(inner).unwrap().unwrap();
        assert_eq!((logging.kind, logging.format), (LoggingType::Journal, KeyFormat::ByEvent));
        assert_eq!((logging.prefix.as_str(), logging.roll_s), (" log/", Some(7)));
        assert!(logging.is_about("a.txt") && !logging.is_about("b.txt") && !logging.is_about("a"));
        let shown = to_document(Some(&logging), 300).finish();
        assert_eq!(of_document(&shown).unwrap().unwrap(), logging);
        let mut kept = BTreeMap::new();
        Logging::keep(Some(&logging), &mut kept);
        assert_eq!(Logging::of(&kept).unwrap().as_ref(), Some(&logging));
        assert!(logging.says(&Logging { set_ms: 9, ..logging.clone() }));
        Logging::keep(None, &mut kept);
        assert!(!is_kept(&kept));
    }

    #[test]
    fn what_is_left_out_is_shown_as_it_holds() {
        assert_eq!(of("").unwrap(), None);
        let least = "<LoggingEnabled><TargetBucket>b</TargetBucket><TargetPrefix/></LoggingEnabled>";
        let logging = of(least).unwrap().unwrap();
        let text = String::from_utf8(to_document(Some(&logging), 300).finish().to_vec()).unwrap();
        for part in
            ["<LoggingType>Standard<", "<ObjectRollTime>300<", "<RecordsBatchSize>0<", "<SimplePrefix>"]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let with = |more: &str| {
            format!(
                "<LoggingEnabled><TargetBucket>b</TargetBucket><TargetPrefix>p</TargetPrefix>{more}</LoggingEnabled>"
            )
        };
        let format = |inner: &str| with(&format!("<TargetObjectKeyFormat>{inner}</TargetObjectKeyFormat>"));
        assert!(
            of(&with("<TargetGrants><Grant><Permission>READ</Permission></Grant></TargetGrants>")).is_ok()
        );
        for bad in [
            "<LoggingEnabled/>".to_string(),
            "<LoggingEnabled><TargetBucket>b</TargetBucket></LoggingEnabled>".into(),
            "<Other/>".into(),
            with("<LoggingType>kaboom</LoggingType>"),
            with("<ObjectRollTime>-1</ObjectRollTime>"),
            with("<ObjectRollTime>99999999</ObjectRollTime>"),
            with("<Other/>"),
            format(
                "<PartitionedPrefix><PartitionDateSource>kaboom</PartitionDateSource></PartitionedPrefix>",
            ),
            format("<SimplePrefix/><PartitionedPrefix/>"),
            with("<Filter><S3Key><FilterRule><Name>prefix</Name></FilterRule></S3Key></Filter>"),
        ] {
            assert_eq!(of(&bad), Err(Code::MalformedXML), "{bad}");
        }
        let long = format!(
            "<LoggingEnabled><TargetBucket>b</TargetBucket><TargetPrefix>{}</TargetPrefix></LoggingEnabled>",
            "x".repeat(900)
        );
        assert_eq!(of(&long), Err(Code::InvalidArgument));
    }
}
