//! `nacre gateway run`: one gateway: S3, NBD and the admin API.

use super::{access_log, gateway_vault, nbd};
use crate::cluster::settings::DaemonSettings;
use crate::exit::{Context, Failure};
use crate::{descriptors, session, shutdown};
use gateway_client::Client;
use gateway_s3::S3Config;
use gateway_s3::storage::{Storage, StorageConfig};
use placement_map::ClusterMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Files and sockets besides the connections of S3 clients: OSDs, monitors, NBD, logs.
const OTHER_DESCRIPTORS: u64 = 1024;
/// Connections of S3 clients at once; an idle one costs some KiB.
const S3_CONNECTIONS_MAX: u64 = 20_000;

/// How many connections of S3 clients there may be.
fn s3_connections() -> usize {
    let open = descriptors::raise();
    // Half, where there is hardly anything to share.
    let room = open.saturating_sub(OTHER_DESCRIPTORS).max(open / 2).clamp(1, S3_CONNECTIONS_MAX);
    usize::try_from(room).unwrap_or(usize::MAX)
}

/// Serves until a signal asks to stop, then lets requests under way end.
pub(crate) async fn serve(settings: &DaemonSettings) -> Result<(), Failure> {
    let gateway = settings.gateway.as_ref().ok_or_else(|| {
        Failure::unusable(format!("the settings of {:?} are not those of a gateway", settings.name))
    })?;
    // Doors first: a port that is taken must show before anything else is waited for.
    let s3 = TcpListener::bind(gateway.s3).await.or_unusable(format!("cannot serve S3 on {}", gateway.s3))?;
    let admin = TcpListener::bind(gateway.admin)
        .await
        .or_unusable(format!("cannot serve the admin API on {}", gateway.admin))?;
    let nbd = match gateway.nbd {
        Some(addr) => Some(nbd::open(addr, &gateway.nbd_door).await?),
        None => None,
    };
    let asked = shutdown::asked()?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        asked.await;
        // Nobody listens any more only if everything has ended already.
        let _ = stop.send(true);
    });
    let until = |mut stopped: watch::Receiver<bool>| async move {
        let _ = stopped.wait_for(|s| *s).await;
    };
    let client = tokio::select! {
        client = session::connect_as_daemon(settings) => client?,
        () = until(stopped.clone()) => return Ok(()),
    };
    let pace = garbage_pace(&client.map(), &settings.name);
    let storage = Storage::new(client.clone(), storage_config(pace));
    storage.set_lifecycle_day(lifecycle_day(&client.map(), &settings.name));
    storage.set_kms_keys(kms_keys(&client.map(), &settings.name));
    tokio::spawn(follow_settings(client.clone(), storage.clone(), settings.name.clone(), pace));
    gateway_vault::keep(&client, &storage, &settings.name);
    let mut config = S3Config::new(s3);
    config.sigv2.store(sigv2(&client.map(), &settings.name), Ordering::Relaxed);
    let websites = Websites {
        domains: config.website_domains.clone(),
        usage_log: config.usage_log.clone(),
        log_roll_s: config.log_roll_s.clone(),
    };
    websites.set(&client.map(), &settings.name);
    tokio::spawn(websites.follow(client.clone(), settings.name.clone()));
    tokio::spawn(follow_sigv2(client.clone(), config.sigv2.clone(), settings.name.clone()));
    config.domains = gateway.s3_domains.clone();
    config.region = region(&client.map(), &settings.name);
    config.cluster_id = settings.fsid.clone();
    config.tls = gateway.s3_tls()?;
    config.max_connections = s3_connections();
    access_log::keep(&client, &config.access_log, &settings.name);
    tracing::info!(s3 = %gateway.s3, admin = %gateway.admin, nbd = ?gateway.nbd, "serving");
    let nbd_tls = gateway.nbd_door.tls()?;
    let images = nbd::exports(&client, settings.name.clone()).with_rules(gateway.nbd_door.rules()?);
    let blocks = async {
        match nbd {
            Some(door) => gateway_nbd::serve(door, nbd_tls, images, until(stopped.clone())).await,
            None => Ok(()),
        }
    };
    let (served, blocks, admin) = tokio::join!(
        gateway_s3::serve(config, storage, until(stopped.clone())),
        blocks,
        gateway_admin::serve(admin, client, until(stopped.clone()))
    );
    served.or_unusable("S3")?;
    blocks.or_unusable("NBD")?;
    admin.or_unusable("admin API")
}

/// How long garbage is kept, and how often it is looked for.
type GarbagePace = (Duration, Duration);

fn storage_config((gc_delay, gc_every): GarbagePace) -> StorageConfig {
    StorageConfig { gc_delay, gc_every, ..StorageConfig::default() }
}

/// What operators set, or else the defaults.
fn garbage_pace(map: &ClusterMap, daemon: &str) -> GarbagePace {
    let seconds = |key: &str, default: Duration| {
        // The monitors take only whole seconds for these keys.
        map.setting(daemon, key).and_then(|v| v.parse().ok()).map_or(default, Duration::from_secs)
    };
    let defaults = StorageConfig::default();
    (
        seconds("rgw_gc_obj_min_wait", defaults.gc_delay),
        seconds("rgw_gc_processor_period", defaults.gc_every).max(Duration::from_secs(1)),
    )
}

