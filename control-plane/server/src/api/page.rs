//! Pages of lists: Relay connections with opaque, versioned cursors.

use async_graphql::connection::{Connection, CursorType, Edge};
use async_graphql::{OutputType, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flowforge_store::Page;

use super::faults::{CODE_ARGUMENT, coded};

/// Items of a page unless asked otherwise.
pub(crate) const DEFAULT_FIRST: i32 = 50;
/// Items of a page at most.
const MAX_FIRST: i32 = 100;
const VERSION: &str = "2:";

/// A place in a list. Its text means nothing to clients and carries a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor(pub(crate) String);

impl CursorType for Cursor {
    type Error = &'static str;

    fn decode_cursor(text: &str) -> Result<Self, Self::Error> {
        let wrong = "`after` is not a cursor of this list; use `endCursor` of the page before";
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong)?;
        let text = String::from_utf8(bytes).map_err(|_| wrong)?;
        text.strip_prefix(VERSION)
            .map(|place| Self(place.to_owned()))
            .ok_or(wrong)
    }

    fn encode_cursor(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{VERSION}{}", self.0))
    }
}

/// What part of a list is wanted, checked.
pub(crate) struct Window {
    list: &'static str,
    pub(crate) limit: u32,
    pub(crate) after: Option<Cursor>,
}

impl Window {
    /// `list` names the list: a cursor of another one is refused.
    pub(crate) fn new(list: &'static str, first: Option<i32>, after: Option<String>) -> Result<Self> {
        let first = first.unwrap_or(DEFAULT_FIRST);
        let limit = u32::try_from(first)
            .ok()
            .filter(|_| (1..=MAX_FIRST).contains(&first));
        let limit = limit.ok_or_else(|| coded(format!("`first` must be 1 to {MAX_FIRST}"), CODE_ARGUMENT))?;
        let after = after.map(|text| {
            let wrong = |error: &str| coded(error, CODE_ARGUMENT);
            let Cursor(place) = Cursor::decode_cursor(&text).map_err(wrong)?;
            match place.split_once('/') {
                Some((of, place)) if of == list => Ok(Cursor(place.to_owned())),
                Some((of, _)) => Err(wrong(&format!(
                    "`after` is a cursor of `{of}`, and this is `{list}`"
                ))),
                None => Err(wrong("`after` is not a cursor of this list")),
            }
        });
        Ok(Self {
            list,
            limit,
            after: after.transpose()?,
        })
    }

    /// The cursor as the number of a row.
    pub(crate) fn after_row(&self) -> Result<Option<i64>> {
        let parse = |cursor: &Cursor| cursor.0.parse::<i64>();
        let wrong = |_| coded("`after` is not a cursor of this list", CODE_ARGUMENT);
        self.after.as_ref().map(parse).transpose().map_err(wrong)
    }
}

/// A connection over a stored page.
pub(crate) fn connection<T, N: OutputType>(
    page: Page<T>,
    window: &Window,
    node: impl Fn(T) -> N,
) -> Connection<Cursor, N> {
    let edges = page
        .items
        .into_iter()
        .map(|(place, item)| (Cursor(place.to_string()), node(item)));
    from_edges(edges, page.has_more, window)
}

/// A connection over items with their cursors.
pub(crate) fn from_edges<N: OutputType>(
    edges: impl IntoIterator<Item = (Cursor, N)>,
    has_more: bool,
    window: &Window,
) -> Connection<Cursor, N> {
    let mut connection = Connection::new(window.after.is_some(), has_more);
    connection
        .edges
        .extend(edges.into_iter().map(|(Cursor(place), node)| {
            let cursor = Cursor(format!("{}/{place}", window.list));
            Edge::new(cursor, node)
        }));
    connection
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_round_and_nothing_else_is_one() {
        let cursor = Cursor("42".to_owned());
        assert_eq!(Cursor::decode_cursor(&cursor.encode_cursor()), Ok(cursor));
        for wrong in ["", "42", "!!", &URL_SAFE_NO_PAD.encode("1:42")] {
            assert!(Cursor::decode_cursor(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_size_of_a_page_is_bounded_on_both_sides() {
        for good in [1, 100] {
            assert!(Window::new("runs", Some(good), None).is_ok());
        }
        for wrong in [0, -1, 101] {
            assert!(Window::new("runs", Some(wrong), None).is_err(), "{wrong}");
        }
    }
    #[test]
    fn a_cursor_of_another_list_is_refused_by_name() {
        let of_runs = Cursor("runs/42".to_owned()).encode_cursor();
        let window = Window::new("runs", None, Some(of_runs.clone())).unwrap();
        assert_eq!(window.after_row().unwrap(), Some(42));
        let refused = Window::new("approvals", None, Some(of_runs))
            .map(|_| ())
            .unwrap_err();
        assert!(
            refused.message.contains("`runs`") && refused.message.contains("`approvals`"),
            "{refused:?}"
        );
    }
}
