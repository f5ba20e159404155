//! Order between nodes: which outcomes a node has, and whether nodes wait for each other.

use std::collections::BTreeSet;

use flowforge_protocol::approval::OnExpiry;

use crate::expr::References;
use crate::model::{After, Fallback, Node, NodeKind, OnError};

/// An outcome that `after` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The good one.
    Good,
    /// A case of a switch, by its position.
    Case(usize),
    /// The rejection of an approval.
    Rejected,
    /// The expiry of an approval or of a wait for a signal.
    Expired,
    /// The failure of a node with `on_error: branch`.
    Failed,
}

/// The outcome of a node that an entry of `after` asks for; `None` if the node has no such outcome.
pub(crate) fn wanted(target: &Node, after: &After) -> Option<Wanted> {
    match (after.outcome.as_deref(), &target.kind) {
        (None, _) => Some(Wanted::Good),
        (Some(outcome), NodeKind::Switch { cases }) => cases
            .iter()
            .position(|case| case.name == outcome)
            .map(Wanted::Case),
        (Some("approved"), NodeKind::Approval(_)) => Some(Wanted::Good),
        (Some("rejected"), NodeKind::Approval(_)) => Some(Wanted::Rejected),
        (Some("expired"), NodeKind::Approval(_)) if may_expire(target) => Some(Wanted::Expired),
        (Some("expired"), NodeKind::Wait(_)) if may_expire(target) => Some(Wanted::Expired),
        (Some("failed"), _) if target.on_error == OnError::Branch => Some(Wanted::Failed),
        (Some("done"), _) => Some(Wanted::Good),
        (Some(_), _) => None,
    }
}

/// The names of a node's outcomes, for messages.
pub(crate) fn outcomes(target: &Node) -> Vec<&str> {
    let mut outcomes: Vec<&str> = match &target.kind {
        NodeKind::Switch { cases } => cases.iter().map(|case| case.name.as_str()).collect(),
        NodeKind::Approval(_) if may_expire(target) => vec!["approved", "rejected", "expired"],
        NodeKind::Approval(_) => vec!["approved", "rejected"],
        NodeKind::Wait(_) if may_expire(target) => vec!["done", "expired"],
        _ => vec!["done"],
    };
    if target.on_error == OnError::Branch {
        outcomes.push("failed");
    }
    outcomes
}

/// Whether it is an outcome of a node that what it waits for did not come in time: not of a wait for a signal with a fallback,
/// which stands in for it, nor of a question to which an expiry is an answer.
pub(crate) fn may_expire(target: &Node) -> bool {
    match &target.kind {
        NodeKind::Wait(wait) => wait.signal.is_some() && target.fallback.is_none(),
        NodeKind::Approval(approval) => approval.terms.on_expiry == OnExpiry::Expire,
        _ => false,
    }
}

/// The slot of the node that stands in for another one of the same body, if a node does.
pub(crate) fn stand_in(nodes: &[Node], node: &Node) -> Option<usize> {
    match &node.fallback {
        Some(Fallback::Node(id)) => nodes
            .iter()
            .position(|other| other.id == *id && other.id != node.id),
        _ => None,
    }
}

/// What must have ended before each node of a body ends, given the names that each one uses.
///
/// A node ends after the one that stands in for it, which in turn begins no earlier than the node itself: it waits for
/// whatever that one waits for.
pub(crate) fn waits(nodes: &[Node], names: &[References]) -> Vec<BTreeSet<usize>> {
    let mut begins: Vec<BTreeSet<usize>> = nodes
        .iter()
        .zip(names)
        .map(|(node, names)| {
            let waits_for = |other: &Node| {
                names.all().any(|name| name == other.id.as_str())
                    || node.after.iter().any(|after| after.node == other.id)
            };
            let slots = nodes.iter().enumerate();
            slots
                .filter(|(_, other)| waits_for(other))
                .map(|(slot, _)| slot)
                .collect()
        })
        .collect();
    let stand_ins: Vec<(usize, usize)> = nodes
        .iter()
        .enumerate()
        .filter_map(|(slot, node)| Some((slot, stand_in(nodes, node)?)))
        .collect();
    // A stand-in may have one itself, and so on: as often as there are some, what one waits for reaches the next.
    for _ in &stand_ins {
        for (slot, stand_in) in &stand_ins {
            let inherited = begins.get(*slot).cloned().unwrap_or_default();
            if let Some(of) = begins.get_mut(*stand_in) {
                of.extend(inherited);
            }
        }
    }
    for (slot, stand_in) in stand_ins {
        if let Some(of) = begins.get_mut(slot) {
            of.insert(stand_in);
        }
    }
    begins
}

/// A way around, if the edges (slot → slots it waits for) have one; its first slot stands at the end again.
pub(crate) fn cycle(edges: &[BTreeSet<usize>]) -> Option<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Closed,
    }
    let mut marks = vec![Mark::New; edges.len()];
    for start in 0..edges.len() {
        if marks.get(start) != Some(&Mark::New) {
            continue;
        }
        let mut path: Vec<(usize, Vec<usize>)> = Vec::new();
        let open = |slot: usize| {
            (
                slot,
                edges
                    .get(slot)
                    .map(|e| e.iter().copied().collect())
                    .unwrap_or_default(),
            )
        };
        if let Some(mark) = marks.get_mut(start) {
            *mark = Mark::Open;
        }
        path.push(open(start));
        while let Some((slot, rest)) = path.last_mut() {
            let Some(next) = rest.pop() else {
                if let Some(mark) = marks.get_mut(*slot) {
                    *mark = Mark::Closed;
                }
                path.pop();
                continue;
            };
            match marks.get(next) {
                Some(Mark::Open) => {
                    let from = path.iter().position(|(slot, _)| *slot == next).unwrap_or(0);
                    let mut around: Vec<usize> = path.iter().skip(from).map(|(slot, _)| *slot).collect();
                    // The path follows "waits for"; people read "comes before".
                    around.reverse();
                    around.extend(around.first().copied());
                    return Some(around);
                }
                Some(Mark::New) => {
                    if let Some(mark) = marks.get_mut(next) {
                        *mark = Mark::Open;
                    }
                    path.push(open(next));
                }
                _ => {}
            }
        }
    }
    None
}