/// The keys that clients may name.
fn kms_keys(map: &ClusterMap, daemon: &str) -> Vec<String> {
    let text = map.setting(daemon, "rgw_crypt_kms_keys").unwrap_or_default();
    text.split(',').map(str::trim).filter(|id| !id.is_empty()).map(String::from).collect()
}

/// The region that the gateway says it is in and that signatures must name; followed by a restart only, since clients that
/// are under way signed for the one before.
fn region(map: &ClusterMap, daemon: &str) -> String {
    let set = map.setting(daemon, "rgw_region").filter(|region| !region.is_empty());
    set.unwrap_or("us-east-1").to_owned()
}

/// Whether Signature Version 2 is let in.
fn sigv2(map: &ClusterMap, daemon: &str) -> bool {
    map.setting(daemon, "rgw_s3_auth_use_sigv2") != Some("false")
}

async fn follow_sigv2(client: Client, switch: Arc<AtomicBool>, daemon: String) {
    let now = |switch: &AtomicBool| switch.load(Ordering::Relaxed);
    while let Ok(map) = client.wait_for_map(|map| sigv2(map, &daemon) != now(&switch)).await {
        switch.store(sigv2(&map, &daemon), Ordering::Relaxed);
        tracing::info!(sigv2 = now(&switch), "Signature Version 2 is let in or not");
    }
}

/// Whether usage is logged.
fn usage_log(map: &ClusterMap, daemon: &str) -> bool {
    map.setting(daemon, "rgw_enable_usage_log") == Some("true")
}

/// Seconds between two objects of a bucket's log.
fn log_roll_s(map: &ClusterMap, daemon: &str) -> u32 {
    // The monitors take only whole seconds for this key.
    let set = map.setting(daemon, "rgw_bucket_logging_obj_roll_time").and_then(|v| v.parse().ok());
    set.unwrap_or(gateway_s3::LOG_ROLL_S)
}

/// Host names whose subdomains are buckets as websites.
fn website_domains(map: &ClusterMap, daemon: &str) -> Vec<String> {
    let text = map.setting(daemon, "rgw_dns_s3website_name").unwrap_or_default();
    let names = text.split(',').map(|name| name.trim().trim_matches('.').to_ascii_lowercase());
    names.filter(|name| !name.is_empty()).collect()
}

/// What of the gateway's HTTP side changes with the settings.
struct Websites {
    domains: Arc<RwLock<Vec<String>>>,
    usage_log: Arc<AtomicBool>,
    log_roll_s: Arc<AtomicU32>,
}

impl Websites {
    fn set(&self, map: &ClusterMap, daemon: &str) {
        self.usage_log.store(usage_log(map, daemon), Ordering::Relaxed);
        self.log_roll_s.store(log_roll_s(map, daemon), Ordering::Relaxed);
        // Replaced as a whole: a holder that panicked left nothing half done.
        *self.domains.write().unwrap_or_else(PoisonError::into_inner) = website_domains(map, daemon);
    }

    /// Settings take effect when they are set, as long as the process lives.
    async fn follow(self, client: Client, daemon: String) {
        let now = |map: &ClusterMap| {
            (website_domains(map, &daemon), usage_log(map, &daemon), log_roll_s(map, &daemon))
        };
        let mut seen = now(&client.map());
        while let Ok(map) = client.wait_for_map(|map| now(map) != seen).await {
            seen = now(&map);
            self.set(&map, &daemon);
            tracing::info!(
                websites = ?seen.0, usage_log = seen.1, log_roll_s = seen.2,
                "websites, the usage log or the pace of bucket logs changed"
            );
        }
    }
}

/// How long a day of lifecycle rules lasts, where operators try them out.
fn lifecycle_day(map: &ClusterMap, daemon: &str) -> Option<Duration> {
    let seconds: u64 = map.setting(daemon, "rgw_lc_debug_interval")?.parse().ok()?;
    (seconds > 0).then_some(Duration::from_secs(seconds))
}

/// Settings take effect when they are set, as long as the process lives.
async fn follow_settings(client: Client, storage: Storage<Client>, daemon: String, mut pace: GarbagePace) {
    let mut day = lifecycle_day(&client.map(), &daemon);
    let mut keys = kms_keys(&client.map(), &daemon);
    let changed = |map: &ClusterMap, pace, day, keys: &Vec<String>| {
        garbage_pace(map, &daemon) != pace
            || lifecycle_day(map, &daemon) != day
            || kms_keys(map, &daemon) != *keys
    };
    while let Ok(map) = client.wait_for_map(|map| changed(map, pace, day, &keys)).await {
        keys = kms_keys(&map, &daemon);
        storage.set_kms_keys(keys.clone());
        (pace, day) = (garbage_pace(&map, &daemon), lifecycle_day(&map, &daemon));
        storage.set_lifecycle_day(day);
        storage.set_garbage_pace(pace.0, pace.1);
        tracing::info!(delay = ?pace.0, every = ?pace.1, ?day, "garbage or lifecycle rules go at another pace");
    }
}
