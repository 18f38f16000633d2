//! `nacre gateway add`: this host serves S3, NBD and the admin API. The first gateway of a cluster makes the pools and the
//! first user.

use super::answer::nonsense;
use super::gateway_doors::{self, GatewayDoors};
use crate::cli::Global;
use crate::cluster::settings::DaemonSettings;
use crate::cluster::{advert, make_osd, process};
use crate::exit::{Context, Failure};
use crate::{session, up};
use clap::Args;
use placement_map::status::{Answer, Query};
use std::time::Duration;

/// How long the gateway may take to open its doors.
const OPEN_PATIENCE: Duration = Duration::from_secs(60);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Args)]
pub(crate) struct GatewayAddArgs {
    /// What it serves.
    #[command(flatten)]
    pub doors: GatewayDoors,
}

/// Makes a gateway on this host and starts it.
pub(crate) async fn add(global: &Global, args: &GatewayAddArgs) -> Result<(), Failure> {
    let (layout, mut settings) = session::here(global)?;
    let Some(here) = settings.here.as_mut() else {
        return Err(Failure::no(
            "`nacre up` runs this host's gateway; `nacre gateway add` is for clusters that `nacre cluster init` made",
        ));
    };
    if let Some(there) = here.gateways.first() {
        return Err(Failure::no(format!(
            "{there} is on this host already; `nacre daemon start {there}` starts it"
        )));
    }
    let name = match layout.keys().join("ca.key").exists() {
        true => "gateway.0".to_string(),
        false => promised(&layout.keys())?,
    };
    here.gateways.push(name.clone());
    settings.gateway = args.doors.settings();
    gateway_doors::check(&settings.gateway)?;
    let client = session::connect(&layout, &settings).await?;
    let up_now = client.map().up_osds().count();
    if up_now < settings.pool_size as usize {
        return Err(Failure::no(format!(
            "{up_now} OSDs are up, and the first pools keep {} copies; join more hosts first (`nacre cluster token`)",
            settings.pool_size
        )));
    }
    if name == "gateway.0" {
        make_osd::issue_key(&layout, &name)?;
    }
    let conf =
        DaemonSettings { gateway: Some(settings.gateway.clone()), ..make_osd::common(&settings, &name) };
    conf.save(&layout)?;
    let user = up::first_pools_and_user(&client, &settings, &layout).await?;
    settings.save(&layout)?;
    println!("  starting {name}");
    drop(process::start(&layout, &name)?);
    let open = async {
        while tokio::net::TcpStream::connect(settings.gateway.s3).await.is_err() {
            tokio::time::sleep(LOOK).await;
        }
    };
    if tokio::time::timeout(OPEN_PATIENCE, open).await.is_err() {
        return Err(Failure::no(format!("{name} does not serve yet; see {}", layout.log(&name).display())));
    }
    let Answer::Status(status) = client.query(Query::Status).await.map_err(Failure::unusable)? else {
        return Err(nonsense());
    };
    advert::write(&layout, &settings, &user)?;
    println!(
        "{name} serves S3 at {}; {}; keys are in {}",
        settings.gateway.s3_url(),
        status.health.status,
        layout.advert().display()
    );
    Ok(())
}

/// The gateway that the token which this host joined with was for.
fn promised(keys: &std::path::Path) -> Result<String, Failure> {
    let files = std::fs::read_dir(keys).or_unusable(keys.display())?.flatten();
    let name = |file: std::fs::DirEntry| {
        let name = file.file_name().into_string().ok()?.strip_suffix(".crt")?.to_owned();
        name.starts_with("gateway.").then_some(name)
    };
    files.filter_map(name).next().ok_or_else(|| {
        Failure::no("this host has no key for a gateway; make its token with `nacre cluster token --gateway`")
    })
}
