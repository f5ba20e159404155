//! Where each part of a definition stands in the file.

use std::collections::HashMap;

use crate::diagnostic::Span;
use crate::yaml::Style;

/// Places by path: `title`, `nodes.fetch`, `nodes.fetch.with.url`, `nodes.fetch.allow[0]`.
///
/// A nested node stands under `nodes.` as well, because ids are unique in a workflow.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    places: HashMap<String, Place>,
}

/// One place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// The key, if it has one.
    pub(crate) key: Option<Span>,
    /// The value.
    pub(crate) value: Span,
    /// How text was written; `None` for anything else.
    pub(crate) style: Option<Style>,
}

impl Places {
    pub(crate) fn add(&mut self, path: impl Into<String>, place: Place) {
        self.places.insert(path.into(), place);
    }

    pub(crate) fn get(&self, path: &str) -> Option<Place> {
        self.places.get(path).copied()
    }

    /// First byte of the value at this path, or of the nearest part around it that has a place.
    pub(crate) fn value_at(&self, path: &str) -> usize {
        self.nearest(path).map_or(0, |place| place.value.start)
    }

    /// First byte of the key at this path, or of the nearest part around it that has a place.
    pub(crate) fn key_at(&self, path: &str) -> usize {
        self.nearest(path)
            .map_or(0, |place| place.key.unwrap_or(place.value).start)
    }

    fn nearest(&self, path: &str) -> Option<Place> {
        let mut path = path;
        loop {
            if let Some(place) = self.get(path) {
                return Some(place);
            }
            let cut = path.rfind(['.', '['])?;
            path = path.get(..cut)?;
        }
    }

    /// The byte of the source where a byte of a text stands. Exact for text on one line without escapes, which is
    /// what expressions are; the start of the text otherwise.
    pub(crate) fn inside_text(&self, path: &str, offset: usize) -> usize {
        let Some(place) = self.nearest(path) else { return 0 };
        let exact = self.get(path).is_some();
        match place.style {
            Some(Style::Plain) if exact => (place.value.start + offset).min(place.value.end),
            Some(Style::Quoted) if exact => (place.value.start + 1 + offset).min(place.value.end),
            _ => place.value.start,
        }
    }
}
