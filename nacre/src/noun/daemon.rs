//! `nacre daemon start | stop | ok-to-stop`: one daemon of a cluster on this host.

use super::answer::{ask, nonsense, say_done};
use crate::cli::{DaemonCommand, Format, Global};
use crate::cluster::advert;
use crate::cluster::layout::Layout;
use crate::cluster::process;
use crate::cluster::settings::ClusterSettings;
use crate::exit::{Context, Failure};
use placement_map::OsdId;
use placement_map::status::{Answer, Query};
use std::time::{Duration, Instant};

/// How long a daemon may take to stop before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(20);
/// How long a daemon is watched after its start: one that cannot run ends within this time.
const START_WATCH: Duration = Duration::from_secs(1);

/// Carries out the command.
pub(crate) async fn run(global: &Global, command: &DaemonCommand) -> Result<(), Failure> {
    if let DaemonCommand::OkToStop { name } = command {
        return ok_to_stop(global, name).await;
    }
    let root = std::path::absolute(&global.data).or_unusable(global.data.display())?;
    let layout = Layout::new(&root);
    let settings = ClusterSettings::load(&layout)?.ok_or_else(|| {
        Failure::unusable(format!("{} holds no cluster; give its directory with --data", root.display()))
    })?;
    let (DaemonCommand::Start { name } | DaemonCommand::Stop { name } | DaemonCommand::OkToStop { name }) =
        command;
    if !settings.daemons().contains(name) {
        let known = settings.daemons().join(", ");
        return Err(Failure::unusable(format!(
            "there is no daemon {name:?} on this host; there are {known}"
        )));
    }
    match command {
        DaemonCommand::Start { name } => start(global, &layout, name)?,
        DaemonCommand::Stop { name } => stop(global, &layout, name)?,
        DaemonCommand::OkToStop { .. } => unreachable!("asked above"),
    }
    advert::refresh(&layout, &settings)
}

fn start(global: &Global, layout: &Layout, name: &str) -> Result<(), Failure> {
    if let Some(running) = process::find(layout, name) {
        return Err(Failure::no(format!("{name} runs already (pid {})", running.pid)));
    }
    let _ = std::fs::remove_file(layout.stopped(name));
    let mut child = process::start(layout, name)?;
    let end = Instant::now() + START_WATCH;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().or_unusable(name)? {
            let log = layout.log(name);
            return Err(Failure::no(format!("{name} ended at once ({status}); see {}", log.display())));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    say_done(global, &format!("{name} started (pid {})", child.id()));
    Ok(())
}

fn stop(global: &Global, layout: &Layout, name: &str) -> Result<(), Failure> {
    let running = process::find(layout, name).ok_or_else(|| Failure::no(format!("{name} does not run")))?;
    // Tells `up --respawn` that this end was asked for.
    std::fs::write(layout.stopped(name), "").or_unusable(layout.stopped(name).display())?;
    running.stop(STOP_PATIENCE);
    say_done(global, &format!("{name} stopped"));
    Ok(())
}

/// So many PGs are named in the reason.
const PGS_NAMED: usize = 5;

async fn ok_to_stop(global: &Global, name: &str) -> Result<(), Failure> {
    let why_not = match name.split_once('.') {
        Some(("osd", n)) => {
            let n = n.parse().map_err(|_| Failure::unusable(format!("{name:?} is no daemon's name")))?;
            osd_blocks(global, OsdId(n)).await?
        }
        Some(("mon", _)) => mon_blocks(global, name).await?,
        Some(("gateway", _)) => Some(format!("nobody else serves S3 and NBD while {name} is stopped")),
        _ => {
            return Err(Failure::unusable(format!(
                "{name:?} is no daemon's name; say osd.1, mon.0, gateway.0"
            )));
        }
    };
    if global.format == Format::Json {
        println!("{}", serde_json::json!({ "ok_to_stop": why_not.is_none(), "reason": why_not }));
    }
    match why_not {
        None if global.format == Format::Plain => {
            println!("{name} can be stopped: nobody has to wait for it")
        }
        None => {}
        Some(reason) => return Err(Failure::no(reason).answered()),
    }
    Ok(())
}

async fn osd_blocks(global: &Global, osd: OsdId) -> Result<Option<String>, Failure> {
    let Answer::OsdDf { osds } = ask(global, Query::OsdDf).await? else { return Err(nonsense()) };
    if !osds.iter().any(|o| o.id == osd) {
        return Err(Failure::unusable(format!("there is no {osd}")));
    }
    let Answer::PgLs { pgs } = ask(global, Query::OkToStop(vec![osd])).await? else { return Err(nonsense()) };
    if pgs.is_empty() {
        return Ok(None);
    }
    let named: Vec<String> = pgs.iter().take(PGS_NAMED).map(|pg| pg.pgid.to_string()).collect();
    let more = if pgs.len() > PGS_NAMED { ", ..." } else { "" };
    Ok(Some(format!(
        "without {osd} {} PGs have fewer copies than min_size and take no writes: {}{more}; wait for active+clean, or \
         start the OSDs that are down",
        pgs.len(),
        named.join(", ")
    )))
}

async fn mon_blocks(global: &Global, name: &str) -> Result<Option<String>, Failure> {
    let Answer::MonLs { mons } = ask(global, Query::MonLs).await? else { return Err(nonsense()) };
    if !mons.iter().any(|m| m.name == name) {
        return Err(Failure::unusable(format!("there is no {name}")));
    }
    let left = mons.iter().filter(|m| m.in_quorum && m.name != name).count();
    let majority = mons.len() / 2 + 1;
    Ok((left < majority).then(|| {
        format!(
            "without {name} {left} of {} monitors are left, a majority is {majority}: no map would change",
            mons.len()
        )
    }))
}
