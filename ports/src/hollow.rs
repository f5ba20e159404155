//! Components without behaviour: what a world looks like once it is built, before anything is.
//!
//! Owns: the core module whose imports and exports are those of a world and whose functions trap. Leaves to others:
//! what is read from it. It is written with the encoder that is here anyway; the one that `wit-component` brings goes
//! through a parser of WebAssembly text, which nothing else in the programs needs.

use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection,
    MemorySection, MemoryType, Module, TypeSection, ValType,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{
    Function as WitFunction, ManglingAndAbi, Resolve, ResourceIntrinsic, TypeDefKind, TypeId, WasmExport,
    WasmExportKind, WasmImport, WorldId, WorldItem, WorldKey,
};

/// How names and calls are written in the core module.
const NAMES: ManglingAndAbi = ManglingAndAbi::Standard32;

/// A component with the imports and exports of a world. Whatever is called in it traps; nothing is called when it is
/// instantiated, so it can stand in for what is never used.
///
/// # Errors
/// What is wrong with the world, in words.
pub fn hollow_component(resolve: &Resolve, world: WorldId) -> Result<Vec<u8>, String> {
    let told = |error: &dyn std::fmt::Display| format!("{error:#}");
    let mut module = Hollow::of(resolve, world).finish();
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8)
        .map_err(|error| told(&error))?;
    ComponentEncoder::default()
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| told(&error))
}

/// The core module while it is made. Every function has a type of its own, so both are counted together.
#[derive(Default)]
struct Hollow {
    types: TypeSection,
    imports: ImportSection,
    functions: FunctionSection,
    exports: ExportSection,
    code: CodeSection,
}

impl Hollow {
    /// All imports first: their functions are numbered before those of the module.
    fn of(resolve: &Resolve, world: WorldId) -> Self {
        let mut hollow = Self::default();
        let Some(world) = resolve.worlds.get(world) else {
            return hollow;
        };
        for (key, item) in &world.imports {
            let (interface, functions, types) = parts(resolve, key, item);
            for func in functions {
                let (module, name) = resolve.wasm_import_name(NAMES, WasmImport::Func { interface, func });
                let signature = resolve.wasm_signature(AbiVariant::GuestImport, func);
                hollow.import(
                    &module,
                    &name,
                    &values(&signature.params),
                    &values(&signature.results),
                );
            }
            for resource in resources(resolve, &types) {
                hollow.intrinsic(resolve, interface, resource, ResourceIntrinsic::ImportedDrop);
            }
        }
        for (key, item) in &world.exports {
            let (interface, _, types) = parts(resolve, key, item);
            for resource in resources(resolve, &types) {
                for intrinsic in [
                    ResourceIntrinsic::ExportedDrop,
                    ResourceIntrinsic::ExportedNew,
                    ResourceIntrinsic::ExportedRep,
                ] {
                    hollow.intrinsic(resolve, interface, resource, intrinsic);
                }
            }
        }
        for (key, item) in &world.exports {
            hollow.exports_of(resolve, key, item);
        }
        hollow
    }

    fn exports_of(&mut self, resolve: &Resolve, key: &WorldKey, item: &WorldItem) {
        let (interface, functions, types) = parts(resolve, key, item);
        for func in functions {
            let name = |kind| {
                let export = WasmExport::Func {
                    interface,
                    func,
                    kind,
                };
                resolve.wasm_export_name(NAMES, export)
            };
            let signature = resolve.wasm_signature(AbiVariant::GuestExport, func);
            let results = values(&signature.results);
            self.export(
                &name(WasmExportKind::Normal),
                &values(&signature.params),
                &results,
            );
            self.export(&name(WasmExportKind::PostReturn), &results, &[]);
        }
        for resource in resources(resolve, &types) {
            let destructor = WasmExport::ResourceDtor {
                interface: key,
                resource,
            };
            self.export(&resolve.wasm_export_name(NAMES, destructor), &[ValType::I32], &[]);
        }
    }

