//! What the gateway's HTTP side can be told.

use crate::access_log::AccessLog;
use crate::server::S3Tls;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::net::TcpListener;

/// Seconds between two objects of a bucket's log, as in RGW.
pub const LOG_ROLL_S: u32 = 300;

/// Settings of one gateway.
pub struct S3Config {
    /// The bound socket to serve on.
    pub listener: TcpListener,
    /// Host names whose subdomains are buckets (`--s3-domain`). Without any, all requests are path-style.
    pub domains: Vec<String>,
    /// Host names whose subdomains are buckets as websites (`rgw_dns_s3website_name`); they may change while the gateway
    /// runs.
    pub website_domains: Arc<RwLock<Vec<String>>>,
    /// Whether usage is logged (`rgw_enable_usage_log`); it may change while the gateway runs.
    pub usage_log: Arc<AtomicBool>,
    /// HTTPS; none: plain HTTP.
    pub tls: Option<S3Tls>,
    /// The region that clients must sign for.
    pub region: String,
    /// Whether Signature Version 2 is let in; it may change while the gateway runs.
    pub sigv2: Arc<AtomicBool>,
    /// One line for each request; off until it is told where to write.
    pub access_log: Arc<AccessLog>,
    /// Seconds between two objects of a bucket's log, where the bucket does not say
    /// (`rgw_bucket_logging_obj_roll_time`); they may change while the gateway runs.
    pub log_roll_s: Arc<AtomicU32>,
    /// The cluster's id, as the Admin Ops API tells it.
    pub cluster_id: String,
    /// More connections than these wait to be accepted.
    pub max_connections: usize,
    /// How long requests under way may take to end after the shutdown began.
    pub shutdown_grace: Duration,
}

impl S3Config {
    /// The defaults: region `us-east-1`, path-style only.
    pub fn new(listener: TcpListener) -> S3Config {
        S3Config {
            listener,
            domains: Vec::new(),
            website_domains: Arc::default(),
            usage_log: Arc::default(),
            tls: None,
            region: "us-east-1".into(),
            sigv2: Arc::new(AtomicBool::new(true)),
            access_log: Arc::default(),
            log_roll_s: Arc::new(AtomicU32::new(LOG_ROLL_S)),
            cluster_id: String::new(),
            max_connections: 4096,
            shutdown_grace: Duration::from_secs(10),
        }
    }
}
