//! `nacre osd`: disks and the daemons that serve them.

use super::answer::{ask, nonsense, order, show};
use super::{osd_df_tree, osd_getmap, osd_map, osd_members};
use crate::cli::{DfShape, Global, OsdCommand};
use crate::cluster::settings::{DaemonSettings, OsdSettings};
use crate::exit::{Context, Failure};
use crate::{keys, session, shutdown, size, table};
use osd_daemon::OsdConfig;
use osd_store::{CacheMode, Store, StoreConfig};
use placement_map::location::{self, Location};
use placement_map::status::{Answer, OsdRow, Query, TreeNode};
use placement_map::{Command, OsdId, WEIGHT_ONE};

/// Carries out a command that asks the monitors.
pub(crate) async fn run(global: &Global, command: &OsdCommand) -> Result<(), Failure> {
    match command {
        OsdCommand::Tree => {
            let answer = ask(global, Query::OsdTree).await?;
            let Answer::OsdTree { nodes } = &answer else { return Err(nonsense()) };
            show(global, &answer, || tree(nodes))
        }
        OsdCommand::Df { shape: Some(DfShape::Tree) } => osd_df_tree::run(global).await,
        OsdCommand::Map { pool, object, namespace } => osd_map::run(global, pool, namespace, object).await,
        OsdCommand::Df { shape: None } => {
            let answer = ask(global, Query::OsdDf).await?;
            let Answer::OsdDf { osds } = &answer else { return Err(nonsense()) };
            show(global, &answer, || df(osds))
        }
        OsdCommand::Ls => {
            let answer = ask(global, Query::OsdDf).await?;
            let Answer::OsdDf { osds } = &answer else { return Err(nonsense()) };
            show(global, &answer, || osds.iter().map(|o| o.id.0.to_string()).collect::<Vec<_>>().join("\n"))
        }
        OsdCommand::Getmap { out } => osd_getmap::run(global, out).await,
        OsdCommand::Out { id } => {
            let out = Command::MarkOut { osds: vec![OsdId(*id)], automatic: false };
            order(
                global,
                out,
                &format!("osd.{id} is out; its data moves elsewhere (`nacre status` shows how far)"),
            )
            .await
            .map(drop)
        }
        OsdCommand::In { id } => {
            order(global, Command::MarkIn { osds: vec![OsdId(*id)] }, &format!("osd.{id} is in"))
                .await
                .map(drop)
        }
        OsdCommand::Fail { id } => {
            let down = Command::MarkDown { osds: vec![(OsdId(*id), None)] };
            order(global, down, &format!("osd.{id} is down; it comes back by itself if it lives"))
                .await
                .map(drop)
        }
        OsdCommand::Reweight { id, weight } => {
            if !(0.0..=1.0).contains(weight) {
                return Err(Failure::unusable(format!("{weight} is no weight; give 0.0 to 1.0")));
            }
            let fixed = (weight * f64::from(WEIGHT_ONE)).round() as u32;
            let set = Command::OsdReweight { osd: OsdId(*id), weight: fixed };
            order(global, set, &format!("osd.{id} has weight {weight}")).await.map(drop)
        }
        OsdCommand::Add(args) => osd_members::add(global, args).await,
        OsdCommand::Rm(args) => osd_members::rm(global, args).await,
        OsdCommand::Set { flag } => set_flag(global, flag, true).await,
        OsdCommand::Unset { flag } => set_flag(global, flag, false).await,
        OsdCommand::Run(_) | OsdCommand::Mkfs(_) | OsdCommand::Inspect(_) => {
            unreachable!("carried out without a cluster")
        }
    }
}

async fn set_flag(global: &Global, flag: &str, on: bool) -> Result<(), Failure> {
    let done = format!("{flag} is {}", if on { "set" } else { "cleared" });
    order(global, Command::SetFlag { flag: flag.to_owned(), on }, &done).await.map(drop)
}

/// Makes the store that a daemon's settings describe.
pub(crate) fn mkfs(settings: &DaemonSettings) -> Result<(), Failure> {
    let (id, osd) = parts(settings)?;
    Store::mkfs(&store_config(osd)?, id, fsid(settings)?).map(drop).or_unusable(&settings.name)
}

