//! DIR/cluster.json: what a person or a test needs to reach the cluster. It only advertises.

use super::files::write_atomically;
use super::layout::Layout;
use super::process::find;
use super::settings::ClusterSettings;
use crate::exit::{Context, Failure};
use serde::{Deserialize, Serialize};

/// The first S3 user's key pair.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct FirstUser {
    /// Access key.
    pub access_key: String,
    /// Secret key.
    pub secret_key: String,
}

impl FirstUser {
    /// Reads DIR/keys/s3-user.json; `None` if the cluster is not complete yet.
    pub(crate) fn load(layout: &Layout) -> Option<FirstUser> {
        serde_json::from_str(&std::fs::read_to_string(layout.first_user()).ok()?).ok()
    }
    /// Writes DIR/keys/s3-user.json.
    pub(crate) fn save(&self, layout: &Layout) -> Result<(), Failure> {
        let text = serde_json::to_string(self).or_unusable("key pair")?;
        write_atomically(&layout.first_user(), &text).or_unusable(layout.first_user().display())
    }
}

/// Writes DIR/cluster.json anew after daemons came or went, if the cluster is far enough to be advertised.
pub(crate) fn refresh(layout: &Layout, settings: &ClusterSettings) -> Result<(), Failure> {
    match FirstUser::load(layout) {
        Some(user) if settings.complete => write(layout, settings, &user),
        _ => Ok(()),
    }
}

/// Writes DIR/cluster.json with the daemons that run now.
pub(crate) fn write(layout: &Layout, settings: &ClusterSettings, user: &FirstUser) -> Result<(), Failure> {
    let daemons: Vec<serde_json::Value> = settings
        .daemons()
        .iter()
        .map(|name| {
            let pid = find(layout, name).map(|r| r.pid);
            serde_json::json!({ "name": name, "pid": pid, "log": layout.log(name) })
        })
        .collect();
    let value = serde_json::json!({
        "fsid": settings.fsid,
        "s3": settings.gateway.s3_url(),
        "admin": format!("http://{}", settings.gateway.admin),
        "nbd": settings.gateway.nbd.map(|addr| format!("nbd://{addr}")),
        "access_key": user.access_key,
        "secret_key": user.secret_key,
        "daemons": daemons,
    });
    let text = serde_json::to_string_pretty(&value).or_unusable("cluster.json")?;
    write_atomically(&layout.advert(), &(text + "\n")).or_unusable(layout.advert().display())
}
