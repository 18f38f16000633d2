//! `nacre mon add | rm`: monitors come to this host's cluster and leave it while it runs.

use super::answer::{order_leave, order_with};
use super::auth;
use super::mon;
use crate::cli::{Format, Global};
use crate::cluster::advert;
use crate::cluster::files::gone;
use crate::cluster::layout::Layout;
use crate::cluster::ports::{free_port, free_ports};
use crate::cluster::settings::{ClusterSettings, DaemonSettings, MonSettings, Monitor};
use crate::cluster::{make_osd, process};
use crate::exit::{Context, Failure};
use crate::session;
use placement_map::Command;
use std::time::Duration;

/// How long a monitor may take to stop before it is killed. What it has acknowledged is on the others' disks.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// Makes a monitor on this host, starts it, and gives it a vote.
pub(crate) async fn add(global: &Global) -> Result<(), Failure> {
    let (layout, mut settings) = session::here(global)?;
    let client = session::connect(&layout, &settings).await?;
    let is_free = |n: &u32| {
        let name = format!("mon.{n}");
        !client.map().monitors.contains_key(&name) && !layout.store(&name).exists()
    };
    let n = (0..u32::MAX).find(is_free).expect("a disk does not hold so many stores");
    let name = format!("mon.{n}");
    let addr = match &settings.here {
        Some(here) => free_port(here.addr)?,
        None => free_ports(1)?[0],
    };
    let rule_before = client.map().keys.get(&name).cloned();
    make_osd::issue_key(&layout, &name)?;
    auth::admit(&client, &layout, &name).await?;
    let me = Monitor { name: name.clone(), addr };
    let with_me: Vec<Monitor> = settings.monitors.iter().cloned().chain([me]).collect();
    let mon = MonSettings { path: name.clone().into(), addr };
    let conf =
        DaemonSettings { mon: Some(mon), monitors: with_me.clone(), ..make_osd::common(&settings, &name) };
    conf.save(&layout)?;
    mon::mkfs_joining(&DaemonSettings::load(&layout.conf(&name))?)?;
    // Before it can have a vote: whatever happens to this command then, the next `up` starts a monitor whose vote a
    // majority may need. One without a vote does no harm.
    let before = settings.clone();
    settings.monitors = with_me;
    if let Some(here) = &mut settings.here {
        here.monitors.push(name.clone());
    }
    announce(&layout, &settings)?;
    // Reaped by nobody: this command ends before the daemon does.
    drop(process::start(&layout, &name)?);
    let add = Command::MonAdd { name: name.clone(), addr };
    let added = order_with(&client, global, add, &format!("{name} votes, at {addr}")).await;
    if let Err(failure) = &added
        && failure.code == 1
    {
        // Refused, so it has no vote, and nothing depends on it.
        settings = before;
        announce(&layout, &settings)?;
        forget(&layout, &name)?;
        // Its key is gone, so the rule that admits it goes too; one that kept a former monitor of this name out is back.
        let rule = match rule_before {
            Some(keys) => Command::KeysSet { name: name.clone(), keys },
            None => Command::KeysRm { name: name.clone() },
        };
        if let Err(error) = client.command(rule).await {
            eprintln!(
                "the rule for the key of {name} stays behind ({error}); `nacre auth revoke {name}` closes it"
            );
        }
        return added.map(drop);
    }
    advert::refresh(&layout, &settings)?;
    if let Err(failure) = added {
        // It may have a vote, and a majority may need it: it stays.
        return Err(Failure::unusable(format!(
            "{failure}; whether {name} votes is not known: `nacre mon ls` tells, `nacre mon rm {name}` takes it off"
        )));
    }
    if settings.monitors.len() % 2 == 0 && global.format == Format::Plain {
        println!(
            "{} monitors survive the loss of no more than {} do; add one more",
            settings.monitors.len(),
            settings.monitors.len() - 1
        );
    }
    Ok(())
}

/// Takes a monitor's vote; one that lives on this host is stopped and forgotten.
pub(crate) async fn rm(global: &Global, name: &str) -> Result<(), Failure> {
    let (layout, mut settings) = session::here(global)?;
    let client = session::connect(&layout, &settings).await?;
    let rm = Command::MonRm { name: name.to_owned() };
    let left_here = settings.monitors.iter().any(|monitor| monitor.name == name);
    order_leave(&client, global, rm, &format!("{name} votes no more"), left_here).await?;
    auth::shut_out(&client, name).await?;
    let before = settings.monitors.len();
    settings.monitors.retain(|monitor| monitor.name != name);
    if let Some(here) = &mut settings.here {
        here.monitors.retain(|monitor| monitor != name);
    }
    if settings.monitors.len() < before {
        announce(&layout, &settings)?;
        forget(&layout, name)?;
    }
    Ok(())
}

/// Writes down who the monitors are: for this host's commands, and for its daemons' next start. Those that run learn
/// it from the map.
fn announce(layout: &Layout, settings: &ClusterSettings) -> Result<(), Failure> {
    settings.save(layout)?;
    for daemon in settings.daemons() {
        DaemonSettings::rewrite_monitors(layout, &daemon, &settings.monitors)?;
    }
    advert::refresh(layout, settings)
}

/// Stops a monitor without a vote and removes what is left of it on this host.
fn forget(layout: &Layout, name: &str) -> Result<(), Failure> {
    if let Some(running) = process::find(layout, name) {
        // Tells `up --respawn` that this end was asked for.
        std::fs::write(layout.stopped(name), "").or_unusable(layout.stopped(name).display())?;
        running.stop(STOP_PATIENCE);
    }
    for file in [layout.conf(name), layout.pid(name)] {
        gone(std::fs::remove_file(&file)).or_unusable(file.display())?;
    }
    make_osd::forget_key(layout, name)?;
    let store = layout.store(name);
    gone(std::fs::remove_dir_all(&store)).or_unusable(store.display())
}
