//! The JavaScript engine that is linked into components, changed so that the same source gives the same bytes.
//!
//! The engine asks for a seed of its tables and for the time as it starts. The seed is asked for once, before the memory of
//! a component is frozen, so that it was a constant of each component already. The engine is a module inside the tool's
//! native library; the tool takes another one as an option.

use std::fs;
use std::path::Path;

use wasm_encoder::{BlockType, Function, ValType};

use crate::BuildError;
use crate::cache::write_whole;
use crate::steady::{Answer, Asked, Of, Plan, at, imports, steady};

/// Name of the changed engine in the folder of the tools.
pub(crate) const FILE: &str = "engine.wasm";

/// What every module begins with.
const MAGIC: &[u8] = b"\0asm\x01\0\0\0";

/// An import of each engine of the tool, and of nothing else in its library.
const OF_AN_ENGINE: (&str, &str) = ("local:init/module-loader", "resolve");

/// An import of the engines that export asynchronous functions.
const OF_AN_ASYNCHRONOUS_ONE: (&str, &str) = ("$root", "[context-get-0]");

/// What is changed: the seed, the time, and the reading of the clock that never goes back. The first that runs of an
/// operation is the beginning.
const PLAN: Plan = Plan {
    answers: &[
        Answer {
            of: Of::Import("wasi:random/insecure-seed@0.2.9", "insecure-seed"),
            body: |_| Ok(seed()),
        },
        Answer {
            of: Of::Import("wasi:clocks/wall-clock@0.2.0", "now"),
            body: |asked| Ok(wall(asked)),
        },
        Answer {
            of: Of::Import("wasi:clocks/monotonic-clock@0.2.0", "now"),
            body: |asked| Ok(monotonic(asked)),
        },
    ],
    begin: "wit_dylib_export_start",
    variables: 0,
};

/// Bits of the golden ratio and of the square root of two: a seed that hides nothing.
const SEEDS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0x6a09_e667_f3bc_c908];

/// Write the changed engine of the tools that were installed in `folder`.
///
/// # Errors
/// [`BuildError::Tool`] if the tool is not built as expected: its version and this module belong together.
pub(crate) fn write_steady(folder: &Path) -> Result<(), BuildError> {
    let library = library_in(&folder.join("node_modules/@andreiltd"))?;
    let engine = engine_in(&library).ok_or_else(|| unexpected("its library holds no engine"))?;
    let steady = steady(engine, &PLAN).map_err(|what| unexpected(&what))?;
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

/// One seed for all.
fn seed() -> Function {
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
pub(crate) fn wall(asked: &Asked<'_>) -> Function {
    let mut body = Function::new([]);
    let mut code = body.instructions();
    code.global_get(asked.started).if_(BlockType::Empty);
    code.local_get(0).call(asked.original).else_();
    code.local_get(0).i64_const(0).i64_store(at(0, 3));
    code.local_get(0).i32_const(0).i32_store(at(8, 2));
    code.end().end();
    body
}

/// The host's reading once an operation runs, and zero before.
pub(crate) fn monotonic(asked: &Asked<'_>) -> Function {
    let mut body = Function::new([]);
    let mut code = body.instructions();
    code.global_get(asked.started)
        .if_(BlockType::Result(ValType::I64));
    code.call(asked.original).else_().i64_const(0).end().end();
    body
}
