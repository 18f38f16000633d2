//! Objects in an erasure-coded pool beside objects of three copies: the same cluster of six OSDs on the same disks, by
//! storage class.

use crate::cases::{Case, PRELOADED, SHARD_CASES};
use crate::side::Side;
use crate::{Args, measure, report, rows};
use tests_cluster::{Cluster, Options};

const CLASS: &str = "CAPACITY";
const POOL: &str = "capacity";

/// Whether the ratios are reached.
pub(crate) fn bench(args: &Args) -> Result<bool, String> {
    let extra = vec!["--link".to_string(), args.link.clone()];
    let cluster =
        Cluster::start("bench-ec", Options { osds: 6, osd_size: "4G", extra, ..Options::default() });
    cluster.nacre(&["pool", "create", POOL, "--ec", "4+2", "--failure-domain", "osd"]).ok();
    cluster.nacre(&["s3", "storage-class", "set", CLASS, "--pool", POOL]).ok();
    let dir = cluster.dir();
    let shards = Side::attach_nacre(&dir)?.called("ec 4+2", Some(CLASS));
    let copies = Side::attach_nacre(&dir)?.called("size 3", None);
    let wanted = |case: &&Case| args.only.as_ref().is_none_or(|part| case.name().contains(part.as_str()));
    let cases: Vec<Case> = SHARD_CASES.iter().filter(wanted).copied().collect();
    let sizes: Vec<(usize, usize)> =
        PRELOADED.into_iter().filter(|(size, _)| cases.iter().any(|case| case.size == *size)).collect();
    for side in [&shards, &copies] {
        rows::prepare_objects(side, &sizes)?;
    }
    let table = measure(args, &[&shards, &copies], &cases)?;
    report(args, &table)
}
