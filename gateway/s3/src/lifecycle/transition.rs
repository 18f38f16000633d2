//! Rules that move objects to another storage class: read and written as elements of a rule, and asked what is due.
//!
//! Amazon S3 API reference, `Transition` and `NoncurrentVersionTransition`. Of several that are due the one that fell
//! due last holds, as in RGW.

use super::document::{date, days, malformed, number};
use super::judge::{Calendar, Item};
use super::{Expiration, NEWER_MAX, Rule};
use crate::dates;
use crate::error::{Code, S3Error};
use crate::storage::STANDARD;
use crate::xml::Document;
use stdx::time::WallTime;

/// When a current object moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// So many days after it was put.
    Days(u32),
    /// From this second since 1970 on, a midnight.
    Date(u64),
}
stdx::codec_enum!(When { 0 => Days(n), 1 => Date(s) });

/// Where current objects move, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transition {
    when: When,
    class: String,
}
stdx::codec_plain!(Transition { when, class });

/// Where older versions move, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoncurrentTransition {
    /// So many days after a newer version came.
    days: u32,
    /// But so many of the newest of them stay.
    newer: Option<u32>,
    class: String,
}
stdx::codec_plain!(NoncurrentTransition { days, newer, class });

/// What the document says of the transition that is being read.
#[derive(Default)]
pub(super) struct Reading {
    when: Option<When>,
    class: Option<String>,
    days: Option<u32>,
    newer: Option<u32>,
}

impl Reading {
    fn at(&mut self, when: When) -> Result<(), S3Error> {
        if self.when.replace(when).is_some() { Err(malformed()) } else { Ok(()) }
    }

    /// Takes an element of `Transition` (or its end) in; what is whole goes to the rule.
    pub(super) fn current(&mut self, rule: &mut Rule, path: &[&str], text: &str) -> Result<(), S3Error> {
        match path {
            [] => {
                let Reading { when, class, .. } = std::mem::take(self);
                let (Some(when), Some(class)) = (when, class) else { return Err(malformed()) };
                if rule.transitions.iter().any(|t| t.class == class) {
                    return Err(twice());
                }
                rule.transitions.push(Transition { when, class });
            }
            ["StorageClass"] => self.class = Some(class_of(text)?),
            ["Days"] => self.at(When::Days(days_or_none(text, "'Days' in Transition action")?))?,
            ["Date"] => self.at(When::Date(date(text)?))?,
            _ => return Err(malformed()),
        }
        Ok(())
    }

    /// The same of `NoncurrentVersionTransition`.
    pub(super) fn noncurrent(&mut self, rule: &mut Rule, path: &[&str], text: &str) -> Result<(), S3Error> {
        match path {
            [] => {
                let Reading { days, newer, class, .. } = std::mem::take(self);
                let (Some(days), Some(class)) = (days, class) else { return Err(malformed()) };
                if rule.noncurrent_transitions.iter().any(|t| t.class == class) {
                    return Err(twice());
                }
                rule.noncurrent_transitions.push(NoncurrentTransition { days, newer, class });
            }
            ["StorageClass"] => self.class = Some(class_of(text)?),
            ["NoncurrentDays"] => {
                let what = "'NoncurrentDays' in NoncurrentVersionTransition action";
                self.days = Some(days_or_none(text, what)?);
            }
            ["NewerNoncurrentVersions"] => {
                let newer: u32 = number(text)?;
                if !(1..=NEWER_MAX).contains(&newer) {
                    let message = "NewerNoncurrentVersions must be 1 to 100";
                    return Err(S3Error::invalid_argument(message, "NewerNoncurrentVersions", text));
                }
                self.newer = Some(newer);
            }
            _ => return Err(malformed()),
        }
        Ok(())
    }
}

fn twice() -> S3Error {
    let message = "A rule can move objects to each storage class only once.";
    S3Error::with_message(Code::InvalidRequest, message)
}

