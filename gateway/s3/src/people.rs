//! The names that people know users by, for the documents that show owners and grantees.

use crate::error::S3Error;
use crate::server::Gateway;
use crate::xml::Document;
use gateway_client::Rados;
use std::collections::BTreeMap;

/// Display names by uid.
#[derive(Debug, Default)]
pub(crate) struct People(BTreeMap<String, String>);

impl People {
    /// Looks up users. One that is no more goes by its uid.
    pub(crate) async fn of<'a, R: Rados>(
        gw: &Gateway<R>,
        uids: impl IntoIterator<Item = &'a str>,
    ) -> Result<People, S3Error> {
        let mut names = BTreeMap::new();
        for uid in uids {
            if !names.contains_key(uid) {
                let user = gw.storage.user_known(uid).await?;
                let name = user.map(|u| u.display_name.clone()).filter(|name| !name.is_empty());
                names.insert(uid.to_string(), name.unwrap_or_else(|| uid.to_string()));
            }
        }
        Ok(People(names))
    }

    /// A user's name.
    pub(crate) fn name<'a>(&'a self, uid: &'a str) -> &'a str {
        self.0.get(uid).map_or(uid, String::as_str)
    }

    /// Writes an element with a user's id and name.
    pub(crate) fn write(&self, d: &mut Document, element: &'static str, uid: &str) {
        d.open(element).leaf("ID", uid).leaf("DisplayName", self.name(uid)).close();
    }
}
