//! Where a gateway writes its access log: the setting `rgw_ops_log_file_path`, followed as long as the process lives.

use gateway_client::Client;
use gateway_s3::{AccessLog, Destination};
use placement_map::ClusterMap;
use std::sync::Arc;

const SETTING: &str = "rgw_ops_log_file_path";

fn said(map: &ClusterMap, daemon: &str) -> String {
    map.setting(daemon, SETTING).unwrap_or_default().to_string()
}

/// Sends the log where the setting says. A setting that makes no sense turns it off, and is told of: requests are served
/// all the same.
fn obey(log: &AccessLog, text: &str, daemon: &str) {
    let destination = Destination::parse(text, daemon).unwrap_or_else(|why| {
        tracing::error!("{why}; set {SETTING} anew, until then there is no access log");
        Destination::Off
    });
    if let Err(e) = log.send_to(destination) {
        tracing::error!("there is no access log: no thread to write it: {e}");
    }
}

/// Turns the log on, where that is set, and goes on following the setting.
pub(crate) fn keep(client: &Client, log: &Arc<AccessLog>, daemon: &str) {
    let mut text = said(&client.map(), daemon);
    obey(log, &text, daemon);
    let (client, log, daemon) = (client.clone(), log.clone(), daemon.to_string());
    tokio::spawn(async move {
        while let Ok(map) = client.wait_for_map(|map| said(map, &daemon) != text).await {
            text = said(&map, &daemon);
            obey(&log, &text, &daemon);
            tracing::info!(path = text, "the access log is written elsewhere");
        }
    });
}