fn class_of(text: &str) -> Result<String, S3Error> {
    let class = text.trim();
    if class.is_empty() { Err(malformed()) } else { Ok(class.to_string()) }
}

/// Here S3 takes a day of nothing, too.
fn days_or_none(text: &str, what: &'static str) -> Result<u32, S3Error> {
    if text.trim() == "0" { Ok(0) } else { days(text, what) }
}

/// The class as objects keep it.
pub(super) fn kept(class: &str) -> &str {
    if class == STANDARD { "" } else { class }
}

impl Rule {
    /// The storage classes that it names.
    pub(crate) fn classes(&self) -> impl Iterator<Item = &str> {
        let current = self.transitions.iter().map(|t| t.class.as_str());
        current.chain(self.noncurrent_transitions.iter().map(|t| t.class.as_str()))
    }

    /// Whether it moves anything.
    pub(super) fn has_transitions(&self) -> bool {
        self.classes().next().is_some()
    }

    /// Refuses days and dates together in one rule. `InvalidRequest`.
    pub(super) fn check_transitions(&self) -> Result<(), S3Error> {
        let days = self.transitions.iter().any(|t| matches!(t.when, When::Days(_)))
            || matches!(self.expiration, Some(Expiration::Days(_)));
        let dates = self.transitions.iter().any(|t| matches!(t.when, When::Date(_)))
            || matches!(self.expiration, Some(Expiration::Date(_)));
        if self.transitions.is_empty() || !(days && dates) {
            return Ok(());
        }
        let message =
            "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule";
        Err(S3Error::with_message(Code::InvalidRequest, message))
    }

