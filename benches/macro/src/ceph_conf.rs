//! The settings of the Ceph cluster that we are measured beside: small, tuned as its documentation advises for
//! flash, durable as ours is (a write is acknowledged when all copies are on stable storage; nothing is cached
//! on the client).

use std::path::Path;

/// Its subsystems that log: with all of them silent, as tuned clusters run.
const SILENT: &str = "osd ms bluestore bluefs bdev rocksdb mon paxos auth filestore journal objecter objectcacher \
                      rados rbd client monc mgr mgrc throttle timer tp optracker heartbeatmap perfcounter asok \
                      finisher crush context buffer objclass kstore memdb rgw civetweb striper";

/// The text of ceph.conf for a cluster in `dir` with its monitor at `mon`.
pub(crate) fn text(dir: &Path, fsid: &str, mon: &str, osd_bytes: u64) -> String {
    let d = dir.display();
    let silent: String = SILENT.split_whitespace().map(|s| format!("debug_{s} = 0/0\n")).collect();
    format!(
        "[global]
fsid = {fsid}
mon_initial_members = a
mon_host = [v2:{mon}]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
auth_allow_insecure_global_id_reclaim = false
keyring = {d}/admin.keyring
run_dir = {d}
osd_pool_default_size = 3
osd_pool_default_min_size = 2
osd_pool_default_pg_num = 32
osd_pool_default_pgp_num = 32
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_max_pg_per_osd = 500
mon_data_avail_warn = 2
mon_data_avail_crit = 1
{silent}
[mon]
mon_data = {d}/mon
log_file = {d}/mon.log
mon_cluster_log_file = {d}/cluster.log
admin_socket = {d}/mon.asok

[mgr]
mgr_data = {d}/mgr
keyring = {d}/mgr/keyring
log_file = {d}/mgr.log
admin_socket = {d}/mgr.asok

[osd]
osd_data = {d}/osd.$id
keyring = {d}/osd.$id/keyring
log_file = {d}/osd.$id.log
admin_socket = {d}/osd.$id.asok
osd_objectstore = bluestore
bluestore_block_create = true
bluestore_block_size = {osd_bytes}
bluestore_debug_enforce_settings = ssd
osd_op_num_shards = 8
osd_op_num_threads_per_shard = 2
osd_memory_target = 2147483648

[client]
log_file = {d}/client.log
admin_socket =
"
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_line_is_a_section_or_a_setting() {
        let text = super::text(std::path::Path::new("/x"), "f", "127.0.0.1:1", 1 << 30);
        for line in text.lines().filter(|line| !line.is_empty()) {
            assert!(line.starts_with('[') || line.contains(" ="), "{line}");
        }
        assert!(text.contains("debug_osd = 0/0") && text.contains("osd_data = /x/osd.$id"));
    }
}
