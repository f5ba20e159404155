//! Reads XML. There are no document types, so nothing in a text can make it grow or reach for other files.

use flowforge_sdk::Failure;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use serde_json::{Map, Value};

use super::{ATTRIBUTE, DEPTH_MAX, TEXT};

/// An element that has begun.
#[derive(Default)]
struct Element {
    name: String,
    fields: Map<String, Value>,
    text: String,
}

/// The root element of a text as an object of one field. An element that `lists` names is a list also where it stands alone.
///
/// # Errors
/// `rejected` with the line, when the text is no XML or has a document type.
pub(crate) fn read(text: &str, lists: &[String]) -> Result<Value, Failure> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut open = vec![Element::default()];
    loop {
        let event = reader.read_event();
        let at = |offset: u64| line(text, offset);
        let event = event.map_err(|error| wrong(at(reader.error_position()), &error))?;
        let here = at(reader.buffer_position());
        match event {
            Event::Start(start) => {
                if open.len() > DEPTH_MAX {
                    let what = format!("it is nested more than {DEPTH_MAX} deep");
                    return Err(wrong(here, &what));
                }
                open.push(begun(&start).map_err(|what| wrong(here, &what))?);
            }
            Event::End(_) => end(&mut open, lists),
            Event::Text(piece) => push(&mut open, &piece.xml10_content()),
            Event::CData(piece) => push(&mut open, &piece.xml10_content()),
            Event::GeneralRef(reference) => {
                let piece = resolved(&reference).map_err(|what| wrong(here, &what))?;
                push(&mut open, &piece);
            }
            Event::DocType(_) => return Err(wrong(here, &"a document type is not taken")),
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Empty(_) => return Err(wrong(here, &"an element has no end")),
        }
    }
    whole(open, line(text, text.len() as u64))
}

/// What is left at the end: one element, and no text beside it.
fn whole(mut open: Vec<Element>, last: usize) -> Result<Value, Failure> {
    let outside = match (open.pop(), open.pop()) {
        (Some(outside), None) => outside,
        (Some(inner), _) => return Err(wrong(last, &format!("`{}` has no end", inner.name))),
        (None, _) => return Err(wrong(last, &"there is no element")),
    };
    if !outside.text.trim().is_empty() {
        return Err(wrong(last, &"there is text outside of the root element"));
    }
    let is_one = outside.fields.len() == 1 && !outside.fields.values().any(Value::is_array);
    if is_one {
        Ok(Value::Object(outside.fields))
    } else {
        Err(wrong(last, &"there is not one root element"))
    }
}

fn begun(start: &BytesStart<'_>) -> Result<Element, String> {
    let name = start.name().as_ref().to_owned();
    let mut fields = Map::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let key = format!("{ATTRIBUTE}{}", attribute.key.as_ref());
        let value = attribute
            .normalized_value(quick_xml::XmlVersion::Implicit1_0)
            .map_err(|error| error.to_string())?;
        fields.insert(key, Value::String(value.into_owned()));
    }
    Ok(Element {
        name,
        fields,
        text: String::new(),
    })
}

fn push(open: &mut [Element], piece: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(piece);
    }
}

/// The innermost element has ended: it goes into the one around it.
fn end(open: &mut Vec<Element>, lists: &[String]) {
    let Some(mut ended) = open.pop() else { return };
    let value = if ended.fields.is_empty() {
        Value::String(ended.text)
    } else {
        let text = ended.text.trim();
        if !text.is_empty() {
            ended
                .fields
                .insert(TEXT.to_owned(), Value::String(text.to_owned()));
        }
        Value::Object(ended.fields)
    };
    // The root is no list, whatever is said of its name.
    let is_root = open.len() == 1;
    let Some(around) = open.last_mut() else { return };
    match around.fields.get_mut(&ended.name) {
        Some(Value::Array(several)) => several.push(value),
        Some(one) => *one = Value::Array(vec![one.take(), value]),
        None => {
            let value = if lists.contains(&ended.name) && !is_root {
                Value::Array(vec![value])
            } else {
                value
            };
            around.fields.insert(ended.name, value);
        }
    }
}

