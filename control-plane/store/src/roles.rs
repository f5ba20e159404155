//! Roles in a column, as JSON.

use std::collections::BTreeSet;

use flowforge_core::Role;
use serde_json::json;

use crate::StoreError;
use crate::cells::Row;

/// The roles in a column. A role that a newer program wrote is none here.
pub(crate) fn roles(row: &Row<'_>, column: usize) -> Result<BTreeSet<Role>, StoreError> {
    let names: Vec<String> = serde_json::from_str(row.text(column)?)
        .map_err(|error| StoreError::unreadable("roles of a member", error))?;
    Ok(names.iter().filter_map(|name| Role::named(name)).collect())
}

/// As they are stored.
pub(crate) fn roles_text(roles: &BTreeSet<Role>) -> String {
    let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    json!(names).to_string()
}
