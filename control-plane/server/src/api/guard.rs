//! Limits on the shape of a document that the GraphQL engine has none for.

use async_graphql::parser::types::{ExecutableDocument, OperationType, Selection, SelectionSet};

/// Fields at the root of a query.
const MAX_ROOT_FIELDS: usize = 20;
/// Fields at the root of a mutation: one call, one change.
const MAX_ROOT_MUTATIONS: usize = 1;
/// Aliases in a document.
const MAX_ALIASES: usize = 30;

/// Checks counts of operations, root fields and aliases.
pub(crate) fn check_shape(document: &ExecutableDocument) -> Result<(), String> {
    let mut aliases = 0;
    for (_, operation) in document.operations.iter() {
        let root = operation.node.selection_set.node.items.len();
        let limit = match operation.node.ty {
            OperationType::Mutation => MAX_ROOT_MUTATIONS,
            OperationType::Query => MAX_ROOT_FIELDS,
            OperationType::Subscription => return Err("subscriptions are served at /graphql/ws".to_owned()),
        };
        if root > limit {
            return Err(format!("{root} fields at the root, more than {limit}"));
        }
        aliases += count_aliases(&operation.node.selection_set.node);
    }
    for fragment in document.fragments.values() {
        aliases += count_aliases(&fragment.node.selection_set.node);
    }
    if aliases > MAX_ALIASES {
        return Err(format!("{aliases} aliases, more than {MAX_ALIASES}"));
    }
    Ok(())
}

fn count_aliases(set: &SelectionSet) -> usize {
    let count = |item: &async_graphql::Positioned<Selection>| match &item.node {
        Selection::Field(field) => {
            usize::from(field.node.alias.is_some()) + count_aliases(&field.node.selection_set.node)
        }
        Selection::InlineFragment(fragment) => count_aliases(&fragment.node.selection_set.node),
        Selection::FragmentSpread(_) => 0,
    };
    set.items.iter().map(count).sum()
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

    #[test]
    fn a_subscription_is_sent_to_its_door() {
        assert!(check("subscription { a }").unwrap_err().contains("/graphql/ws"));
    }
}
