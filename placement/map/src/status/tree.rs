//! The CRUSH tree with its OSDs.

use super::answer::millionths;
use crate::cluster_map::ClusterMap;
use crate::ids::OsdId;
use serde::Serialize;

/// A bucket or an OSD.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TreeNode {
    /// CRUSH's id: OSDs from 0 up, buckets below 0.
    pub id: i64,
    /// `osd.3`, `host1`.
    pub name: String,
    /// `osd`, `host`, `root`.
    pub r#type: String,
    /// How deep it hangs; roots 0.
    pub depth: u32,
    /// CRUSH weight in millionths (1.0 = 1,000,000).
    pub crush_weight_millionths: u64,
    /// OSDs only: `up` or `down`.
    pub status: Option<String>,
    /// OSDs only: in/out weight in millionths.
    pub reweight_millionths: Option<u64>,
    /// OSDs only: primary affinity in millionths.
    pub primary_affinity_millionths: Option<u64>,
    /// OSDs only: device class.
    pub class: Option<String>,
}
stdx::codec_versioned!(TreeNode, 1 {
    id, name, r#type, depth, crush_weight_millionths, status, reweight_millionths, primary_affinity_millionths, class
});

/// All trees depth first, and OSDs that hang nowhere at the end.
pub(super) fn tree(map: &ClusterMap) -> Vec<TreeNode> {
    let mut nodes = Vec::new();
    let mut roots = map.crush.roots();
    roots.reverse(); // the oldest first
    for root in roots {
        descend(map, root, 0, &mut nodes);
    }
    for id in map.osds.keys() {
        let item = i64::from(id.0);
        if !nodes.iter().any(|node| node.id == item) {
            nodes.push(device(map, *id, 0));
        }
    }
    nodes
}

/// Deeper than any sane tree; ends a walk over a map with a cycle.
const DEPTH_MAX: u32 = 32;

fn descend(map: &ClusterMap, item: i32, depth: u32, nodes: &mut Vec<TreeNode>) {
    if let Ok(osd) = u32::try_from(item) {
        nodes.push(device(map, OsdId(osd), depth));
        return;
    }
    let Some(bucket) = map.crush.bucket(item) else { return };
    nodes.push(TreeNode {
        id: i64::from(item),
        name: map.crush.item_name(item).unwrap_or_default().to_owned(),
        r#type: map
            .crush
            .kind_of(item)
            .and_then(|kind| map.crush.type_name(kind))
            .unwrap_or_default()
            .to_owned(),
        depth,
        crush_weight_millionths: millionths(bucket.weight()),
        status: None,
        reweight_millionths: None,
        primary_affinity_millionths: None,
        class: None,
    });
    if depth < DEPTH_MAX {
        let mut items = bucket.items().to_vec();
        items.sort_by_key(|item| (*item < 0, map.crush.item_name(*item).map(str::to_owned), *item));
        for child in items {
            descend(map, child, depth + 1, nodes);
        }
    }
}

fn device(map: &ClusterMap, id: OsdId, depth: u32) -> TreeNode {
    let item = i32::try_from(id.0).unwrap_or(i32::MAX);
    let osd = map.osds.get(&id);
    TreeNode {
        id: i64::from(id.0),
        name: id.to_string(),
        r#type: "osd".to_owned(),
        depth,
        crush_weight_millionths: millionths(map.crush.item_weight(item).unwrap_or(0)),
        status: osd.map(|osd| if osd.up { "up".to_owned() } else { "down".to_owned() }),
        reweight_millionths: osd.map(|osd| millionths(osd.weight)),
        primary_affinity_millionths: osd.map(|osd| millionths(osd.primary_affinity)),
        class: map.crush.device_class(item).map(str::to_owned),
    }
}
