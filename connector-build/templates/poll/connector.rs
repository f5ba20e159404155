//! `{{name}}`: begins runs for new items.

use std::collections::BTreeMap;

use flowforge_sdk::http::Request;
use flowforge_sdk::{Failure, connector};

use bindings::{Batch, Item};

struct Items;
connector!(Items);

impl Connector for Items {
    fn new_items(cursor: Option<String>) -> Result<Batch, Failure> {
        let after = match &cursor {
            Some(cursor) => format!("?after={}", encoded(cursor)),
            None => String::new(),
        };
        let answer = Request::get(&format!("https://api.example.com/items{after}")).send()?;
        let found: Vec<BTreeMap<String, String>> = answer.json()?;
        let events: Vec<Item> = found.into_iter().map(item).collect::<Result<_, _>>()?;
        let cursor = events.last().map(|item| item.id.clone()).or(cursor);
        Ok(Batch { events, cursor })
    }
}

fn item(mut fields: BTreeMap<String, String>) -> Result<Item, Failure> {
    let mut field = |name: &str| {
        let missing = || Failure::internal(format!("the service gives an item without `{name}`"));
        fields.remove(name).ok_or_else(missing)
    };
    Ok(Item {
        id: field("id")?,
        title: field("title")?,
    })
}

/// A text as a part of an address.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}
