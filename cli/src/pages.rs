//! A list of the public API, page after page.

use anyhow::Result;
use serde_json::{Value, json};

use crate::args::Global;
use crate::output::list;

/// Items that one call brings.
const PAGE: u32 = 100;

/// What is wanted of which list.
pub(crate) struct Wanted {
    /// Takes `$first` and `$after`, and asks for `nodes` and `pageInfo { hasNextPage endCursor }`.
    pub(crate) document: &'static str,
    /// The field that is the list.
    pub(crate) list: &'static str,
    /// At most so many items.
    pub(crate) limit: u32,
    /// The other variables: an object.
    pub(crate) variables: Value,
}

/// The items, until there are as many as are wanted.
pub(crate) async fn pages(global: &Global, wanted: Wanted) -> Result<Value> {
    let api = global.api()?;
    let limit = usize::try_from(wanted.limit).unwrap_or(usize::MAX);
    let (mut items, mut after) = (Vec::new(), Value::Null);
    loop {
        let left = u32::try_from(limit.saturating_sub(items.len())).unwrap_or(PAGE);
        let mut variables = wanted.variables.clone();
        if let Value::Object(fields) = &mut variables {
            fields.insert("first".to_owned(), json!(left.min(PAGE)));
            fields.insert("after".to_owned(), after);
        }
        let data = api.ask(wanted.document, variables).await?;
        let of = |place: &str| data.pointer(&format!("/{}/{place}", wanted.list));
        items.extend(list(&data, &format!("/{}/nodes", wanted.list)).iter().cloned());
        let has_more = of("pageInfo/hasNextPage") == Some(&Value::Bool(true));
        if items.len() >= limit || !has_more {
            return Ok(Value::Array(items));
        }
        after = of("pageInfo/endCursor").cloned().unwrap_or_default();
    }
}
