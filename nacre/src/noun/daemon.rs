//! `nacre daemon start | stop`: one daemon of a cluster on this host.

use crate::cli::{DaemonCommand, Global};
use crate::cluster::advert::{self, FirstUser};
use crate::cluster::layout::Layout;
use crate::cluster::process;
use crate::cluster::settings::ClusterSettings;
use crate::exit::{Context, Failure};
use std::time::{Duration, Instant};

/// How long a daemon may take to stop before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(20);
/// How long a daemon is watched after its start: one that cannot run ends within this time.
const START_WATCH: Duration = Duration::from_secs(1);

/// Carries out the command.
pub(crate) fn run(global: &Global, command: &DaemonCommand) -> Result<(), Failure> {
    let root = std::path::absolute(&global.data).or_unusable(global.data.display())?;
    let layout = Layout::new(&root);
    let settings = ClusterSettings::load(&layout)?.ok_or_else(|| {
        Failure::unusable(format!("{} holds no cluster; give its directory with --data", root.display()))
    })?;
    let (DaemonCommand::Start { name } | DaemonCommand::Stop { name }) = command;
    if !settings.daemons().contains(name) {
        let known = settings.daemons().join(", ");
        return Err(Failure::unusable(format!(
            "there is no daemon {name:?} on this host; there are {known}"
        )));
    }
    match command {
        DaemonCommand::Start { name } => start(&layout, name)?,
        DaemonCommand::Stop { name } => stop(&layout, name)?,
    }
    match FirstUser::load(&layout) {
        Some(user) if settings.complete => advert::write(&layout, &settings, &user),
        _ => Ok(()),
    }
}

fn start(layout: &Layout, name: &str) -> Result<(), Failure> {
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
    println!("{name} started (pid {})", child.id());
    Ok(())
}

fn stop(layout: &Layout, name: &str) -> Result<(), Failure> {
    let running = process::find(layout, name).ok_or_else(|| Failure::no(format!("{name} does not run")))?;
    // Tells `up --respawn` that this end was asked for.
    std::fs::write(layout.stopped(name), "").or_unusable(layout.stopped(name).display())?;
    running.stop(STOP_PATIENCE);
    println!("{name} stopped");
    Ok(())
}
