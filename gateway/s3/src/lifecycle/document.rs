//! Lifecycle rules as documents, with S3's limits. Source: S3 API reference, `PutBucketLifecycleConfiguration`.

use super::{Expiration, Filter, NEWER_MAX, Noncurrent, Rule, Terms, transition};
use crate::dates;
use crate::error::{Code, S3Error};
use crate::tags::Tag;
use crate::xml::{self, Document};
use stdx::time::WallTime;

const RULES_MAX: usize = 1000;
const ID_CHARS_MAX: usize = 255;
/// 1000 rules of some tens of elements each.
const ELEMENTS_MAX: usize = 64_000;

pub(super) fn malformed() -> S3Error {
    Code::MalformedXML.into()
}

fn refused(message: &'static str) -> S3Error {
    S3Error::with_message(Code::InvalidRequest, message)
}

/// What the document says of the rule that is being read.
#[derive(Default)]
struct Reading {
    rule: Rule,
    status: bool,
    days: Option<u32>,
    date: Option<u64>,
    marker: Option<bool>,
    noncurrent_days: Option<u32>,
    newer: Option<u32>,
    tag_key: Option<String>,
    tag_value: Option<String>,
    transition: transition::Reading,
    noncurrent_transition: transition::Reading,
}

/// Reads the rules. `MalformedXML`, `InvalidArgument`, `InvalidRequest`. A rule without an id is
/// given one by `new_id`.
pub(crate) fn of_document(
    document: &[u8],
    mut new_id: impl FnMut() -> Result<String, S3Error>,
) -> Result<Vec<Rule>, S3Error> {
    let (mut rules, mut now) = (Vec::<Rule>::new(), Reading::default());
    xml::walk(document, "LifecycleConfiguration", ELEMENTS_MAX, |path, text| {
        match path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["Rule"] => {
                if rules.len() >= RULES_MAX {
                    return Err(malformed());
                }
                let mut rule = std::mem::take(&mut now).finish()?;
                if rule.id.is_empty() {
                    rule.id = new_id()?;
                }
                if rules.iter().any(|other| other.id == rule.id) {
                    let message = "Rule ID must be unique. Found same ID for more than one rule";
                    return Err(S3Error::invalid_argument(message, "ID", &rule.id));
                }
                rules.push(rule);
                Ok(())
            }
            ["Rule", ref rest @ ..] => now.element(rest, text),
            _ => Err(malformed()),
        }
    })?;
    if rules.is_empty() { Err(malformed()) } else { Ok(rules) }
}

pub(super) fn number<T: std::str::FromStr>(text: &str) -> Result<T, S3Error> {
    text.trim().parse().map_err(|_| malformed())
}

/// A number of days; S3 wants at least one.
pub(super) fn days(text: &str, what: &'static str) -> Result<u32, S3Error> {
    let n: i64 = number(text)?;
    u32::try_from(n)
        .ok()
        .filter(|n| *n > 0)
        .ok_or_else(|| S3Error::invalid_argument(format!("{what} must be a positive integer"), "Days", text))
}

pub(super) fn date(text: &str) -> Result<u64, S3Error> {
    let text = text.trim();
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_string() };
    let seconds = dates::parse_http(&whole).ok_or_else(malformed)?;
    if seconds % 86_400 != 0 {
        return Err(S3Error::invalid_argument("'Date' must be at midnight GMT", "Date", text));
    }
    Ok(seconds)
}

