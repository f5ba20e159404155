//! The runs that find the events of a trigger: each has one step, the trigger's call, which is no part of other runs.
//!
//! Such a run is ordered as one that goes only as far as that step, and has its result. What the call is given besides the
//! values of the file is the run's input.

use flowforge_protocol::NodeId;
use serde_json::Value;

use crate::model::{Node, NodeKind, OnError, Output, Poll, Trigger, Workflow};

/// For each trigger whose events a connector finds, its step and the workflow that is nothing but this step.
pub(super) fn parts(model: &Workflow) -> impl Iterator<Item = (NodeId, Workflow)> {
    let triggers = model.triggers.iter();
    triggers.filter_map(|trigger| {
        let node = node_of(trigger)?;
        let part = Workflow {
            triggers: Vec::new(),
            nodes: vec![node.clone()],
            output: Output::Fields(Vec::new()),
            ..model.clone()
        };
        Some((node.id, part))
    })
}

fn node_of(trigger: &Trigger) -> Option<Node> {
    let mut call = trigger.call()?.clone();
    let value = format!("${{input.{}}}", Poll::CURSOR);
    call.with.insert(Poll::CURSOR.to_owned(), Value::String(value));
    Some(Node {
        id: trigger.step()?,
        after: Vec::new(),
        on_error: OnError::Stop,
        fallback: None,
        undo: None,
        disabled: false,
        kind: NodeKind::Call(Box::new(call)),
    })
}
