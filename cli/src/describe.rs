//! A connector's interface for people.

use flowforge_ports::{CapabilityKind, Effect, EnumCase, Interface, Operation, Type};

use crate::table::one_line;

/// The lines of `connector inspect`. `all` adds what costs nothing and grants nothing.
pub(crate) fn interface(name: &str, interface: &Interface, all: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let meta = interface.meta.as_ref();
    let version = meta.map(|meta| format!(" {}", meta.version)).unwrap_or_default();
    let title = meta
        .map(|meta| meta.title.as_str())
        .filter(|title| !title.is_empty());
    lines.push(match title {
        Some(title) => format!("{name}{version} · {}", one_line(title)),
        None => format!("{name}{version}"),
    });
    if let Some(summary) = meta
        .map(|meta| meta.summary.as_str())
        .filter(|text| !text.is_empty())
    {
        lines.push(format!("  {}", one_line(summary)));
    }
    lines.push(String::new());
    lines.push("operations".to_owned());
    for operation in &interface.operations {
        operation_lines(operation, &mut lines);
    }
    if interface.operations.is_empty() {
        lines.push("  none".to_owned());
    }
    lines.push(String::new());
    lines.push("capabilities".to_owned());
    capability_lines(interface, &mut lines);
    if !interface.not_callable.is_empty() {
        lines.push(String::new());
        lines.push("not callable".to_owned());
        for function in &interface.not_callable {
            lines.push(format!("  {}: {}", function.export, one_line(&function.reason)));
        }
    }
    if all {
        for (heading, names) in [
            ("runtime baseline, linked to inert versions", &interface.baseline),
            ("hidden", &interface.hidden),
        ] {
            if !names.is_empty() {
                lines.push(String::new());
                lines.push(heading.to_owned());
                lines.extend(names.iter().map(|name| format!("  {name}")));
            }
        }
    }
    lines
}

fn operation_lines(operation: &Operation, lines: &mut Vec<String>) {
    let result = operation
        .result
        .as_ref()
        .map(|ty| format!(" → {}", type_name(ty)))
        .unwrap_or_default();
    let trigger = operation
        .trigger
        .map(|trigger| format!(", {} trigger", trigger.as_str()))
        .unwrap_or_default();
    lines.push(format!(
        "  {}{result}   ({}{trigger})",
        operation.name,
        effect(operation.effect)
    ));
    if let Some(docs) = &operation.docs {
        lines.extend(
            docs.lines()
                .filter(|line| !line.trim().is_empty())
                .map(|line| format!("    {}", one_line(line))),
        );
    }
    let widest = operation
        .params
        .iter()
        .map(|port| port.name.chars().count())
        .max()
        .unwrap_or(0);
    for port in &operation.params {
        let docs = port
            .docs
            .as_deref()
            .map(|docs| format!("   {}", first_line(docs)))
            .unwrap_or_default();
        lines.push(format!(
            "      {:<widest$}  {}{docs}",
            port.name,
            type_name(&port.ty)
        ));
        if port.ty.needs_yaml_form() {
            let mut before = "write";
            for form in port.ty.yaml_forms() {
                lines.push(format!("      {:<widest$}    {before} {}: {form}", "", port.name));
                before = "   or";
            }
        }
    }
    if let Some(result) = &operation.result {
        result_lines(result, lines);
    }
}

/// How the result reads in the next node, where the name of its type alone does not say it.
fn result_lines(result: &Type, lines: &mut Vec<String>) {
    if result.needs_yaml_form() {
        let mut before = "gives";
        for form in result.yaml_forms() {
            lines.push(format!("      {before} {form}"));
            before = "   or";
        }
    }
}

fn capability_lines(interface: &Interface, lines: &mut Vec<String>) {
    let needs = interface.meta.as_ref().map(|meta| &meta.needs);
    for capability in &interface.capabilities {
        let what = match capability.kind {
            CapabilityKind::Http => "http: requests to destinations that a workflow allows",
            CapabilityKind::Secrets => "secrets: facts about bound secrets, never a value",
            CapabilityKind::Artefacts => "artefacts: reads and makes files",
            CapabilityKind::Context => "context: which step this is, clock and randomness",
            CapabilityKind::Log => "log: lines in the step's log",
            CapabilityKind::Progress => "progress: says how far a long call is",
            CapabilityKind::Unknown => "unknown: no host offers this, so the connector cannot run",
        };
        lines.push(format!("  {what}   ({})", capability.import));
        let http = needs.and_then(|needs| needs.http.as_ref());
        if let Some(http) = http.filter(|_| capability.kind == CapabilityKind::Http) {
            lines.push(format!(
                "    {} · suggests {}",
                one_line(&http.reason),
                http.destinations.join(", ")
            ));
        }
    }
    if interface.capabilities.is_empty() {
        lines.push("  none: it can only compute".to_owned());
    }
    for (slot, secret) in interface.meta.iter().flat_map(|meta| &meta.secrets) {
        lines.push(format!(
            "  secret slot {slot}: {} (attached by the host, never readable)",
            secret.kind
        ));
    }
}

fn effect(effect: Effect) -> String {
    match effect {
        Effect::Pure => "pure".to_owned(),
        Effect::Idempotent => "idempotent".to_owned(),
        Effect::Keyed { retention_ms } => format!("keyed {} h", retention_ms / 3_600_000),
        Effect::Unsafe => "unsafe to repeat".to_owned(),
    }
}

/// A type in a few characters.
fn type_name(ty: &Type) -> String {
    let several = |types: &[Type]| types.iter().map(type_name).collect::<Vec<_>>().join(", ");
    let side = |ty: &Option<Box<Type>>| ty.as_deref().map_or_else(|| "_".to_owned(), type_name);
    match ty {
        Type::Bool => "bool".to_owned(),
        Type::S8 | Type::U8 | Type::S16 | Type::U16 | Type::S32 | Type::U32 | Type::S64 | Type::U64 => {
            format!("{ty:?}").to_lowercase()
        }
        Type::F32 | Type::F64 => "number".to_owned(),
        Type::Char => "char".to_owned(),
        Type::String => "text".to_owned(),
        Type::Json => "json".to_owned(),
        Type::Bytes => "bytes".to_owned(),
        Type::Artefact => "artefact".to_owned(),
        Type::List { element } => format!("list<{}>", type_name(element)),
        Type::Option { inner } => format!("{} (optional)", type_name(inner)),
        Type::Tuple { items } => format!("({})", several(items)),
        Type::Record { fields, .. } => {
            let fields: Vec<String> = fields
                .iter()
                .map(|field| format!("{}: {}", field.name, type_name(&field.ty)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        Type::Variant { cases, .. } => cases
            .iter()
            .map(|case| match &case.ty {
                Some(ty) => format!("{}({})", case.name, type_name(ty)),
                None => case.name.clone(),
            })
            .collect::<Vec<_>>()
            .join(" | "),
        Type::Enum { cases, .. } => names(cases, " | "),
        Type::Flags { flags, .. } => format!("flags<{}>", names(flags, ", ")),
        Type::Result { ok, err } => format!("result<{}, {}>", side(ok), side(err)),
    }
}

fn names(cases: &[EnumCase], between: &str) -> String {
    cases
        .iter()
        .map(|case| case.name.as_str())
        .collect::<Vec<_>>()
        .join(between)
}

fn first_line(text: &str) -> String {
    one_line(text.lines().next().unwrap_or_default())
}
