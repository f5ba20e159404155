//! Operations and ports that say nothing of themselves. Nothing is refused for it: who builds a workflow sees a form with
//! bare names, and the author is told where a sentence is missing.

use crate::Diagnostic;
use crate::derived::Places;
use crate::world::World;

/// Code of an operation or a port without a description.
const WITHOUT: &str = "FF-BLD-010";

/// The operations and parameters of a world without a doc comment, each with its place: in the author's source if `places`
/// holds it, else in `wit/`.
pub(crate) fn undescribed(world: &World, places: Option<&Places>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for operation in &world.interface.operations {
        let docs = world.docs.operations.get(&operation.name);
        let line = world.line_of(&operation.export.function, None);
        let mut without = |key: &str, line: Option<(String, usize)>, message: String, mend: &str| {
            let known = places.and_then(|places| places.get(key)).cloned();
            let (file, line, column) = known.map_or_else(
                || {
                    let (file, line) = line.unwrap_or_else(|| ("wit/world.wit".to_owned(), 0));
                    (file, line, 0)
                },
                |place| (place.file, place.line, place.column),
            );
            found.push(Diagnostic {
                file,
                line,
                column,
                code: Some(WITHOUT.to_owned()),
                message,
                mend: Some(mend.to_owned()),
            });
        };
        if docs.and_then(|docs| docs.text.as_ref()).is_none() {
            without(
                &operation.name,
                line,
                format!("operation {} has no description", operation.name),
                "write a doc comment above it: it is what people choose the operation by",
            );
        }
        for param in &operation.params {
            if docs.is_none_or(|docs| !docs.members.contains_key(&param.name)) {
                without(
                    &format!("{}.{}", operation.name, param.name),
                    world.line_of(&operation.export.function, Some(&param.wit_name)),
                    format!("port {} of {} has no description", param.name, operation.name),
                    "say what it takes: the form of a step shows it beside the field",
                );
            }
        }
    }
    found
}
