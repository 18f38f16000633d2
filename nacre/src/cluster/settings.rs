//! Settings files: what a cluster directory holds, and what one daemon needs to run by itself.

use super::files::write_atomically;
use super::layout::Layout;
use crate::exit::{Context, Failure};
use crate::noun::nbd_door::NbdDoor;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// How links between daemons are protected. Both kinds authenticate both ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Link {
    /// TLS 1.3.
    #[default]
    Secure,
    /// Authenticated by TLS, then plain frames with a CRC: for a closed back plane.
    Crc,
}

/// A monitor's name and address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Monitor {
    /// As `mon.0`.
    pub name: String,
    /// Where it listens.
    pub addr: SocketAddr,
}

/// DIR/cluster.toml.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ClusterSettings {
    /// The cluster's id, hexadecimal with dashes.
    pub fsid: String,
    /// Protection of links.
    pub link: Link,
    /// Copies that the first pools were made with.
    pub pool_size: u32,
    /// Whether the cluster's first pools and first user were made.
    #[serde(default)]
    pub complete: bool,
    /// Size of each OSD's store in bytes.
    pub osd_size: u64,
    /// OSD numbers on this host.
    pub osds: Vec<u32>,
    /// The monitors.
    pub monitors: Vec<Monitor>,
    /// The gateway's doors.
    pub gateway: GatewaySettings,
    /// What of a cluster over several hosts is here; none: `nacre up` made it, and all of it is.
    #[serde(default)]
    pub here: Option<Here>,
    /// What `nacre up` was first told; none: an older version made the cluster, or it is over several hosts.
    #[serde(default)]
    pub made: Option<Made>,
}

/// What a cluster was made with, whatever came and went since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Made {
    /// OSDs.
    pub osds: u32,
    /// Monitors.
    pub mons: u32,
}

/// One host's part of a cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Here {
    /// Where the other hosts reach this one.
    pub addr: IpAddr,
    /// Its name in CRUSH's tree; none: the system's.
    pub host: Option<String>,
    /// Monitors here.
    pub monitors: Vec<String>,
    /// Gateways here.
    pub gateways: Vec<String>,
}

/// Where a gateway listens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct GatewaySettings {
    /// S3.
    pub s3: SocketAddr,
    /// Admin API.
    pub admin: SocketAddr,
    /// Host names under which buckets are addressed as BUCKET.NAME.
    #[serde(default)]
    pub s3_domains: Vec<String>,
    /// HTTPS for S3: the files of the certificate chain and of its key; none: plain HTTP.
    #[serde(default)]
    pub s3_cert: Option<PathBuf>,
    /// See `s3_cert`.
    #[serde(default)]
    pub s3_key: Option<PathBuf>,
    /// NBD; none: not served.
    #[serde(default)]
    pub nbd: Option<SocketAddr>,
    /// How it is guarded.
    #[serde(default)]
    pub nbd_door: NbdDoor,
}

impl GatewaySettings {
    /// Of a host that has none.
    pub(crate) fn on_loopback() -> GatewaySettings {
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        GatewaySettings {
            s3: at(9000),
            admin: at(9001),
            s3_domains: Vec::new(),
            s3_cert: None,
            s3_key: None,
            nbd: None,
            nbd_door: NbdDoor::default(),
        }
    }
    /// The URL of S3.
    pub(crate) fn s3_url(&self) -> String {
        format!("{}://{}", if self.s3_cert.is_some() { "https" } else { "http" }, self.s3)
    }
    /// The certificate that S3 is served with; none: plain HTTP. One sentence if it cannot be used.
    pub(crate) fn s3_tls(&self) -> Result<Option<gateway_s3::S3Tls>, Failure> {
        let Some((cert, key)) = self.s3_cert.as_ref().zip(self.s3_key.as_ref()) else { return Ok(None) };
        gateway_s3::S3Tls::open(cert, key).map(Some).or_unusable("the certificate of S3 cannot be used")
    }
}

