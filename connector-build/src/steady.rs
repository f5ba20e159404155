//! A language's runtime, changed so that the same source gives the same bytes.
//!
//! While a component is made, its runtime starts, runs the top level of the source, and what its memory holds then is
//! frozen. On the way it asks the host for random numbers, for the time, for what files are like; two builds would freeze
//! two memories. Here such questions get one answer until a function is called that marks the beginning of real work, and
//! the host's answer from then on.

use std::collections::BTreeMap;

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, Function, FunctionSection, GlobalSection, GlobalType, MemArg,
    Module, ValType,
};
use wasmparser::{
    CodeSectionReader, CompositeInnerType, CustomSectionReader, ExternalKind, FunctionSectionReader,
    GlobalSectionReader, Parser, Payload, TypeRef,
};

/// What is changed in a module.
pub(crate) struct Plan {
    /// The questions, and what takes their place.
    pub(crate) answers: &'static [Answer],
    /// The exported function with whose first call the real work begins.
    pub(crate) begin: &'static str,
    /// How many variables the answers share, all zero at first.
    pub(crate) variables: u32,
}

/// What takes the place of one function.
pub(crate) struct Answer {
    /// The function.
    pub(crate) of: Of,
    /// The function that takes its place.
    pub(crate) body: fn(&Asked<'_>) -> Result<Function, String>,
}

/// Which function is meant.
pub(crate) enum Of {
    /// An imported one: module and name.
    Import(&'static str, &'static str),
    /// One of the module's own that it exports.
    Export(&'static str),
}

/// What an answer is made from.
pub(crate) struct Asked<'a> {
    /// Index of the function that is replaced.
    pub(crate) original: u32,
    /// How many parameters it has.
    pub(crate) params: u32,
    /// Global that is 1 once the real work has begun.
    pub(crate) started: u32,
    exports: &'a BTreeMap<String, u32>,
}

impl Asked<'_> {
    /// A variable that the answers share, counted from 0.
    pub(crate) fn variable(&self, at: u32) -> u32 {
        self.started.saturating_add(1).saturating_add(at)
    }

    /// A function that the module exports.
    ///
    /// # Errors
    /// A text for people if it exports none of this name.
    pub(crate) fn exported(&self, name: &str) -> Result<u32, String> {
        let found = self.exports.get(name).copied();
        found.ok_or_else(|| format!("it does not export {name}"))
    }
}

/// The module that gets one answer until the real work begins. Names of functions are left out.
///
/// # Errors
/// A text for people if the module is not one that the plan was made for.
pub(crate) fn steady(module: &[u8], plan: &Plan) -> Result<Vec<u8>, String> {
    let mut steady = Steady::of(module, plan)?;
    let mut changed = Module::new();
    let parsed = utils::parse_core_module(&mut steady, &mut changed, Parser::new(0), module);
    parsed.map_err(|error| error.to_string())?;
    Ok(changed.finish())
}

/// Where the parameter says, plus this many bytes.
pub(crate) fn at(offset: u64, align: u32) -> MemArg {
    MemArg {
        offset,
        align,
        memory_index: 0,
    }
}

/// The functions that a module imports, each with the index of its type.
pub(crate) fn imports(module: &[u8]) -> Vec<((&str, &str), u32)> {
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

/// One function that another takes the place of. The other is added at the end, so that no index moves.
struct Replaced {
    old: u32,
    new: u32,
    ty: u32,
    body: Function,
}

/// Copies a module and puts functions of our own in the place of some.
struct Steady {
    replaced: Vec<Replaced>,
    globals: u32,
}

impl Steady {
    fn of(module: &[u8], plan: &Plan) -> Result<Self, String> {
        let imports = imports(module);
        let shape = Shape::of(module).map_err(|error| error.to_string())?;
        let count = |number: usize| u32::try_from(number).map_err(|error| error.to_string());
        let defined_from = count(imports.len())?;
        let first_new = defined_from + count(shape.functions.len())?;
        let mut replaced: Vec<Replaced> = Vec::new();
        let mut add = |old: u32, ty: u32, body: Function| -> Result<(), String> {
            let new = first_new + count(replaced.len())?;
            replaced.push(Replaced { old, new, ty, body });
            Ok(())
        };
        for answer in plan.answers {
            let (original, ty) = match answer.of {
                Of::Import(module, name) => {
                    let mut all = imports.iter().zip(0_u32..);
                    let found = all.find(|((import, _), _)| *import == (module, name));
                    let ((_, ty), at) =
                        found.ok_or_else(|| format!("it does not import {name} of {module}"))?;
                    (at, *ty)
                }
                Of::Export(name) => shape.own(name, defined_from)?,
            };
            let asked = Asked {
                original,
                params: shape.params_of(ty),
                started: shape.globals,
                exports: &shape.exports,
            };
            add(original, ty, (answer.body)(&asked)?)?;
        }
        let (begin, ty) = shape.own(plan.begin, defined_from)?;
        add(begin, ty, begins(begin, shape.globals, shape.params_of(ty)))?;
        Ok(Self {
            replaced,
            globals: plan.variables.saturating_add(1),
        })
    }
}

/// What is to be known of a module besides its imports.
#[derive(Default)]
struct Shape {
    /// How many parameters each type has.
    params: Vec<u32>,
    /// Type of each function that is not imported.
    functions: Vec<u32>,
    /// How many globals there are, the imported ones included.
    globals: u32,
    /// The functions that it exports.
    exports: BTreeMap<String, u32>,
}

impl Shape {
    fn of(module: &[u8]) -> Result<Self, wasmparser::BinaryReaderError> {
        let mut shape = Self::default();
        for payload in Parser::new(0).parse_all(module) {
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
                        if export.kind == ExternalKind::Func {
                            shape.exports.insert(export.name.to_owned(), export.index);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(shape)
    }

    /// Index and type of a function that it exports and does not import.
    fn own(&self, name: &str, defined_from: u32) -> Result<(u32, u32), String> {
        let index = self.exports.get(name).copied();
        let index = index.ok_or_else(|| format!("it does not export {name}"))?;
        let inside = index
            .checked_sub(defined_from)
            .and_then(|at| usize::try_from(at).ok());
        let ty = inside.and_then(|at| self.functions.get(at).copied());
        let ty = ty.ok_or_else(|| format!("{name} is no function of its own"))?;
        Ok((index, ty))
    }

    fn params_of(&self, ty: u32) -> u32 {
        let at = usize::try_from(ty).ok();
        at.and_then(|at| self.params.get(at).copied()).unwrap_or_default()
    }
}

/// Notes that the real work begins, and goes on with the function that this one takes the place of.
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
        let replaced = self.replaced.iter().find(|replaced| replaced.old == function);
        Ok(replaced.map_or(function, |replaced| replaced.new))
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        utils::parse_function_section(self, functions, section)?;
        for replaced in &self.replaced {
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
        let own = GlobalType {
            val_type: ValType::I32,
            mutable: true,
            shared: false,
        };
        for _ in 0..self.globals {
            globals.global(own, &ConstExpr::i32_const(0));
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        utils::parse_code_section(self, code, section)?;
        for replaced in &self.replaced {
            code.function(&replaced.body);
        }
        Ok(())
    }

    fn parse_custom_section(
        &mut self,
        module: &mut Module,
        section: CustomSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        if section.name() != "name" {
            module.section(&CustomSection {
                name: section.name().into(),
                data: section.data().into(),
            });
        }
        Ok(())
    }
}
