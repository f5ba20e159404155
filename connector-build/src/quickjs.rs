//! What componentize-qjs leaves around a component, taken off again.
//!
//! Its engine imports `local:init/module-loader` while the component is made. Afterwards the tool closes that import by
//! putting the component into an outer one beside a stub, and the outer one repeats every type without saying where it
//! came from: `failure` is no longer the one of `flowforge:connector/types`, and `json` is a plain text. So the inner
//! component is taken out, and its import replaced in place by an instance of a stub of our own.

use flowforge_ports::hollow_component;
use wasm_encoder::reencode::{Error, Reencode, ReencodeComponent, component_utils};
use wasm_encoder::{
    Component, ComponentImportSection, ComponentInstanceSection, ComponentSectionId, RawSection,
};
use wasmparser::{ComponentImportSectionReader, Parser, Payload};
use wit_parser::Resolve;

use crate::BuildError;

/// The import that exists only while the component is made.
const LOADER: &str = "local:init/module-loader";

/// The functions of [`LOADER`]. They stop the component if it calls them.
const STUB: &str = "package local:stub;
world stub {
  export resolve: func(referrer: string, specifier: string) -> result<string, string>;
  export load: func(path: string) -> result<string, string>;
}";

/// The component inside, without its import of the loader.
///
/// # Errors
/// [`BuildError::Tool`] if the component is not built as expected: the tool's version and this module belong together.
pub(crate) fn taken_out(component: &[u8]) -> Result<Vec<u8>, BuildError> {
    let inner =
        inner_of(component)?.ok_or_else(|| unexpected("no component inside imports the module loader"))?;
    let stub = stub().map_err(|error| unexpected(&error))?;
    let mut out = Component::new();
    // First, so that it has index 0 and every other component one more than before.
    out.section(&RawSection {
        id: ComponentSectionId::Component.into(),
        data: &stub,
    });
    let parsed =
        component_utils::parse_component(&mut Closing::default(), &mut out, Parser::new(0), inner, inner);
    parsed.map_err(|error| unexpected(&error.to_string()))?;
    Ok(out.finish())
}

fn unexpected(what: &str) -> BuildError {
    BuildError::Tool {
        tool: "componentize-qjs".to_owned(),
        status: "unexpected output".to_owned(),
        output: what.to_owned(),
    }
}

/// The nested component that imports the loader.
fn inner_of(component: &[u8]) -> Result<Option<&[u8]>, BuildError> {
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(|error| unexpected(&error.to_string()))? {
            Payload::Version { .. } => depth = depth.saturating_add(1),
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentSection { unchecked_range, .. } if depth == 1 => {
                let nested = component.get(unchecked_range).unwrap_or_default();
                if imports_loader(nested) {
                    return Ok(Some(nested));
                }
            }
            _ => {}
        }
    }
    Ok(None)
}

fn imports_loader(component: &[u8]) -> bool {
    let mut depth = 0_usize;
    Parser::new(0)
        .parse_all(component)
        .map_while(Result::ok)
        .any(|payload| match payload {
            Payload::Version { .. } => {
                depth = depth.saturating_add(1);
                false
            }
            Payload::End(_) => {
                depth = depth.saturating_sub(1);
                false
            }
            Payload::ComponentImportSection(section) if depth == 1 => section
                .into_iter()
                .flatten()
                .any(|import| import.name.name == LOADER),
            _ => false,
        })
}

/// A component that exports the loader's functions.
fn stub() -> Result<Vec<u8>, String> {
    let told = |error: &dyn std::fmt::Display| format!("{error:#}");
    let mut resolve = Resolve::default();
    let package = resolve.push_str("stub.wit", STUB).map_err(|error| told(&error))?;
    let world = resolve
        .select_world(&[package], None)
        .map_err(|error| told(&error))?;
    hollow_component(&resolve, world)
}

/// Copies a component and puts an instance of component 0 in the place of the loader's import.
#[derive(Default)]
struct Closing {
    /// How many components and modules deep; 0 is the component itself.
    depth: u32,
}

impl Reencode for Closing {
    type Error = std::convert::Infallible;
}

impl ReencodeComponent for Closing {
    fn push_depth(&mut self) {
        self.depth = self.depth.saturating_add(1);
    }

    fn pop_depth(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn component_index(&mut self, index: u32) -> u32 {
        if self.depth == 0 {
            index.saturating_add(1)
        } else {
            index
        }
    }

    fn parse_component_payload(
        &mut self,
        component: &mut Component,
        payload: Payload<'_>,
        whole_component: &[u8],
    ) -> Result<(), Error<Self::Error>> {
        match payload {
            Payload::ComponentImportSection(section) if self.depth == 0 => self.imports(component, section),
            other => component_utils::parse_component_payload(self, component, other, whole_component),
        }
    }

    /// Modules stay as they are, byte for byte.
    fn parse_component_submodule(
        &mut self,
        component: &mut Component,
        _parser: Parser,
        module: &[u8],
    ) -> Result<(), Error<Self::Error>> {
        component.section(&RawSection {
            id: ComponentSectionId::CoreModule.into(),
            data: module,
        });
        Ok(())
    }
}

impl Closing {
    fn imports(
        &mut self,
        component: &mut Component,
        section: ComponentImportSectionReader<'_>,
    ) -> Result<(), Error<std::convert::Infallible>> {
        for import in section {
            let import = import?;
            if import.name.name == LOADER {
                let mut instances = ComponentInstanceSection::new();
                let no_arguments: [(&str, wasm_encoder::ComponentExportKind, u32); 0] = [];
                instances.instantiate(0, no_arguments);
                component.section(&instances);
            } else {
                let mut imports = ComponentImportSection::new();
                imports.import(import.name, self.component_type_ref(import.ty)?);
                component.section(&imports);
            }
        }
        Ok(())
    }
}
