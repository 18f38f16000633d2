//! An S3 endpoint over a map in memory: to try clients against the protocol without a cluster.
//!
//! `cargo run --release -p gateway-s3 --example memory -- 127.0.0.1:9100 [DOMAIN]`; the access key is `test`,
//! the secret key `testtest`. Everything is lost at the end.

use gateway_client::MemoryRados;
use gateway_s3::S3Config;
use gateway_s3::storage::{Secret, Storage, StorageConfig};
use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()),
        )
        .init();
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:9100".into());
    let config = StorageConfig::default();
    let rados = MemoryRados::new(&[&config.meta_pool, &config.index_pool, &config.data_pool]);
    let storage = Storage::new(rados, config);
    storage.user_create("test", "Test", Some(("test".into(), Secret::new("testtest")))).await?;
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("serving S3 on http://{}, access key test, secret key testtest", listener.local_addr()?);
    let mut config = S3Config::new(listener);
    config.domains.extend(args);
    let stop = async {
        if let Err(e) = tokio::signal::ctrl_c().await {
            eprintln!("Ctrl-C cannot be waited for: {e}");
        }
    };
    gateway_s3::serve(config, storage, stop).await?;
    Ok(())
}
