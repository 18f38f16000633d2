//! What the rules say: whether something is due. Pure; the time is an argument.

use super::{DAY_MS, Expiration, Rule, Terms};
use crate::tags::Tag;

/// How time counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calendar {
    pub(super) now_ms: u64,
    /// How long a day is, for tests of operators; none: as usual, and what falls due does so at midnight.
    pub(super) day_ms: Option<u64>,
}

impl Calendar {
    /// When something is due that is so many days after `from_ms`.
    pub(super) fn after(&self, from_ms: u64, days: u32) -> u64 {
        match self.day_ms {
            Some(day_ms) => from_ms.saturating_add(u64::from(days).saturating_mul(day_ms)),
            None => midnight_after(from_ms, days),
        }
    }
}

/// The first midnight that comes more than so many days after.
fn midnight_after(from_ms: u64, days: u32) -> u64 {
    let moment = from_ms.saturating_add(u64::from(days).saturating_mul(DAY_MS));
    (moment / DAY_MS).saturating_add(1).saturating_mul(DAY_MS)
}

/// A version as a listing shows it, and what its neighbours are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a> {
    pub(super) key: &'a str,
    pub(super) size: u64,
    pub(super) mtime_ms: u64,
    pub(super) marker: bool,
    /// When the next newer version came, and how many older ones are newer than this; none: it is the newest.
    pub(super) superseded: Option<(u64, u32)>,
    /// Whether it is the key's only version.
    pub(super) alone: bool,
}

/// What a rule wants done with a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Nothing.
    Nothing,
    /// It goes, if its tags are what the rule says.
    IfTagged,
    /// It goes.
    Gone,
}

impl Terms {
    fn fit(&self, key: &str, size: Option<u64>) -> bool {
        self.prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix))
            && match size {
                Some(size) => self.larger.is_none_or(|n| size > n) && self.smaller.is_none_or(|n| size < n),
                // What has no size is not of any.
                None => self.larger.is_none() && self.smaller.is_none(),
            }
    }
}

impl Rule {
    pub(super) fn terms(&self) -> impl Iterator<Item = &Terms> {
        self.filter.iter().flat_map(|filter| std::iter::once(&filter.own).chain(&filter.and))
    }
    pub(super) fn has_tags(&self) -> bool {
        self.terms().any(|terms| !terms.tags.is_empty())
    }
    /// Whether the tags are those that the filter wants.
    pub(super) fn fits_tags(&self, tags: &[Tag]) -> bool {
        self.terms().all(|terms| terms.tags.iter().all(|tag| tags.contains(tag)))
    }
    pub(super) fn fits(&self, key: &str, size: Option<u64>) -> bool {
        self.enabled
            && self.prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix))
            && self.terms().all(|terms| terms.fit(key, size))
    }

    /// What it wants done with a version now.
    pub(super) fn wants(&self, item: &Item<'_>, calendar: Calendar) -> Wanted {
        let due = |from_ms, days| calendar.after(from_ms, days) <= calendar.now_ms;
        let expired = |expiration| match expiration {
            Expiration::Days(n) => due(item.mtime_ms, n),
            Expiration::Date(s) => s.saturating_mul(1000) <= calendar.now_ms,
            Expiration::Marker(_) => false,
        };
        let wanted = match item.superseded {
            None if !item.marker => self.expiration.is_some_and(expired),
            None if item.alone => {
                self.expiration == Some(Expiration::Marker(true)) || self.expiration.is_some_and(expired)
            }
            // A delete marker that hides something stays.
            None => false,
            Some((since_ms, newer)) => self
                .noncurrent
                .is_some_and(|rule| due(since_ms, rule.days) && rule.newer.is_none_or(|kept| newer >= kept)),
        };
        let size = (!item.marker).then_some(item.size);
        if !wanted || !self.fits(item.key, size) {
            return Wanted::Nothing;
        }
        match (self.has_tags(), item.marker) {
            (false, _) => Wanted::Gone,
            // It has none.
            (true, true) => Wanted::Nothing,
            (true, false) => Wanted::IfTagged,
        }
    }

    /// Whether an upload that began then is to be aborted.
    pub(super) fn aborts(&self, key: &str, initiated_ms: u64, calendar: Calendar) -> bool {
        self.fits(key, None)
            && self.abort_days.is_some_and(|n| calendar.after(initiated_ms, n) <= calendar.now_ms)
    }
}

/// When a current object expires, in seconds since 1970, and by which rule: the earliest of all.
pub(crate) fn expiration_of<'a>(
    rules: &'a [Rule],
    key: &str,
    size: u64,
    mtime_ms: u64,
    tags: &[Tag],
) -> Option<(u64, &'a str)> {
    let at = |rule: &'a Rule| {
        let ms = match rule.expiration? {
            Expiration::Days(n) => midnight_after(mtime_ms, n),
            Expiration::Date(s) => s.saturating_mul(1000),
            Expiration::Marker(_) => return None,
        };
        (rule.fits(key, Some(size)) && rule.fits_tags(tags)).then_some((ms / 1000, rule.id.as_str()))
    };
    rules.iter().filter_map(at).min()
}

