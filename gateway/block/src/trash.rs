//! The trash of a pool: images that have no name any more but all their data, until a time that was promised.

use crate::directory::Trashed;
use crate::error::BlockError;
use crate::images::Images;
use gateway_client::Rados;
use std::time::Duration;

impl<R: Rados> Images<R> {
    /// Moves an image that nobody has open to the trash, where it is kept for `keep` at least. Gives its id, by which
    /// it is known there. `InUse`, `NoSuchImage`.
    pub async fn trash(&self, image: &str, owner: &str, keep: Duration) -> Result<String, BlockError> {
        let id = self.directory().id(image).await?;
        // Under its lock, so that nobody opens it between the question and the move.
        let open = self.open_id(image, &id, owner).await?;
        let now_ms = self.rados.now().millis();
        let until_ms = now_ms.saturating_add(u64::try_from(keep.as_millis()).unwrap_or(u64::MAX));
        let moved = self.directory().trash(&id, image, until_ms).await;
        open.close().await?;
        moved.map(|()| id)
    }

    /// What is in the trash.
    pub async fn trashed(&self) -> Result<Vec<Trashed>, BlockError> {
        self.directory().trashed().await
    }

    /// Takes an image out of the trash, under its old name or another. `Exists`.
    pub async fn restore(&self, id: &str, name: Option<&str>) -> Result<String, BlockError> {
        let entry = self.in_trash(id).await?;
        let name = name.unwrap_or(&entry.name);
        crate::name::check_name(name)?;
        self.directory().restore(id, name).await?;
        Ok(name.to_string())
    }

    /// Removes what is in the trash for good: one image, or all (none). What was promised to be kept longer is
    /// left alone (`Invalid` if it was asked for by name) unless `force`. Gives the ids of what was removed.
    pub async fn purge(&self, id: Option<&str>, force: bool, owner: &str) -> Result<Vec<String>, BlockError> {
        let now_ms = self.rados.now().millis();
        let entries = match id {
            Some(id) => vec![self.in_trash(id).await?],
            None => self.trashed().await?,
        };
        let mut gone = Vec::new();
        for entry in entries {
            if entry.until_ms > now_ms && !force {
                if id.is_some() {
                    let seconds = (entry.until_ms - now_ms).div_ceil(1000);
                    return Err(BlockError::Invalid(format!(
                        "{} ({}) is to be kept for another {seconds} s; say --force to remove it now",
                        entry.name, entry.id
                    )));
                }
                continue;
            }
            self.purge_one(&entry, owner).await?;
            gone.push(entry.id);
        }
        Ok(gone)
    }

    /// Under a name that is its own for a moment, so that removing has one way and one set of checks.
    async fn purge_one(&self, entry: &Trashed, owner: &str) -> Result<(), BlockError> {
        let name = format!("trash.{}", entry.id);
        self.directory().restore(&entry.id, &name).await?;
        let Err(refused) = self.remove(&name, owner).await else { return Ok(()) };
        // If it has begun to go it has no name any more, and the next removal finishes it.
        match self.directory().trash_as(&entry.id, &name, &entry.name, entry.until_ms).await {
            Ok(()) | Err(BlockError::NoSuchImage { .. }) => Err(refused),
            Err(other) => Err(other),
        }
    }

    async fn in_trash(&self, id: &str) -> Result<Trashed, BlockError> {
        let found = self.trashed().await?.into_iter().find(|entry| entry.id == id);
        found.ok_or_else(|| BlockError::NotInTrash { pool: self.pool().to_string(), id: id.to_string() })
    }
}
