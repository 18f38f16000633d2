//! `nacre auth`: which keys are admitted, how one is replaced, and how one that leaked is kept out.

use super::answer::order_with;
use crate::cli::{Format, Global};
use crate::cluster::layout::Layout;
use crate::exit::{Context, Failure};
use crate::{session, table};
use clap::Subcommand;
use gateway_client::Client;
use placement_map::Command;
use std::collections::{BTreeMap, BTreeSet};
use wire_transport::credentials::{self, Credential};
use wire_transport::{Fingerprint, PeerName};

#[derive(Subcommand)]
pub(crate) enum AuthCommand {
    /// Who has a key on this host, and who is admitted with which.
    Ls,
    /// Make a new key for NAME on this host; the old one is admitted too until `settle`. NAME takes it up when it starts again.
    Rotate {
        /// As osd.3 or client.admin.
        name: String,
    },
    /// From now on only the key that lies on this host is admitted for NAME.
    Settle {
        /// As osd.3 or client.admin.
        name: String,
    },
    /// No key is admitted for NAME any more; links that it has end at once.
    Revoke {
        /// As gateway.0.
        name: String,
    },
    /// Take back every rule for NAME: any key that the cluster's authority signed is admitted.
    Allow {
        /// As gateway.0.
        name: String,
    },
}

/// Carries out the command.
pub(crate) async fn run(global: &Global, command: &AuthCommand) -> Result<(), Failure> {
    let (layout, settings) = session::here(global)?;
    let client = session::connect(&layout, &settings).await?;
    match command {
        AuthCommand::Ls => ls(global, &client, &layout),
        AuthCommand::Rotate { name } => rotate(global, &client, &layout, name).await,
        AuthCommand::Settle { name } => {
            let key = on_disk(&layout, name)?;
            let done = format!("only the key {} is admitted for {name}", short(key.as_str()));
            set(global, &client, name, vec![key.to_string()], &done).await
        }
        AuthCommand::Revoke { name } => {
            if name == session::ADMIN {
                return Err(Failure::no(format!(
                    "{name} is who asks; replace its key instead: `nacre auth rotate {name}`, then `nacre auth settle {name}`"
                )));
            }
            set(global, &client, name, Vec::new(), &format!("no key is admitted for {name}")).await
        }
        AuthCommand::Allow { name } => {
            let allow = Command::KeysRm { name: name.clone() };
            let done = format!("any key that the cluster's authority signed is admitted for {name}");
            order_with(&client, global, allow, &done).await.map(drop)
        }
    }
}

async fn set(
    global: &Global,
    client: &Client,
    name: &str,
    keys: Vec<String>,
    done: &str,
) -> Result<(), Failure> {
    order_with(client, global, Command::KeysSet { name: name.to_owned(), keys }, done).await.map(drop)
}

async fn rotate(global: &Global, client: &Client, layout: &Layout, name: &str) -> Result<(), Failure> {
    let old = on_disk(layout, name)?;
    let dir = layout.keys();
    let new = credentials::issue(&dir, &parse(name)?).or_unusable(dir.display())?;
    let key = new.fingerprint().or_unusable(name)?;
    // Before the key lies where the daemon finds it: it must never start with one that nobody admits.
    let mut keys: BTreeSet<String> = client.map().keys.get(name).into_iter().flatten().cloned().collect();
    keys.extend([old.to_string(), key.to_string()]);
    let done = format!(
        "{name} has the new key {}; start it again, then `nacre auth settle {name}` keeps the old one out",
        short(key.as_str())
    );
    set(global, client, name, keys.into_iter().collect(), &done).await?;
    new.save(&dir).or_unusable(dir.display())
}

/// Has only the key that was just made for a daemon admitted: one of that name may have been here before.
pub(super) async fn admit(client: &Client, layout: &Layout, name: &str) -> Result<(), Failure> {
    admit_key(client, name, on_disk(layout, name)?.to_string()).await
}

/// The same of a key that does not lie on this host.
pub(super) async fn admit_key(client: &Client, name: &str, key: String) -> Result<(), Failure> {
    let keys = vec![key];
    let set = Command::KeysSet { name: name.to_owned(), keys };
    client.command(set).await.map(drop).map_err(super::answer::failure)
}

/// Has no key of a daemon that left admitted any more.
pub(super) async fn shut_out(client: &Client, name: &str) -> Result<(), Failure> {
    let set = Command::KeysSet { name: name.to_owned(), keys: Vec::new() };
    client.command(set).await.map(drop).map_err(super::answer::failure)
}

fn parse(name: &str) -> Result<PeerName, Failure> {
    name.parse().or_unusable(format!("{name:?}"))
}

fn on_disk(layout: &Layout, name: &str) -> Result<Fingerprint, Failure> {
    let dir = layout.keys();
    Credential::load(&dir, &parse(name)?).or_unusable(name)?.fingerprint().or_unusable(name)
}

fn short(key: &str) -> &str {
    &key[..key.len().min(16)]
}

fn ls(global: &Global, client: &Client, layout: &Layout) -> Result<(), Failure> {
    let dir = layout.keys();
    // One that cannot be read is shown as such: it must not hide the others.
    let mut here: BTreeMap<String, Result<String, Failure>> = BTreeMap::new();
    for file in std::fs::read_dir(&dir).or_unusable(dir.display())?.flatten() {
        let file = file.file_name();
        let name = file.to_str().and_then(|file| file.strip_suffix(".crt")).filter(|name| *name != "ca");
        if let Some(name) = name {
            here.insert(name.to_owned(), on_disk(layout, name).map(|key| key.to_string()));
        }
    }
    let map = client.map();
    let names: BTreeSet<&String> = here.keys().chain(map.keys.keys()).collect();
    let readable = |name: &String| here.get(name).and_then(|key| key.as_ref().ok());
    let rows: Vec<(&String, Option<&String>, Option<&Vec<String>>)> =
        names.into_iter().map(|name| (name, readable(name), map.keys.get(name))).collect();
    for failure in here.values().filter_map(|key| key.as_ref().err()) {
        eprintln!("{failure}");
    }
    let here_at_all = |name: &String| here.contains_key(name);
    match global.format {
        Format::Json => {
            let row = |(name, here, admitted): &(&String, Option<&String>, Option<&Vec<String>>)| serde_json::json!({ "name": name, "here": here, "admitted": admitted });
            println!("{}", serde_json::json!({ "keys": rows.iter().map(row).collect::<Vec<_>>() }));
        }
        Format::Plain => {
            let text = |(name, here, admitted): &(&String, Option<&String>, Option<&Vec<String>>)| {
                let admitted = match admitted {
                    None => "any of this cluster".to_string(),
                    Some(keys) if keys.is_empty() => "none".to_string(),
                    Some(keys) => keys.iter().map(|key| short(key)).collect::<Vec<_>>().join(", "),
                };
                let unreadable = if here_at_all(name) { "unreadable" } else { "-" };
                vec![name.to_string(), here.map_or(unreadable, |key| short(key)).to_string(), admitted]
            };
            let rows: Vec<Vec<String>> = rows.iter().map(text).collect();
            println!("{}", table::render(&["NAME", "KEY HERE", "ADMITTED"], &rows).trim_end());
        }
    }
    Ok(())
}
