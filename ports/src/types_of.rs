//! From decoded WIT types to port types.

use wit_parser::{Docs as WitDocs, Resolve, Type as WitType, TypeDef, TypeDefKind, TypeId, TypeOwner};

use crate::docs::type_key;
use crate::names::json_name;
use crate::{Case, Docs, EnumCase, Field, Named, Type};

/// Most nodes of one function's types, written out as trees. A component may name a type many times, so that a small
/// file describes a tree without end.
const NODES_MAX: u32 = 4_096;

/// Deepest nesting; JSON is limited to 64 levels, and a type needs at most one level each.
const DEPTH_MAX: u32 = 60;

/// Converts the types of one function, within bounds.
pub(crate) struct TypeReader<'a> {
    resolve: &'a Resolve,
    docs: &'a Docs,
    nodes_left: u32,
}

impl<'a> TypeReader<'a> {
    pub(crate) fn new(resolve: &'a Resolve, docs: &'a Docs) -> Self {
        Self {
            resolve,
            docs,
            nodes_left: NODES_MAX,
        }
    }

    /// The port type, or the reason why such a value cannot be a port.
    pub(crate) fn read(&mut self, ty: &WitType) -> Result<Type, String> {
        self.read_at(ty, 0)
    }

    fn read_at(&mut self, ty: &WitType, depth: u32) -> Result<Type, String> {
        if depth > DEPTH_MAX {
            return Err(format!("its types are nested deeper than {DEPTH_MAX} levels"));
        }
        self.nodes_left = self
            .nodes_left
            .checked_sub(1)
            .ok_or_else(|| format!("its types have more than {NODES_MAX} parts"))?;
        Ok(match ty {
            WitType::Bool => Type::Bool,
            WitType::U8 => Type::U8,
            WitType::U16 => Type::U16,
            WitType::U32 => Type::U32,
            WitType::U64 => Type::U64,
            WitType::S8 => Type::S8,
            WitType::S16 => Type::S16,
            WitType::S32 => Type::S32,
            WitType::S64 => Type::S64,
            WitType::F32 => Type::F32,
            WitType::F64 => Type::F64,
            WitType::Char => Type::Char,
            WitType::String => Type::String,
            WitType::ErrorContext => return Err("it uses an error context".to_owned()),
            WitType::Id(id) => return self.read_id(*id, depth),
        })
    }

    fn read_id(&mut self, id: TypeId, depth: u32) -> Result<Type, String> {
        let resolve = self.resolve;
        let def = resolve.types.get(id).ok_or("it uses a type that is not there")?;
        if let Some(known) = standard_type(resolve, def) {
            return Ok(known);
        }
        match &def.kind {
            TypeDefKind::Type(target) => self.read_at(target, depth.saturating_add(1)),
            TypeDefKind::List(WitType::U8) => Ok(Type::Bytes),
            TypeDefKind::List(element) => Ok(Type::List {
                element: Box::new(self.read_at(element, depth.saturating_add(1))?),
            }),
            TypeDefKind::Option(inner) => Ok(Type::Option {
                inner: Box::new(self.read_at(inner, depth.saturating_add(1))?),
            }),
            TypeDefKind::Tuple(tuple) => {
                let items = tuple
                    .types
                    .iter()
                    .map(|item| self.read_at(item, depth.saturating_add(1)));
                Ok(Type::Tuple {
                    items: items.collect::<Result<_, _>>()?,
                })
            }
            TypeDefKind::Result(result) => {
                let mut side = |ty: &Option<WitType>| match ty {
                    Some(ty) => self
                        .read_at(ty, depth.saturating_add(1))
                        .map(|ty| Some(Box::new(ty))),
                    None => Ok(None),
                };
                Ok(Type::Result {
                    ok: side(&result.ok)?,
                    err: side(&result.err)?,
                })
            }
            TypeDefKind::Record(_)
            | TypeDefKind::Variant(_)
            | TypeDefKind::Enum(_)
            | TypeDefKind::Flags(_) => self.read_named(id, def, depth),
            TypeDefKind::Handle(_) | TypeDefKind::Resource => {
                Err(format!("it uses the resource `{}`", resource_name(resolve, def)))
            }
            TypeDefKind::Stream(_) => Err("it uses a stream".to_owned()),
            TypeDefKind::Future(_) => Err("it uses a future".to_owned()),
            TypeDefKind::Map(..) => Err("it uses a map; use a list of records with key and value".to_owned()),
            TypeDefKind::FixedLengthList(..) => {
                Err("it uses a list of fixed length; use a tuple or a list".to_owned())
            }
            TypeDefKind::Unknown => Err("it uses a type of unknown kind".to_owned()),
        }
    }

