//! `nacre osd df tree`: space by failure domain, down to each OSD.

use super::answer::{ask, nonsense};
use crate::cli::{Format, Global};
use crate::exit::Failure;
use crate::{size, table};
use placement_map::status::{Answer, OsdRow, Query, TreeNode};
use serde::Serialize;

/// Carries out the command.
pub(super) async fn run(global: &Global) -> Result<(), Failure> {
    let Answer::OsdTree { nodes } = ask(global, Query::OsdTree).await? else { return Err(nonsense()) };
    let Answer::OsdDf { osds } = ask(global, Query::OsdDf).await? else { return Err(nonsense()) };
    let nodes = join(nodes, &osds);
    match global.format {
        Format::Plain => print!("{}", plain(&nodes)),
        Format::Json => println!("{}", serde_json::json!({ "nodes": nodes })),
    }
    Ok(())
}

/// A node of the tree with the space of all OSDs at and below it.
#[derive(Debug, Serialize)]
struct Node {
    #[serde(flatten)]
    node: TreeNode,
    /// None while no OSD at or below it has reported.
    total_bytes: Option<u64>,
    used_bytes: Option<u64>,
    /// PGs on it; for a bucket the sum over its OSDs.
    pgs: u32,
}

/// `nodes` are depth first, so what is below a node follows it and is deeper.
fn join(nodes: Vec<TreeNode>, osds: &[OsdRow]) -> Vec<Node> {
    let sums: Vec<(Option<u64>, Option<u64>, u32)> = (0..nodes.len())
        .map(|at| {
            let below = nodes[at + 1..].iter().take_while(|node| node.depth > nodes[at].depth);
            let ids = std::iter::once(&nodes[at]).chain(below).filter_map(|node| u32::try_from(node.id).ok());
            let rows = ids.filter_map(|id| osds.iter().find(|osd| osd.id.0 == id));
            rows.fold((None, None, 0), |(total, used, pgs), osd| {
                (add(total, osd.total_bytes), add(used, osd.used_bytes), pgs + osd.pgs)
            })
        })
        .collect();
    let one = |(node, (total_bytes, used_bytes, pgs))| Node { node, total_bytes, used_bytes, pgs };
    nodes.into_iter().zip(sums).map(one).collect()
}

fn add(sum: Option<u64>, more: Option<u64>) -> Option<u64> {
    match (sum, more) {
        (None, other) | (other, None) => other,
        (Some(sum), Some(more)) => Some(sum.saturating_add(more)),
    }
}

fn plain(nodes: &[Node]) -> String {
    let weight = |millionths: u64| format!("{:.5}", millionths as f64 / 1e6);
    let bytes = |bytes: Option<u64>| bytes.map_or("-".into(), size::show);
    let row = |n: &Node| {
        let share = match (n.used_bytes, n.total_bytes) {
            (Some(used), Some(total)) if total > 0 => format!("{:.1} %", 100.0 * used as f64 / total as f64),
            _ => "-".into(),
        };
        let (depth, kind) = (n.node.depth as usize, &n.node.r#type);
        let name = if kind == "osd" { n.node.name.clone() } else { format!("{kind} {}", n.node.name) };
        vec![
            n.node.id.to_string(),
            n.node.class.clone().unwrap_or_default(),
            weight(n.node.crush_weight_millionths),
            n.node.reweight_millionths.map_or("-".into(), weight),
            bytes(n.total_bytes),
            bytes(n.used_bytes),
            share,
            n.pgs.to_string(),
            n.node.status.clone().unwrap_or_default(),
            format!("{}{name}", "    ".repeat(depth)),
        ]
    };
    let heading = ["ID", "CLASS", "WEIGHT", "REWEIGHT", "SIZE", "USED", "%", "PGS", "STATUS", "TYPE NAME"];
    table::render(&heading, &nodes.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use placement_map::OsdId;

    fn node(id: i64, name: &str, kind: &str, depth: u32) -> TreeNode {
        TreeNode {
            id,
            name: name.into(),
            r#type: kind.into(),
            depth,
            crush_weight_millionths: 1_000_000,
            status: None,
            reweight_millionths: None,
            primary_affinity_millionths: None,
            class: None,
        }
    }

    fn osd(id: u32, total_bytes: Option<u64>) -> OsdRow {
        OsdRow {
            id: OsdId(id),
            up: true,
            r#in: true,
            class: None,
            host: None,
            addr: None,
            crush_weight_millionths: 1_000_000,
            reweight_millionths: 1_000_000,
            total_bytes,
            used_bytes: total_bytes.map(|total| total / 4),
            pgs: 5,
        }
    }

    #[test]
    fn buckets_sum_what_is_below_them() {
        let nodes = vec![
            node(-1, "default", "root", 0),
            node(-2, "h1", "host", 1),
            node(0, "osd.0", "osd", 2),
            node(1, "osd.1", "osd", 2),
            node(-3, "h2", "host", 1),
            node(2, "osd.2", "osd", 2),
        ];
        let osds = [osd(0, Some(100)), osd(1, Some(60)), osd(2, None)];
        let joined = join(nodes, &osds);
        let sums: Vec<(Option<u64>, u32)> = joined.iter().map(|n| (n.total_bytes, n.pgs)).collect();
        let sum = |total, pgs| (total, pgs);
        assert_eq!(
            sums,
            [
                sum(Some(160), 15),
                sum(Some(160), 10),
                sum(Some(100), 5),
                sum(Some(60), 5),
                sum(None, 5),
                sum(None, 5)
            ]
        );
        let text = plain(&joined);
        assert!(text.contains("    host h1") && text.contains("25.0 %"), "{text}");
    }
}
