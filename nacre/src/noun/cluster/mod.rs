//! `nacre cluster` and `nacre join`: a cluster over several hosts. docs/hosts.md shows the whole way.

mod init;
mod join;
mod token;

pub(crate) use init::InitArgs;
pub(crate) use join::{JoinArgs, join};
pub(crate) use token::TokenArgs;

use crate::cli::Global;
use crate::cluster::layout::Layout;
use crate::cluster::process;
use crate::cluster::settings::ClusterSettings;
use crate::exit::{Context, Failure};
use crate::session;
use crate::up::stop_all;
use clap::Subcommand;
use gateway_client::Client;
use placement_map::OsdId;
use std::time::Duration;

/// How long the OSDs of a host may take to be up.
const UP_PATIENCE: Duration = Duration::from_secs(60);

#[derive(Subcommand)]
pub(crate) enum ClusterCommand {
    /// Make a cluster on its first host: the authority, one monitor, OSDs. Others join it.
    Init(InitArgs),
    /// Make what another host needs to join: a token for `nacre join` there. Whoever has it can do what it says.
    Token(TokenArgs),
    /// Join this host to a cluster; the same as `nacre join`.
    Join(JoinArgs),
    /// Start all daemons of this host that do not run.
    Start,
    /// Stop all daemons of this host in order.
    Stop,
}

/// Carries out the command.
pub(crate) async fn run(global: &Global, command: &ClusterCommand) -> Result<(), Failure> {
    match command {
        ClusterCommand::Init(args) => init::init(global, args).await,
        ClusterCommand::Token(args) => token::make(global, args).await,
        ClusterCommand::Join(args) => join(global, args).await,
        ClusterCommand::Start => {
            let (layout, settings) = session::here(global)?;
            layout.close_to_others(&settings.daemons());
            start_daemons(&layout, &settings.daemons())
        }
        ClusterCommand::Stop => {
            let (layout, settings) = session::here(global)?;
            stop_all(&layout, &settings.daemons()).await;
            println!("stopped; `nacre cluster start` starts this host's daemons again");
            Ok(())
        }
    }
}

/// Starts those that do not run. They outlive this command.
fn start_daemons(layout: &Layout, daemons: &[String]) -> Result<(), Failure> {
    for name in daemons {
        if let Some(running) = process::find(layout, name) {
            println!("  {name} runs already (pid {})", running.pid);
            continue;
        }
        let stopped = layout.stopped(name);
        crate::cluster::files::gone(std::fs::remove_file(&stopped)).or_unusable(stopped.display())?;
        println!("  starting {name}");
        // Reaped by nobody: this command ends before the daemon does.
        drop(process::start(layout, name)?);
    }
    Ok(())
}

/// Waits until this host's OSDs are up.
async fn osds_up(client: &Client, layout: &Layout, settings: &ClusterSettings) -> Result<(), Failure> {
    let wanted: Vec<OsdId> = settings.osds.iter().map(|n| OsdId(*n)).collect();
    let up = client.wait_for_map(|map| wanted.iter().all(|osd| map.is_up(*osd)));
    match tokio::time::timeout(UP_PATIENCE, up).await {
        Ok(map) => map.map(drop).map_err(Failure::unusable),
        Err(_) => Err(Failure::no(format!(
            "the OSDs of this host are not all up after {} s; see {}",
            UP_PATIENCE.as_secs(),
            layout.log("osd.N").display()
        ))),
    }
}