    fn read_named(&mut self, id: TypeId, def: &TypeDef, depth: u32) -> Result<Type, String> {
        let told = type_key(self.resolve, id).and_then(|key| self.docs.types.get(&key));
        let named = Named {
            name: def.name.clone(),
            docs: def
                .docs
                .contents
                .clone()
                .or_else(|| told.and_then(|item| item.text.clone())),
        };
        let member = |name: &str, docs: &WitDocs| {
            let told = || told.and_then(|item| item.members.get(&json_name(name)).cloned());
            docs.contents.clone().or_else(told)
        };
        let plain_case = |name: &str, docs: &WitDocs| EnumCase {
            name: json_name(name),
            wit_name: name.to_owned(),
            docs: member(name, docs),
        };
        let deeper = depth.saturating_add(1);
        match &def.kind {
            TypeDefKind::Record(record) => {
                let mut fields = Vec::with_capacity(record.fields.len());
                for field in &record.fields {
                    fields.push(Field {
                        name: json_name(&field.name),
                        wit_name: field.name.clone(),
                        ty: self.read_at(&field.ty, deeper)?,
                        docs: member(&field.name, &field.docs),
                    });
                }
                Ok(Type::Record { named, fields })
            }
            TypeDefKind::Variant(variant) => {
                let mut cases = Vec::with_capacity(variant.cases.len());
                for case in &variant.cases {
                    let ty = case.ty.as_ref().map(|ty| self.read_at(ty, deeper)).transpose()?;
                    cases.push(Case {
                        name: json_name(&case.name),
                        wit_name: case.name.clone(),
                        ty,
                        docs: member(&case.name, &case.docs),
                    });
                }
                Ok(Type::Variant { named, cases })
            }
            TypeDefKind::Enum(list) => Ok(Type::Enum {
                named,
                cases: list
                    .cases
                    .iter()
                    .map(|case| plain_case(&case.name, &case.docs))
                    .collect(),
            }),
            TypeDefKind::Flags(list) => Ok(Type::Flags {
                named,
                flags: list
                    .flags
                    .iter()
                    .map(|flag| plain_case(&flag.name, &flag.docs))
                    .collect(),
            }),
            _ => Err("it uses a type of unknown kind".to_owned()),
        }
    }
}

/// A type that FlowForge knows by its name and owner, because its structure alone does not say what it means.
fn standard_type(resolve: &Resolve, def: &TypeDef) -> Option<Type> {
    if !is_ours(resolve, def) {
        return None;
    }
    match def.name.as_deref()? {
        "json" => Some(Type::Json),
        "artefact" => Some(Type::Artefact),
        _ => None,
    }
}

/// Whether this is the standard `failure`, directly or through aliases.
pub(crate) fn is_standard_failure(resolve: &Resolve, ty: &WitType) -> bool {
    let mut next = *ty;
    while let WitType::Id(id) = next {
        let Some(def) = resolve.types.get(id) else {
            return false;
        };
        if is_ours(resolve, def) && def.name.as_deref() == Some("failure") {
            return true;
        }
        match def.kind {
            TypeDefKind::Type(target) => next = target,
            _ => return false,
        }
    }
    false
}

/// Whether the type belongs to `flowforge:connector/types`.
fn is_ours(resolve: &Resolve, def: &TypeDef) -> bool {
    let TypeOwner::Interface(id) = def.owner else {
        return false;
    };
    let Some(interface) = resolve.interfaces.get(id) else {
        return false;
    };
    let package = interface
        .package
        .and_then(|package| resolve.packages.get(package));
    interface.name.as_deref() == Some("types")
        && package
            .is_some_and(|package| package.name.namespace == "flowforge" && package.name.name == "connector")
}

fn resource_name(resolve: &Resolve, def: &TypeDef) -> String {
    let of = |id: TypeId| resolve.types.get(id).and_then(|def| def.name.clone());
    let name = match &def.kind {
        TypeDefKind::Handle(wit_parser::Handle::Own(id) | wit_parser::Handle::Borrow(id)) => of(*id),
        _ => def.name.clone(),
    };
    name.unwrap_or_else(|| "unnamed".to_owned())
}