    fn intrinsic(
        &mut self,
        resolve: &Resolve,
        interface: Option<&WorldKey>,
        resource: TypeId,
        intrinsic: ResourceIntrinsic,
    ) {
        let results: &[ValType] = match intrinsic {
            ResourceIntrinsic::ImportedDrop | ResourceIntrinsic::ExportedDrop => &[],
            ResourceIntrinsic::ExportedNew | ResourceIntrinsic::ExportedRep => &[ValType::I32],
        };
        let import = WasmImport::ResourceIntrinsic {
            interface,
            resource,
            intrinsic,
        };
        let (module, name) = resolve.wasm_import_name(NAMES, import);
        self.import(&module, &name, &[ValType::I32], results);
    }

    /// The index of a new type, which is also the index of its function.
    fn function_type(&mut self, params: &[ValType], results: &[ValType]) -> u32 {
        let index = self.types.len();
        self.types
            .ty()
            .function(params.iter().copied(), results.iter().copied());
        index
    }

    fn import(&mut self, module: &str, name: &str, params: &[ValType], results: &[ValType]) {
        let index = self.function_type(params, results);
        self.imports.import(module, name, EntityType::Function(index));
    }

    fn export(&mut self, name: &str, params: &[ValType], results: &[ValType]) {
        let index = self.function_type(params, results);
        self.functions.function(index);
        self.exports.export(name, ExportKind::Func, index);
        let mut body = Function::new([]);
        body.instructions().unreachable().end();
        self.code.function(&body);
    }

    fn finish(mut self) -> Vec<u8> {
        let names = Resolve::default();
        self.export(
            &names.wasm_export_name(NAMES, WasmExport::Realloc),
            &[ValType::I32; 4],
            &[ValType::I32],
        );
        self.exports.export(
            &names.wasm_export_name(NAMES, WasmExport::Memory),
            ExportKind::Memory,
            0,
        );
        let mut memories = MemorySection::new();
        memories.memory(MemoryType {
            minimum: 0,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let mut module = Module::new();
        module
            .section(&self.types)
            .section(&self.imports)
            .section(&self.functions)
            .section(&memories)
            .section(&self.exports)
            .section(&self.code);
        module.finish()
    }
}

/// The interface that an item of a world stands for, its functions and its types.
fn parts<'a>(
    resolve: &'a Resolve,
    key: &'a WorldKey,
    item: &'a WorldItem,
) -> (Option<&'a WorldKey>, Vec<&'a WitFunction>, Vec<TypeId>) {
    match item {
        WorldItem::Function(function) => (None, vec![function], Vec::new()),
        WorldItem::Type { id, .. } => (None, Vec::new(), vec![*id]),
        WorldItem::Interface { id, .. } => match resolve.interfaces.get(*id) {
            Some(interface) => (
                Some(key),
                interface.functions.values().collect(),
                interface.types.values().copied().collect(),
            ),
            None => (Some(key), Vec::new(), Vec::new()),
        },
    }
}

fn resources<'a>(resolve: &'a Resolve, types: &'a [TypeId]) -> impl Iterator<Item = TypeId> + 'a {
    types.iter().copied().filter(|id| {
        resolve
            .types
            .get(*id)
            .is_some_and(|definition| matches!(definition.kind, TypeDefKind::Resource))
    })
}

fn values(types: &[WasmType]) -> Vec<ValType> {
    types
        .iter()
        .map(|value| match value {
            WasmType::I32 | WasmType::Pointer | WasmType::Length => ValType::I32,
            WasmType::I64 | WasmType::PointerOrI64 => ValType::I64,
            WasmType::F32 => ValType::F32,
            WasmType::F64 => ValType::F64,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect;

    #[test]
    fn resources_and_functions_of_both_directions_become_a_component() {
        let wit = "package a:b@1.0.0;
            interface outside { resource handle { constructor(); read: func(n: u64) -> list<u8>; } note: func(text: string); }
            interface inside { resource made { constructor(name: string); name: func() -> string; } }
            world both {
                import outside; import plain: func(x: f32, y: f64) -> option<u64>;
                export inside; export run: func(items: list<string>) -> result<string, u32>;
            }";
        let mut resolve = Resolve::default();
        let package = resolve.push_str("both.wit", wit).unwrap();
        let world = resolve.select_world(&[package], None).unwrap();
        let component = hollow_component(&resolve, world).unwrap();
        assert!(inspect(&component).is_ok());
    }
}
