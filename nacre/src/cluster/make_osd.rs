//! Making an OSD on this host: its key, its store, its settings file.

use super::files::gone;
use super::layout::Layout;
use super::settings::{ClusterSettings, DaemonSettings, OsdSettings};
use crate::exit::{Context, Failure};
use crate::{noun, size};
use std::net::{Ipv4Addr, SocketAddr};
use wire_transport::{PeerName, credentials};

/// What caches and tables of one OSD may take together under `up`.
const MEMORY_TARGET: u64 = 256 << 20;

/// A daemon's settings without what its kind adds.
pub(crate) fn common(settings: &ClusterSettings, name: &str) -> DaemonSettings {
    DaemonSettings {
        name: name.into(),
        fsid: settings.fsid.clone(),
        keys: "keys".into(),
        link: settings.link,
        monitors: settings.monitors.clone(),
        osd: None,
        mon: None,
        gateway: None,
    }
}

/// Makes a daemon's key, signed by the cluster's authority, which must lie on this host.
pub(crate) fn issue_key(layout: &Layout, name: &str) -> Result<(), Failure> {
    let dir = layout.keys();
    let name: PeerName = name.parse().or_unusable("name")?;
    credentials::issue(&dir, &name).and_then(|c| c.save(&dir)).or_unusable(dir.display())
}

/// Removes a daemon's key from this host: it proves a membership that has ended.
pub(crate) fn forget_key(layout: &Layout, name: &str) -> Result<(), Failure> {
    for kind in ["key", "crt"] {
        let file = layout.keys().join(format!("{name}.{kind}"));
        gone(std::fs::remove_file(&file)).or_unusable(file.display())?;
    }
    Ok(())
}

/// Makes the settings file and an empty store of `size_bytes` for OSD `n`, whose key is there already. What lies
/// where its store goes is the caller's to clear away.
pub(crate) fn make(
    settings: &ClusterSettings,
    layout: &Layout,
    n: u32,
    size_bytes: u64,
) -> Result<(), Failure> {
    let name = format!("osd.{n}");
    let host = settings.here.as_ref().and_then(|here| here.host.as_ref());
    let osd = OsdSettings {
        path: name.clone().into(),
        device: None,
        size: size_bytes,
        memory_target: MEMORY_TARGET,
        write_cache: "auto".into(),
        addr: SocketAddr::new(settings.here.as_ref().map_or(Ipv4Addr::LOCALHOST.into(), |here| here.addr), 0),
        crush_location: host.map_or_else(String::new, |host| format!("host={host}")),
    };
    DaemonSettings { osd: Some(osd), ..common(settings, &name) }.save(layout)?;
    println!("  making the store of {name}, {}", size::show(size_bytes));
    noun::osd::mkfs(&DaemonSettings::load(&layout.conf(&name))?)
}
