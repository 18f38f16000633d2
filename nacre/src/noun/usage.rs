//! `nacre usage`: who used what, by hour and bucket. Logged while `rgw_enable_usage_log` is true.

use super::user::{no, say};
use crate::cli::Global;
use crate::exit::Failure;
use crate::{session, table};
use clap::{Args, Subcommand};
use gateway_s3::storage::{Figures, Storage, StorageConfig, UsageHour};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Range;

#[derive(Subcommand)]
pub(crate) enum UsageCommand {
    /// What was used, summed up by user.
    Show {
        #[command(flatten)]
        which: Which,
        /// Also hour by hour and bucket by bucket.
        #[arg(long)]
        entries: bool,
    },
    /// Forget what was logged.
    Trim {
        #[command(flatten)]
        which: Which,
        /// Of all users.
        #[arg(long, conflicts_with = "uid")]
        all: bool,
    },
}

#[derive(Args)]
pub(crate) struct Which {
    /// Only of this user.
    #[arg(long)]
    uid: Option<String>,
    /// Only hours that begin so many hours ago at most.
    #[arg(long, value_name = "HOURS")]
    since: Option<u64>,
    /// Only hours that began more than so many hours ago.
    #[arg(long, value_name = "HOURS")]
    before: Option<u64>,
}

impl Which {
    fn hours(&self, now: u64) -> Range<u64> {
        let start = self.since.map_or(0, |n| now.saturating_sub(n));
        let end = self.before.map_or(u64::MAX, |n| now.saturating_sub(n));
        start..end.max(start)
    }
}

/// Carries out the command.
pub(crate) async fn run(global: &Global, command: &UsageCommand) -> Result<(), Failure> {
    let storage = Storage::new(session::open(global).await?, StorageConfig::default());
    let now = gateway_client::Rados::now(storage.rados()).seconds() / 3600;
    match command {
        UsageCommand::Show { which, entries } => {
            let rows = storage.usage_read(which.uid.as_deref(), which.hours(now)).await.map_err(no)?;
            let sums = sums(&rows);
            let mut shown = json!({ "summary": sums.iter().map(summary_json).collect::<Vec<_>>() });
            let mut plain =
                table::render(&["USER", "OPS", "SUCCESSFUL", "RECEIVED", "SENT"], &summary_rows(&sums));
            if *entries {
                shown["entries"] = rows.iter().map(entry_json).collect();
                plain.push('\n');
                plain += &table::render(
                    &["USER", "BUCKET", "HOUR", "CATEGORY", "OPS", "RECEIVED", "SENT"],
                    &entry_rows(&rows),
                );
            }
            say(global.format, plain.trim_end(), shown);
        }
        UsageCommand::Trim { which, all } => {
            if which.uid.is_none() && !all {
                return Err(Failure::unusable("name a user with --uid, or say --all"));
            }
            storage.usage_trim(which.uid.as_deref(), which.hours(now)).await.map_err(no)?;
            say(global.format, "trimmed", json!({ "trimmed": true }));
        }
    }
    Ok(())
}

/// By user and category.
type Sums<'a> = BTreeMap<&'a str, BTreeMap<&'a str, Figures>>;

fn sums(rows: &[UsageHour]) -> Sums<'_> {
    let mut sums = Sums::new();
    for row in rows {
        let of_owner = sums.entry(row.owner.as_str()).or_default();
        for (category, figures) in &row.categories {
            let sum = of_owner.entry(category).or_default();
            *sum = sum.plus(*figures);
        }
    }
    sums
}

fn total(categories: &BTreeMap<&str, Figures>) -> Figures {
    categories.values().fold(Figures::default(), |sum, f| sum.plus(*f))
}

fn figures_json(f: Figures) -> Value {
    json!({
        "ops": f.ops, "successful_ops": f.successful_ops,
        "bytes_received": f.bytes_received, "bytes_sent": f.bytes_sent,
    })
}

fn categories_json<'a>(categories: impl Iterator<Item = (&'a str, Figures)>) -> Value {
    categories
        .map(|(name, f)| {
            let mut one = figures_json(f);
            one["category"] = name.into();
            one
        })
        .collect()
}

fn summary_json((uid, categories): (&&str, &BTreeMap<&str, Figures>)) -> Value {
    let all = categories_json(categories.iter().map(|(name, f)| (*name, *f)));
    json!({ "user": uid, "categories": all, "total": figures_json(total(categories)) })
}

fn entry_json(row: &UsageHour) -> Value {
    let all = categories_json(row.categories.iter().map(|(name, f)| (name.as_str(), *f)));
    json!({ "user": row.owner, "bucket": row.bucket, "epoch": row.hour.saturating_mul(3600), "categories": all })
}

fn summary_rows(sums: &Sums<'_>) -> Vec<Vec<String>> {
    let row = |(uid, categories): (&&str, &BTreeMap<&str, Figures>)| {
        let f = total(categories);
        let size = crate::size::show;
        let (ops, good) = (f.ops.to_string(), f.successful_ops.to_string());
        vec![uid.to_string(), ops, good, size(f.bytes_received), size(f.bytes_sent)]
    };
    sums.iter().map(row).collect()
}

fn entry_rows(rows: &[UsageHour]) -> Vec<Vec<String>> {
    let size = crate::size::show;
    let mut out = Vec::new();
    for row in rows {
        for (category, f) in &row.categories {
            out.push(vec![
                row.owner.clone(),
                row.bucket.clone(),
                row.hour.saturating_mul(3600).to_string(),
                category.clone(),
                f.ops.to_string(),
                size(f.bytes_received),
                size(f.bytes_sent),
            ]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_counted_back_from_now() {
        let of = |since, before| Which { uid: None, since, before }.hours(1000);
        assert_eq!(of(None, None), 0..u64::MAX);
        assert_eq!(of(Some(24), None), 976..u64::MAX);
        assert_eq!(of(None, Some(720)), 0..280);
        assert_eq!(of(Some(1), Some(10)), 999..999, "nothing");
        assert_eq!(of(Some(5000), None).start, 0);
    }
}
