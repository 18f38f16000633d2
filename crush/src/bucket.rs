//! A bucket: an inner node of the hierarchy, and the derived numbers its algorithm draws with.

use crate::tree;
use crate::{Error, straw};

/// One in CRUSH's 16.16 fixed-point weights.
pub const WEIGHT_ONE: u32 = 0x1_0000;

/// How a bucket picks one of its items. The numbers are Ceph's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Alg {
    /// All items weigh the same; a permutation by hash. O(1) for the first pick.
    Uniform = 1,
    /// A linked list of items; adding at the end moves little. O(n).
    List = 2,
    /// A binary tree of weights. O(log n); at most 64 items, as in Ceph (the node count is one byte).
    Tree = 3,
    /// The first, flawed straw: changing one weight moves data between others. O(n).
    Straw = 4,
    /// Straw with independent exponential draws; what Ceph uses by default. O(n).
    Straw2 = 5,
}

impl Alg {
    /// The algorithm of Ceph's number, if it is one.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Uniform,
            2 => Self::List,
            3 => Self::Tree,
            4 => Self::Straw,
            5 => Self::Straw2,
            _ => return None,
        })
    }

    /// The word in a text map.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::List => "list",
            Self::Tree => "tree",
            Self::Straw => "straw",
            Self::Straw2 => "straw2",
        }
    }

    /// The algorithm of a text map's word, if it is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Uniform, Self::List, Self::Tree, Self::Straw, Self::Straw2]
            .into_iter()
            .find(|alg| alg.name() == name)
    }
}

/// What each algorithm keeps beside the items. One entry an item unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Draw {
    Uniform {
        item_weight: u32,
    },
    /// `sums[i]` is the weight of items `0..=i`.
    List {
        weights: Vec<u32>,
        sums: Vec<u32>,
    },
    /// Item `i` is leaf `2i + 1` of an in-order binary tree; the root is node `nodes.len() / 2`.
    Tree {
        nodes: Vec<u32>,
    },
    /// `straws` are lengths in 16.16.
    Straw {
        weights: Vec<u32>,
        straws: Vec<u32>,
    },
    Straw2 {
        weights: Vec<u32>,
    },
}

/// An inner node: a host, a rack, a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    pub(crate) id: i32,
    pub(crate) kind: u16,
    /// Ceph's hash number; only 0 (rjenkins1) exists. Others are kept, and hash everything to 0 as in Ceph.
    pub(crate) hash: u8,
    /// Total weight in 16.16. Stored, not computed: a map may hold any number here, and Ceph keeps it.
    pub(crate) weight: u32,
    pub(crate) items: Vec<i32>,
    pub(crate) draw: Draw,
}

impl Bucket {
    /// A bucket without items.
    pub(crate) fn empty(id: i32, kind: u16, alg: Alg) -> Self {
        let draw = match alg {
            Alg::Uniform => Draw::Uniform { item_weight: 0 },
            Alg::List => Draw::List { weights: Vec::new(), sums: Vec::new() },
            Alg::Tree => Draw::Tree { nodes: Vec::new() },
            Alg::Straw => Draw::Straw { weights: Vec::new(), straws: Vec::new() },
            Alg::Straw2 => Draw::Straw2 { weights: Vec::new() },
        };
        Self { id, kind, hash: 0, weight: 0, items: Vec::new(), draw }
    }

    /// A bucket of `items` with `weights` (16.16, one an item). A uniform bucket takes the first weight for all.
    ///
    /// # Errors
    /// [`Error::WeightOverflow`] where the sum leaves 32 bits, [`Error::TreeTooLarge`] over 64 items in a tree.
    pub(crate) fn filled(
        id: i32,
        kind: u16,
        alg: Alg,
        items: Vec<i32>,
        weights: Vec<u32>,
        straw_calc_version: u8,
    ) -> Result<Self, Error> {
        assert_eq!(items.len(), weights.len(), "bucket {id}: one weight an item");
        let overflow = |item: i32| Error::WeightOverflow { bucket: id, item };
        let mut sums = Vec::with_capacity(items.len());
        let mut sum = 0u32;
        let uniform = weights.first().copied().unwrap_or(0);
        for (item, weight) in items.iter().zip(&weights) {
            let weight = if alg == Alg::Uniform { uniform } else { *weight };
            sum = sum.checked_add(weight).ok_or_else(|| overflow(*item))?;
            sums.push(sum);
        }
        let draw = match alg {
            Alg::Uniform => Draw::Uniform { item_weight: uniform },
            Alg::List => Draw::List { weights, sums },
            Alg::Tree => {
                if items.len() > tree::ITEMS_MAX {
                    return Err(Error::TreeTooLarge { bucket: id, items: items.len() });
                }
                Draw::Tree { nodes: tree::node_weights(&weights) }
            }
            Alg::Straw => {
                let straws = straw::lengths(&weights, straw_calc_version);
                Draw::Straw { weights, straws }
            }
            Alg::Straw2 => Draw::Straw2 { weights },
        };
        Ok(Self { id, kind, hash: 0, weight: sum, items, draw })
    }

    /// The id: always below zero.
    #[must_use]
    pub fn id(&self) -> i32 {
        self.id
    }

    /// The type: 1 host, 3 rack and so on, by the map's own numbering.
    #[must_use]
    pub fn kind(&self) -> i32 {
        i32::from(self.kind)
    }

    /// How it draws.
    #[must_use]
    pub fn alg(&self) -> Alg {
        match self.draw {
            Draw::Uniform { .. } => Alg::Uniform,
            Draw::List { .. } => Alg::List,
            Draw::Tree { .. } => Alg::Tree,
            Draw::Straw { .. } => Alg::Straw,
            Draw::Straw2 { .. } => Alg::Straw2,
        }
    }

    /// Total weight, 16.16.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// Devices (0 and up) and buckets (below zero), in order; the order matters to some algorithms.
    #[must_use]
    pub fn items(&self) -> &[i32] {
        &self.items
    }

    /// The weight (16.16) of the item at `position`, 0 past the end.
    #[must_use]
    pub fn item_weight(&self, position: usize) -> u32 {
        if position >= self.items.len() {
            return 0;
        }
        match &self.draw {
            Draw::Uniform { item_weight } => *item_weight,
            Draw::List { weights, .. } | Draw::Straw { weights, .. } | Draw::Straw2 { weights } => {
                weights[position]
            }
            Draw::Tree { nodes } => nodes.get(tree::leaf(position)).copied().unwrap_or(0),
        }
    }

    /// The weights (16.16) of all items, in their order.
    #[must_use]
    pub fn item_weights(&self) -> Vec<u32> {
        (0..self.items.len()).map(|position| self.item_weight(position)).collect()
    }

    /// Where `item` stands, if it is here.
    #[must_use]
    pub fn position(&self, item: i32) -> Option<usize> {
        self.items.iter().position(|other| *other == item)
    }
}
