//! `foreach`: a body for each element of a list.

use super::At;
use crate::definition::model::{Foreach, NodeKind};
use crate::definition::reader::{Reader, join};
use crate::limits::MAX_PARALLEL;

const DEFAULT_PARALLEL: u32 = 1;

pub(super) fn read(reader: &mut Reader<'_>, at: &mut At<'_, '_>) -> Option<NodeKind> {
    let list = reader.text(&at.path, at.entry);
    let item = match at.section.get("as") {
        Some(entry) => {
            let name = reader.text(&join(at.base, "as"), entry);
            if let Some(name) = &name {
                reader.check_snake(name, entry.node.span.start, "the element");
            }
            if let Some(name) = name.as_deref().filter(|name| *name != "item") {
                reader.check_reserved(name, entry.node.span.start, "the element");
            }
            name
        }
        None => Some("item".to_owned()),
    };
    let parallel = match at.section.get("parallel") {
        Some(entry) => reader.whole(&join(at.base, "parallel"), entry, 1..=MAX_PARALLEL),
        None => Some(DEFAULT_PARALLEL),
    };
    let body = reader.inner_nodes(at, "foreach", "the nodes to run for each element")?;
    Some(NodeKind::Foreach(Foreach {
        list: list?,
        item: item?,
        parallel: parallel?,
        body,
    }))
}
