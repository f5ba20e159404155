//! `set`: an object of values.

use super::At;
use crate::definition::model::NodeKind;
use crate::definition::reader::Reader;

pub(super) fn read(reader: &mut Reader<'_>, at: &mut At<'_, '_>) -> Option<NodeKind> {
    let entries = reader.entries(&at.path, &at.entry.node)?;
    reader.place_all(&at.path, Some(at.entry), &at.entry.node);
    Some(NodeKind::Set {
        fields: reader.fields(entries),
    })
}
