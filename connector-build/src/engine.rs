//! The JavaScript engine that is linked into components, changed so that the same source gives the same bytes.
//!
//! While a component is made, its engine starts, runs the top level of the source, and what its memory holds then is
//! frozen. The engine asks for a seed of its tables and for the time as it starts, so two builds would freeze two
//! memories. Here those questions get one answer until the first operation begins, and the host's answer from then on.
//! The seed is asked for once, before the freeze, so that it was a constant of each component already.
//!
//! The engine is a module inside the tool's native library; the tool takes another one as an option.

use std::fs;
use std::path::Path;

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    CodeSection, ConstExpr, Function, FunctionSection, GlobalSection, GlobalType, MemArg, Module, ValType,
};
use wasmparser::{
    CodeSectionReader, CompositeInnerType, ExternalKind, FunctionSectionReader, GlobalSectionReader, Parser,
    Payload, TypeRef,
};

use crate::BuildError;
use crate::cache::write_whole;

/// Name of the changed engine in the folder of the tools.
pub(crate) const FILE: &str = "engine.wasm";

/// What every module begins with.
const MAGIC: &[u8] = b"\0asm\x01\0\0\0";

/// An import of each engine of the tool, and of nothing else in its library.
const OF_AN_ENGINE: (&str, &str) = ("local:init/module-loader", "resolve");

/// An import of the engines that export asynchronous functions.
const OF_AN_ASYNCHRONOUS_ONE: (&str, &str) = ("$root", "[context-get-0]");

/// Gives a seed: two numbers, written where the parameter says.
const SEED: (&str, &str) = ("wasi:random/insecure-seed@0.2.9", "insecure-seed");

/// Gives the time: seconds and nanoseconds, written where the parameter says.
const WALL: (&str, &str) = ("wasi:clocks/wall-clock@0.2.0", "now");

/// Gives a reading of the clock that never goes back.
const MONOTONIC: (&str, &str) = ("wasi:clocks/monotonic-clock@0.2.0", "now");

/// The first that runs of an operation.
const BEGIN: &str = "wit_dylib_export_start";

/// Bits of the golden ratio and of the square root of two: a seed that hides nothing.
const SEEDS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0x6a09_e667_f3bc_c908];

/// Write the changed engine of the tools that were installed in `folder`.
///
/// # Errors
/// [`BuildError::Tool`] if the tool is not built as expected: its version and this module belong together.
pub(crate) fn write_steady(folder: &Path) -> Result<(), BuildError> {
    let library = library_in(&folder.join("node_modules/@andreiltd"))?;
    let engine = engine_in(&library).ok_or_else(|| unexpected("its library holds no engine"))?;
    let steady = steady(engine).map_err(|what| unexpected(&what))?;
    write_whole(&folder.join(FILE), &steady)
}

fn unexpected(what: &str) -> BuildError {
    BuildError::Tool {
        tool: "componentize-qjs".to_owned(),
        status: "not built as expected".to_owned(),
        output: what.to_owned(),
    }
}

/// The tool's native library for this platform, the only one that its package manager installs.
fn library_in(folder: &Path) -> Result<Vec<u8>, BuildError> {
    let list = |folder: &Path| -> Result<Vec<_>, BuildError> {
        let entries = fs::read_dir(folder).map_err(BuildError::io("cannot read", folder))?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        paths
            .collect::<Result<_, _>>()
            .map_err(BuildError::io("cannot read", folder))
    };
    for package in list(folder)? {
        for path in list(&package)? {
            if path.extension().is_some_and(|end| end == "node") {
                return fs::read(&path).map_err(BuildError::io("cannot read", &path));
            }
        }
    }
    Err(unexpected("it has no native library"))
}

/// The largest engine in a library that exports synchronous functions: of two such, the one that is made for speed.
fn engine_in(library: &[u8]) -> Option<&[u8]> {
    let mut engines = Vec::new();
    let mut from = 0;
    while let Some(rest) = library.get(from..) {
        let Some(at) = rest.windows(MAGIC.len()).position(|bytes| bytes == MAGIC) else {
            break;
        };
        let module = rest.get(at..).and_then(module_at).unwrap_or_default();
        let has = |wanted| imports(module).iter().any(|(import, _)| *import == wanted);
        if has(OF_AN_ENGINE) && !has(OF_AN_ASYNCHRONOUS_ONE) {
            engines.push(module);
        }
        from += at + module.len().max(MAGIC.len());
    }
    engines.into_iter().max_by_key(|module| module.len())
}

