//! `{{name}}`: begins runs for items that a service sends.

use std::collections::BTreeMap;

use flowforge_sdk::{Failure, connector, json};

use bindings::{Incoming, Item};

struct Items;
connector!(Items);

/// The body of a request: lists of items by their names.
type Body = BTreeMap<String, Vec<BTreeMap<String, String>>>;

impl Connector for Items {
    fn read_items(request: Incoming) -> Result<Vec<Item>, Failure> {
        let wrong = || Failure::invalid("request.body", "must be JSON with `items`");
        let text = String::from_utf8(request.body).map_err(|_| wrong())?;
        let mut body: Body = json::parse("request.body", &text)?;
        let items = body.remove("items").ok_or_else(wrong)?;
        items
            .into_iter()
            .map(|mut item| {
                let mut field = |name: &str| item.remove(name).ok_or_else(wrong);
                Ok(Item {
                    id: field("id")?,
                    title: field("title")?,
                })
            })
            .collect()
    }
}
