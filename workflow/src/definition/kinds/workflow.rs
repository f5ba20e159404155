//! `workflow`: a run of another workflow.

use serde_json::Map;

use super::At;
use crate::definition::model::{Child, NodeKind};
use crate::definition::reader::{Reader, join};
use crate::names;

pub(super) fn read(reader: &mut Reader<'_>, at: &mut At<'_, '_>) -> Option<NodeKind> {
    let workflow = reader.text(&at.path, at.entry);
    if let Some(name) = workflow.as_deref().filter(|name| !names::is_kebab(name)) {
        let message = format!("`{name}` is not a workflow name");
        let fix = "name a published workflow of this project, for example `workflow: send-invoice`";
        reader.problem_fix("FF-WF-007", at.entry.node.span.start, message, fix);
    }
    let with = match at.section.get("with") {
        Some(entry) => reader.free_map(&join(at.base, "with"), entry).unwrap_or_default(),
        None => Map::new(),
    };
    let detach = at
        .section
        .get("detach")
        .is_some_and(|entry| reader.flag(&join(at.base, "detach"), entry));
    Some(NodeKind::Workflow(Child {
        workflow: workflow?,
        with,
        detach,
    }))
}
