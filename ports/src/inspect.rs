//! From a component's bytes to its interface.

use std::collections::BTreeMap;

use wasmparser::{Encoding, Parser, Payload};
use wit_component::DecodedWasm;
use wit_parser::{Function, FunctionKind, Resolve, Type as WitType, TypeDefKind, World, WorldItem, WorldKey};

use crate::docs::{interface_short_name, operation_name};
use crate::meta::META_BYTES_MAX;
use crate::names::json_name;
use crate::types_of::{TypeReader, is_standard_failure};
use crate::{
    Capability, CapabilityKind, ConnectorMeta, Docs, Effect, ExportName, Interface, META_SECTION,
    NotCallable, Operation, Port, Type,
};

/// Why the bytes have no interface.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The file is no WebAssembly at all.
    #[error("not a WebAssembly file; expected a component, as `flowforge connector build` writes it")]
    NotWasm,
    /// The file is a WebAssembly module without the component layer.
    #[error(
        "a core WebAssembly module, not a component; build for wasm32-wasip2, or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    /// The file is a WIT package in binary form: types without code.
    #[error("a WIT package without code, not a component")]
    WitPackage,
    /// The file breaks off or breaks the rules.
    #[error("malformed component: {reason}")]
    Malformed {
        /// What is wrong, with the offset where the parser gives one.
        reason: String,
    },
}

/// Everything that can be known of a component without running it.
///
/// Validates the whole component, code included. Time and memory grow with the size of the file; the caller bounds it.
///
/// # Errors
/// One variant of [`InspectError`] for each kind of wrong file; all are final for these bytes.
pub fn inspect(component: &[u8]) -> Result<Interface, InspectError> {
    check_header(component)?;
    let meta = read_meta(component)?;
    let decoded = wit_component::decode(component).map_err(|error| InspectError::Malformed {
        reason: format!("{error:#}"),
    })?;
    let (resolve, world) = match decoded {
        DecodedWasm::Component(resolve, world) => (resolve, world),
        DecodedWasm::WitPackage(..) => return Err(InspectError::WitPackage),
    };
    let world = resolve.worlds.get(world).ok_or_else(|| InspectError::Malformed {
        reason: "it has no world".to_owned(),
    })?;
    Ok(Reader::new(&resolve, meta).read(world))
}

fn check_header(bytes: &[u8]) -> Result<(), InspectError> {
    if !bytes.starts_with(b"\0asm") {
        return Err(InspectError::NotWasm);
    }
    if Parser::is_core_wasm(bytes) {
        return Err(InspectError::CoreModule);
    }
    Ok(())
}