impl Reading {
    fn element(&mut self, path: &[&str], text: &str) -> Result<(), S3Error> {
        let rule = &mut self.rule;
        match path {
            ["ID"] => {
                if text.chars().count() > ID_CHARS_MAX {
                    let message = "ID length should not exceed allowed limit of 255";
                    return Err(S3Error::invalid_argument(message, "ID", text));
                }
                rule.id = text.to_string();
            }
            ["Status"] => {
                (self.status, rule.enabled) = match text.trim() {
                    "Enabled" => (true, true),
                    "Disabled" => (true, false),
                    _ => return Err(malformed()),
                }
            }
            ["Prefix"] => rule.prefix = Some(text.to_string()),
            ["Filter"] => _ = rule.filter.get_or_insert_default(),
            ["Filter", "And"] => _ = rule.filter.get_or_insert_default().and.get_or_insert_default(),
            ["Filter", "And", rest @ ..] => {
                let terms = rule.filter.get_or_insert_default().and.get_or_insert_default();
                term(terms, rest, text, &mut self.tag_key, &mut self.tag_value)?;
            }
            ["Filter", rest @ ..] => {
                let terms = &mut rule.filter.get_or_insert_default().own;
                term(terms, rest, text, &mut self.tag_key, &mut self.tag_value)?;
            }
            ["Expiration"] => {
                rule.expiration = Some(match (self.days.take(), self.date.take(), self.marker.take()) {
                    (Some(n), None, None) => Expiration::Days(n),
                    (None, Some(s), None) => Expiration::Date(s),
                    (None, None, Some(on)) => Expiration::Marker(on),
                    _ => return Err(malformed()),
                });
            }
            ["Expiration", "Days"] => self.days = Some(days(text, "'Days' for Expiration action")?),
            ["Expiration", "Date"] => self.date = Some(date(text)?),
            ["Expiration", "ExpiredObjectDeleteMarker"] => {
                self.marker = Some(match text.trim() {
                    "true" => true,
                    "false" => false,
                    _ => return Err(malformed()),
                });
            }
            ["NoncurrentVersionExpiration"] => {
                let days = self.noncurrent_days.take().ok_or_else(malformed)?;
                rule.noncurrent = Some(Noncurrent { days, newer: self.newer.take() });
            }
            ["NoncurrentVersionExpiration", "NoncurrentDays"] => {
                let what = "'NoncurrentDays' for NoncurrentVersionExpiration action";
                self.noncurrent_days = Some(days(text, what)?);
            }
            ["NoncurrentVersionExpiration", "NewerNoncurrentVersions"] => {
                let n: u32 = number(text)?;
                if !(1..=NEWER_MAX).contains(&n) {
                    let message = "NewerNoncurrentVersions must be 1 to 100";
                    return Err(S3Error::invalid_argument(message, "NewerNoncurrentVersions", text));
                }
                self.newer = Some(n);
            }
            ["AbortIncompleteMultipartUpload"] => {
                if rule.abort_days.is_none() {
                    return Err(malformed());
                }
            }
            ["AbortIncompleteMultipartUpload", "DaysAfterInitiation"] => {
                let what = "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action";
                rule.abort_days = Some(days(text, what)?);
            }
            ["Transition", rest @ ..] => self.transition.current(rule, rest, text)?,
            ["NoncurrentVersionTransition", rest @ ..] => {
                self.noncurrent_transition.noncurrent(rule, rest, text)?;
            }
            _ => return Err(malformed()),
        }
        Ok(())
    }

    /// The rule, once all of it is read.
    fn finish(self) -> Result<Rule, S3Error> {
        let rule = self.rule;
        if !self.status || rule.prefix.is_some() == rule.filter.is_some() {
            return Err(malformed());
        }
        let ends = rule.expiration.is_some() || rule.noncurrent.is_some() || rule.abort_days.is_some();
        if !ends && !rule.has_transitions() {
            return Err(refused("At least one action needs to be specified in a rule"));
        }
        if rule.has_tags() && matches!(rule.expiration, Some(Expiration::Marker(_))) {
            return Err(refused("ExpiredObjectDeleteMarker cannot be specified with Tags."));
        }
        if rule.has_tags() && rule.abort_days.is_some() {
            return Err(refused("AbortIncompleteMultipartUpload cannot be specified with Tags."));
        }
        rule.check_transitions()?;
        for terms in rule.terms() {
            if let (Some(larger), Some(smaller)) = (terms.larger, terms.smaller)
                && larger >= smaller
            {
                return Err(refused("ObjectSizeLessThan must be larger than ObjectSizeGreaterThan."));
            }
        }
        Ok(rule)
    }
}

