//! Listing a pool: its PGs in hobject order, each in pages.

use crate::client::Client;
use crate::rados::{ListCursor, ListPage, OpError};
use gateway_objecter::{Outcome, Target};
use placement_map::{Pool, PoolId};
use stdx::Errno;

/// The most objects asked of a PG at a time.
const PAGE_MAX: u32 = 10_000;

/// The PGs' seeds in the order in which their objects lie: by the seed's bits reversed, as each PG is one
/// range of the bit-reversed hash.
fn in_order(pool: &Pool) -> Vec<u32> {
    let mut seeds: Vec<u32> = (0..pool.pg_num).collect();
    seeds.sort_by_key(|s| s.reverse_bits());
    seeds
}

pub(crate) async fn list(
    client: &Client,
    pool_name: &str,
    pool: PoolId,
    after: Option<ListCursor>,
    max: u32,
) -> Result<ListPage, OpError> {
    if after.as_ref().is_some_and(|c| c.0.pool != pool) {
        return Err(
            OpError::new(Errno::EINVAL).with_context(format!("a cursor of another pool than {pool_name:?}"))
        );
    }
    let max = max.clamp(1, PAGE_MAX) as usize;
    let mut page = ListPage { objects: Vec::new(), next: after };
    // What `next` becomes with each object; objects after it in the same PG come first.
    'split: loop {
        let map = client.map();
        let Some(info) = map.pool(pool) else { return Err(OpError::no_pool(pool_name)) };
        let seeds = in_order(info);
        let start = page.next.as_ref().map_or(0, |c| {
            let seed = info.seed_of(c.0.hash);
            seeds.iter().position(|s| *s == seed).unwrap_or(0)
        });
        let mut at = start;
        while at < seeds.len() {
            let room = max - page.objects.len();
            if room == 0 {
                return Ok(page);
            }
            let after = page.next.as_ref().filter(|_| at == start).map(|c| c.0.clone());
            let target = Target::List { seed: seeds[at], after, max: room as u32 };
            let (objects, more) = match client.list_pg(pool, target).await? {
                Outcome::Listed { objects, more } => (objects, more),
                Outcome::Failed(Errno::ENOENT) => return Err(OpError::no_pool(pool_name)),
                Outcome::Failed(code) => return Err(OpError::new(code).with_context(pool_name)),
                Outcome::Done { .. } => {
                    return Err(OpError::new(Errno::EIO).with_context("the OSD's answer has the wrong shape"));
                }
            };
            if client.map().pool(pool).is_none_or(|p| p.pg_num != info.pg_num) {
                // PGs were split under us: this page may miss what moved. Look again from where we are.
                continue 'split;
            }
            let progress = !objects.is_empty();
            if let Some(last) = objects.last() {
                page.next = Some(ListCursor(last.clone()));
            }
            page.objects.extend(objects.into_iter().map(|o| o.name));
            if !more {
                at += 1;
            } else if progress {
                // The rest of this PG, from the last object on.
                if page.objects.len() < max {
                    continue 'split;
                }
                return Ok(page);
            } else {
                return Err(
                    OpError::new(Errno::EIO).with_context("a PG says there is more and gives nothing")
                );
            }
        }
        page.next = None;
        return Ok(page);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use placement_map::{Epoch, PoolKind};

    #[test]
    fn pgs_follow_each_other_in_the_order_of_their_objects() {
        for pg_num in [1u32, 2, 5, 8, 12, 13] {
            let pool = Pool {
                name: String::new(),
                kind: PoolKind::Replicated,
                size: 1,
                min_size: 1,
                pg_num,
                pgp_num: pg_num,
                crush_rule: 0,
                hashpspool: true,
                application: String::new(),
                options: Default::default(),
                created: Epoch(1),
                snaps: Default::default(),
            };
            let mut hashes: Vec<u32> = (0..20_000u32).map(|i| i.wrapping_mul(0x9e37_79b9)).collect();
            hashes.sort_by_key(|h| h.reverse_bits());
            let mut seen: Vec<u32> = hashes.iter().map(|h| pool.seed_of(*h)).collect();
            seen.dedup();
            assert_eq!(seen, in_order(&pool), "pg_num {pg_num}");
        }
    }
}
