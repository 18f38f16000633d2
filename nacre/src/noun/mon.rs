//! `nacre mon`: monitors.

use super::answer::{ask, nonsense, show};
use super::mon_members;
use crate::cli::{Global, MonCommand};
use crate::cluster::settings::{DaemonSettings, MonSettings};
use crate::exit::{Context, Failure};
use crate::{keys, session, shutdown, table};
use placement_map::status::{Answer, MonRow, Query};
use placement_monitor::MonConfig;
use std::net::SocketAddr;
use wire_transport::PeerName;

/// Carries out a command that asks the monitors.
pub(crate) async fn run(global: &Global, command: &MonCommand) -> Result<(), Failure> {
    match command {
        MonCommand::Ls => {
            let answer = ask(global, Query::MonLs).await?;
            let Answer::MonLs { mons } = &answer else { return Err(nonsense()) };
            show(global, &answer, || list(mons))
        }
        MonCommand::Add => mon_members::add(global).await,
        MonCommand::Rm { name } => mon_members::rm(global, name).await,
        MonCommand::Run(_) => unreachable!("carried out without a cluster"),
    }
}

fn list(mons: &[MonRow]) -> String {
    let row = |m: &MonRow| {
        let part = match (m.leader, m.in_quorum) {
            (true, _) => "leads",
            (false, true) => "in quorum",
            (false, false) => "not reached",
        };
        vec![m.name.clone(), m.addr.clone(), part.into()]
    };
    table::render(&["NAME", "ADDRESS", "STATE"], &mons.iter().map(row).collect::<Vec<_>>())
}

/// Makes the store of a founding monitor.
pub(crate) fn mkfs(settings: &DaemonSettings) -> Result<(), Failure> {
    let founders = session::monitors(&settings.monitors)?;
    mkfs_with(settings, &founders)
}

/// Makes the store of a monitor that joins others: it learns everything from them.
pub(crate) fn mkfs_joining(settings: &DaemonSettings) -> Result<(), Failure> {
    mkfs_with(settings, &[])
}

fn mkfs_with(settings: &DaemonSettings, founders: &[(PeerName, SocketAddr)]) -> Result<(), Failure> {
    let mon = part(settings)?;
    let fsid = keys::parse_fsid(&settings.fsid)
        .ok_or_else(|| Failure::unusable(format!("{:?} is not a cluster id", settings.fsid)))?;
    let name = settings.name.parse().or_unusable("name")?;
    placement_monitor::mkfs(&mon.path, placement_map::Uuid(fsid), &name, founders, &[])
        .map_err(Failure::unusable)
}

/// Runs one monitor until a signal asks it to stop.
pub(crate) async fn serve(settings: &DaemonSettings) -> Result<(), Failure> {
    let mon = part(settings)?;
    let security = session::security(&settings.keys, &settings.name, settings.link)?;
    let config = MonConfig::new(mon.path.clone(), mon.addr, security);
    placement_monitor::run(config, shutdown::asked()?).await.map_err(Failure::unusable)
}

fn part(settings: &DaemonSettings) -> Result<&MonSettings, Failure> {
    let not_one =
        || Failure::unusable(format!("the settings of {:?} are not those of a monitor", settings.name));
    settings.mon.as_ref().ok_or_else(not_one)
}
