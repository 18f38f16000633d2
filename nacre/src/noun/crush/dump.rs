//! `nacre crush dump` and `nacre crush rule ls`: what a map holds.

use crate::cli::{Format, Global};
use crate::exit::Failure;
use crate::table;
use crush::{CrushMap, Op};
use placement_map::crush_dump::CrushDump;

/// Deeper than any sane tree; ends a walk over a map with a cycle.
const DEPTH_MAX: usize = 32;

/// Prints a map: for people its trees, for programs all of it.
pub(super) fn dump(global: &Global, map: &CrushMap) -> Result<(), Failure> {
    match global.format {
        Format::Plain => super::print(&tree(map)),
        Format::Json => {
            let json = serde_json::to_string(&CrushDump::of(map)).map_err(Failure::unusable)?;
            super::print(&format!("{json}\n"))
        }
    }
}

fn tree(map: &CrushMap) -> String {
    let mut rows = Vec::new();
    for root in map.roots().into_iter().rev() {
        descend(map, root, map.item_weight(root).unwrap_or(0), 0, &mut rows);
    }
    table::render(&["ID", "CLASS", "WEIGHT", "TYPE NAME"], &rows)
}

fn descend(map: &CrushMap, item: i32, weight: u32, depth: usize, rows: &mut Vec<Vec<String>>) {
    let name = map.item_name(item).unwrap_or("?");
    let kind = map.kind_of(item).and_then(|kind| map.type_name(kind)).filter(|_| item < 0);
    let label = kind.map_or(name.to_owned(), |kind| format!("{kind} {name}"));
    rows.push(vec![
        item.to_string(),
        map.device_class(item).unwrap_or_default().to_owned(),
        format!("{:.5}", f64::from(weight) / f64::from(crush::WEIGHT_ONE)),
        format!("{}{label}", "    ".repeat(depth)),
    ]);
    let Some(bucket) = map.bucket(item).filter(|_| depth < DEPTH_MAX) else { return };
    for (place, child) in bucket.items().iter().enumerate() {
        descend(map, *child, bucket.item_weight(place), depth + 1, rows);
    }
}

/// Prints the rules, by number.
pub(super) fn rules(global: &Global, map: &CrushMap) -> Result<(), Failure> {
    if global.format == Format::Json {
        let value = serde_json::to_value(CrushDump::of(map)).map_err(Failure::unusable)?;
        return super::print(&format!("{}\n", serde_json::json!({ "rules": value["rules"] })));
    }
    let row = |(id, rule): (u32, &crush::Rule)| {
        let kind = if rule.kind == crush::RULE_ERASURE { "erasure" } else { "replicated" };
        let name = map.rule_name(id).unwrap_or_default().to_owned();
        vec![id.to_string(), name, kind.to_owned(), steps(map, rule)]
    };
    super::print(&table::render(&["ID", "NAME", "KIND", "STEPS"], &map.rules().map(row).collect::<Vec<_>>()))
}

fn steps(map: &CrushMap, rule: &crush::Rule) -> String {
    let kind = |number: i32| map.type_name(number).unwrap_or("?");
    let count = |count: i32| if count > 0 { count.to_string() } else { "all".to_owned() };
    let step = |step: &crush::Step| match step.op {
        Op::Take => Some(format!("from {}", map.item_name(step.arg1).unwrap_or("?"))),
        Op::ChooseFirstn | Op::ChooseIndep => Some(format!("{} by {}", count(step.arg1), kind(step.arg2))),
        Op::ChooseleafFirstn | Op::ChooseleafIndep => {
            Some(format!("{} by {}, an osd in each", count(step.arg1), kind(step.arg2)))
        }
        _ => None,
    };
    rule.steps.iter().filter_map(step).collect::<Vec<_>>().join(", ")
}
