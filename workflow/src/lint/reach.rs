//! What an expression at one place of a definition may use, with types, for somebody who is about to write it.

use serde_json::Map;

use super::expressions::Site;
use super::types::TypedNames;
use super::{Connectors, Lint};
use crate::Definition;
use crate::expr::{Expression, Interrupt};
use crate::names::SPECIAL;
use crate::types::{Finding, Names, Ty, infer};

/// The names in reach of the values of one node, or of the output, with the types of what they stand for.
pub(crate) struct Reach<'d> {
    lint: Lint<'d>,
    site: Site<'d>,
}

/// What a name in reach stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameOf {
    /// `input`, `config`, `trigger`, `run`, the element of a loop or the number of a round.
    Given,
    /// A node.
    Node,
}

impl<'d> Reach<'d> {
    /// Finds the types of everything; nothing for a node that is not there.
    pub(crate) fn new(
        definition: &'d Definition,
        connectors: &dyn Connectors,
        node: Option<&str>,
        interrupt: &'d Interrupt,
    ) -> Option<Self> {
        let walk = definition.model.walk();
        let found = match node {
            Some(id) => Some(walk.iter().find(|(_, node)| node.id.as_str() == id)?),
            None => None,
        };
        let mut lint = Lint::new(definition, &Map::new(), connectors, interrupt);
        lint.find_types();
        let top = Site::top(&definition.model.nodes);
        let site = match found {
            Some((around, node)) => around.iter().fold(top, |site, each| site.inside(each)).at(node),
            None => top,
        };
        Some(Self { lint, site })
    }

    /// The definition whose names they are.
    pub(crate) fn definition(&self) -> &'d Definition {
        self.lint.definition
    }

    /// Every name once, the nearest first among those that differ in kind.
    pub(crate) fn names(&self) -> Vec<(&'d str, NameOf)> {
        let special = SPECIAL.iter().copied();
        let items = self
            .site
            .around
            .iter()
            .rev()
            .filter_map(|node| node.kind.inner_name());
        let own = self.site.of.map(|node| &node.id);
        let nodes = self.site.reach.iter().filter(|node| Some(&node.id) != own);
        special
            .chain(items)
            .map(|name| (name, NameOf::Given))
            .chain(nodes.map(|node| (node.id.as_str(), NameOf::Node)))
            .collect()
    }

    /// The type of an expression, with names bound inside it, and what is certainly wrong in it.
    pub(crate) fn infer(&self, expression: &Expression, bound: &[(String, Ty)]) -> (Ty, Vec<Finding>) {
        let names = Bound {
            names: TypedNames {
                lint: &self.lint,
                site: &self.site,
                known: &self.lint.types,
            },
            bound,
        };
        let mut findings = Vec::new();
        let ty = infer(expression, &names, &mut findings);
        (ty, findings)
    }
}

/// Names in reach below those that loops around the place in the expression bind.
struct Bound<'n, 'l, 'd> {
    names: TypedNames<'l, 'd>,
    bound: &'n [(String, Ty)],
}

impl Names for Bound<'_, '_, '_> {
    fn ty(&self, name: &str) -> Ty {
        match self.bound.iter().rev().find(|(bound, _)| bound == name) {
            Some((_, ty)) => ty.clone(),
            None => self.names.ty(name),
        }
    }

    fn instead_of_field(&self, name: &str, field: &str) -> Option<String> {
        self.names.instead_of_field(name, field)
    }
}
