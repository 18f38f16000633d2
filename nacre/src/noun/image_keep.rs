//! `nacre image trash`, `meta` and `qos`: what is kept of images, and how fast they may be used.

use super::image_names;
use crate::cli::{Format, Global};
use crate::exit::Failure;
use crate::{size, table};
use clap::{Args, Subcommand};
use gateway_block::{BlockError, Images, Limits, Of};
use gateway_client::Client;
use gateway_nbd::split_name;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The trash: images without a name, kept until they are restored or purged.
#[derive(Subcommand)]
pub(crate) enum TrashCommand {
    /// Move an image that nobody has open to the trash.
    Mv {
        /// As POOL/NAME.
        image: String,
        /// How long it is to be kept, as 30m, 12h, 7d.
        #[arg(long, default_value = "7d", value_parser = duration)]
        keep: Duration,
    },
    /// What is in the trash.
    Ls {
        /// The pool.
        #[arg(default_value = "rbd")]
        pool: String,
    },
    /// Take an image out of the trash.
    Restore {
        /// As POOL/ID.
        image: String,
        /// A name other than the one that it had.
        #[arg(long)]
        name: Option<String>,
    },
    /// Remove what is in the trash for good.
    Purge {
        /// As POOL/ID; otherwise all whose time has come.
        #[arg(default_value = "rbd/")]
        image: String,
        /// Also what was to be kept longer.
        #[arg(long)]
        force: bool,
    },
}

/// Keys and values that people and programs keep with an image.
#[derive(Subcommand)]
pub(crate) enum MetaCommand {
    /// All keys with their values.
    Ls {
        /// As POOL/NAME.
        image: String,
    },
    /// One value. Exit code 1: there is none.
    Get {
        /// As POOL/NAME.
        image: String,
        /// The key.
        key: String,
    },
    /// Set a value.
    Set {
        /// As POOL/NAME.
        image: String,
        /// The key.
        key: String,
        /// Its value.
        value: String,
    },
    /// Remove a key.
    Rm {
        /// As POOL/NAME.
        image: String,
        /// The key.
        key: String,
    },
}

/// Limits of an image, or with POOL/ of all images of a pool that have none of their own.
#[derive(Args)]
pub(crate) struct QosArgs {
    /// As POOL/NAME, or POOL/ for the pool.
    image: String,
    /// Requests a second; 0 lifts the limit.
    #[arg(long)]
    iops: Option<u64>,
    /// Requests that may come at once after a pause.
    #[arg(long)]
    iops_burst: Option<u64>,
    /// Bytes a second, as 100M; 0 lifts the limit.
    #[arg(long, value_parser = size::parse)]
    bps: Option<u64>,
    /// Bytes that may come at once after a pause.
    #[arg(long, value_parser = size::parse)]
    bps_burst: Option<u64>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time: 90s, 30m, 12h or 7d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => DAY.as_secs(),
        _ => return Err(wrong()),
    };
    let number: u64 = text.trim_end_matches(unit).parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

fn answer(error: BlockError) -> Failure {
    Failure::no(error)
}

fn done(global: &Global, what: &str) {
    match global.format {
        Format::Plain => println!("{what}"),
        Format::Json => println!("{}", serde_json::json!({ "done": what })),
    }
}

/// Carries out a command about the trash.
pub(crate) async fn trash(
    global: &Global,
    client: &Client,
    command: &TrashCommand,
    owner: &str,
) -> Result<(), Failure> {
    let images = |image: &str| Images::new(client.clone(), split_name(image).0);
    match command {
        TrashCommand::Mv { image, keep } => {
            let id = images(image).trash(split_name(image).1, owner, *keep).await.map_err(answer)?;
            let back = format!("nacre image trash restore {}/{id}", split_name(image).0);
            done(global, &format!("{image} is in the trash; `{back}` brings it back"));
        }
        TrashCommand::Ls { pool } => {
            let entries = Images::new(client.clone(), pool).trashed().await.map_err(answer)?;
            match global.format {
                Format::Json => {
                    let row = |e: &gateway_block::Trashed| serde_json::json!({ "id": e.id, "name": e.name, "keep_until_ms": e.until_ms });
                    let rows: Vec<_> = entries.iter().map(row).collect();
                    println!("{}", serde_json::json!({ "trash": rows }));
                }
                Format::Plain => {
                    let row = |e: &gateway_block::Trashed| {
                        vec![e.id.clone(), e.name.clone(), format!("{} s after 1970", e.until_ms / 1000)]
                    };
                    let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
                    print!("{}", table::render(&["ID", "NAME", "KEPT UNTIL"], &rows));
                }
            }
        }
        TrashCommand::Restore { image, name } => {
            let id = split_name(image).1;
            name.as_deref().map_or(Ok(()), image_names::check)?;
            let name = images(image).restore(id, name.as_deref()).await.map_err(answer)?;
            done(global, &format!("{}/{name} is back", split_name(image).0));
        }
        TrashCommand::Purge { image, force } => {
            let id = Some(split_name(image).1).filter(|id| !id.is_empty());
            let gone = images(image).purge(id, *force, owner).await.map_err(answer)?;
            done(global, &format!("{} images are gone", gone.len()));
        }
    }
    Ok(())
}

