//! Who is admitted with which keys.

use super::Answer;
use super::draft::Draft;
use crate::refusal::{Refusal, RefusalKind};

/// Keys of one name at a time: an old one and a new one, and room for a mistake.
const KEYS_MAX: usize = 8;
/// Names with a rule; each is part of every whole map.
const NAMES_MAX: usize = 100_000;
/// The longest name.
const NAME_BYTES_MAX: usize = 64;

pub(super) fn set(draft: &mut Draft<'_>, name: &str, keys: &[String]) -> Result<Answer, Refusal> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let role = name.split_once('.').map(|(role, _)| role);
    let known = matches!(role, Some("mon" | "osd" | "gateway" | "nbd" | "client"));
    if !known || name.len() > NAME_BYTES_MAX || !name.bytes().all(plain) {
        return Err(Refusal::invalid(format!("{name:?} is no name that a key is for, such as osd.3")));
    }
    let is_fingerprint =
        |key: &String| key.len() == 64 && key.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if let Some(bad) = keys.iter().find(|key| !is_fingerprint(key)) {
        return Err(Refusal::invalid(format!(
            "{bad:?} is no fingerprint: 64 hexadecimal digits, lower case"
        )));
    }
    if keys.len() > KEYS_MAX {
        return Err(Refusal::invalid(format!("at most {KEYS_MAX} keys are admitted for one name")));
    }
    if keys.is_empty() && draft.next.monitors.contains_key(name) {
        // A quorum that still counts on its vote could be lost with it, and nobody could take the rule back.
        let text = format!("{name} is a monitor; take its vote first (`nacre mon rm {name}`)");
        return Err(Refusal::new(RefusalKind::Unsafe, text));
    }
    let rules = &mut draft.next.keys;
    if rules.len() >= NAMES_MAX && !rules.contains_key(name) {
        return Err(Refusal::invalid(format!("at most {NAMES_MAX} names have rules for their keys")));
    }
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    keys.dedup();
    rules.insert(name.to_owned(), keys);
    Ok(Answer::Done)
}

pub(super) fn remove(draft: &mut Draft<'_>, name: &str) -> Result<Answer, Refusal> {
    match draft.next.keys.remove(name) {
        Some(_) => Ok(Answer::Done),
        None => Err(Refusal::not_found(format!("there is no rule for the keys of {name}"))),
    }
}

/// An OSD left: its key proves a membership that has ended. (A monitor's must work until its vote is taken, which is
/// only after the map has forgotten it.)
pub(super) fn left(draft: &mut Draft<'_>, name: String) {
    draft.next.keys.insert(name, Vec::new());
}
