//! `nacre group`: groups of block images, and snapshots of all of a group's images at one moment.

use super::image::{answer, done, find, owner};
use crate::cli::{Format, Global};
use crate::exit::Failure;
use crate::{session, table};
use clap::Subcommand;
use gateway_block::{Group, Images, split_snapshot};
use gateway_client::Client;
use gateway_nbd::split_name;

/// Groups are named POOL/GROUP; without a pool it is `rbd`.
#[derive(Subcommand)]
pub(crate) enum GroupCommand {
    /// Make a group.
    Create {
        /// As POOL/GROUP.
        group: String,
    },
    /// The groups of a pool.
    Ls {
        /// The pool.
        #[arg(default_value = "rbd")]
        pool: String,
    },
    /// The images of a group.
    Info {
        /// As POOL/GROUP.
        group: String,
    },
    /// Take images of the group's pool into it.
    Add {
        /// As POOL/GROUP.
        group: String,
        /// Names of images.
        #[arg(required = true)]
        images: Vec<String>,
    },
    /// Take images out of a group, or (without any) remove the group. The images stay.
    Rm {
        /// As POOL/GROUP.
        group: String,
        /// Names of images, or ids of those that are gone.
        images: Vec<String>,
    },
    /// Snapshots of all images of a group, of one moment.
    #[command(subcommand)]
    Snap(GroupSnapCommand),
}

/// Snapshots of groups.
#[derive(Subcommand)]
pub(crate) enum GroupSnapCommand {
    /// Keep what all images of a group are now, in use or not.
    Create {
        /// As POOL/GROUP@SNAPSHOT.
        snapshot: String,
    },
    /// The snapshots of a group. An image's part of one is its snapshot .group.GROUP.SNAPSHOT.
    Ls {
        /// As POOL/GROUP.
        group: String,
    },
    /// Let a snapshot of a group go.
    Rm {
        /// As POOL/GROUP@SNAPSHOT.
        snapshot: String,
    },
    /// Make all its images, of which nobody may be using any, what they were.
    Rollback {
        /// As POOL/GROUP@SNAPSHOT.
        snapshot: String,
    },
}

fn find_snapshot<'a>(client: &Client, name: &'a str) -> Result<(Images<Client>, &'a str, &'a str), Failure> {
    let (images, rest) = find(client, name);
    match split_snapshot(rest) {
        (group, Some(snap)) => Ok((images, group, snap)),
        (_, None) => Err(Failure::unusable(format!("{name} names no snapshot; write POOL/GROUP@SNAPSHOT"))),
    }
}

/// The name of an image of the group's pool.
fn member<'a>(images: &Images<Client>, image: &'a str) -> Result<&'a str, Failure> {
    match split_name(image) {
        (pool, name) if pool == images.pool() => Ok(name),
        (_, name) if !image.contains('/') => Ok(name),
        (pool, _) => Err(Failure::unusable(format!(
            "{image} lies in the pool {pool}, and the group's images in {}",
            images.pool()
        ))),
    }
}

/// Carries out the command.
pub(crate) async fn run(global: &Global, command: &GroupCommand) -> Result<(), Failure> {
    let client = session::open(global).await?;
    match command {
        GroupCommand::Create { group } => {
            let (images, name) = find(&client, group);
            images.group_create(name).await.map_err(answer)?;
            done(global, &format!("the group {}/{name} made", images.pool()));
        }
        GroupCommand::Ls { pool } => {
            let all = Images::new(client, pool).groups().await.map_err(answer)?;
            show(global, &all);
        }
        GroupCommand::Info { group } => {
            let (images, name) = find(&client, group);
            show_one(global, &images.group(name).await.map_err(answer)?);
        }
        GroupCommand::Add { group, images: names } => {
            let (images, name) = find(&client, group);
            for image in names {
                images.group_add(name, member(&images, image)?).await.map_err(answer)?;
            }
            done(global, &format!("{} added to {group}", names.join(", ")));
        }
        GroupCommand::Rm { group, images: names } => {
            let (images, name) = find(&client, group);
            for image in names {
                images.group_remove(name, member(&images, image)?).await.map_err(answer)?;
            }
            if names.is_empty() {
                images.group_delete(name).await.map_err(answer)?;
                done(global, &format!("the group {group} removed"));
            } else {
                done(global, &format!("{} taken out of {group}", names.join(", ")));
            }
        }
        GroupCommand::Snap(command) => snap(global, &client, command).await?,
    }
    Ok(())
}

async fn snap(global: &Global, client: &Client, command: &GroupSnapCommand) -> Result<(), Failure> {
    match command {
        GroupSnapCommand::Create { snapshot } => {
            let (images, group, snap) = find_snapshot(client, snapshot)?;
            images.group_snap_create(group, snap).await.map_err(answer)?;
            done(global, &format!("{snapshot} made"));
        }
        GroupSnapCommand::Ls { group } => {
            let (images, name) = find(client, group);
            show_snapshots(global, &images.group(name).await.map_err(answer)?);
        }
        GroupSnapCommand::Rm { snapshot } => {
            let (images, group, snap) = find_snapshot(client, snapshot)?;
            images.group_snap_remove(group, snap).await.map_err(answer)?;
            done(global, &format!("{snapshot} removed; what only it kept is freed in the background"));
        }
        GroupSnapCommand::Rollback { snapshot } => {
            let (images, group, snap) = find_snapshot(client, snapshot)?;
            images.group_snap_rollback(group, snap, &owner()?).await.map_err(answer)?;
            done(global, &format!("the images of {group} are what they were at {snap}"));
        }
    }
    Ok(())
}

fn show(global: &Global, all: &[Group]) {
    match global.format {
        Format::Plain => {
            let row =
                |g: &Group| vec![g.name.clone(), g.members.len().to_string(), g.snapshots.len().to_string()];
            let rows: Vec<Vec<String>> = all.iter().map(row).collect();
            print!("{}", table::render(&["NAME", "IMAGES", "SNAPSHOTS"], &rows));
        }
        Format::Json => {
            let row = |g: &Group| serde_json::json!({ "name": g.name, "images": g.members.len(), "snapshots": g.snapshots.len() });
            let rows: Vec<_> = all.iter().map(row).collect();
            println!("{}", serde_json::json!({ "groups": rows }));
        }
    }
}

fn show_one(global: &Global, group: &Group) {
    match global.format {
        Format::Plain => {
            for member in &group.members {
                println!("{}", member.name.clone().unwrap_or_else(|| format!("(gone, id {})", member.id)));
            }
        }
        Format::Json => {
            let rows: Vec<_> =
                group.members.iter().map(|m| serde_json::json!({ "id": m.id, "name": m.name })).collect();
            println!("{}", serde_json::json!({ "name": group.name, "images": rows }));
        }
    }
}

fn show_snapshots(global: &Global, group: &Group) {
    match global.format {
        Format::Plain => {
            let rows: Vec<Vec<String>> = group
                .snapshots
                .iter()
                .map(|s| {
                    let state = if s.complete { "" } else { "incomplete" };
                    vec![s.name.clone(), s.members.len().to_string(), state.to_string()]
                })
                .collect();
            print!("{}", table::render(&["NAME", "IMAGES", "STATE"], &rows));
        }
        Format::Json => {
            let rows: Vec<_> = group
                .snapshots
                .iter()
                .map(|s| {
                    serde_json::json!({
                        "name": s.name, "created_ms": s.created.millis(), "complete": s.complete,
                        "image_ids": s.members,
                    })
                })
                .collect();
            println!("{}", serde_json::json!({ "snapshots": rows }));
        }
    }
}
