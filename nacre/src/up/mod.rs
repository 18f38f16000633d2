//! `nacre up`: a whole cluster in the foreground, made on first use and resumed after.

mod as_made;
mod bootstrap;
mod checks;
mod hints;
mod supervise;
mod words;

pub(crate) use bootstrap::{discard, first_pools_and_user, make_cluster};
pub(crate) use checks::{existing_cluster, osds_fit};
pub(crate) use words::UpArgs;

use crate::cli::Global;
use crate::cluster::advert::{self, FirstUser};
use crate::cluster::files::try_lock;
use crate::cluster::layout::Layout;
use crate::cluster::process;
use crate::cluster::settings::ClusterSettings;
use crate::exit::{Context, Failure};
use crate::noun::gateway_doors;
use crate::{keys, session};
use std::time::Duration;

/// Runs until SIGINT or SIGTERM, then stops every daemon.
pub(crate) async fn up(global: &Global, args: &UpArgs) -> Result<(), Failure> {
    let root = std::path::absolute(&global.data).or_unusable(global.data.display())?;
    let layout = Layout::new(&root);
    let args = &UpArgs { secret_key: keys::given_secret(args.secret_key.as_deref())?, ..args.clone() };
    let mut signals = supervise::Signals::listen()?;

    // Everything that can be refused is refused before anything is changed.
    let existing = checks::existing_cluster(&layout)?;
    if existing.as_ref().is_some_and(|settings| settings.here.is_some()) {
        return Err(Failure::unusable(format!(
            "{} is one host's part of a cluster; `nacre cluster start` starts its daemons",
            root.display()
        )));
    }
    if let Some(settings) = &existing {
        as_made::check(args, settings)?;
    }
    checks::key_pair(args, FirstUser::load(&layout).filter(|_| existing.is_some()).as_ref())?;
    let _lock = match &existing {
        Some(_) => Some(lock(&layout)?),
        None => None,
    };
    if let Some(settings) = &existing {
        stop_leftovers(&layout, settings.daemons());
    }
    let doors = match &existing {
        Some(settings) if !args.reset_doors => args.doors.over(&settings.gateway),
        _ => args.doors.settings(),
    };
    gateway_doors::check(&doors)?;
    let mut settings = match existing {
        Some(settings) => bootstrap::adopt(settings, doors, &layout)?,
        None => {
            checks::new_cluster(args, &root)?;
            bootstrap::prepare(args, doors, &layout)?
        }
    };
    layout.close_to_others(&settings.daemons());
    let _lock = match _lock {
        Some(lock) => lock,
        None => lock(&layout)?,
    };
    // Remove what the last run advertised: nobody may trust its pids while this one starts.
    let _ = std::fs::remove_file(layout.advert());

    println!("nacre {} in {}", env!("CARGO_PKG_VERSION"), root.display());
    let mut crew = supervise::Crew::new(layout.clone(), args.respawn);
    let started = tokio::select! {
        r = start_all(&layout, &mut settings, args, &mut crew) => r,
        () = signals.stop() => {
            println!("stopping before the cluster was up");
            crew.stop_all(&settings.daemons()).await;
            return Ok(());
        }
    };
    if let Err(failure) = started {
        crew.stop_all(&settings.daemons()).await;
        return Err(failure);
    }
    crew.watch(&mut signals).await;
    println!("stopping");
    // Daemons may have come and gone meanwhile (`nacre osd add`, `osd rm`).
    let now = ClusterSettings::load(&layout)?.unwrap_or(settings);
    crew.stop_all(&now.daemons()).await;
    let _ = std::fs::remove_file(layout.advert());
    println!("stopped; the same command resumes the cluster");
    Ok(())
}

async fn start_all(
    layout: &Layout,
    settings: &mut ClusterSettings,
    args: &UpArgs,
    crew: &mut supervise::Crew,
) -> Result<(), Failure> {
    let (gateways, rest): (Vec<String>, Vec<String>) =
        settings.daemons().into_iter().partition(|d| d.starts_with("gateway."));
    for name in rest {
        println!("  starting {name}");
        crew.start(&name)?;
    }
    println!("  waiting for the monitors and {} OSDs", settings.osds.len());
    let client = crew.or_death(session::connect(layout, settings)).await??;
    crew.or_death(bootstrap::osds_up(&client, settings)).await??;
    let user = crew.or_death(bootstrap::complete(&client, settings, args, layout)).await??;
    for name in gateways {
        println!("  starting {name}");
        crew.start(&name)?;
    }
    crew.or_death(bootstrap::healthy(&client, settings)).await??;
    advert::write(layout, settings, &user)?;
    hints::print(layout, settings, &user);
    Ok(())
}

/// Stops daemons of this host in order.
pub(crate) async fn stop_all(layout: &Layout, daemons: &[String]) {
    supervise::Crew::new(layout.clone(), false).stop_all(daemons).await;
}

/// Daemons that a killed `up` left behind would hold their stores and ports: they are stopped first.
fn stop_leftovers(layout: &Layout, daemons: Vec<String>) {
    for name in daemons.iter().rev() {
        if let Some(running) = process::find(layout, name) {
            println!("  stopping {name} (pid {}), left over by an earlier run", running.pid);
            running.stop(Duration::from_secs(10));
        }
    }
}

fn lock(layout: &Layout) -> Result<std::fs::File, Failure> {
    let path = layout.up_lock();
    try_lock(&path).or_unusable(path.display())?.ok_or_else(|| {
        Failure::unusable(format!("another `nacre up` runs on {}; stop it first", layout.root().display()))
    })
}

/// The key pair of the first user: given, kept from before, or drawn.
fn first_user(args: &UpArgs, layout: &Layout) -> Result<FirstUser, Failure> {
    if let (Some(a), Some(s)) = (&args.access_key, &args.secret_key) {
        return Ok(FirstUser { access_key: a.clone(), secret_key: s.clone() });
    }
    if let Some(kept) = FirstUser::load(layout) {
        return Ok(kept);
    }
    let (access_key, secret_key) = crate::keys::draw()?;
    Ok(FirstUser { access_key, secret_key })
}