fn term(
    terms: &mut Terms,
    path: &[&str],
    text: &str,
    tag_key: &mut Option<String>,
    tag_value: &mut Option<String>,
) -> Result<(), S3Error> {
    match path {
        ["Prefix"] => terms.prefix = Some(text.to_string()),
        ["Tag", "Key"] => *tag_key = Some(text.to_string()),
        ["Tag", "Value"] => *tag_value = Some(text.to_string()),
        ["Tag"] => {
            let key = tag_key.take().filter(|k| !k.is_empty()).ok_or_else(malformed)?;
            let value = tag_value.take().ok_or_else(malformed)?;
            if terms.tags.iter().any(|tag| tag.key == key) {
                return Err(refused("Duplicate Tag Keys are not allowed."));
            }
            terms.tags.push(Tag { key, value });
        }
        ["ObjectSizeGreaterThan"] => terms.larger = Some(number(text)?),
        ["ObjectSizeLessThan"] => terms.smaller = Some(number(text)?),
        _ => return Err(malformed()),
    }
    Ok(())
}

fn write_terms(d: &mut Document, terms: &Terms) {
    d.leaf_if("Prefix", terms.prefix.as_deref());
    for tag in &terms.tags {
        d.open("Tag").leaf("Key", &tag.key).leaf("Value", &tag.value).close();
    }
    d.leaf_if("ObjectSizeGreaterThan", terms.larger.map(|n| n.to_string()).as_deref());
    d.leaf_if("ObjectSizeLessThan", terms.smaller.map(|n| n.to_string()).as_deref());
}

