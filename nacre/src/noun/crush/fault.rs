//! Faults of a map, with names instead of numbers, and with their place where the map is text.

use crush::{CrushMap, Error};

/// A fault with the name of what it is about.
pub(super) fn in_map(map: &CrushMap, error: &Error) -> String {
    match named(map, error) {
        Some((what, name)) => format!("{what} '{name}': {error}"),
        None => error.to_string(),
    }
}

/// The same with the line and column where that is defined in the text.
pub(super) fn in_text(map: &CrushMap, error: &Error, text: &str) -> String {
    let place = named(map, error).and_then(|(_, name)| definition(text, name));
    match place {
        Some((line, column)) => format!("line {line}, column {column}: {}", in_map(map, error)),
        None => in_map(map, error),
    }
}

/// The bucket or rule that an error is about.
fn named<'m>(map: &'m CrushMap, error: &Error) -> Option<(&'static str, &'m str)> {
    let bucket = |id: i32| map.item_name(id).map(|name| ("bucket", name));
    let rule = |id: u32| map.rule_name(id).map(|name| ("rule", name));
    match error {
        Error::Cycle { bucket: id }
        | Error::DanglingItem { bucket: id, .. }
        | Error::DuplicateItem { bucket: id, .. }
        | Error::WeightOverflow { bucket: id, .. }
        | Error::TreeTooLarge { bucket: id, .. }
        | Error::UnequalWeight { bucket: id, .. }
        | Error::BadShape { bucket: id }
        | Error::BadType { bucket: id, .. }
        | Error::BadChooseArgs { bucket: id, .. } => bucket(*id),
        Error::NoEmit { rule: id }
        | Error::BadTake { rule: id, .. }
        | Error::ChooseBeforeTake { rule: id, .. }
        | Error::BadChooseType { rule: id, .. }
        | Error::BadStepArgument { rule: id, .. }
        | Error::UnknownStep { rule: id, .. } => rule(*id),
        _ => None,
    }
}

/// Line and column, from 1, of the name in the line `TYPE NAME {` that defines it.
fn definition(text: &str, name: &str) -> Option<(usize, usize)> {
    let defines = |line: &str| {
        let line = line.replace('{', " { ");
        let mut words = line.split_whitespace().skip(1);
        words.next() == Some(name) && words.next().is_none_or(|word| word == "{")
    };
    let (number, line) = text.lines().enumerate().find(|(_, line)| defines(line))?;
    let kind = line.trim_start().find(char::is_whitespace)? + line.len() - line.trim_start().len();
    let place = kind + line[kind..].find(name)?;
    Some((number + 1, line[..place].chars().count() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_the_whole_map_has_a_place_too() {
        let text = "type 0 osd\ntype 1 root\nroot r { id -1 alg straw2 }\n  rule rule{ id 0 type replicated step take r }\n";
        let map = CrushMap::compile(text).expect("well formed");
        let error = map.validate().expect_err("no emit");
        let said = in_text(&map, &error, text);
        assert!(said.starts_with("line 4, column 8: rule 'rule': rule 0 emits nothing"), "{said}");
        assert_eq!(definition(text, "gone"), None);
    }
}
