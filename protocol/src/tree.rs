//! A hash tree over messages, so that one signature stands for many of them.
//!
//! Owns the shape: leaves and nodes are hashed with different first bytes, an odd node goes up as it is. Leaves to others
//! what a leaf is and who signs the root. Invariant: a path leads from a leaf to one root only if the leaf stood at this
//! place in a tree of this size. Source: RFC 9162, section 2.1 (the same tree and the same paths).

use serde::{Deserialize, Serialize};

use crate::Digest;

/// Most leaves of a tree that is read.
pub(crate) const MAX_LEAVES: u64 = 1 << 20;
/// Most digests of a path in such a tree.
pub(crate) const MAX_PATH: usize = 20;

/// Where a leaf stands, and what leads from it to the root; it travels beside the signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Path {
    /// Place of the leaf, from 0.
    pub(crate) index: u64,
    /// Leaves of the tree.
    pub(crate) size: u64,
    /// The neighbours, from the leaf up.
    #[serde(rename = "path")]
    pub(crate) neighbours: Vec<Digest>,
}

/// The digest of a leaf.
pub(crate) fn leaf(message: &[u8]) -> Digest {
    Digest::of_parts(&[&[0], message])
}

fn node(left: &Digest, right: &Digest) -> Digest {
    Digest::of_parts(&[&[1], left.as_bytes(), right.as_bytes()])
}

/// The root over these leaves and the path of each; the root of none is the digest of no bytes.
pub(crate) fn grow(leaves: &[Digest]) -> (Digest, Vec<Path>) {
    let size = leaves.len() as u64;
    let mut paths: Vec<Path> = (0..size)
        .map(|index| Path {
            index,
            size,
            neighbours: Vec::new(),
        })
        .collect();
    let mut level = leaves.to_vec();
    let mut height = 0_u32;
    while level.len() > 1 {
        for (place, path) in paths.iter_mut().enumerate() {
            let neighbour = (place >> height) ^ 1;
            path.neighbours.extend(level.get(neighbour));
        }
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => node(left, right),
                _ => pair.first().copied().unwrap_or_else(|| Digest::of(&[])),
            })
            .collect();
        height += 1;
    }
    (level.first().copied().unwrap_or_else(|| Digest::of(&[])), paths)
}

/// The root to which the path leads from this leaf; `None` if a path in a tree of this size has another length.
pub(crate) fn climb(leaf: Digest, path: &Path) -> Option<Digest> {
    if path.index >= path.size || path.size > MAX_LEAVES || path.neighbours.len() > MAX_PATH {
        return None;
    }
    let mut neighbours = path.neighbours.iter();
    let (mut index, mut size, mut here) = (path.index, path.size, leaf);
    while size > 1 {
        if index % 2 == 1 {
            here = node(neighbours.next()?, &here);
        } else if index + 1 < size {
            here = node(&here, neighbours.next()?);
        }
        index /= 2;
        size = size.div_ceil(2);
    }
    neighbours.next().is_none().then_some(here)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: u8) -> Vec<Digest> {
        (0..count).map(|n| leaf(&[n])).collect()
    }

    #[test]
    fn every_leaf_of_every_size_climbs_to_the_root() {
        for count in 1..=70 {
            let leaves = leaves(count);
            let (root, paths) = grow(&leaves);
            for (leaf, path) in leaves.iter().zip(&paths) {
                assert!(path.neighbours.len() <= MAX_PATH);
                assert_eq!(climb(*leaf, path), Some(root), "{count}: {path:?}");
            }
        }
    }

    #[test]
    fn no_other_leaf_place_size_or_path_leads_there() {
        let leaves = leaves(11);
        let (root, paths) = grow(&leaves);
        for (index, path) in paths.iter().enumerate() {
            for (other, leaf) in leaves.iter().enumerate() {
                assert_eq!(climb(*leaf, path) == Some(root), other == index);
            }
            let mut moved = path.clone();
            moved.index = (moved.index + 1) % moved.size;
            assert_ne!(climb(leaves[index], &moved), Some(root));
            let mut longer = path.clone();
            longer.neighbours.push(root);
            assert_eq!(climb(leaves[index], &longer), None);
            let mut shorter = path.clone();
            shorter.neighbours.pop();
            assert_ne!(climb(leaves[index], &shorter), Some(root));
        }
        let outside = Path {
            index: 11,
            size: 11,
            neighbours: Vec::new(),
        };
        assert_eq!(climb(leaves[0], &outside), None);
    }

    /// Without different first bytes a node could be shown as a leaf.
    #[test]
    fn a_node_is_no_leaf() {
        let two = leaves(2);
        let joined = [two[0].as_bytes().as_slice(), two[1].as_bytes()].concat();
        assert_ne!(grow(&two).0, leaf(&joined));
    }
}
