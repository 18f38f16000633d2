//! `/admin/usage`: the usage log, shown and trimmed.

use super::{needs, switch, text, uid_of};
use crate::dates;
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::server::Gateway;
use crate::storage::{Figures, UsageHour};
use gateway_client::Rados;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Range;
use stdx::time::WallTime;

/// Shows or trims.
pub(super) async fn run<R: Rados>(gw: &Gateway<R>, rq: &Request) -> Result<Option<Value>, S3Error> {
    needs(rq, "usage", rq.method != http::Method::GET)?;
    let uid = uid_of(rq);
    match rq.method.as_str() {
        "GET" => {
            let rows = gw.storage.usage_read(uid.as_deref(), hours(rq)?).await?;
            let wanted: Option<Vec<&str>> = text(rq, "categories").map(|list| list.split(',').collect());
            let wants = |category: &str| wanted.as_ref().is_none_or(|list| list.contains(&category));
            let mut shown = json!({});
            if switch(rq, "show-entries")? != Some(false) {
                shown["entries"] = entries(&rows, &wants);
            }
            if switch(rq, "show-summary")? != Some(false) {
                shown["summary"] = summary(&rows, &wants);
            }
            Ok(Some(shown))
        }
        "DELETE" => {
            if uid.is_none() && switch(rq, "remove-all")? != Some(true) {
                let message = "Name a uid, or say remove-all=true to trim the log of all users.";
                return Err(S3Error::invalid_argument(message, "remove-all", ""));
            }
            gw.storage.usage_trim(uid.as_deref(), hours(rq)?).await?;
            Ok(None)
        }
        _ => Err(Code::MethodNotAllowed.into()),
    }
}

/// The hours that begin from `start` on and before `end`.
fn hours(rq: &Request) -> Result<Range<u64>, S3Error> {
    let second = |name| match text(rq, name) {
        None => Ok(None),
        Some(word) => parse_time(word).map(Some).ok_or_else(|| {
            let message = "Write a time as 2026-11-23 or \"2026-11-23 14:00:00\".";
            S3Error::invalid_argument(message, name, word)
        }),
    };
    let start = second("start")?.map_or(0, |s| s.div_ceil(3600));
    let end = second("end")?.map_or(u64::MAX, |s| s.div_ceil(3600));
    Ok(start..end.max(start))
}

/// Seconds since 1970 of `DATE`, `DATE TIME` or `DATETTIMEZ`.
fn parse_time(word: &str) -> Option<u64> {
    let word = word.trim().replacen(' ', "T", 1);
    let whole = match word.len() {
        10 => format!("{word}T00:00:00Z"),
        _ if word.ends_with('Z') => word,
        _ => format!("{word}Z"),
    };
    dates::parse_http(&whole)
}

fn figures(category: &str, f: Figures) -> Value {
    json!({
        "category": category, "bytes_sent": f.bytes_sent, "bytes_received": f.bytes_received,
        "ops": f.ops, "successful_ops": f.successful_ops,
    })
}

fn entries(rows: &[UsageHour], wants: &impl Fn(&str) -> bool) -> Value {
    rows.chunk_by(|a, b| a.owner == b.owner)
        .map(|of_owner| {
            let buckets: Vec<Value> = of_owner
                .iter()
                .map(|row| {
                    let epoch = row.hour.saturating_mul(3600);
                    let time = dates::iso(WallTime(epoch.saturating_mul(1_000_000_000)));
                    let categories: Vec<Value> = row
                        .categories
                        .iter()
                        .filter(|(name, _)| wants(name))
                        .map(|(name, f)| figures(name, *f))
                        .collect();
                    json!({
                        "bucket": row.bucket, "time": time.replace(".000Z", ".000000Z"), "epoch": epoch,
                        "owner": row.owner, "categories": categories,
                    })
                })
                .collect();
            json!({ "user": of_owner[0].owner, "buckets": buckets })
        })
        .collect()
}

fn summary(rows: &[UsageHour], wants: &impl Fn(&str) -> bool) -> Value {
    rows.chunk_by(|a, b| a.owner == b.owner)
        .map(|of_owner| {
            let mut sums: BTreeMap<&str, Figures> = BTreeMap::new();
            for (name, f) in of_owner.iter().flat_map(|row| &row.categories).filter(|(name, _)| wants(name)) {
                let sum = sums.entry(name).or_default();
                *sum = sum.plus(*f);
            }
            let total = sums.values().fold(Figures::default(), |sum, f| sum.plus(*f));
            let categories: Vec<Value> = sums.iter().map(|(name, f)| figures(name, *f)).collect();
            json!({
                "user": of_owner[0].owner, "categories": categories,
                "total": {
                    "bytes_sent": total.bytes_sent, "bytes_received": total.bytes_received,
                    "ops": total.ops, "successful_ops": total.successful_ops,
                },
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_the_ways_that_tools_write_them() {
        let wanted = Some(1_800_003_600);
        for text in ["2027-01-15 09:00:00", "2027-01-15T09:00:00Z", "2027-01-15T09:00:00"] {
            assert_eq!(parse_time(text), wanted, "{text}");
        }
        assert_eq!(parse_time("2027-01-15"), Some(1_799_971_200));
        for bad in ["", "yesterday", "2027-13-01"] {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
    }
}
