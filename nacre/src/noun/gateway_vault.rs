//! What a gateway is told of Vault, the keeper of SSE-KMS keys.

use gateway_client::Client;
use gateway_s3::storage::{Storage, VaultSettings};
use placement_map::ClusterMap;

/// Tells the storage side where Vault is, now and whenever the settings change.
pub(crate) fn keep(client: &Client, storage: &Storage<Client>, daemon: &str) {
    let (client, storage, daemon) = (client.clone(), storage.clone(), daemon.to_string());
    let mut seen = of(&client.map(), &daemon);
    if seen.is_some() {
        storage.set_vault(seen.clone());
    }
    tokio::spawn(async move {
        while let Ok(map) = client.wait_for_map(|map| of(map, &daemon) != seen).await {
            seen = of(&map, &daemon);
            storage.set_vault(seen.clone());
            tracing::info!(vault = ?seen, "who keeps the keys for SSE-KMS changed");
        }
    });
}

/// What is set; none: Vault has nothing to do here.
fn of(map: &ClusterMap, daemon: &str) -> Option<VaultSettings> {
    let text = |key: &str| map.setting(daemon, key).unwrap_or_default().trim().to_string();
    let (address, backend) = (text("rgw_crypt_vault_addr"), text("rgw_crypt_s3_kms_backend"));
    let seals = backend == "vault";
    if !seals && address.is_empty() {
        return None;
    }
    let ca_file = Some(text("rgw_crypt_vault_ssl_cacert")).filter(|file| !file.is_empty());
    Some(VaultSettings {
        address,
        prefix: text("rgw_crypt_vault_prefix"),
        token_file: text("rgw_crypt_vault_token_file").into(),
        namespace: text("rgw_crypt_vault_namespace"),
        ca_file: ca_file.map(Into::into),
        seals,
    })
}
