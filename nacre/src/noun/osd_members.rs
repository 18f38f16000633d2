//! `nacre osd add | rm`: OSDs come to this host's cluster and leave it while it runs.

use super::answer::order_leave;
use super::auth;
use crate::cli::Global;
use crate::cluster::advert;
use crate::cluster::files::gone;
use crate::cluster::layout::Layout;
use crate::cluster::settings::ClusterSettings;
use crate::cluster::{make_osd, process};
use crate::exit::{Context, Failure};
use crate::{session, size};
use clap::Args;
use gateway_client::Client;
use placement_map::{Command, OsdId};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a new OSD may take to be up.
const UP_PATIENCE: Duration = Duration::from_secs(30);

#[derive(Args)]
pub(crate) struct AddArgs {
    /// Size of its store, taken from the disk at once; that of the other OSDs unless said.
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub size: Option<u64>,
}

#[derive(Args)]
pub(crate) struct RmArgs {
    /// As osd.1, or 1.
    #[arg(value_parser = osd_number)]
    pub id: u32,
    /// Although PGs wait for it: what only it holds is lost for good.
    #[arg(long)]
    pub force: bool,
    /// Delete its store too. Otherwise it stays where it is, and its number is not given out on this host.
    #[arg(long)]
    pub zap: bool,
}

/// An OSD as messages name it, or its number alone.
pub(crate) fn osd_number(text: &str) -> Result<u32, String> {
    let number = text.strip_prefix("osd.").unwrap_or(text);
    // Nothing but digits: `parse` would take a sign as well.
    match number.bytes().all(|b| b.is_ascii_digit()) {
        true => number.parse().map_err(|_| format!("{text:?} names no OSD; say osd.1, or 1")),
        false => Err(format!("{text:?} names no OSD; say osd.1, or 1")),
    }
}

/// Makes an OSD on this host, starts it, and waits until it is up.
pub(crate) async fn add(global: &Global, args: &AddArgs) -> Result<(), Failure> {
    let (layout, mut settings) = session::here(global)?;
    let size_bytes = args.size.unwrap_or(settings.osd_size);
    if size_bytes < 256 << 20 {
        return Err(Failure::unusable(format!(
            "--size {}: an OSD has at least 256 MiB",
            size::show(size_bytes)
        )));
    }
    has_space(&layout, size_bytes)?;
    let client = session::connect(&layout, &settings).await?;
    let n = free_number(&client, &layout, &settings);
    let name = format!("osd.{n}");
    make_osd::issue_key(&layout, &name)?;
    auth::admit(&client, &layout, &name).await?;
    make_osd::make(&settings, &layout, n, size_bytes)?;
    // From here on it is one of this host's daemons, whatever happens to this command.
    settings.osds.push(n);
    settings.save(&layout)?;
    let mut child = process::start(&layout, &name)?;
    // A thread that nobody waits for: this command ends before the daemon does.
    let (end, ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || end.send(child.wait()));
    let up = client.wait_for_map(|map| map.is_up(OsdId(n)));
    tokio::select! {
        map = tokio::time::timeout(UP_PATIENCE, up) => match map {
            Ok(map) => drop(map.map_err(Failure::unusable)?),
            Err(_) => {
                let log = layout.log(&name);
                return Err(Failure::no(format!(
                    "{name} was made and started, but is not up after {} s; see {}",
                    UP_PATIENCE.as_secs(),
                    log.display()
                )));
            }
        },
        // The sender goes only after it has sent.
        Ok(status) = ended => {
            let status = status.or_unusable(&name)?;
            let log = layout.log(&name);
            return Err(Failure::no(format!("{name} ended at once ({status}); see {}", log.display())));
        }
    }
    advert::refresh(&layout, &settings)?;
    println!("{name} is up; data moves to it in the background (`nacre status` shows how far)");
    Ok(())
}

/// Has the monitors forget an OSD, and this host too if it lives here.
pub(crate) async fn rm(global: &Global, args: &RmArgs) -> Result<(), Failure> {
    let (layout, mut settings) = session::here(global)?;
    let (id, name) = (args.id, format!("osd.{}", args.id));
    let client = session::connect(&layout, &settings).await?;
    let rm = Command::OsdRm { osd: OsdId(id), force: args.force };
    // One that runs and is not known is on its way in.
    let left_here = settings.osds.contains(&id) && process::find(&layout, &name).is_none();
    order_leave(&client, global, rm, &format!("{name} is removed"), left_here).await?;
    if !settings.osds.contains(&id) {
        return Ok(());
    }
    settings.osds.retain(|n| *n != id);
    settings.save(&layout)?;
    for file in [layout.conf(&name), layout.pid(&name), layout.stopped(&name)] {
        gone(std::fs::remove_file(&file)).or_unusable(file.display())?;
    }
    make_osd::forget_key(&layout, &name)?;
    let store = layout.store(&name);
    if args.zap {
        gone(std::fs::remove_dir_all(&store)).or_unusable(store.display())?;
    } else {
        // Not to standard output: with --format json that is one document.
        eprintln!("its store is still in {}; delete it when you are sure", store.display());
    }
    advert::refresh(&layout, &settings)
}

/// The lowest number that neither the cluster nor anything on this host's disk goes by.
fn free_number(client: &Client, layout: &Layout, settings: &ClusterSettings) -> u32 {
    let mut taken: BTreeSet<u32> = client.map().osds.keys().map(|osd| osd.0).collect();
    taken.extend(&settings.osds);
    // Promised to other hosts by tokens.
    let promised = client
        .map()
        .keys
        .iter()
        .filter(|(_, keys)| !keys.is_empty())
        .map(|(name, _)| name.clone())
        .collect::<Vec<_>>();
    taken.extend(promised.iter().filter_map(|name| name.strip_prefix("osd.")?.parse::<u32>().ok()));
    let is_free = |n: &u32| !taken.contains(n) && !layout.store(&format!("osd.{n}")).exists();
    (0..u32::MAX).find(is_free).expect("a disk does not hold so many stores")
}

fn has_space(layout: &Layout, size_bytes: u64) -> Result<(), Failure> {
    let root = layout.root();
    let disk = rustix::fs::statvfs(root).or_unusable(root.display())?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < size_bytes {
        return Err(Failure::unusable(format!(
            "an OSD of {} does not fit on the disk of {}, which has {} free; give a smaller --size",
            size::show(size_bytes),
            root.display(),
            size::show(free)
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn osds_are_named_as_messages_name_them_or_by_number() {
        assert_eq!((osd_number("osd.7"), osd_number("7")), (Ok(7), Ok(7)));
        for wrong in ["", "osd.", "+7", "osd.-1", "mon.7", "99999999999"] {
            assert!(osd_number(wrong).is_err(), "{wrong}");
        }
    }
}