fn read_meta(component: &[u8]) -> Result<Option<ConnectorMeta>, InspectError> {
    let malformed = |reason: String| InspectError::Malformed { reason };
    let mut found = None;
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(|error| malformed(error.to_string()))? {
            Payload::Version { encoding, .. } => {
                if depth == 0 && encoding != Encoding::Component {
                    return Err(InspectError::CoreModule);
                }
                depth = depth.saturating_add(1);
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if depth == 1 && section.name() == META_SECTION => {
                if section.data().len() > META_BYTES_MAX {
                    return Err(malformed(format!(
                        "its `{META_SECTION}` section is above {META_BYTES_MAX} bytes"
                    )));
                }
                if found.is_some() {
                    return Err(malformed(format!("it has two `{META_SECTION}` sections")));
                }
                let meta = serde_json::from_slice(section.data()).map_err(|error| {
                    malformed(format!("its `{META_SECTION}` section is not readable: {error}"))
                })?;
                found = Some(meta);
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Reads one world.
struct Reader<'a> {
    resolve: &'a Resolve,
    docs: Docs,
    interface: Interface,
}

impl<'a> Reader<'a> {
    fn new(resolve: &'a Resolve, meta: Option<ConnectorMeta>) -> Self {
        let docs = meta.as_ref().map(|meta| meta.docs.clone()).unwrap_or_default();
        let interface = Interface {
            package: meta.as_ref().map(|meta| meta.name.clone()),
            meta,
            ..Interface::default()
        };
        Self {
            resolve,
            docs,
            interface,
        }
    }

    fn read(mut self, world: &World) -> Interface {
        let summary = |meta: &ConnectorMeta| Some(meta.summary.clone()).filter(|text| !text.is_empty());
        self.interface.docs = world
            .docs
            .contents
            .clone()
            .or_else(|| self.docs.connector.clone())
            .or_else(|| self.interface.meta.as_ref().and_then(summary));
        for (key, item) in &world.imports {
            self.read_import(key, item);
        }
        for (key, item) in &world.exports {
            self.read_export(key, item);
        }
        self.separate_twins();
        self.interface
    }

    fn read_import(&mut self, key: &WorldKey, item: &WorldItem) {
        if matches!(item, WorldItem::Type { .. }) {
            return;
        }
        let import = self.resolve.name_world_key(key);
        match classify(&import) {
            None => self.interface.baseline.push(import),
            Some(kind) => self.interface.capabilities.push(Capability { kind, import }),
        }
    }

    fn read_export(&mut self, key: &WorldKey, item: &WorldItem) {
        match item {
            WorldItem::Function(function) => {
                if self.is_toolchain_function(function) {
                    self.interface.hidden.push(function.name.clone());
                } else {
                    self.read_function(None, function);
                }
            }
            WorldItem::Interface { id, .. } => {
                let full = self.resolve.name_world_key(key);
                if full == "exports" {
                    // componentize-py exports its own plumbing under this plain name.
                    self.interface.hidden.push(full);
                    return;
                }
                let short = interface_short_name(self.resolve, key, *id);
                let resolve = self.resolve;
                let functions = resolve.interfaces.get(*id).map(|interface| &interface.functions);
                for function in functions.into_iter().flat_map(|functions| functions.values()) {
                    self.read_function(Some((&full, &short)), function);
                }
            }
            WorldItem::Type { .. } => {}
        }
    }

    /// QuickJS leaves its initialiser in the component: `init`, without parameters or with the sources as its first. An
    /// author's own is named by the build tool.
    fn is_toolchain_function(&self, function: &Function) -> bool {
        let named = self
            .interface
            .meta
            .as_ref()
            .is_some_and(|meta| meta.operations.contains_key(&function.name));
        let first = function.params.first();
        function.name == "init" && first.is_none_or(|param| param.name == "shim") && !named
    }

    fn read_function(&mut self, interface: Option<(&str, &str)>, function: &Function) {
        let export = ExportName {
            interface: interface.map(|(full, _)| full.to_owned()),
            function: function.name.clone(),
        };
        let name = operation_name(interface.map(|(_, short)| short), &function.name);
        match self.operation(&name, &export, function) {
            Ok(operation) => self.interface.operations.push(operation),
            Err(reason) => self
                .interface
                .not_callable
                .push(NotCallable { name, export, reason }),
        }
    }

    fn operation(&self, name: &str, export: &ExportName, function: &Function) -> Result<Operation, String> {
        let asynchronous = match function.kind {
            FunctionKind::Freestanding => false,
            FunctionKind::AsyncFreestanding => true,
            _ => return Err("it belongs to a resource".to_owned()),
        };
        let told = self.docs.operations.get(name);
        let mut types = TypeReader::new(self.resolve, &self.docs);
        let mut params = Vec::with_capacity(function.params.len());
        for param in &function.params {
            let json = json_name(&param.name);
            let ty = types
                .read(&param.ty)
                .map_err(|reason| format!("parameter `{json}`: {reason}"))?;
            params.push(Port {
                docs: told.and_then(|item| item.members.get(&json).cloned()),
                name: json,
                wit_name: param.name.clone(),
                ty,
            });
        }
        let answer = match &function.result {
            Some(ty) => self
                .answer(&mut types, ty)
                .map_err(|reason| format!("result: {reason}"))?,
            None => Answer::default(),
        };
        let meta = self
            .interface
            .meta
            .as_ref()
            .and_then(|meta| meta.operations.get(name));
        let mut operation = Operation {
            name: name.to_owned(),
            export: export.clone(),
            asynchronous,
            params,
            result: answer.ok,
            fails: answer.fails,
            failure: answer.err,
            standard_failure: answer.standard,
            title: meta.and_then(|meta| meta.title.clone()),
            docs: function
                .docs
                .contents
                .clone()
                .or_else(|| told.and_then(|item| item.text.clone())),
            effect: self.effect(meta.and_then(|meta| meta.effect)),
            trigger: None,
        };
        // The author may say so; only the types can make it true.
        let told = meta.and_then(|meta| meta.trigger);
        operation.trigger = told.filter(|trigger| trigger.misfit(&operation).is_none());
        Ok(operation)
    }

    /// Splits `result<T, E>` into its sides; any other type is the result itself.
    fn answer(&self, types: &mut TypeReader<'_>, ty: &WitType) -> Result<Answer, String> {
        let mut target = *ty;
        while let WitType::Id(id) = target {
            let Some(def) = self.resolve.types.get(id) else {
                break;
            };
            match &def.kind {
                TypeDefKind::Type(next) => target = *next,
                TypeDefKind::Result(result) => {
                    return Ok(Answer {
                        ok: result.ok.as_ref().map(|ty| types.read(ty)).transpose()?,
                        err: result.err.as_ref().map(|ty| types.read(ty)).transpose()?,
                        fails: true,
                        standard: result
                            .err
                            .as_ref()
                            .is_some_and(|ty| is_standard_failure(self.resolve, ty)),
                    });
                }
                _ => break,
            }
        }
        Ok(Answer {
            ok: Some(types.read(ty)?),
            ..Answer::default()
        })
    }

    /// The author may say that a repetition is harmless; only the imports can say that nothing happens at all.
    fn effect(&self, told: Option<Effect>) -> Effect {
        if !self
            .interface
            .capabilities
            .iter()
            .any(|capability| capability.kind.is_effectful())
        {
            return Effect::Pure;
        }
        match told {
            Some(effect @ (Effect::Idempotent | Effect::Keyed { .. })) => effect,
            Some(Effect::Pure | Effect::Unsafe) | None => Effect::Unsafe,
        }
    }

    /// Two interfaces of the same short name would give two operations one name: then neither can be called.
    fn separate_twins(&mut self) {
        let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
        for operation in &self.interface.operations {
            let count = seen.entry(&operation.name).or_default();
            *count = count.saturating_add(1);
        }
        let twins: Vec<String> = seen
            .iter()
            .filter(|(_, count)| **count > 1)
            .map(|(name, _)| (*name).to_owned())
            .collect();
        if twins.is_empty() {
            return;
        }
        let (kept, dropped) = std::mem::take(&mut self.interface.operations)
            .into_iter()
            .partition(|operation: &Operation| !twins.contains(&operation.name));
        self.interface.operations = kept;
        let refused = dropped.into_iter().map(|operation: Operation| NotCallable {
            name: operation.name,
            export: operation.export,
            reason: "another exported function has the same name".to_owned(),
        });
        self.interface.not_callable.extend(refused);
    }
}

#[derive(Default)]
struct Answer {
    ok: Option<Type>,
    err: Option<Type>,
    fails: bool,
    standard: bool,
}

/// What an import is: nothing for the baseline, which every language runtime imports and every host links to inert
/// versions.
fn classify(import: &str) -> Option<CapabilityKind> {
    let plain = import.split_once('@').map_or(import, |(name, _)| name);
    let Some((package, interface)) = plain.split_once('/') else {
        return Some(CapabilityKind::Unknown);
    };
    match (package, interface) {
        ("flowforge:connector", "types") => None,
        ("flowforge:connector", "http") | ("wasi:http", "outgoing-handler") => Some(CapabilityKind::Http),
        ("flowforge:connector", "secrets") => Some(CapabilityKind::Secrets),
        ("flowforge:connector", "artefacts") => Some(CapabilityKind::Artefacts),
        ("flowforge:connector", "context") => Some(CapabilityKind::Context),
        ("flowforge:connector", "log") => Some(CapabilityKind::Log),
        ("flowforge:connector", "progress") => Some(CapabilityKind::Progress),
        ("wasi:http", "types") => None,
        ("wasi:cli" | "wasi:clocks" | "wasi:filesystem" | "wasi:io" | "wasi:random" | "wasi:sockets", _) => {
            None
        }
        _ => Some(CapabilityKind::Unknown),
    }
}