/// What an OSD needs besides the common part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct OsdSettings {
    /// The store's directory.
    pub path: PathBuf,
    /// A raw device for data and log; without it a preallocated file in `path`.
    #[serde(default)]
    pub device: Option<PathBuf>,
    /// Bytes of the store.
    pub size: u64,
    /// Bytes that caches and tables may take together.
    pub memory_target: u64,
    /// `auto` (an unknown write cache counts as volatile), `volatile`, or `none`: the operator vouches that
    /// the device keeps what it has acknowledged when power fails, and no flush is sent.
    #[serde(default = "auto")]
    pub write_cache: String,
    /// The address to listen on; port 0 takes a free one.
    pub addr: SocketAddr,
    /// Where it hangs in CRUSH's tree, as `root=default datacenter=dc1 rack=r1 host=h1`; without a host, this one.
    /// The central setting of the same name goes before it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub crush_location: String,
}

fn auto() -> String {
    "auto".into()
}

/// What a monitor needs besides the common part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct MonSettings {
    /// The store's directory.
    pub path: PathBuf,
    /// The address to listen on.
    pub addr: SocketAddr,
}

/// conf/NAME.toml. Relative paths are counted from the cluster directory (the parent of `conf`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DaemonSettings {
    /// As `osd.0`.
    pub name: String,
    /// The cluster.
    pub fsid: String,
    /// Where the keys lie.
    pub keys: PathBuf,
    /// Protection of links.
    pub link: Link,
    /// The monitors.
    pub monitors: Vec<Monitor>,
    /// For `osd.N`.
    #[serde(default)]
    pub osd: Option<OsdSettings>,
    /// For `mon.N`.
    #[serde(default)]
    pub mon: Option<MonSettings>,
    /// For `gateway.N`.
    #[serde(default)]
    pub gateway: Option<GatewaySettings>,
}

impl ClusterSettings {
    /// Reads DIR/cluster.toml; `None` if there is none.
    pub(crate) fn load(layout: &Layout) -> Result<Option<ClusterSettings>, Failure> {
        read(&layout.settings())
    }
    /// Writes DIR/cluster.toml.
    pub(crate) fn save(&self, layout: &Layout) -> Result<(), Failure> {
        write(&layout.settings(), self)
    }
    /// Every daemon on this host, in the order in which they start.
    pub(crate) fn daemons(&self) -> Vec<String> {
        let (mons, gateways) = match &self.here {
            Some(here) => (here.monitors.clone(), here.gateways.clone()),
            None => (self.monitors.iter().map(|m| m.name.clone()).collect(), vec!["gateway.0".to_string()]),
        };
        mons.into_iter().chain(self.osds.iter().map(|n| format!("osd.{n}"))).chain(gateways).collect()
    }
}

impl DaemonSettings {
    /// Reads a daemon's file and resolves its relative paths.
    pub(crate) fn load(path: &Path) -> Result<DaemonSettings, Failure> {
        let mut s: DaemonSettings = read(path)?
            .ok_or_else(|| Failure::unusable(format!("there is no settings file {}", path.display())))?;
        let path = std::path::absolute(path).or_unusable(path.display())?;
        let base = path.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
        s.keys = base.join(&s.keys);
        if let Some(osd) = &mut s.osd {
            osd.path = base.join(&osd.path);
        }
        if let Some(mon) = &mut s.mon {
            mon.path = base.join(&mon.path);
        }
        Ok(s)
    }
    /// Tells a daemon's file who the monitors are from now on; a file that is not there needs to know nothing.
    pub(crate) fn rewrite_monitors(layout: &Layout, name: &str, monitors: &[Monitor]) -> Result<(), Failure> {
        let Some(mut settings) = read::<DaemonSettings>(&layout.conf(name))? else { return Ok(()) };
        settings.monitors = monitors.to_vec();
        settings.save(layout)
    }
    /// Writes conf/NAME.toml.
    pub(crate) fn save(&self, layout: &Layout) -> Result<(), Failure> {
        write(&layout.conf(&self.name), self)
    }
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Failure::unusable(format!("{} cannot be read: {e}", path.display()))),
    };
    // The parser's own text draws the place over several lines; a refusal is one sentence.
    toml::from_str(&text)
        .map(Some)
        .map_err(|e| Failure::unusable(format!("{} is damaged: {}", path.display(), e.message())))
}

fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), Failure> {
    let text = toml::to_string_pretty(value).or_unusable("settings")?;
    write_atomically(path, &text).or_unusable(format!("{} cannot be written", path.display()))
}
