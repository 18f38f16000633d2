//! Making a cluster, step by step, so that a run that is killed anywhere can be taken up by the next.
//!
//! `cluster.toml` is written last of what `prepare` makes: without it the directory counts as empty. What
//! follows (pools, the first user) is asked of the running cluster until it is there, and `complete` says so.

use super::first_user;
use super::words::UpArgs;
use crate::cluster::advert::FirstUser;
use crate::cluster::files::gone;
use crate::cluster::layout::Layout;
use crate::cluster::make_osd;
use crate::cluster::ports::free_ports;
use crate::cluster::settings::{
    ClusterSettings, DaemonSettings, GatewaySettings, Made, MonSettings, Monitor,
};
use crate::exit::{Context, Failure};
use crate::noun::gateway_doors;
use crate::{keys, noun, session};
use gateway_client::{Client, ClientError};
use gateway_s3::storage::{Caps, NewKey, NewUser, Secret, Storage, StorageConfig};
use placement_map::status::{Answer, Query};
use placement_map::{Command, PoolCreate, RefusalKind};
use std::path::PathBuf;
use std::time::Duration;
use wire_transport::credentials;

/// How often a state that nobody announces is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// The pools that the S3 gateway wants, and the block images to come, with their PGs.
const POOLS: [(&str, u32, &str); 4] =
    [("s3.meta", 8, "s3"), ("s3.index", 32, "s3"), ("s3.data", 32, "s3"), ("rbd", 32, "rbd")];

/// Makes directories, keys, stores and settings of a new cluster.
pub(super) fn prepare(
    args: &UpArgs,
    doors: GatewaySettings,
    layout: &Layout,
) -> Result<ClusterSettings, Failure> {
    let monitors: Vec<Monitor> = free_ports(args.mons())?
        .into_iter()
        .enumerate()
        .map(|(i, addr)| Monitor { name: format!("mon.{i}"), addr })
        .collect();
    let settings = ClusterSettings {
        fsid: String::new(),
        link: args.link.unwrap_or_default(),
        pool_size: args.pool_size(),
        complete: false,
        osd_size: args.osd_size(),
        osds: (0..args.osds()).collect(),
        monitors,
        gateway: doors,
        here: None,
        made: Some(Made { osds: args.osds(), mons: args.mons() }),
    };
    let settings = make_parts(settings, layout)?;
    save_gateway(&settings, layout)?;
    first_user(args, layout)?.save(layout)?;
    settings.save(layout)?;
    Ok(settings)
}

/// Makes a new cluster's first host, without gateway and pools.
pub(crate) fn make_cluster(settings: ClusterSettings, layout: &Layout) -> Result<ClusterSettings, Failure> {
    let settings = make_parts(settings, layout)?;
    settings.save(layout)?;
    Ok(settings)
}

/// Names the cluster, and makes authority, keys and stores: all but `cluster.toml`.
fn make_parts(mut settings: ClusterSettings, layout: &Layout) -> Result<ClusterSettings, Failure> {
    layout.make_folders()?;
    settings.fsid = keys::show_fsid(&keys::draw_fsid()?);
    println!("making a new cluster {}", settings.fsid);
    let dir = layout.keys();
    remake_authority(&dir, &settings.fsid)?;
    for name in settings.daemons().into_iter().chain([session::ADMIN.to_string()]) {
        make_osd::issue_key(layout, &name)?;
    }
    for monitor in &settings.monitors {
        let conf = make_osd::common(&settings, &monitor.name);
        DaemonSettings {
            mon: Some(MonSettings { path: monitor.name.clone().into(), addr: monitor.addr }),
            ..conf
        }
        .save(layout)?;
        discard(layout.store(&monitor.name))?;
        noun::mon::mkfs(&DaemonSettings::load(&layout.conf(&monitor.name))?)?;
    }
    for n in &settings.osds {
        discard(layout.store(&format!("osd.{n}")))?;
        make_osd::make(&settings, layout, *n, settings.osd_size)?;
    }
    Ok(settings)
}

/// Takes up an existing cluster: its doors are these from now on, the rest is as it was made.
pub(super) fn adopt(
    mut settings: ClusterSettings,
    doors: GatewaySettings,
    layout: &Layout,
) -> Result<ClusterSettings, Failure> {
    for change in gateway_doors::changes(&settings.gateway, &doors) {
        println!("  {change}");
    }
    settings.gateway = doors;
    save_gateway(&settings, layout)?;
    settings.save(layout)?;
    Ok(settings)
}

