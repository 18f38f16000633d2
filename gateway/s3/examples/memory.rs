//! An S3 endpoint over a map in memory: to try clients against the protocol without a cluster.
//!
//! `cargo run --release -p gateway-s3 --example memory -- [ADDRESS] [domain=NAME]... [user=UID,ACCESS,SECRET]...
//! [day=SECONDS] [kms=ID]...`; `day` is that of lifecycle rules, `kms` a key that clients may name. The address is
//! 127.0.0.1:9100 and the one user's keys are `test` and `testtest`, unless others are given. Everything is lost at the
//! end.

use gateway_client::MemoryRados;
use gateway_s3::S3Config;
use gateway_s3::storage::{Secret, Storage, StorageConfig};
use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).init();

    let (mut address, mut domains, mut users) = ("127.0.0.1:9100".to_string(), Vec::new(), Vec::new());
    let (mut day, mut kms) = (None, Vec::new());
    for arg in std::env::args().skip(1) {
        match arg.split_once('=') {
            Some(("domain", name)) => domains.push(name.to_string()),
            Some(("user", user)) => users.push(user.to_string()),
            Some(("day", seconds)) => day = Some(std::time::Duration::from_secs(seconds.parse()?)),
            Some(("kms", id)) => kms.push(id.to_string()),
            _ => address = arg,
        }
    }
    if users.is_empty() {
        users.push("test,test,testtest".into());
    }
    let config = StorageConfig::default();
    let rados = MemoryRados::new(&[&config.meta_pool, &config.index_pool, &config.data_pool]);
    let storage = Storage::new(rados, config);
    storage.set_lifecycle_day(day);
    storage.set_kms_keys(kms);
    for user in &users {
        let [uid, access, secret] = user.split(',').collect::<Vec<_>>()[..] else {
            return Err(format!("{user:?}: expected UID,ACCESS,SECRET").into());
        };
        storage.user_create(uid, uid, Some((access.into(), Secret::new(secret)))).await?;
    }
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("serving S3 on http://{}", listener.local_addr()?);
    let mut config = S3Config::new(listener);
    config.domains = domains;
    let stop = async {
        if let Err(e) = tokio::signal::ctrl_c().await {
            eprintln!("Ctrl-C cannot be waited for: {e}");
        }
    };
    gateway_s3::serve(config, storage, stop).await?;
    Ok(())
}