/// Runs one OSD until a signal asks it to stop.
pub(crate) async fn serve(settings: &DaemonSettings) -> Result<(), Failure> {
    let (id, osd) = parts(settings)?;
    let config = OsdConfig {
        id: OsdId(id),
        fsid: fsid(settings)?,
        store: store_config(osd)?,
        monitors: session::monitors(&settings.monitors)?,
        security: session::security(&settings.keys, &settings.name, settings.link)?,
        addr: osd.addr,
        location: location(osd)?,
    };
    let stop = shutdown::asked()?;
    tokio::task::LocalSet::new().run_until(osd_daemon::run(config, stop)).await.map_err(Failure::unusable)
}

fn parts(settings: &DaemonSettings) -> Result<(u32, &OsdSettings), Failure> {
    let id = settings.name.strip_prefix("osd.").and_then(|n| n.parse().ok());
    match (id, &settings.osd) {
        (Some(id), Some(osd)) => Ok((id, osd)),
        _ => Err(Failure::unusable(format!("the settings of {:?} are not those of an OSD", settings.name))),
    }
}

fn fsid(settings: &DaemonSettings) -> Result<[u8; 16], Failure> {
    keys::parse_fsid(&settings.fsid)
        .ok_or_else(|| Failure::unusable(format!("{:?} is not a cluster id", settings.fsid)))
}

fn store_config(osd: &OsdSettings) -> Result<StoreConfig, Failure> {
    let volatile_cache = match osd.write_cache.as_str() {
        "auto" => CacheMode::Auto,
        "volatile" => CacheMode::Volatile,
        "none" => CacheMode::None,
        other => {
            return Err(Failure::unusable(format!("write_cache = {other:?}; say auto, volatile or none")));
        }
    };
    Ok(StoreConfig {
        path: osd.path.clone(),
        device: osd.device.clone(),
        size_bytes: osd.size,
        memory_target_bytes: osd.memory_target,
        volatile_cache,
    })
}

/// Where the OSD says that it is: what its settings file has, on this host unless that names another.
fn location(osd: &OsdSettings) -> Result<Location, Failure> {
    let mut location = location::parse(&osd.crush_location).or_unusable("crush_location")?;
    if !location.iter().any(|(kind, _)| kind == "host") {
        location.push(("host".into(), host_name()));
    }
    Ok(location)
}

/// This host's name, cut to what CRUSH takes as a name.
fn host_name() -> String {
    let name = rustix::system::uname();
    let short: String = name
        .nodename()
        .to_string_lossy()
        .split('.')
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '_')
        .collect();
    if short.is_empty() { "host".into() } else { short }
}

fn weight(millionths: u64) -> String {
    format!("{:.5}", millionths as f64 / 1e6)
}

fn tree(nodes: &[TreeNode]) -> String {
    let row = |n: &TreeNode| {
        vec![
            n.id.to_string(),
            n.class.clone().unwrap_or_default(),
            weight(n.crush_weight_millionths),
            format!("{}{} {}", "    ".repeat(n.depth as usize), n.r#type, n.name),
            n.status.clone().unwrap_or_default(),
            n.reweight_millionths.map(weight).unwrap_or_default(),
        ]
    };
    let rows: Vec<Vec<String>> = nodes.iter().map(row).collect();
    table::render(&["ID", "CLASS", "WEIGHT", "TYPE NAME", "STATUS", "REWEIGHT"], &rows)
}

fn df(osds: &[OsdRow]) -> String {
    let row = |o: &OsdRow| {
        let share = match (o.used_bytes, o.total_bytes) {
            (Some(used), Some(total)) if total > 0 => format!("{:.1} %", 100.0 * used as f64 / total as f64),
            _ => "-".into(),
        };
        let bytes = |b: Option<u64>| b.map_or("-".into(), size::show);
        vec![
            o.id.0.to_string(),
            o.host.clone().unwrap_or_default(),
            if o.up { "up".into() } else { "down".into() },
            if o.r#in { "in".into() } else { "out".into() },
            bytes(o.total_bytes),
            bytes(o.used_bytes),
            share,
            o.pgs.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = osds.iter().map(row).collect();
    table::render(&["ID", "HOST", "UP", "IN", "SIZE", "USED", "%", "PGS"], &rows)
}
