//! From a cluster's directory to a connected client.

use crate::cli::Global;
use crate::cluster::layout::Layout;
use crate::cluster::settings::{ClusterSettings, DaemonSettings, Link, Monitor};
use crate::exit::{Context, Failure};
use gateway_client::{Client, ClientConfig};
use placement_map::Flag;
use std::net::SocketAddr;
use std::path::Path;
use wire_transport::{Mode, PeerName, Security};

/// A command that ends sooner waited for nothing.
const PAUSE_UNSAID: std::time::Duration = std::time::Duration::from_secs(1);

/// The name that the command line goes by.
pub(crate) const ADMIN: &str = "client.admin";

impl From<Link> for Mode {
    fn from(link: Link) -> Mode {
        match link {
            Link::Secure => Mode::Secure,
            Link::Crc => Mode::Crc,
        }
    }
}

/// A client of the cluster that the global flags name.
pub(crate) async fn open(global: &Global) -> Result<Client, Failure> {
    let root = std::path::absolute(&global.data).or_unusable(global.data.display())?;
    let layout = Layout::new(&root);
    let settings = ClusterSettings::load(&layout)?.ok_or_else(|| {
        Failure::unusable(format!(
            "{} holds no cluster; give its directory with --data or NACRE_DATA",
            root.display()
        ))
    })?;
    connect(&layout, &settings).await
}

/// The finished cluster that the global flags name, of which this host has a part.
pub(crate) fn here(global: &Global) -> Result<(Layout, ClusterSettings), Failure> {
    let root = std::path::absolute(&global.data).or_unusable(global.data.display())?;
    let layout = Layout::new(&root);
    let settings = ClusterSettings::load(&layout)?.filter(|s| s.complete).ok_or_else(|| {
        Failure::unusable(format!(
            "{} holds no finished cluster; give its directory with --data",
            root.display()
        ))
    })?;
    Ok((layout, settings))
}

/// A client of the cluster in a directory, by the administrator's key.
pub(crate) async fn connect(layout: &Layout, settings: &ClusterSettings) -> Result<Client, Failure> {
    let security = security(&layout.keys(), ADMIN, settings.link)?;
    let config = ClientConfig::new(monitors(&settings.monitors)?, security);
    let client = Client::connect(config).await.map_err(Failure::unusable)?;
    tokio::spawn(say_when_paused(client.clone()));
    Ok(client)
}

/// Says once that reads and writes wait, should a command still run then: it would seem to hang.
async fn say_when_paused(client: Client) {
    let paused = |map: &placement_map::ClusterMap| map.flags.has(Flag::Pause);
    if client.wait_for_map(paused).await.is_ok() {
        tokio::time::sleep(PAUSE_UNSAID).await;
        if paused(&client.map()) {
            eprintln!("nacre: the cluster is paused; reads and writes wait until `nacre osd unset pause`");
        }
    }
}

/// A client by a daemon's own key.
pub(crate) async fn connect_as_daemon(settings: &DaemonSettings) -> Result<Client, Failure> {
    let security = security(&settings.keys, &settings.name, settings.link)?;
    let mut config = ClientConfig::new(monitors(&settings.monitors)?, security);
    // A daemon that starts before its monitors waits for them.
    config.connect_within = std::time::Duration::from_secs(60);
    Client::connect(config).await.map_err(Failure::unusable)
}

/// The key of a daemon or client.
pub(crate) fn security(keys: &Path, name: &str, link: Link) -> Result<Security, Failure> {
    let name: PeerName = name.parse().or_unusable("name")?;
    Security::load(keys, &name, link.into()).map_err(Failure::unusable)
}

/// The monitors as the transport names them.
pub(crate) fn monitors(list: &[Monitor]) -> Result<Vec<(PeerName, SocketAddr)>, Failure> {
    list.iter().map(|m| Ok((m.name.parse().or_unusable("monitor")?, m.addr))).collect()
}