/// The module that begins here. What follows it is no section: the next module or other data.
fn module_at(bytes: &[u8]) -> Option<&[u8]> {
    let mut end = MAGIC.len();
    while let Some(next) = section_end(bytes, end) {
        end = next;
    }
    bytes.get(..end)
}

/// Where the section ends that begins at `at`, if one begins there.
fn section_end(bytes: &[u8], at: usize) -> Option<usize> {
    /// The newest known section holds tags.
    const KIND_MAX: u8 = 13;
    let kind = *bytes.get(at)?;
    let (length, body) = number(bytes, at.checked_add(1)?)?;
    let end = body.checked_add(length)?;
    let content = bytes.get(body..end)?;
    let named = || {
        let (name, from) = number(content, 0)?;
        content.get(from..from.checked_add(name)?)
    };
    let known = kind <= KIND_MAX && length > 0 && (kind != 0 || named().is_some());
    known.then_some(end)
}

/// A number in the form of WebAssembly's binary, and where it ends.
fn number(bytes: &[u8], mut at: usize) -> Option<(usize, usize)> {
    let mut value = 0_usize;
    for shift in (0..35).step_by(7) {
        let byte = *bytes.get(at)?;
        at = at.checked_add(1)?;
        value |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value, at));
        }
    }
    None
}

/// The functions that a module imports, each with the index of its type.
fn imports(module: &[u8]) -> Vec<((&str, &str), u32)> {
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(module).map_while(Result::ok) {
        if let Payload::ImportSection(section) = payload {
            for import in section.into_imports().map_while(Result::ok) {
                if let TypeRef::Func(ty) = import.ty {
                    found.push(((import.module, import.name), ty));
                }
            }
            break;
        }
    }
    found
}

/// An engine that gets one answer until the first operation begins.
fn steady(engine: &[u8]) -> Result<Vec<u8>, String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let mut steady = Steady::of(engine)?;
    let mut module = Module::new();
    utils::parse_core_module(&mut steady, &mut module, Parser::new(0), engine)
        .map_err(|error| told(&error))?;
    Ok(module.finish())
}

/// One function that another takes the place of. The other is added at the end, so that no index moves.
struct Replaced {
    old: u32,
    new: u32,
    ty: u32,
    body: Function,
}

/// Copies a module and puts functions of our own in the place of some.
struct Steady(Vec<Replaced>);

impl Steady {
    /// What is replaced in this engine.
    fn of(engine: &[u8]) -> Result<Self, String> {
        let imports = imports(engine);
        let shape = Shape::of(engine).map_err(|error| error.to_string())?;
        let count = |number: usize| u32::try_from(number).map_err(|error| error.to_string());
        let defined_from = count(imports.len())?;
        let first_new = defined_from + count(shape.functions.len())?;
        let started = shape.globals;
        let mut replaced: Vec<Replaced> = Vec::new();
        let mut add = |old: u32, ty: u32, body: Function| -> Result<(), String> {
            let new = first_new + count(replaced.len())?;
            replaced.push(Replaced { old, new, ty, body });
            Ok(())
        };
        for (wanted, body) in [
            (SEED, seed as fn(u32, u32) -> Function),
            (WALL, wall),
            (MONOTONIC, monotonic),
        ] {
            let at = imports.iter().position(|(import, _)| *import == wanted);
            let at = at.ok_or_else(|| format!("the engine does not import {} of {}", wanted.1, wanted.0))?;
            let ty = imports.get(at).map_or(0, |(_, ty)| *ty);
            add(count(at)?, ty, body(count(at)?, started))?;
        }
        let begin = shape
            .begin
            .ok_or_else(|| format!("the engine does not export {BEGIN}"))?;
        let inside = begin
            .checked_sub(defined_from)
            .and_then(|at| usize::try_from(at).ok());
        let ty = inside.and_then(|at| shape.functions.get(at).copied());
        let ty = ty.ok_or_else(|| format!("{BEGIN} is no function of the engine"))?;
        let params = usize::try_from(ty)
            .ok()
            .and_then(|at| shape.params.get(at).copied());
        add(begin, ty, begins(begin, started, params.unwrap_or_default()))?;
        Ok(Self(replaced))
    }
}

