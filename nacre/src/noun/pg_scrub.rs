//! `nacre pg scrub`, `deep-scrub`, `repair` and `list-inconsistent`: asked of the PG's primary.

use crate::cli::{Format, Global};
use crate::exit::Failure;
use crate::{session, table};
use gateway_client::{Client, Inconsistent, InconsistentCopy, InconsistentList, OpError, ScrubError};
use osd_object::{ObjectId, SnapId};
use placement_map::PgId;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A PG without a primary answers nobody.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client, if there is such a PG.
pub(super) async fn client(global: &Global, pg: PgId) -> Result<Client, Failure> {
    let client = session::open(global).await?;
    match client.map().has_pg(pg) {
        true => Ok(client),
        false => Err(Failure::no(format!("PG {pg} does not exist; `nacre pg ls` shows those that do"))),
    }
}

pub(super) async fn in_time<T>(
    pg: PgId,
    asked: impl Future<Output = Result<T, OpError>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answer) => answer.map_err(Failure::no),
        Err(_) => Err(Failure::no(format!("PG {pg} is not served now; see `nacre pg query {pg}`"))),
    }
}

/// Has a PG compared.
pub(super) async fn order(global: &Global, pg: PgId, deep: bool) -> Result<(), Failure> {
    let client = client(global, pg).await?;
    in_time(pg, client.scrub_pg(pg, deep)).await?;
    let done = match deep {
        true => format!(
            "PG {pg} will be read through, and what can be proved is repaired; see nacre pg query {pg}"
        ),
        false => format!("PG {pg} will be compared; see nacre pg query {pg}"),
    };
    match global.format {
        Format::Plain => println!("{done}"),
        Format::Json => println!("{}", json!({ "done": done })),
    }
    Ok(())
}

/// What the last comparisons found.
pub(super) async fn list_inconsistent(global: &Global, pg: PgId) -> Result<(), Failure> {
    let client = client(global, pg).await?;
    let list = in_time(pg, client.list_inconsistent(pg)).await?;
    match global.format {
        Format::Json => println!("{}", as_json(&list)),
        Format::Plain => println!("{}", as_text(pg, &list).trim_end()),
    }
    Ok(())
}

fn snap(object: &ObjectId) -> String {
    if object.snap == SnapId::HEAD { "head".into() } else { object.snap.0.to_string() }
}

fn words<'a>(errors: impl IntoIterator<Item = &'a ScrubError>) -> Vec<&'static str> {
    errors.into_iter().map(|e| e.word()).collect()
}

/// In the names of `rados list-inconsistent-obj`.
fn as_json(list: &InconsistentList) -> Value {
    let copy = |c: &InconsistentCopy| {
        let mut shard = json!({ "osd": c.osd, "primary": c.primary, "errors": words(&c.errors) });
        if let Some(e) = &c.entry {
            shard["size"] = e.size.into();
            shard["version"] = e.version.to_string().into();
            shard["data_digest"] = format!("{:#010x}", e.data_digest).into();
            shard["omap_digest"] = format!("{:#010x}", e.omap_digest).into();
            shard["attr_digest"] = format!("{:#010x}", e.attr_digest).into();
            shard["bad_offsets"] = e.bad.clone().into();
        }
        shard
    };
    let one = |i: &Inconsistent| {
        let name = &i.object.name;
        let union: BTreeSet<&str> = i.copies.iter().flat_map(|c| words(&c.errors)).collect();
        json!({
            "object": {
                "name": name.name, "nspace": name.namespace, "locator": name.locator, "snap": snap(&i.object),
            },
            "errors": words(&i.errors),
            "union_shard_errors": union,
            "shards": i.copies.iter().map(copy).collect::<Vec<_>>(),
        })
    };
    json!({
        "scrubbing": list.scrubbing,
        "num_scrub_errors": list.stamps.errors,
        "last_scrub_stamp": list.stamps.shallow.seconds(),
        "last_deep_scrub_stamp": list.stamps.deep.seconds(),
        "inconsistents": list.objects.iter().map(one).collect::<Vec<_>>(),
    })
}

fn as_text(pg: PgId, list: &InconsistentList) -> String {
    let mut out = format!(
        "PG {pg}: last scrub {}, last deep scrub {}{}\n",
        ago(list.stamps.shallow.seconds()),
        ago(list.stamps.deep.seconds()),
        if list.scrubbing { ", one is under way" } else { "" }
    );
    if list.objects.is_empty() {
        out += match list.stamps.errors {
            0 => "no inconsistent objects are known",
            _ => {
                "inconsistent objects were found, and their names are not known here any more: nacre pg deep-scrub"
            }
        };
        return out;
    }
    let row = |i: &Inconsistent| {
        let bad = i.copies.iter().filter(|c| !c.errors.is_empty());
        let bad: Vec<String> =
            bad.map(|c| format!("osd.{}: {}", c.osd, words(&c.errors).join(" "))).collect();
        vec![i.object.to_string(), words(&i.errors).join(" "), bad.join("; ")]
    };
    let rows: Vec<Vec<String>> = list.objects.iter().map(row).collect();
    out += &table::render(&["OBJECT", "ERRORS", "COPIES"], &rows);
    out
}

/// How long ago a time was.
pub(super) fn ago(seconds: u64) -> String {
    if seconds == 0 {
        return "unknown".into();
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    match now.saturating_sub(seconds) {
        s if s < 120 => format!("{s} s ago"),
        s if s < 7200 => format!("{} min ago", s / 60),
        s if s < 172_800 => format!("{} h ago", s / 3600),
        s => format!("{} days ago", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_client::{ScrubEntry, ScrubStamps};
    use osd_object::{ObjectName, Version};
    use placement_map::PoolId;

    #[test]
    fn an_object_is_told_in_the_words_of_rados() {
        let object = ObjectId::head(PoolId(2), 7, ObjectName::new("o"));
        let entry = ScrubEntry {
            object: object.clone(),
            version: Version { interval: 1, seq: 4 },
            size: 8192,
            data_digest: 0xab,
            attr_digest: 1,
            omap_digest: 2,
            bad: vec![4096],
        };
        let copy = |osd, errors: &[ScrubError]| InconsistentCopy {
            osd,
            primary: osd == 0,
            errors: errors.to_vec(),
            entry: Some(entry.clone()),
        };
        let found = Inconsistent {
            object,
            errors: vec![ScrubError::ReadError],
            copies: vec![copy(0, &[]), copy(1, &[ScrubError::ReadError])],
        };
        let list =
            InconsistentList { stamps: ScrubStamps::default(), scrubbing: false, objects: vec![found] };
        let told = as_json(&list);
        let one = &told["inconsistents"][0];
        assert_eq!(one["object"]["name"], "o");
        assert_eq!(one["object"]["snap"], "head");
        assert_eq!(one["union_shard_errors"], json!(["read_error"]));
        assert_eq!(one["shards"][1]["errors"], json!(["read_error"]));
        assert_eq!(one["shards"][0]["data_digest"], "0x000000ab");
        let text = as_text(PgId { pool: PoolId(2), seed: 1 }, &list);
        assert!(text.contains("osd.1: read_error") && text.contains("last scrub unknown"), "{text}");
    }
}
