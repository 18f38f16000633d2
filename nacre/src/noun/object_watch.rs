//! `nacre object watch|notify|listwatchers`: hearing of an object, and telling those who do.

use super::object::answer;
use crate::cli::Format;
use crate::exit::Failure;
use crate::{output, table};
use gateway_client::{Client, OpError};
use osd_object::ObjectName;
use placement_map::PoolId;
use std::time::Duration;

/// A pool's and an object's name.
type Named<'a> = (&'a str, &'a str);

async fn find(client: &Client, (pool, name): Named<'_>) -> Result<(PoolId, ObjectName), Failure> {
    let id = client.pool_id(pool).await.ok_or_else(|| Failure::no(format!("there is no pool {pool}")))?;
    Ok((id, ObjectName::new(name)))
}

fn seconds(n: u32) -> Duration {
    Duration::from_secs(u64::from(n))
}

/// A client instance, as all of these commands show it.
fn instance(client: u64) -> String {
    format!("client.{client:016x}")
}

/// Watches until `count` notifies came, or for ever.
pub(super) async fn watch(
    client: &Client,
    object: Named<'_>,
    timeout: u32,
    count: Option<u64>,
    reply: &str,
    format: Format,
) -> Result<(), Failure> {
    let (pool, name) = find(client, object).await?;
    let mut watch = client.watch(pool, name, seconds(timeout)).await.map_err(answer)?;
    let cookie = watch.id().cookie;
    match format {
        Format::Plain => {
            println!("watching {}/{} as {} cookie {cookie}", object.0, object.1, instance(client.instance()))
        }
        Format::Json => println!(
            "{}",
            serde_json::json!({ "watching": object.1, "pool": object.0, "client": instance(client.instance()), "cookie": cookie })
        ),
    }
    let mut left = count;
    while left != Some(0) {
        let Some(heard) = watch.next().await else {
            return Err(Failure::no(format!(
                "the watch on {}/{} has ended: the object was deleted, or the cluster did not hear this watcher for {timeout} s",
                object.0, object.1
            )));
        };
        let message = String::from_utf8_lossy(&heard.payload);
        let from = instance(heard.notifier);
        match format {
            Format::Plain => println!("notify {} from {from}: {message}", heard.notify),
            Format::Json => {
                println!(
                    "{}",
                    serde_json::json!({ "notify": heard.notify, "from": from, "message": message })
                );
            }
        }
        watch.ack(heard.notify, reply.as_bytes().to_vec().into()).await.map_err(answer)?;
        left = left.map(|n| n - 1);
        if output::closed() {
            break;
        }
    }
    watch.end().await.map_err(answer)
}

/// Notifies, and says who heard it.
pub(super) async fn notify(
    client: &Client,
    object: Named<'_>,
    message: &str,
    timeout: u32,
    format: Format,
) -> Result<(), Failure> {
    let (pool, name) = find(client, object).await?;
    let payload = message.as_bytes().to_vec().into();
    let told = client.notify(pool, name, payload, seconds(timeout)).await.map_err(answer)?;
    match format {
        Format::Plain => {
            for (id, reply) in &told.acks {
                println!(
                    "acknowledged by {} cookie {}: {}",
                    instance(id.client),
                    id.cookie,
                    String::from_utf8_lossy(reply)
                );
            }
        }
        Format::Json => {
            let acks = told.acks.iter().map(|(id, reply)| {
                serde_json::json!({ "client": instance(id.client), "cookie": id.cookie, "reply": String::from_utf8_lossy(reply) })
            });
            let missed = told
                .missed
                .iter()
                .map(|id| serde_json::json!({ "client": instance(id.client), "cookie": id.cookie }));
            let (acks, missed): (Vec<_>, Vec<_>) = (acks.collect(), missed.collect());
            println!("{}", serde_json::json!({ "acks": acks, "missed": missed }));
        }
    }
    if told.missed.is_empty() {
        return Ok(());
    }
    let missed: Vec<String> =
        told.missed.iter().map(|id| format!("{} cookie {}", instance(id.client), id.cookie)).collect();
    Err(Failure::no(
        OpError::new(stdx::Errno::ETIMEDOUT)
            .with_context(format!("not acknowledged by {}", missed.join(", "))),
    )
    .answered())
}

/// Shows who watches.
pub(super) async fn list(client: &Client, object: Named<'_>, format: Format) -> Result<(), Failure> {
    let (pool, name) = find(client, object).await?;
    let all = client.list_watchers(pool, name).await.map_err(answer)?;
    match format {
        Format::Plain => {
            let row = |w: &osd_object::Watcher| {
                vec![
                    instance(w.id.client),
                    w.id.cookie.to_string(),
                    w.name.clone(),
                    (w.timeout_ms / 1000).to_string(),
                ]
            };
            let rows: Vec<Vec<String>> = all.iter().map(row).collect();
            print!("{}", table::render(&["CLIENT", "COOKIE", "NAME", "TIMEOUT_S"], &rows));
        }
        Format::Json => {
            let rows = all.iter().map(|w| {
                serde_json::json!({
                    "client": instance(w.id.client), "cookie": w.id.cookie, "name": w.name,
                    "timeout_ms": w.timeout_ms,
                })
            });
            println!("{}", serde_json::json!({ "watchers": rows.collect::<Vec<_>>() }));
        }
    }
    Ok(())
}
