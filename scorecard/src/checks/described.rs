//! Words on operations, parameters and fields, and which of them have none.

use flowforge_ports::{Interface, Operation, Type};

use super::{counted, share};
use crate::Check;

/// Operations, parameters and fields, and those that nobody described.
pub(super) struct Described {
    all: usize,
    bare: Vec<String>,
}

impl Described {
    pub(super) fn of(interface: &Interface) -> Self {
        let mut found = Self {
            all: 0,
            bare: Vec::new(),
        };
        for operation in &interface.operations {
            found.operation(operation);
        }
        found
    }

    fn operation(&mut self, operation: &Operation) {
        self.item(&operation.name, operation.docs.as_deref());
        for port in &operation.params {
            let name = format!("{}.{}", operation.name, port.name);
            self.item(&name, port.docs.as_deref());
            self.ty(&name, &port.ty);
        }
        if let Some(ty) = &operation.result {
            self.ty(&format!("{} → ", operation.name), ty);
        }
    }

    fn item(&mut self, name: &str, docs: Option<&str>) {
        self.all = self.all.saturating_add(1);
        if docs.is_none_or(|text| text.trim().is_empty()) {
            self.bare.push(name.to_owned());
        }
    }

    fn ty(&mut self, place: &str, ty: &Type) {
        match ty {
            Type::List { element } => self.ty(place, element),
            Type::Option { inner } => self.ty(place, inner),
            Type::Record { fields, .. } => {
                for field in fields {
                    let name = format!("{}.{}", place.trim_end(), field.name);
                    self.item(&name, field.docs.as_deref());
                    self.ty(&name, &field.ty);
                }
            }
            _ => {}
        }
    }

    pub(super) fn check(&self, id: &'static str, of: u32) -> Check {
        let done = self.all.saturating_sub(self.bare.len());
        let evidence = if self.bare.is_empty() {
            format!("all of {} are described", counted(self.all, "part"))
        } else {
            format!("without a word: {}", self.bare.join(", "))
        };
        Check::scored(id, share(done, self.all, of), of, evidence, "a comment on each")
    }
}