/// What is to be known of an engine besides its imports.
#[derive(Default)]
struct Shape {
    /// How many parameters each type has.
    params: Vec<u32>,
    /// Type of each function that is not imported.
    functions: Vec<u32>,
    /// How many globals there are, the imported ones included.
    globals: u32,
    /// Index of the function that is exported as [`BEGIN`].
    begin: Option<u32>,
}

impl Shape {
    fn of(engine: &[u8]) -> Result<Self, wasmparser::BinaryReaderError> {
        let mut shape = Self::default();
        for payload in Parser::new(0).parse_all(engine) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section {
                        for ty in group?.into_types() {
                            let params = match &ty.composite_type.inner {
                                CompositeInnerType::Func(function) => function.params().len(),
                                _ => 0,
                            };
                            shape.params.push(u32::try_from(params).unwrap_or(u32::MAX));
                        }
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let is_global = matches!(import?.ty, TypeRef::Global(_));
                        shape.globals += u32::from(is_global);
                    }
                }
                Payload::FunctionSection(section) => {
                    shape.functions = section.into_iter().collect::<Result<_, _>>()?;
                }
                Payload::GlobalSection(section) => shape.globals += section.count(),
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if export.name == BEGIN && export.kind == ExternalKind::Func {
                            shape.begin = Some(export.index);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(shape)
    }
}

/// Where the parameter says, plus this many bytes.
fn at(offset: u64, align: u32) -> MemArg {
    MemArg {
        offset,
        align,
        memory_index: 0,
    }
}

/// One seed for all.
fn seed(_import: u32, _started: u32) -> Function {
    let mut body = Function::new([]);
    let mut code = body.instructions();
    for (offset, half) in [0, 8].into_iter().zip(SEEDS) {
        code.local_get(0)
            .i64_const(half.cast_signed())
            .i64_store(at(offset, 3));
    }
    code.end();
    body
}

/// The host's time once an operation runs, and the first second of 1970 before.
fn wall(import: u32, started: u32) -> Function {
    let mut body = Function::new([]);
    let mut code = body.instructions();
    code.global_get(started).if_(wasm_encoder::BlockType::Empty);
    code.local_get(0).call(import).else_();
    code.local_get(0).i64_const(0).i64_store(at(0, 3));
    code.local_get(0).i32_const(0).i32_store(at(8, 2));
    code.end().end();
    body
}

/// The host's reading once an operation runs, and zero before.
fn monotonic(import: u32, started: u32) -> Function {
    let mut body = Function::new([]);
    let mut code = body.instructions();
    code.global_get(started)
        .if_(wasm_encoder::BlockType::Result(ValType::I64));
    code.call(import).else_().i64_const(0).end().end();
    body
}

/// Notes that an operation runs, and goes on with the function that this one takes the place of.
fn begins(function: u32, started: u32, params: u32) -> Function {
    let mut body = Function::new([]);
    let mut code = body.instructions();
    code.i32_const(1).global_set(started);
    for param in 0..params {
        code.local_get(param);
    }
    code.call(function).end();
    body
}

impl Reencode for Steady {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error<Self::Error>> {
        let replaced = self.0.iter().find(|replaced| replaced.old == function);
        Ok(replaced.map_or(function, |replaced| replaced.new))
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        utils::parse_function_section(self, functions, section)?;
        for replaced in &self.0 {
            functions.function(replaced.ty);
        }
        Ok(())
    }

    fn parse_global_section(
        &mut self,
        globals: &mut GlobalSection,
        section: GlobalSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        utils::parse_global_section(self, globals, section)?;
        let started = GlobalType {
            val_type: ValType::I32,
            mutable: true,
            shared: false,
        };
        globals.global(started, &ConstExpr::i32_const(0));
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        utils::parse_code_section(self, code, section)?;
        for replaced in &self.0 {
            code.function(&replaced.body);
        }
        Ok(())
    }
}