    /// Where it wants a version to be now, if its tags fit, and since when in milliseconds since 1970.
    pub(super) fn moves(&self, item: &Item<'_>, calendar: Calendar) -> Option<(u64, &str)> {
        if !self.has_transitions() || item.marker || !self.fits(item.key, Some(item.size)) {
            return None;
        }
        let due = |(at, class)| (at <= calendar.now_ms).then_some((at, kept(class)));
        match item.superseded {
            None => {
                let at = |t: &'_ Transition| match t.when {
                    When::Days(n) => calendar.after(item.mtime_ms, n),
                    When::Date(s) => s.saturating_mul(1000),
                };
                self.transitions.iter().map(|t| (at(t), t.class.as_str())).filter_map(due).max()
            }
            Some((since_ms, newer)) => {
                let all = self.noncurrent_transitions.iter();
                all.filter(|t| t.newer.is_none_or(|stay| newer >= stay))
                    .map(|t| (calendar.after(since_ms, t.days), t.class.as_str()))
                    .filter_map(due)
                    .max()
            }
        }
    }

    /// Writes the elements.
    pub(super) fn write_transitions(&self, d: &mut Document) {
        for t in &self.transitions {
            d.open("Transition");
            match t.when {
                When::Days(n) => d.leaf("Days", &n.to_string()),
                When::Date(s) => d.leaf("Date", &dates::iso(WallTime(s.saturating_mul(1_000_000_000)))),
            };
            d.leaf("StorageClass", &t.class).close();
        }
        for t in &self.noncurrent_transitions {
            d.open("NoncurrentVersionTransition").leaf("NoncurrentDays", &t.days.to_string());
            d.leaf_if("NewerNoncurrentVersions", t.newer.map(|n| n.to_string()).as_deref());
            d.leaf("StorageClass", &t.class).close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DAY_MS, of_document, to_document};
    use super::*;

    fn rule(inner: &str) -> Result<Rule, Code> {
        let text = format!(
            "<LifecycleConfiguration><Rule><ID>r</ID><Filter></Filter><Status>Enabled</Status>{inner}</Rule></LifecycleConfiguration>"
        );
        of_document(text.as_bytes(), || Ok("made".into())).map(|mut all| all.remove(0)).map_err(|e| e.code())
    }
    fn days_to(n: u32, class: &str) -> String {
        format!("<Transition><Days>{n}</Days><StorageClass>{class}</StorageClass></Transition>")
    }

    #[test]
    fn they_are_written_as_they_were_read() {
        let all = [
            days_to(0, "A"),
            days_to(3, "STANDARD"),
            "<NoncurrentVersionTransition><NoncurrentDays>2</NoncurrentDays><NewerNoncurrentVersions>5</NewerNoncurrentVersions><StorageClass>B</StorageClass></NoncurrentVersionTransition>".into(),
        ]
        .concat();
        let read = rule(&all).unwrap();
        assert_eq!(read.classes().collect::<Vec<_>>(), ["A", "STANDARD", "B"]);
        let written = to_document(std::slice::from_ref(&read)).finish();
        assert!(String::from_utf8_lossy(&written).contains(&all), "{written:?}");
        let mut kept = std::collections::BTreeMap::new();
        super::super::keep_rules(&mut kept, &vec![read.clone()]);
        assert_eq!(super::super::of(&kept).unwrap(), [read]);
        let dated =
            "<Transition><Date>2017-09-27T00:00:00.000Z</Date><StorageClass>A</StorageClass></Transition>";
        assert!(String::from_utf8_lossy(&to_document(&[rule(dated).unwrap()]).finish()).contains(dated));
    }

    #[test]
    fn refusals_have_their_codes() {
        use Code::{InvalidArgument, InvalidRequest, MalformedXML};
        let class = "<StorageClass>A</StorageClass>";
        let expires = "<Expiration><Date>2023-09-27</Date></Expiration>";
        for (inner, code) in [
            (format!("<Transition>{class}</Transition>"), MalformedXML),
            ("<Transition><Days>1</Days></Transition>".to_string(), MalformedXML),
            (format!("<Transition><Days>1</Days><Date>2023-09-27</Date>{class}</Transition>"), MalformedXML),
            (format!("{expires}<Transition><Date>20220927</Date>{class}</Transition>"), MalformedXML),
            (format!("<Transition><Days>-1</Days>{class}</Transition>"), InvalidArgument),
            (days_to(1, "A").repeat(2), InvalidRequest),
            (format!("{expires}{}", days_to(1, "A")), InvalidRequest),
            (format!("<NoncurrentVersionTransition>{class}</NoncurrentVersionTransition>"), MalformedXML),
            (
                format!(
                    "<NoncurrentVersionTransition><NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>0</NewerNoncurrentVersions>{class}</NoncurrentVersionTransition>"
                ),
                InvalidArgument,
            ),
        ] {
            assert_eq!(rule(&inner), Err(code), "{inner}");
        }
    }

    #[test]
    fn what_fell_due_last_holds() {
        let r = rule(&[days_to(7, "LATE"), days_to(1, "SOON")].concat()).unwrap();
        let item = Item { key: "a", size: 1, mtime_ms: 0, marker: false, superseded: None, alone: true };
        let at = |day: u64| Calendar { now_ms: day * DAY_MS, day_ms: Some(DAY_MS) };
        let class = |day| r.moves(&item, at(day)).map(|(_, class)| class);
        assert_eq!(
            [class(0), class(1), class(6), class(7)],
            [None, Some("SOON"), Some("SOON"), Some("LATE")]
        );
        assert_eq!(r.moves(&Item { marker: true, ..item }, at(9)), None);
        assert_eq!(r.moves(&Item { superseded: Some((0, 0)), ..item }, at(9)), None, "of current ones only");
        let older = rule("<NoncurrentVersionTransition><NoncurrentDays>2</NoncurrentDays><NewerNoncurrentVersions>1</NewerNoncurrentVersions><StorageClass>STANDARD</StorageClass></NoncurrentVersionTransition>").unwrap();
        let of = |since, newer| older.moves(&Item { superseded: Some((since, newer)), ..item }, at(2));
        assert_eq!((of(0, 1), of(0, 0), of(1, 1)), (Some((2 * DAY_MS, "")), None, None));
        assert_eq!(Rule { enabled: false, ..r }.moves(&item, at(9)), None);
    }
}