/// Carries out a command about metadata.
pub(crate) async fn meta(global: &Global, client: &Client, command: &MetaCommand) -> Result<(), Failure> {
    let find = |image: &str| Images::new(client.clone(), split_name(image).0);
    match command {
        MetaCommand::Ls { image } => {
            let rows = find(image).metadata(Of::Image(split_name(image).1)).await.map_err(answer)?;
            match global.format {
                Format::Json => {
                    let map: serde_json::Map<_, _> = rows.into_iter().map(|(k, v)| (k, v.into())).collect();
                    println!("{}", serde_json::json!({ "metadata": map }));
                }
                Format::Plain => {
                    let rows: Vec<Vec<String>> = rows.into_iter().map(|(k, v)| vec![k, v]).collect();
                    print!("{}", table::render(&["KEY", "VALUE"], &rows));
                }
            }
        }
        MetaCommand::Get { image, key } => {
            let rows = find(image).metadata(Of::Image(split_name(image).1)).await.map_err(answer)?;
            let value = rows.into_iter().find(|(k, _)| k == key).map(|(_, value)| value);
            let value = value.ok_or_else(|| Failure::no(format!("{image} has no value of {key}")))?;
            match global.format {
                Format::Json => println!("{}", serde_json::json!({ "value": value })),
                Format::Plain => println!("{value}"),
            }
        }
        MetaCommand::Set { image, key, value } => {
            let of = Of::Image(split_name(image).1);
            find(image).set_metadata(of, key, Some(value)).await.map_err(answer)?;
            done(global, &format!("{key} of {image} is set"));
        }
        MetaCommand::Rm { image, key } => {
            find(image).set_metadata(Of::Image(split_name(image).1), key, None).await.map_err(answer)?;
            done(global, &format!("{image} has no {key}"));
        }
    }
    Ok(())
}

/// Sets limits, if any are given, and shows those that hold.
pub(crate) async fn qos(global: &Global, client: &Client, args: &QosArgs) -> Result<(), Failure> {
    let (pool, name) = split_name(&args.image);
    let images = Images::new(client.clone(), pool);
    let of = if name.is_empty() { Of::Pool } else { Of::Image(name) };
    let mut limits = images.limits_set(of).await.map_err(answer)?;
    let given = [
        (&mut limits.iops, args.iops),
        (&mut limits.iops_burst, args.iops_burst),
        (&mut limits.bps, args.bps),
        (&mut limits.bps_burst, args.bps_burst),
    ];
    let mut changes = false;
    for (limit, value) in given {
        if let Some(value) = value {
            *limit = Some(value).filter(|n| *n > 0);
            changes = true;
        }
    }
    if changes {
        images.set_limits(of, limits).await.map_err(answer)?;
    }
    let holds = match of {
        Of::Pool => limits,
        Of::Image(name) => {
            let id = images.info(name).await.map_err(answer)?.id;
            images.limits_of(&id).await.map_err(answer)?
        }
    };
    show(global, &args.image, holds);
    Ok(())
}

fn show(global: &Global, image: &str, limits: Limits) {
    let Limits { iops, iops_burst, bps, bps_burst } = limits;
    if global.format == Format::Json {
        let limits = serde_json::json!({
            "iops": iops, "iops_burst": iops_burst, "bps": bps, "bps_burst": bps_burst,
        });
        println!("{limits}");
        return;
    }
    let plain = |n: Option<u64>| n.map_or("no limit".to_string(), |n| n.to_string());
    let sized = |n: Option<u64>| n.map_or("no limit".to_string(), size::show);
    println!("{image}");
    println!("  requests a second   {}, at once {}", plain(iops), burst(iops_burst.map(|n| n.to_string())));
    println!("  bytes a second      {}, at once {}", sized(bps), burst(bps_burst.map(size::show)));
}

fn burst(said: Option<String>) -> String {
    said.unwrap_or_else(|| "a tenth of that".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(duration("7d"), Ok(7 * DAY));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        for bad in ["", "7", "d", "-1d", "1y", "99999999999999999999d", "7ä"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
