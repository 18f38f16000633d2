//! A CRUSH map as `ceph osd crush dump` and `crushtool --dump` of Ceph 16.2 show it: fields, order and names are theirs.

mod features;

use crush::{Bucket, ChooseArg, CrushMap, Op, Rule, Step};
use features::Tunables;
use serde::Serialize;
use std::collections::BTreeMap;

/// The whole map; `serde_json::to_value` of it is what scripts read.
#[derive(Debug, Serialize)]
pub struct CrushDump {
    devices: Vec<Device>,
    types: Vec<Type>,
    buckets: Vec<BucketRow>,
    rules: Vec<RuleRow>,
    tunables: Tunables,
    choose_args: BTreeMap<String, Vec<ChooseArgRow>>,
}

#[derive(Debug, Serialize)]
struct Device {
    id: i32,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
}

#[derive(Debug, Serialize)]
struct Type {
    type_id: i32,
    name: String,
}

#[derive(Debug, Serialize)]
struct BucketRow {
    id: i32,
    name: String,
    type_id: i32,
    type_name: String,
    weight: u32,
    alg: &'static str,
    hash: &'static str,
    items: Vec<Item>,
}

#[derive(Debug, Serialize)]
struct Item {
    id: i32,
    weight: u32,
    pos: usize,
}

#[derive(Debug, Serialize)]
struct RuleRow {
    rule_id: u32,
    rule_name: String,
    ruleset: u8,
    r#type: u8,
    min_size: u8,
    max_size: u8,
    steps: Vec<StepRow>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum StepRow {
    Plain { op: &'static str },
    Take { op: &'static str, item: i32, item_name: String },
    Choose { op: &'static str, num: i32, r#type: String },
    Set { op: &'static str, num: i32 },
    Other { opcode: u32, arg1: i32, arg2: i32 },
}

#[derive(Debug, Serialize)]
struct ChooseArgRow {
    bucket_id: i32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    weight_set: Vec<Vec<Weight>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ids: Vec<i32>,
}

/// Whole numbers are shown without a fraction.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Weight {
    Whole(u32),
    Part(f64),
}

impl CrushDump {
    /// The dump of a map.
    pub fn of(map: &CrushMap) -> CrushDump {
        let devices = (0..map.max_devices()).filter_map(|id| {
            let class = map.device_class(id).map(str::to_owned);
            map.item_name(id).map(|name| Device { id, name: name.to_owned(), class })
        });
        let types = map.types().map(|(type_id, name)| Type { type_id, name: name.to_owned() });
        let mut types: Vec<Type> = types.collect();
        if types.first().is_none_or(|first| first.type_id != 0) {
            types.insert(0, Type { type_id: 0, name: "device".to_owned() });
        }
        let sets = map.choose_args().iter().map(|(set, args)| {
            let rows = args.iter().rev().map(|(bucket, arg)| choose_arg(*bucket, arg));
            (set.to_string(), rows.collect())
        });
        CrushDump {
            devices: devices.collect(),
            types,
            buckets: map.buckets().map(|bucket| bucket_row(map, bucket)).collect(),
            rules: map.rules().map(|(id, rule)| rule_row(map, id, rule)).collect(),
            tunables: Tunables::of(map),
            choose_args: sets.collect(),
        }
    }
}

fn bucket_row(map: &CrushMap, bucket: &Bucket) -> BucketRow {
    let item = |(pos, id): (usize, &i32)| Item { id: *id, weight: bucket.item_weight(pos), pos };
    BucketRow {
        id: bucket.id(),
        name: map.item_name(bucket.id()).unwrap_or_default().to_owned(),
        type_id: bucket.kind(),
        type_name: map.type_name(bucket.kind()).unwrap_or_default().to_owned(),
        weight: bucket.weight(),
        alg: bucket.alg().name(),
        hash: "rjenkins1",
        items: bucket.items().iter().enumerate().map(item).collect(),
    }
}

fn rule_row(map: &CrushMap, rule_id: u32, rule: &Rule) -> RuleRow {
    RuleRow {
        rule_id,
        rule_name: map.rule_name(rule_id).unwrap_or_default().to_owned(),
        ruleset: rule.ruleset,
        r#type: rule.kind,
        min_size: rule.min_size,
        max_size: rule.max_size,
        steps: rule.steps.iter().map(|step| step_row(map, step)).collect(),
    }
}

fn step_row(map: &CrushMap, step: &Step) -> StepRow {
    let choose = |op| {
        let kind = map.type_name(step.arg2).unwrap_or(if step.arg2 == 0 { "device" } else { "" });
        StepRow::Choose { op, num: step.arg1, r#type: kind.to_owned() }
    };
    match step.op {
        Op::Noop => StepRow::Plain { op: "noop" },
        Op::Emit => StepRow::Plain { op: "emit" },
        Op::Take => {
            let item_name = map.item_name(step.arg1).unwrap_or_default().to_owned();
            StepRow::Take { op: "take", item: step.arg1, item_name }
        }
        Op::ChooseFirstn => choose("choose_firstn"),
        Op::ChooseIndep => choose("choose_indep"),
        Op::ChooseleafFirstn => choose("chooseleaf_firstn"),
        Op::ChooseleafIndep => choose("chooseleaf_indep"),
        Op::SetChooseTries => StepRow::Set { op: "set_choose_tries", num: step.arg1 },
        Op::SetChooseleafTries => StepRow::Set { op: "set_chooseleaf_tries", num: step.arg1 },
        // The tool has no words for the others.
        other => StepRow::Other { opcode: other.number(), arg1: step.arg1, arg2: step.arg2 },
    }
}

fn choose_arg(bucket_id: i32, arg: &ChooseArg) -> ChooseArgRow {
    let weight = |weight: &u32| match weight % crush::WEIGHT_ONE {
        0 => Weight::Whole(weight / crush::WEIGHT_ONE),
        _ => Weight::Part(f64::from(*weight) / f64::from(crush::WEIGHT_ONE)),
    };
    let rows = arg.weight_set.iter().map(|row| row.iter().map(weight).collect());
    ChooseArgRow { bucket_id, weight_set: rows.collect(), ids: arg.ids.clone() }
}
