//! Limits on the shape of a document that the GraphQL engine has none for.
//!
//! What counts is what a document asks for, not how it is written: a fragment counts as the fields that it stands for, each
//! time it is used.

use std::collections::HashMap;

use async_graphql::Name;
use async_graphql::Positioned;
use async_graphql::parser::types::{
    ExecutableDocument, FragmentDefinition, OperationType, Selection, SelectionSet,
};

/// Fields at the root of a query.
const MAX_ROOT_FIELDS: usize = 20;
/// Fields at the root of a mutation, or of a subscription: one call, one change.
const MAX_ROOT_CHANGES: usize = 1;
/// Aliases in an operation.
const MAX_ALIASES: usize = 30;
/// Fields of an operation. Bounds also the time of counting: fragments in fragments grow exponentially.
const MAX_FIELDS: usize = 5_000;
/// Nesting that is followed; the engine refuses less than this.
const MAX_DEPTH: usize = 64;

/// Checks counts of root fields, aliases and fields of every operation, fragments written out.
pub(crate) fn check_shape(document: &ExecutableDocument) -> Result<(), String> {
    for (_, operation) in document.operations.iter() {
        let limit = match operation.node.ty {
            OperationType::Query => MAX_ROOT_FIELDS,
            OperationType::Mutation | OperationType::Subscription => MAX_ROOT_CHANGES,
        };
        let mut count = Count {
            fragments: &document.fragments,
            roots: 0,
            aliases: 0,
            fields: 0,
        };
        count.set(&operation.node.selection_set.node, 0, true)?;
        if count.roots > limit {
            return Err(format!("{} fields at the root, more than {limit}", count.roots));
        }
        if count.aliases > MAX_ALIASES {
            return Err(format!("{} aliases, more than {MAX_ALIASES}", count.aliases));
        }
    }
    Ok(())
}

/// True if the document holds a subscription.
pub(crate) fn subscribes(document: &ExecutableDocument) -> bool {
    holds(document, OperationType::Subscription)
}

/// True if the document holds a mutation.
pub(crate) fn changes(document: &ExecutableDocument) -> bool {
    holds(document, OperationType::Mutation)
}

fn holds(document: &ExecutableDocument, kind: OperationType) -> bool {
    let mut operations = document.operations.iter();
    operations.any(|(_, operation)| operation.node.ty == kind)
}

struct Count<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    roots: usize,
    aliases: usize,
    fields: usize,
}

impl Count<'_> {
    fn set(&mut self, set: &SelectionSet, depth: usize, root: bool) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH}"));
        }
        for item in &set.items {
            // A fragment counts itself, too, so that empty ones do not make the counting long.
            self.fields += 1;
            if self.fields > MAX_FIELDS {
                return Err(format!("more than {MAX_FIELDS} fields"));
            }
            match &item.node {
                Selection::Field(field) => {
                    self.roots += usize::from(root);
                    self.aliases += usize::from(field.node.alias.is_some());
                    self.set(&field.node.selection_set.node, depth + 1, false)?;
                }
                Selection::InlineFragment(fragment) => {
                    self.set(&fragment.node.selection_set.node, depth + 1, root)?;
                }
                Selection::FragmentSpread(spread) => {
                    // The engine refuses a fragment that is not there.
                    if let Some(fragment) = self.fragments.get(&spread.node.fragment_name.node) {
                        self.set(&fragment.node.selection_set.node, depth + 1, root)?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn check(text: &str) -> Result<(), String> {
        check_shape(&parse_query(text).unwrap())
    }

    #[test]
    fn one_mutation_a_call() {
        assert_eq!(check("mutation { a }"), Ok(()));
        assert!(check("mutation { a b }").is_err());
        assert_eq!(check("{ a b }"), Ok(()));
    }

    #[test]
    fn aliases_and_root_fields_are_bounded_on_both_sides() {
        let aliases = |count: usize| (0..count).map(|n| format!("x{n}: id ")).collect::<String>();
        assert!(check(&format!("{{ run {{ {} }} }}", aliases(MAX_ALIASES))).is_ok());
        assert!(check(&format!("{{ run {{ {} }} }}", aliases(MAX_ALIASES + 1))).is_err());
        let fields = |count: usize| (0..count).map(|n| format!("f{n} ")).collect::<String>();
        assert!(check(&format!("{{ {} }}", fields(MAX_ROOT_FIELDS))).is_ok());
        assert!(check(&format!("{{ {} }}", fields(MAX_ROOT_FIELDS + 1))).is_err());
    }

    /// One POST carried thirty changes: a fragment at the root counted as one field.
    #[test]
    fn a_fragment_counts_as_what_it_stands_for() {
        assert!(check("mutation { ... on Mutation { a b } }").is_err());
        assert!(check("mutation { ...F } fragment F on Mutation { a b }").is_err());
        assert!(check("mutation { ...F ...F } fragment F on Mutation { a }").is_err());
        assert_eq!(check("mutation { ...F } fragment F on Mutation { a }"), Ok(()));
        assert!(check("subscription { a b }").is_err());
        let aliases = (0..=MAX_ALIASES / 2)
            .map(|n| format!("x{n}: id "))
            .collect::<String>();
        let twice = format!("{{ a {{ ...F }} b {{ ...F }} }} fragment F on T {{ {aliases} }}");
        assert!(check(&twice).is_err());
    }

    #[test]
    fn fragments_in_fragments_are_not_counted_for_ever() {
        let mut text = "{ a { ...F0 } }".to_owned();
        for n in 0..40 {
            text.push_str(&format!(" fragment F{n} on T {{ ...F{0} ...F{0} }}", n + 1));
        }
        text.push_str(" fragment F40 on T { id }");
        assert!(check(&text).is_err());
        assert!(check("{ a { ...F } } fragment F on T { b { ...F } }").is_err());
    }
}
