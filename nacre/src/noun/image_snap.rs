//! `nacre image snap`, `clone`, `flatten`, `children`: snapshots of images, and what is layered on them.

use super::image::{answer, done, find, owner};
use super::{image_names, image_pools};
use crate::cli::{Format, Global, ImageSnapCommand};
use crate::exit::Failure;
use crate::{size, table};
use gateway_block::{Child, Images, Snapshot, split_snapshot};
use gateway_client::Client;
use gateway_nbd::split_name;

/// Pool, image and snapshot of POOL/NAME@SNAPSHOT.
fn find_snapshot<'a>(client: &Client, name: &'a str) -> Result<(Images<Client>, &'a str, &'a str), Failure> {
    let (images, rest) = find(client, name);
    match split_snapshot(rest) {
        (image, Some(snap)) => Ok((images, image, snap)),
        (_, None) => Err(Failure::unusable(format!("{name} names no snapshot; write POOL/NAME@SNAPSHOT"))),
    }
}

pub(super) async fn run(global: &Global, client: &Client, command: &ImageSnapCommand) -> Result<(), Failure> {
    match command {
        ImageSnapCommand::Create { snapshot } => {
            let (images, image, snap) = find_snapshot(client, snapshot)?;
            images.snap_create(image, snap).await.map_err(answer)?;
            done(global, &format!("{snapshot} made"));
        }
        ImageSnapCommand::Ls { image } => {
            let (images, name) = find(client, image);
            let all = images.snapshots(name).await.map_err(answer)?;
            show(global, &all);
        }
        ImageSnapCommand::Rm { snapshot } => {
            let (images, image, snap) = find_snapshot(client, snapshot)?;
            images.snap_remove(image, snap).await.map_err(answer)?;
            done(global, &format!("{snapshot} removed; what only it kept is freed in the background"));
        }
        ImageSnapCommand::Rollback { snapshot } => {
            let (images, image, snap) = find_snapshot(client, snapshot)?;
            images.snap_rollback(image, snap, &owner()?).await.map_err(answer)?;
            done(global, &format!("{image} is what it was at {snap}"));
        }
        ImageSnapCommand::Protect { snapshot } => {
            let (images, image, snap) = find_snapshot(client, snapshot)?;
            images.snap_protect(image, snap, true).await.map_err(answer)?;
            done(global, &format!("{snapshot} is protected"));
        }
        ImageSnapCommand::Unprotect { snapshot } => {
            let (images, image, snap) = find_snapshot(client, snapshot)?;
            images.snap_protect(image, snap, false).await.map_err(answer)?;
            done(global, &format!("{snapshot} is not protected any more"));
        }
    }
    Ok(())
}

pub(super) async fn clone(
    global: &Global,
    client: &Client,
    from: &str,
    to: &str,
    data_pool: Option<&str>,
) -> Result<(), Failure> {
    let (images, image, snap) = find_snapshot(client, from)?;
    // A new name without a pool lies beside its parent.
    let pool = if to.contains('/') { split_name(to).0 } else { images.pool() };
    let name = to.split_once('/').map_or(to, |(_, name)| name);
    image_names::check(name)?;
    image_pools::check(client, pool, name, data_pool)?;
    let into = Images::new(client.clone(), pool).with_data_pool(data_pool.map(str::to_owned));
    images.clone_snapshot(image, snap, &into, name).await.map_err(answer)?;
    done(global, &format!("{pool}/{name} made from {from}"));
    Ok(())
}

pub(super) async fn flatten(global: &Global, client: &Client, image: &str) -> Result<(), Failure> {
    let (images, name) = find(client, image);
    let there_was = images.flatten(name, &owner()?, |_, _| {}).await.map_err(answer)?;
    done(
        global,
        &match there_was {
            true => format!("{image} needs no parent any more"),
            false => format!("{image} has no parent"),
        },
    );
    Ok(())
}

pub(super) async fn children(global: &Global, client: &Client, snapshot: &str) -> Result<(), Failure> {
    let (images, image, snap) = find_snapshot(client, snapshot)?;
    let all = images.children(image, snap).await.map_err(answer)?;
    match global.format {
        Format::Plain => {
            for child in all {
                println!("{}/{}", child.pool, child.name.unwrap_or_else(|| format!("(id {})", child.id)));
            }
        }
        Format::Json => {
            let row = |c: &Child| serde_json::json!({ "pool": c.pool, "name": c.name, "id": c.id });
            let rows: Vec<_> = all.iter().map(row).collect();
            println!("{}", serde_json::json!({ "children": rows }));
        }
    }
    Ok(())
}

fn show(global: &Global, all: &[Snapshot]) {
    match global.format {
        Format::Plain => {
            let row = |s: &Snapshot| {
                let state = match (s.removing, s.protected) {
                    (true, _) => "being removed",
                    (false, true) => "protected",
                    (false, false) => "",
                };
                vec![s.id.0.to_string(), s.name.clone(), size::show(s.size), state.to_string()]
            };
            let rows: Vec<Vec<String>> = all.iter().map(row).collect();
            print!("{}", table::render(&["ID", "NAME", "SIZE", "STATE"], &rows));
        }
        Format::Json => {
            let row = |s: &Snapshot| {
                serde_json::json!({
                    "id": s.id.0, "name": s.name, "size": s.size, "created_ms": s.created.millis(),
                    "protected": s.protected, "removing": s.removing,
                })
            };
            let rows: Vec<_> = all.iter().map(row).collect();
            println!("{}", serde_json::json!({ "snapshots": rows }));
        }
    }
}