/// The document of rules, as it was put.
pub(crate) fn to_document(rules: &[Rule]) -> Document {
    let mut d = Document::new("LifecycleConfiguration");
    for rule in rules {
        d.open("Rule").leaf("ID", &rule.id).leaf_if("Prefix", rule.prefix.as_deref());
        if let Some(Filter { own, and }) = &rule.filter {
            d.open("Filter");
            write_terms(&mut d, own);
            if let Some(and) = and {
                d.open("And");
                write_terms(&mut d, and);
                d.close();
            }
            d.close();
        }
        d.leaf("Status", if rule.enabled { "Enabled" } else { "Disabled" });
        if let Some(expiration) = rule.expiration {
            d.open("Expiration");
            match expiration {
                Expiration::Days(n) => d.leaf("Days", &n.to_string()),
                Expiration::Date(s) => d.leaf("Date", &dates::iso(WallTime(s.saturating_mul(1_000_000_000)))),
                Expiration::Marker(on) => {
                    d.leaf("ExpiredObjectDeleteMarker", if on { "true" } else { "false" })
                }
            };
            d.close();
        }
        if let Some(noncurrent) = rule.noncurrent {
            d.open("NoncurrentVersionExpiration").leaf("NoncurrentDays", &noncurrent.days.to_string());
            d.leaf_if("NewerNoncurrentVersions", noncurrent.newer.map(|n| n.to_string()).as_deref());
            d.close();
        }
        rule.write_transitions(&mut d);
        if let Some(days) = rule.abort_days {
            d.open("AbortIncompleteMultipartUpload").leaf("DaysAfterInitiation", &days.to_string()).close();
        }
        d.close();
    }
    d
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(inner: &str) -> Result<Vec<Rule>, Code> {
        let text = format!("<LifecycleConfiguration>{inner}</LifecycleConfiguration>");
        of_document(text.as_bytes(), || Ok("made".into())).map_err(|e| e.code())
    }
    fn rule(inner: &str) -> Result<Rule, Code> {
        of(&format!("<Rule><Status>Enabled</Status>{inner}</Rule>")).map(|mut rules| rules.remove(0))
    }

    const DAYS: &str = "<Expiration><Days>1</Days></Expiration>";

    #[test]
    fn what_is_read_is_written_again() {
        let all = "<Rule><ID>a</ID><Filter><And><Prefix>p&amp;</Prefix><Tag><Key>k</Key><Value>v</Value></Tag><ObjectSizeGreaterThan>1</ObjectSizeGreaterThan><ObjectSizeLessThan>9</ObjectSizeLessThan></And></Filter><Status>Enabled</Status><Expiration><Days>3</Days></Expiration><NoncurrentVersionExpiration><NoncurrentDays>2</NoncurrentDays><NewerNoncurrentVersions>5</NewerNoncurrentVersions></NoncurrentVersionExpiration></Rule><Rule><ID>b</ID><Prefix></Prefix><Status>Disabled</Status><AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule><Rule><ID>c</ID><Filter></Filter><Status>Enabled</Status><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration></Rule><Rule><ID>d</ID><Filter></Filter><Status>Enabled</Status><Expiration><Date>2017-09-27T00:00:00.000Z</Date></Expiration></Rule>";
        let rules = of(all).unwrap();
        let written = to_document(&rules).finish();
        assert!(String::from_utf8_lossy(&written).contains(all), "{written:?}");
        let mut kept = std::collections::BTreeMap::new();
        super::super::keep_rules(&mut kept, &rules);
        assert_eq!(super::super::of(&kept).unwrap(), rules);
        assert_eq!(rule(&format!("<Prefix/>{DAYS}")).unwrap().id, "made");
    }

    #[test]
    fn refusals_have_their_codes() {
        use Code::{InvalidArgument, InvalidRequest, MalformedXML};
        let filter = "<Filter/>";
        for (inner, code) in [
            (format!("{filter}<Expiration><Days>0</Days></Expiration>"), InvalidArgument),
            (format!("{filter}<Expiration><Date>2017-09-27T01:00:00Z</Date></Expiration>"), InvalidArgument),
            (format!("{filter}<Expiration><Date>20170927</Date></Expiration>"), MalformedXML),
            (format!("{filter}<Expiration><Days>1</Days><Date>2017-09-27</Date></Expiration>"), MalformedXML),
            (format!("{filter}<Expiration/>"), MalformedXML),
            (format!("<ID>{}</ID>{filter}{DAYS}", "x".repeat(256)), InvalidArgument),
            (format!("{filter}<Prefix>a</Prefix>{DAYS}"), MalformedXML),
            (DAYS.to_string(), MalformedXML),
            (filter.to_string(), InvalidRequest),
            (format!("{filter}<Status>enabled</Status>{DAYS}"), MalformedXML),
            (
                "<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>".to_string(),
                InvalidRequest,
            ),
            (
                format!(
                    "<Filter><And><ObjectSizeGreaterThan>9</ObjectSizeGreaterThan><ObjectSizeLessThan>9</ObjectSizeLessThan></And></Filter>{DAYS}"
                ),
                InvalidRequest,
            ),
            (
                format!(
                    "{filter}<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>101</NewerNoncurrentVersions></NoncurrentVersionExpiration>"
                ),
                InvalidArgument,
            ),
            (format!("{filter}{DAYS}<Unknown/>"), MalformedXML),
        ] {
            assert_eq!(rule(&inner), Err(code), "{inner}");
        }
        let twice = format!("<Rule><ID>a</ID><Status>Enabled</Status>{filter}{DAYS}</Rule>").repeat(2);
        assert_eq!(of(&twice), Err(InvalidArgument));
        assert_eq!(of(""), Err(MalformedXML));
        let one = |n: usize| format!("<Rule><ID>{n}</ID><Status>Enabled</Status>{filter}{DAYS}</Rule>");
        let many: String = (0..1001).map(one).collect();
        assert_eq!(of(&many), Err(MalformedXML));
    }
}
