//! The cluster's figures in Prometheus' text form.

use gateway_client::OpCounts;
use placement_map::status::{OsdRow, Severity, Status};
use std::fmt::Write;

/// The whole page. Names say their unit at the end, as Prometheus wants it.
pub(crate) fn page(status: &Status, osds: &[OsdRow], asked: OpCounts) -> String {
    let mut out = String::new();
    let mut metric = |name: &str, help: &str, values: &[(String, u64)]| {
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        // Writing to a string cannot fail.
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (labels, value) in values {
            let _ = writeln!(out, "{name}{labels} {value}");
        }
    };
    let one = |value: u64| vec![(String::new(), value)];
    let severity = match status.health.status {
        Severity::Ok => 0,
        Severity::Warn => 1,
        Severity::Err => 2,
    };
    metric("nacre_health_status", "0 ok, 1 warning, 2 error.", &one(severity));
    metric("nacre_map_epoch", "Version of the cluster map.", &one(u64::from(status.epoch.0)));
    metric("nacre_osds", "OSDs that exist.", &one(u64::from(status.osds.total)));
    metric("nacre_osds_up", "OSDs that serve.", &one(u64::from(status.osds.up)));
    metric("nacre_osds_in", "OSDs that get data.", &one(u64::from(status.osds.r#in)));
    metric("nacre_objects", "Objects of all pools.", &one(status.objects));
    metric("nacre_stored_bytes", "Bytes of all objects, one copy.", &one(status.bytes));
    metric(
        "nacre_capacity_bytes",
        "Bytes that all OSDs that are up can hold.",
        &one(status.capacity.total_bytes),
    );
    metric("nacre_used_bytes", "Bytes in use on them.", &one(status.capacity.used_bytes));
    metric("nacre_client_reads_per_second", "Client reads, lately.", &one(status.reads_per_second));
    metric("nacre_client_writes_per_second", "Client writes, lately.", &one(status.writes_per_second));
    metric("nacre_gateway_osd_reads_total", "Reads that this gateway asked of OSDs.", &one(asked.reads));
    metric(
        "nacre_gateway_osd_writes_total",
        "Transactions that this gateway asked of OSDs; each is replicated once.",
        &one(asked.writes),
    );
    let left = status.recovery.as_ref().map_or(0, |r| r.copies_left);
    metric("nacre_recovery_copies_left", "Object copies still to be made.", &one(left));
    let pgs: Vec<(String, u64)> =
        status.pgs.iter().map(|p| (format!("{{state=\"{}\"}}", p.state), u64::from(p.count))).collect();
    metric("nacre_pgs", "Placement groups by state.", &pgs);
    let by_osd = |value: &dyn Fn(&OsdRow) -> Option<u64>| -> Vec<(String, u64)> {
        osds.iter().filter_map(|o| Some((format!("{{osd=\"{}\"}}", o.id.0), value(o)?))).collect()
    };
    metric("nacre_osd_up", "Whether an OSD serves.", &by_osd(&|o| Some(u64::from(o.up))));
    metric("nacre_osd_in", "Whether an OSD gets data.", &by_osd(&|o| Some(u64::from(o.r#in))));
    metric("nacre_osd_capacity_bytes", "Bytes that an OSD can hold.", &by_osd(&|o| o.total_bytes));
    metric("nacre_osd_used_bytes", "Bytes in use on an OSD.", &by_osd(&|o| o.used_bytes));
    metric("nacre_osd_pgs", "PGs whose acting set an OSD is in.", &by_osd(&|o| Some(u64::from(o.pgs))));
    out
}
