//! The history of the central settings: who changed what and when. Kept by the monitors beside the map, since nobody
//! else needs it.

use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use stdx::time::WallTime;

/// Changes that are kept; older ones are forgotten, and can then not be gone back to.
pub const CONFIG_LOG_MAX: usize = 500;

/// One setting before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigStep {
    /// `global`, a role or a daemon.
    pub section: String,
    /// The setting.
    pub key: String,
    /// Its value before; none: it was not set.
    pub before: Option<String>,
    /// Its value after; none: it is not set any more.
    pub after: Option<String>,
}
stdx::codec_versioned!(ConfigStep, 1 { section, key, before, after });

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigEntry {
    /// Counts the changes from 1.
    pub version: u64,
    /// When, by the leader's clock; seconds since 1970.
    pub at_seconds: u64,
    /// Who asked for it, such as `client.admin`.
    pub who: String,
    /// What changed.
    pub steps: Vec<ConfigStep>,
}
stdx::codec_versioned!(ConfigEntry, 1 { version, at_seconds, who, steps });

/// The changes that are kept, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigLog {
    entries: VecDeque<ConfigEntry>,
    last: u64,
}

type Settings = BTreeMap<(String, String), String>;

impl ConfigLog {
    /// The changes, the oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &ConfigEntry> {
        self.entries.iter()
    }

    /// The number of the last change; 0: there was none.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Notes what turned `before` into `after`, if anything did.
    pub(crate) fn note(&mut self, at: WallTime, who: &str, before: &Settings, after: &Settings) {
        let step = |key: &(String, String)| ConfigStep {
            section: key.0.clone(),
            key: key.1.clone(),
            before: before.get(key).cloned(),
            after: after.get(key).cloned(),
        };
        let mut keys: Vec<&(String, String)> = before.keys().chain(after.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        let steps: Vec<ConfigStep> =
            keys.into_iter().filter(|key| before.get(*key) != after.get(*key)).map(step).collect();
        if steps.is_empty() {
            return;
        }
        self.last += 1;
        let entry = ConfigEntry { version: self.last, at_seconds: at.seconds(), who: who.to_owned(), steps };
        self.entries.push_back(entry);
        while self.entries.len() > CONFIG_LOG_MAX {
            self.entries.pop_front();
        }
    }

    /// The settings as they were right after change `version` (0: before the first), going back from `now`. None: that
    /// is not known any more, or not yet.
    pub(crate) fn as_of(&self, version: u64, now: &Settings) -> Option<Settings> {
        let oldest = self.entries.front().map_or(self.last + 1, |entry| entry.version);
        if version > self.last || version + 1 < oldest {
            return None;
        }
        let mut then = now.clone();
        for entry in self.entries.iter().rev().take_while(|entry| entry.version > version) {
            for step in &entry.steps {
                let key = (step.section.clone(), step.key.clone());
                match &step.before {
                    Some(value) => then.insert(key, value.clone()),
                    None => then.remove(&key),
                };
            }
        }
        Some(then)
    }
}

impl stdx::codec::Encode for ConfigLog {
    fn encode(&self, w: &mut stdx::codec::Writer) {
        w.versioned(1, 1, |w| {
            w.put(&self.last);
            w.put(&self.entries.iter().cloned().collect::<Vec<_>>());
        });
    }
}

impl stdx::codec::Decode for ConfigLog {
    fn decode(r: &mut stdx::codec::Reader) -> Result<ConfigLog, stdx::codec::DecodeError> {
        r.versioned(1, |r, _| {
            let last = r.get()?;
            let entries: Vec<ConfigEntry> = r.get()?;
            Ok(ConfigLog { entries: entries.into(), last })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(list: &[(&str, &str)]) -> Settings {
        list.iter().map(|(key, value)| (("osd".to_owned(), (*key).to_owned()), (*value).to_owned())).collect()
    }

    #[test]
    fn every_former_state_can_be_computed_while_its_changes_are_kept() {
        let states = [
            settings(&[]),
            settings(&[("a", "1")]),
            settings(&[("a", "2"), ("b", "1")]),
            settings(&[("b", "1")]),
            settings(&[("a", "1"), ("b", "3")]),
        ];
        let mut log = ConfigLog::default();
        for (before, after) in states.iter().zip(&states[1..]) {
            log.note(WallTime(7_000_000_000), "client.admin", before, after);
            log.note(WallTime(0), "client.admin", after, after);
        }
        assert_eq!(log.last(), 4, "what changes nothing is no change");
        assert_eq!(log.entries().last().map(|e| (e.at_seconds, e.steps.len())), Some((7, 2)));
        for (version, state) in states.iter().enumerate() {
            assert_eq!(log.as_of(version as u64, &states[4]).as_ref(), Some(state), "{version}");
        }
        assert_eq!(log.as_of(5, &states[4]), None, "not yet");
        let bytes = stdx::codec::to_bytes(&log);
        assert_eq!(stdx::codec::from_bytes::<ConfigLog>(bytes), Ok(log));
    }

    #[test]
    fn what_was_forgotten_cannot_be_gone_back_to() {
        let mut log = ConfigLog::default();
        let mut now = settings(&[]);
        for n in 0..=CONFIG_LOG_MAX {
            let next = settings(&[("a", &n.to_string())]);
            log.note(WallTime(0), "x", &now, &next);
            now = next;
        }
        assert_eq!(log.entries().count(), CONFIG_LOG_MAX);
        assert_eq!(log.as_of(0, &now), None);
        assert_eq!(log.as_of(1, &now), Some(settings(&[("a", "0")])));
    }
}
