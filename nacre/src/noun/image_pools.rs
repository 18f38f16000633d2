//! Which pools an image may lie in: its name and properties in a replicated one, its data in any.

use crate::exit::Failure;
use gateway_client::Client;
use placement_map::{Pool, PoolKind};

fn pool(client: &Client, name: &str) -> Option<Pool> {
    let map = client.map();
    map.pool(map.pool_id(name)?).cloned()
}

/// The replicated pool that keeps the metadata of what lies in this one, if it names one.
pub(super) fn companion_of(client: &Client, data_pool: &str) -> Option<String> {
    pool(client, data_pool)?.companion().map(str::to_owned)
}

/// Whether an image of this name may be made there. A pool that is not there is refused later, by whoever looks for it.
pub(super) fn check(
    client: &Client,
    name_pool: &str,
    name: &str,
    data_pool: Option<&str>,
) -> Result<(), Failure> {
    if let Some(data_pool) = data_pool
        && pool(client, data_pool).is_none()
    {
        return Err(Failure::no(format!(
            "there is no pool {data_pool} for the data; `nacre pool ls` shows those there are"
        )));
    }
    for used in [Some(name_pool), data_pool].into_iter().flatten() {
        if let Some(why) = pool(client, used).and_then(|pool| taken(used, &pool.application)) {
            return Err(Failure::no(why));
        }
    }
    let Some(coded) = pool(client, name_pool).filter(|pool| pool.kind != PoolKind::Replicated) else {
        return Ok(());
    };
    let beside = coded.companion().unwrap_or("rbd");
    Err(Failure::no(format!(
        "pool {name_pool} is erasure-coded and keeps no names and properties of images, only their data; say `nacre image \
         create {beside}/{name} --data-pool {name_pool}`"
    )))
}

/// Why a pool is not for images: somebody else keeps its objects, and counts and checks them.
fn taken(name: &str, application: &str) -> Option<String> {
    (application == "s3").then(|| {
        format!(
            "pool {name} is that of the S3 gateways (its application is s3); make another with `nacre pool create`, or leave \
             the pool out for rbd"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_stay_out_of_what_s3_keeps() {
        assert!(taken("s3.data", "s3").is_some_and(|why| why.contains("s3.data")));
        assert!(taken("rbd", "rbd").is_none() && taken("mine", "").is_none());
    }
}
