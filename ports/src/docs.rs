//! Doc comments of a WIT world, kept where a component binary cannot hold them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wit_parser::{
    Function, InterfaceId, Param, Resolve, SourceMap, TypeDefKind, TypeId, TypeOwner, UnresolvedPackageGroup,
    WorldId, WorldItem, WorldKey,
};

use crate::names::json_name;

/// Doc comments, by the names that [`crate::inspect`] gives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Docs {
    /// Of the connector itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<String>,
    /// By operation name, `to_csv` or `text.label`; members are parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub operations: BTreeMap<String, ItemDocs>,
    /// By WIT type name, `label`, or `text/label` for a type of an interface; members are fields, cases, flags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub types: BTreeMap<String, ItemDocs>,
}

/// Doc comments of one item and of what is inside it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemDocs {
    /// Of the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// By JSON name, `snake_case`, of a parameter, field, case or flag.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<String, String>,
}

impl ItemDocs {
    fn is_empty(&self) -> bool {
        self.text.is_none() && self.members.is_empty()
    }
}

/// The files of one WIT package as `(path, text)`; the path is for error messages only.
pub type WitPackage<'a> = &'a [(&'a str, &'a str)];

/// The doc comments of one world of `main`, for [`crate::ConnectorMeta::docs`].
///
/// `others` are the packages that `main` uses, in any order. `world` may be left out if `main` has one world.
///
/// # Errors
/// The parser's message with file, line and column, when a source is no WIT or there is no such world.
pub fn wit_docs(
    main: WitPackage<'_>,
    others: &[WitPackage<'_>],
    world: Option<&str>,
) -> Result<Docs, String> {
    let texts: Vec<(&str, &str)> = others
        .iter()
        .chain([&main])
        .flat_map(|files| files.iter().copied())
        .collect();
    let main = parse_package(main)?;
    let others = others
        .iter()
        .map(|package| parse_package(package))
        .collect::<Result<_, _>>()?;
    let mut resolve = Resolve::default();
    let package = match resolve.push_groups(main, others) {
        Ok(package) => package,
        Err(error) => return Err(error.render(&resolve.source_map)),
    };
    let world = resolve
        .select_world(&[package], world)
        .map_err(|error| format!("{error:#}"))?;
    Ok(docs_of_world(&resolve, world, &texts))
}

fn parse_package(files: WitPackage<'_>) -> Result<UnresolvedPackageGroup, String> {
    let mut sources = SourceMap::default();
    for (path, text) in files {
        sources.push_str(path, *text);
    }
    sources.parse().map_err(|(sources, error)| error.render(&sources))
}

/// The doc comments of one world that was read from these files, `(path, text)`.
fn docs_of_world(resolve: &Resolve, world: WorldId, texts: &[(&str, &str)]) -> Docs {
    let mut docs = Docs::default();
    let Some(world) = resolve.worlds.get(world) else {
        return docs;
    };
    docs.connector = world.docs.contents.clone();
    for (key, item) in &world.exports {
        match item {
            WorldItem::Function(function) => {
                let name = json_name(&function.name);
                insert_function(
                    &mut docs.operations,
                    name,
                    function_docs(resolve, function, texts),
                );
            }
            WorldItem::Interface { id, .. } => {
                let short = interface_short_name(resolve, key, *id);
                let Some(interface) = resolve.interfaces.get(*id) else {
                    continue;
                };
                for (name, function) in &interface.functions {
                    let name = operation_name(Some(&short), name);
                    insert_function(
                        &mut docs.operations,
                        name,
                        function_docs(resolve, function, texts),
                    );
                }
            }
            WorldItem::Type { .. } => {}
        }
    }
    for (id, _) in resolve.types.iter() {
        let item = type_docs(resolve, id);
        if let (Some(key), false) = (type_key(resolve, id), item.is_empty()) {
            docs.types.insert(key, item);
        }
    }
    docs
}

fn insert_function(items: &mut BTreeMap<String, ItemDocs>, name: String, item: ItemDocs) {
    if !item.is_empty() {
        items.insert(name, item);
    }
}

/// Those of a function and of its parameters. The parser keeps only where a parameter stands, so what is written above it
/// is read from the text.
fn function_docs(resolve: &Resolve, function: &Function, texts: &[(&str, &str)]) -> ItemDocs {
    let above = |param: &Param| {
        let place = resolve.source_map.resolve_span(param.span)?;
        let of_path = texts.iter().filter(|(path, _)| *path == place.path);
        let mut found = of_path.filter_map(|(_, text)| Some((text.get(..place.range.start)?, text)));
        // Files of two packages may have one path; the parameter's own has its name at this place.
        let (before, _) = found.find(|(before, text)| {
            let here = text.get(before.len()..).unwrap_or_default();
            here.trim_start_matches('%').starts_with(param.name.as_str())
        })?;
        comment_above(before)
    };
    ItemDocs {
        text: function.docs.contents.clone(),
        members: function
            .params
            .iter()
            .filter_map(|param| Some((json_name(&param.name), above(param)?)))
            .collect(),
    }
}

/// The doc comment at the end of a text, where what it is about begins a line of its own.
fn comment_above(before: &str) -> Option<String> {
    let (above, indent) = before.rsplit_once('\n')?;
    let mut lines: Vec<&str> = above
        .lines()
        .rev()
        .map_while(|line| line.trim_start().strip_prefix("///"))
        .map(str::trim)
        .collect();
    lines.reverse();
    (indent.trim().is_empty() && !lines.is_empty()).then(|| lines.join("\n"))
}

fn type_docs(resolve: &Resolve, id: TypeId) -> ItemDocs {
    let mut item = ItemDocs::default();
    let Some(def) = resolve.types.get(id) else {
        return item;
    };
    item.text = def.docs.contents.clone();
    let mut member = |name: &str, docs: &wit_parser::Docs| {
        if let Some(text) = &docs.contents {
            item.members.insert(json_name(name), text.clone());
        }
    };
    match &def.kind {
        TypeDefKind::Record(record) => record.fields.iter().for_each(|f| member(&f.name, &f.docs)),
        TypeDefKind::Variant(variant) => variant.cases.iter().for_each(|c| member(&c.name, &c.docs)),
        TypeDefKind::Enum(cases) => cases.cases.iter().for_each(|c| member(&c.name, &c.docs)),
        TypeDefKind::Flags(flags) => flags.flags.iter().for_each(|f| member(&f.name, &f.docs)),
        _ => {}
    }
    item
}

/// The key of a type in [`Docs::types`].
pub(crate) fn type_key(resolve: &Resolve, id: TypeId) -> Option<String> {
    let def = resolve.types.get(id)?;
    let name = def.name.as_ref()?;
    match def.owner {
        TypeOwner::Interface(interface) => {
            let owner = resolve.interfaces.get(interface)?.name.as_ref();
            Some(owner.map_or_else(|| name.clone(), |owner| format!("{owner}/{name}")))
        }
        TypeOwner::World(_) | TypeOwner::None => Some(name.clone()),
    }
}

/// The name that an exported interface gives its operations: the last part of its full name.
pub(crate) fn interface_short_name(resolve: &Resolve, key: &WorldKey, id: InterfaceId) -> String {
    match key {
        WorldKey::Name(name) => json_name(name),
        WorldKey::Interface(_) => resolve
            .interfaces
            .get(id)
            .and_then(|interface| interface.name.as_deref())
            .map_or_else(String::new, json_name),
    }
}

/// The name of an operation.
pub(crate) fn operation_name(interface: Option<&str>, function: &str) -> String {
    match interface {
        Some(interface) => format!("{interface}.{}", json_name(function)),
        None => json_name(function),
    }
}