/// When an upload that begins now will be aborted, in seconds since 1970, and by which rule.
pub(crate) fn abort_of<'a>(rules: &'a [Rule], key: &str, now_ms: u64) -> Option<(u64, &'a str)> {
    let at = |rule: &'a Rule| {
        let days = rule.abort_days.filter(|_| rule.fits(key, None))?;
        Some((midnight_after(now_ms, days) / 1000, rule.id.as_str()))
    };
    rules.iter().filter_map(at).min()
}

#[cfg(test)]
mod tests {
    use super::super::of_document;
    use super::*;

    fn rule(inner: &str) -> Rule {
        let text = format!(
            "<LifecycleConfiguration><Rule><ID>r</ID><Status>Enabled</Status>{inner}</Rule></LifecycleConfiguration>"
        );
        of_document(text.as_bytes(), || Ok("made".into())).unwrap().remove(0)
    }
    fn item(mtime_ms: u64) -> Item<'static> {
        Item { key: "a/b", size: 10, mtime_ms, marker: false, superseded: None, alone: false }
    }
    fn days(n: u64) -> Calendar {
        Calendar { now_ms: n * DAY_MS, day_ms: None }
    }
    const GONE: Wanted = Wanted::Gone;
    const NOTHING: Wanted = Wanted::Nothing;

    #[test]
    fn objects_expire_at_midnight_or_after_days_of_another_length() {
        let r = rule("<Prefix>a/</Prefix><Expiration><Days>2</Days></Expiration>");
        let noon = 5 * DAY_MS + DAY_MS / 2;
        assert_eq!(r.wants(&item(noon), days(7)), NOTHING);
        assert_eq!(r.wants(&item(noon), days(8)), GONE);
        let short = |now_ms| Calendar { now_ms, day_ms: Some(10_000) };
        assert_eq!(r.wants(&item(noon), short(noon + 19_999)), NOTHING);
        assert_eq!(r.wants(&item(noon), short(noon + 20_000)), GONE);
        assert_eq!(r.wants(&Item { key: "b", ..item(0) }, days(99)), NOTHING);
        let off = Rule { enabled: false, ..r.clone() };
        assert_eq!(off.wants(&item(0), days(99)), NOTHING);
        assert_eq!(expiration_of(&[r], "a/x", 1, noon, &[]), Some((8 * DAY_MS / 1000, "r")));
        let dated = rule("<Filter/><Expiration><Date>1970-01-05</Date></Expiration>");
        assert_eq!(dated.wants(&item(99 * DAY_MS), days(4)), GONE);
        assert_eq!(dated.wants(&item(0), days(3)), NOTHING);
    }

    #[test]
    fn filters_are_all_of_their_terms() {
        let r = rule(
            "<Filter><And><Prefix>a</Prefix><ObjectSizeGreaterThan>9</ObjectSizeGreaterThan><ObjectSizeLessThan>11</ObjectSizeLessThan></And></Filter><Expiration><Days>1</Days></Expiration>",
        );
        assert_eq!(r.wants(&item(0), days(9)), GONE);
        for size in [9, 11] {
            assert_eq!(r.wants(&Item { size, ..item(0) }, days(9)), NOTHING);
        }
        let tagged = rule(
            "<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter><Expiration><Days>1</Days></Expiration>",
        );
        assert_eq!(tagged.wants(&item(0), days(9)), Wanted::IfTagged);
        let tag = |value: &str| Tag { key: "k".into(), value: value.into() };
        assert!(tagged.fits_tags(&[tag("v")]) && !tagged.fits_tags(&[tag("w")]) && !tagged.fits_tags(&[]));
        assert_eq!(expiration_of(&[tagged], "a", 1, 0, &[]), None);
    }

    #[test]
    fn older_versions_and_lonely_markers() {
        let r = rule(
            "<Filter/><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>",
        );
        assert_eq!(r.wants(&item(0), days(9)), NOTHING, "it is current");
        let old = |since, newer| Item { superseded: Some((since, newer)), ..item(0) };
        assert_eq!(r.wants(&old(0, 2), days(9)), GONE);
        assert_eq!(r.wants(&old(0, 1), days(9)), NOTHING, "two stay");
        assert_eq!(r.wants(&old(8 * DAY_MS, 2), days(9)), NOTHING, "not for long");
        let marker = Item { marker: true, ..item(0) };
        assert_eq!(r.wants(&marker, days(9)), NOTHING, "it hides something");
        assert_eq!(r.wants(&Item { alone: true, ..marker }, days(0)), GONE);
        let aged = rule("<Filter/><Expiration><Days>3</Days></Expiration>");
        assert_eq!(aged.wants(&Item { alone: true, ..marker }, days(3)), NOTHING);
        assert_eq!(aged.wants(&Item { alone: true, ..marker }, days(4)), GONE);
        let uploads = rule(
            "<Prefix>a</Prefix><AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload>",
        );
        assert!(uploads.aborts("a", 0, days(3)) && !uploads.aborts("a", 0, days(2)));
        assert!(!uploads.aborts("b", 0, days(9)));
    }
}
