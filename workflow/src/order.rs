//! Order between nodes: which outcomes a node has, and whether nodes wait for each other.

use std::collections::BTreeSet;

use crate::model::{After, Node, NodeKind, OnError};
use crate::plan::Wanted;

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
        (Some("expired"), NodeKind::Approval(_)) => Some(Wanted::Expired),
        (Some("expired"), NodeKind::Wait(wait)) if wait.signal.is_some() => Some(Wanted::Expired),
        (Some("failed"), _) if target.on_error == OnError::Branch => Some(Wanted::Failed),
        (Some("done"), _) => Some(Wanted::Good),
        (Some(_), _) => None,
    }
}

/// The names of a node's outcomes, for messages.
pub(crate) fn outcomes(target: &Node) -> Vec<&str> {
    let mut outcomes: Vec<&str> = match &target.kind {
        NodeKind::Switch { cases } => cases.iter().map(|case| case.name.as_str()).collect(),
        NodeKind::Approval(_) => vec!["approved", "rejected", "expired"],
        NodeKind::Wait(wait) if wait.signal.is_some() => vec!["done", "expired"],
        _ => vec!["done"],
    };
    if target.on_error == OnError::Branch {
        outcomes.push("failed");
    }
    outcomes
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
