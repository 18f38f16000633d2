//! The node layout of tree buckets: an in-order binary tree in an array, leaves at odd places.

/// More items would need 256 nodes or more, and Ceph stores the number of nodes in one byte.
pub(crate) const ITEMS_MAX: usize = 64;

/// The node of the item at `position`.
#[inline]
pub(crate) fn leaf(position: usize) -> usize {
    2 * position + 1
}

/// How far a node is above the leaves.
#[inline]
fn height(node: usize) -> u32 {
    node.trailing_zeros()
}

/// The left child of an inner node.
#[inline]
pub(crate) fn left(node: usize) -> usize {
    node - (1 << (height(node) - 1))
}

/// The right child of an inner node.
#[inline]
pub(crate) fn right(node: usize) -> usize {
    node + (1 << (height(node) - 1))
}

/// The parent of a node.
fn parent(node: usize) -> usize {
    let height = height(node);
    if node & (1 << (height + 1)) != 0 { node - (1 << height) } else { node + (1 << height) }
}

/// Levels of a tree over `items` leaves, leaves included; 0 for none.
pub(crate) fn depth(items: usize) -> u32 {
    if items == 0 { 0 } else { 1 + (usize::BITS - (items - 1).leading_zeros()) }
}

/// The weights of all nodes: leaves as given, inner nodes the sum below them. Node 0 is unused.
/// The caller has made sure that the sum fits.
pub(crate) fn node_weights(weights: &[u32]) -> Vec<u32> {
    let depth = depth(weights.len());
    if depth == 0 {
        return Vec::new();
    }
    let mut nodes = vec![0u32; 1 << depth];
    for (position, weight) in weights.iter().enumerate() {
        let mut node = leaf(position);
        nodes[node] = *weight;
        for _ in 1..depth {
            node = parent(node);
            nodes[node] += *weight;
        }
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_nodes_hold_the_sum_of_their_children() {
        for items in 1..=ITEMS_MAX {
            let weights: Vec<u32> = (1..=items as u32).collect();
            let nodes = node_weights(&weights);
            for node in 1..nodes.len() {
                if node % 2 == 0 {
                    assert_eq!(nodes[node], nodes[left(node)] + nodes[right(node)]);
                }
            }
            assert_eq!(nodes[nodes.len() / 2], weights.iter().sum::<u32>());
        }
    }
}
