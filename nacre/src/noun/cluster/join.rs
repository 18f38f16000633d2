//! `nacre join TOKEN`: another host comes to a cluster. A run that is killed anywhere is taken up by the same command.

use super::token::Token;
use super::{osds_up, start_daemons};
use crate::cli::Global;
use crate::cluster::layout::Layout;
use crate::cluster::settings::{
    ClusterSettings, DaemonSettings, GatewaySettings, Here, MonSettings, Monitor,
};
use crate::cluster::{make_osd, process};
use crate::exit::{Context, Failure};
use crate::noun::answer::order_with;
use crate::{noun, session, size, up};
use clap::Args;
use placement_map::Command;
use std::io::Read;
use std::net::IpAddr;

#[derive(Args)]
pub(crate) struct JoinArgs {
    /// What `nacre cluster token` printed; `-` reads it from standard input, where no process list shows it.
    pub token: String,
    /// The address of this host that the other hosts reach it at.
    #[arg(long, value_name = "IP")]
    pub addr: IpAddr,
    /// This host's name in CRUSH's tree; the system's unless said.
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Size of each OSD's store; that of the first host unless said.
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub osd_size: Option<u64>,
}

/// Joins this host to the cluster that the token is of.
pub(crate) async fn join(global: &Global, args: &JoinArgs) -> Result<(), Failure> {
    let root = std::path::absolute(&global.data).or_unusable(global.data.display())?;
    let layout = Layout::new(&root);
    let token = Token::read(&text_of(&args.token)?)?;
    let settings = match up::existing_cluster(&layout)? {
        Some(there) if there.fsid != token.fsid => {
            return Err(Failure::unusable(format!(
                "{} is of cluster {}, and the token of {}",
                root.display(),
                there.fsid,
                token.fsid
            )));
        }
        Some(there) if there.complete => {
            return Err(Failure::unusable(format!(
                "{} has joined already; `nacre cluster start` starts its daemons",
                root.display()
            )));
        }
        Some(begun) => begun,
        None => prepare(&layout, &token, args)?,
    };
    let client = session::connect(&layout, &settings).await?;
    let here = settings.here.as_ref().map(|here| here.monitors.clone()).unwrap_or_default();
    for name in &here {
        let Some(monitor) = settings.monitors.iter().find(|m| m.name == *name) else { continue };
        if process::find(&layout, name).is_none() {
            start_daemons(&layout, std::slice::from_ref(name))?;
        }
        let add = Command::MonAdd { name: name.clone(), addr: monitor.addr };
        order_with(&client, global, add, &format!("{name} votes, at {}", monitor.addr)).await?;
    }
    let osds: Vec<String> = settings.osds.iter().map(|n| format!("osd.{n}")).collect();
    start_daemons(&layout, &osds)?;
    osds_up(&client, &layout, &settings).await?;
    let settings = ClusterSettings { complete: true, ..settings };
    settings.save(&layout)?;
    println!("this host is a part of cluster {}; `nacre status --data {}`", settings.fsid, root.display());
    Ok(())
}

fn text_of(token: &str) -> Result<String, Failure> {
    if token != "-" {
        return Ok(token.to_owned());
    }
    let mut text = String::new();
    std::io::stdin().take(2 << 20).read_to_string(&mut text).or_unusable("standard input")?;
    Ok(text)
}

/// Makes keys, stores and settings; cluster.toml comes last.
fn prepare(layout: &Layout, token: &Token, args: &JoinArgs) -> Result<ClusterSettings, Failure> {
    let osd_size = args.osd_size.unwrap_or(token.osd_size);
    let osds: Vec<u32> =
        token.names("osd").iter().filter_map(|name| name.strip_prefix("osd.")?.parse().ok()).collect();
    up::osds_fit(layout.root(), osds.len() as u32, osd_size)?;
    layout.make_folders()?;
    for credential in token.credentials()? {
        credential.save(&layout.keys()).or_unusable(layout.keys().display())?;
    }
    let mons = token.names("mon");
    let mut monitors = token.monitors.clone();
    for name in &mons {
        monitors.push(Monitor { name: name.clone(), addr: crate::cluster::ports::free_port(args.addr)? });
    }
    let settings = ClusterSettings {
        fsid: token.fsid.clone(),
        link: token.link,
        pool_size: token.pool_size,
        complete: false,
        osd_size,
        osds,
        monitors,
        gateway: GatewaySettings::on_loopback(),
        here: Some(Here {
            addr: args.addr,
            host: args.host.clone(),
            monitors: mons.clone(),
            gateways: Vec::new(),
        }),
        made: None,
    };
    for name in &mons {
        let addr = settings.monitors.iter().find(|m| m.name == *name).expect("just pushed").addr;
        let mon = MonSettings { path: name.clone().into(), addr };
        DaemonSettings { mon: Some(mon), ..make_osd::common(&settings, name) }.save(layout)?;
        up::discard(layout.store(name))?;
        noun::mon::mkfs_joining(&DaemonSettings::load(&layout.conf(name))?)?;
    }
    for n in &settings.osds {
        up::discard(layout.store(&format!("osd.{n}")))?;
        make_osd::make(&settings, layout, *n, osd_size)?;
    }
    settings.save(layout)?;
    Ok(settings)
}