/// Waits until every OSD is up.
pub(super) async fn osds_up(client: &Client, settings: &ClusterSettings) -> Result<(), Failure> {
    let wanted: Vec<placement_map::OsdId> = settings.osds.iter().map(|n| placement_map::OsdId(*n)).collect();
    client
        .wait_for_map(|map| wanted.iter().all(|osd| map.is_up(*osd)))
        .await
        .map(drop)
        .map_err(Failure::unusable)
}

/// Makes the first pools and the first user, unless an earlier run did.
pub(super) async fn complete(
    client: &Client,
    settings: &mut ClusterSettings,
    args: &UpArgs,
    layout: &Layout,
) -> Result<FirstUser, Failure> {
    let user = first_user(args, layout)?;
    if settings.complete {
        return Ok(user);
    }
    make_first(client, settings.pool_size, &user).await?;
    settings.complete = true;
    settings.save(layout)?;
    Ok(user)
}

/// Makes the first pools and the first user of a cluster, with a key pair of its own, unless they are there.
pub(crate) async fn first_pools_and_user(
    client: &Client,
    settings: &ClusterSettings,
    layout: &Layout,
) -> Result<FirstUser, Failure> {
    let user = match FirstUser::load(layout) {
        Some(user) => user,
        None => {
            let (access_key, secret_key) = keys::draw()?;
            let user = FirstUser { access_key, secret_key };
            user.save(layout)?;
            user
        }
    };
    make_first(client, settings.pool_size, &user).await?;
    Ok(user)
}

async fn make_first(client: &Client, pool_size: u32, user: &FirstUser) -> Result<(), Failure> {
    for (name, pg_num, application) in POOLS {
        println!("  making the pool {name}");
        let create = PoolCreate {
            name: name.into(),
            size: Some(pool_size),
            pg_num: Some(pg_num),
            application: application.into(),
            ..PoolCreate::default()
        };
        match client.command(Command::PoolCreate(create)).await {
            Err(ClientError::Refused(refusal)) if refusal.kind == RefusalKind::Exists => {}
            other => {
                other.map_err(Failure::unusable)?;
            }
        }
    }
    println!("  making the first S3 user");
    let storage = Storage::new(client.clone(), StorageConfig::default());
    let there = storage.user_get(FIRST_USER).await.map_err(Failure::unusable)?.is_some();
    if !there {
        let mut new = NewUser::new(FIRST_USER, "first user");
        // It is the administrator: tools that speak the Admin Ops API work with its keys.
        new.user.caps = Caps::all();
        new.key = NewKey::Given(user.access_key.clone(), Secret::new(&user.secret_key));
        storage.user_make(new).await.map_err(Failure::unusable)?;
    }
    Ok(())
}

/// The first user's id.
const FIRST_USER: &str = "admin";

/// Waits until every PG is active+clean and the gateway answers.
pub(super) async fn healthy(client: &Client, settings: &ClusterSettings) -> Result<(), Failure> {
    let mut said = 0;
    loop {
        let Answer::PgLs { pgs } = client.query(Query::PgLs).await.map_err(Failure::unusable)? else {
            return Err(Failure::unusable("the monitors' answer makes no sense"));
        };
        let clean = pgs.iter().filter(|pg| pg.state == "active+clean").count();
        if clean != said || clean == pgs.len() {
            said = clean;
            println!("  {clean} of {} PGs active+clean", pgs.len());
        }
        if clean == pgs.len() && tokio::net::TcpStream::connect(settings.gateway.s3).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn save_gateway(settings: &ClusterSettings, layout: &Layout) -> Result<(), Failure> {
    DaemonSettings { gateway: Some(settings.gateway.clone()), ..make_osd::common(settings, "gateway.0") }
        .save(layout)
}

fn remake_authority(dir: &std::path::Path, fsid: &str) -> Result<(), Failure> {
    discard(dir.to_path_buf())?;
    std::fs::create_dir_all(dir).or_unusable(dir.display())?;
    credentials::create_authority(dir, fsid).or_unusable(dir.display())
}

/// Removes what a killed `prepare` left: nothing in it was ever used, for there was no cluster.toml.
pub(crate) fn discard(path: PathBuf) -> Result<(), Failure> {
    gone(std::fs::remove_dir_all(&path)).or_unusable(path.display())
}