/// The character that a reference stands for.
fn resolved(reference: &BytesRef<'_>) -> Result<String, String> {
    if let Some(character) = reference.resolve_char_ref().map_err(|error| error.to_string())? {
        return Ok(character.to_string());
    }
    let name: &str = reference;
    resolve_predefined_entity(name).map(str::to_owned).ok_or_else(|| {
        format!("`&{name};` stands for nothing: there are lt, gt, amp, apos, quot and numbers")
    })
}

fn line(text: &str, offset: u64) -> usize {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

fn wrong(line: usize, what: &dyn std::fmt::Display) -> Failure {
    Failure::rejected("not_xml", format!("line {line} is no XML: {what}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(text: &str) -> Value {
        read(text, &[]).unwrap()
    }

    fn said(text: &str) -> String {
        let Failure::Rejected(rejected) = read(text, &[]).unwrap_err() else {
            panic!("must be rejected")
        };
        assert_eq!(rejected.code, "not_xml");
        rejected.message
    }

    #[test]
    fn elements_attributes_and_text_become_fields() {
        let text = "\u{feff}<?xml version=\"1.0\"?>\n<!-- c --><order id=\"7\" note='a &amp; b'>\n  <line>x &lt; y</line>\n  <line/>\n  \
                    <price currency=\"EUR\">12.50</price><![CDATA[ & more ]]>\n</order>\n";
        assert_eq!(
            value(text),
            json!({ "order": {
                "@id": "7", "@note": "a & b", "line": ["x < y", ""],
                "price": { "@currency": "EUR", "#text": "12.50" }, "#text": "& more",
            } })
        );
        assert_eq!(
            value("<a:b xmlns:a=\"u\"> x&#x41;&#66; </a:b>"),
            json!({ "a:b": { "@xmlns:a": "u", "#text": "xAB" } })
        );
        assert_eq!(value("<a> x </a>"), json!({ "a": " x " }));
    }

    #[test]
    fn what_is_named_is_a_list_also_alone() {
        let lists = ["line".to_owned(), "order".to_owned()];
        assert_eq!(
            read("<order><line>1</line></order>", &lists).unwrap(),
            json!({ "order": { "line": ["1"] } })
        );
    }

    #[test]
    fn what_is_no_xml_is_named_with_its_line() {
        assert!(
            said("<a>\n<b></a>").starts_with("line 2 is no XML: "),
            "{}",
            said("<a>\n<b></a>")
        );
        assert_eq!(said("<a>\n"), "line 2 is no XML: `a` has no end");
        assert_eq!(said(""), "line 1 is no XML: there is not one root element");
        assert_eq!(
            said("<a/><b/>"),
            "line 1 is no XML: there is not one root element"
        );
        assert_eq!(
            said("<a/>x"),
            "line 1 is no XML: there is text outside of the root element"
        );
        assert!(said("<a>&nbsp;</a>").contains("`&nbsp;` stands for nothing"));
        assert!(said("<a b=\"1\" b=\"2\"/>").contains("line 1"));
    }

    #[test]
    fn nothing_grows_and_nothing_is_fetched() {
        let bomb =
            "<!DOCTYPE a [<!ENTITY x \"xx\"><!ENTITY y SYSTEM \"file:///etc/passwd\">]>\n<a>&x;&y;</a>";
        assert_eq!(said(bomb), "line 1 is no XML: a document type is not taken");
        let deep = format!("{}{}", "<a>".repeat(DEPTH_MAX + 1), "</a>".repeat(DEPTH_MAX + 1));
        assert!(said(&deep).contains("more than 30 deep"));
        value(&format!(
            "{}{}",
            "<a>".repeat(DEPTH_MAX),
            "</a>".repeat(DEPTH_MAX)
        ));
    }
}
