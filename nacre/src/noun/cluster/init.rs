//! `nacre cluster init`: the first host.

use super::{osds_up, start_daemons};
use crate::cli::Global;
use crate::cluster::layout::Layout;
use crate::cluster::settings::{ClusterSettings, GatewaySettings, Here, Link};
use crate::exit::{Context, Failure};
use crate::{session, size, up};
use clap::Args;
use std::net::{IpAddr, SocketAddr};

#[derive(Args)]
pub(crate) struct InitArgs {
    /// The address of this host that the other hosts reach it at.
    #[arg(long, value_name = "IP")]
    pub addr: IpAddr,
    /// This host's name in CRUSH's tree; the system's unless said.
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// OSDs on this host.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=64))]
    pub osds: u32,
    /// Size of each OSD's store, taken from the disk at once.
    #[arg(long, value_name = "SIZE", default_value = "8G", value_parser = size::parse)]
    pub osd_size: u64,
    /// Port of the monitor; drawn at random if absent.
    #[arg(long, value_name = "PORT")]
    pub mon_port: Option<u16>,
    /// Copies of each object in the pools that the first gateway makes.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=10))]
    pub pool_size: u32,
    /// Protection of the links between daemons.
    #[arg(long, value_enum, default_value_t = Link::Secure)]
    pub link: Link,
}

/// Makes the cluster and starts this host's daemons.
pub(super) async fn init(global: &Global, args: &InitArgs) -> Result<(), Failure> {
    let root = std::path::absolute(&global.data).or_unusable(global.data.display())?;
    let layout = Layout::new(&root);
    // Everything that can be refused is refused before anything is changed.
    if up::existing_cluster(&layout)?.is_some() {
        return Err(Failure::unusable(format!(
            "{} holds a cluster already; `nacre cluster start` starts its daemons",
            root.display()
        )));
    }
    up::osds_fit(&root, args.osds, args.osd_size)?;
    let mon = match args.mon_port {
        Some(port) => SocketAddr::new(args.addr, port),
        None => crate::cluster::ports::free_port(args.addr)?,
    };
    let settings = ClusterSettings {
        fsid: String::new(),
        link: args.link,
        pool_size: args.pool_size,
        complete: true,
        osd_size: args.osd_size,
        osds: (0..args.osds).collect(),
        monitors: vec![crate::cluster::settings::Monitor { name: "mon.0".into(), addr: mon }],
        gateway: GatewaySettings::on_loopback(),
        here: Some(Here {
            addr: args.addr,
            host: args.host.clone(),
            monitors: vec!["mon.0".into()],
            gateways: Vec::new(),
        }),
        made: None,
    };
    let settings = up::make_cluster(settings, &layout)?;
    start_daemons(&layout, &settings.daemons())?;
    let client = session::connect(&layout, &settings).await?;
    osds_up(&client, &layout, &settings).await?;
    println!(
        "The cluster {} is made; its monitor is at {mon}.\n  nacre cluster token --data {dir}      makes a token for another host\n  nacre gateway add --data {dir}        serves S3 from here, once there are OSDs for {} copies\n  nacre status --data {dir}",
        settings.fsid,
        settings.pool_size,
        dir = root.display()
    );
    Ok(())
}
