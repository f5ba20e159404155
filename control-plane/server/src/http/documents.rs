//! Documents that were parsed before.
//!
//! A program sends the same few documents for ever, each with other variables; a host sends one of them hundreds of times
//! a second. Reading its text costs more than doing what it says.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_graphql::Request;
use async_graphql::parser::types::ExecutableDocument;

use crate::api::{check_literals, check_shape, subscribes};

/// Documents that are kept; all are forgotten when one more comes, so that a caller with ever new texts costs memory for
/// so many only.
const KEPT_MAX: usize = 128;
/// Longest text that is kept, in bytes.
const TEXT_MAX: usize = 8 * 1024;

/// Documents by their text, each of an allowed shape.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    kept: Mutex<HashMap<String, ExecutableDocument>>,
}

impl Documents {
    /// Gives the request its parsed document. A text that cannot be parsed is left to the engine, which reports the place
    /// of a syntax error.
    ///
    /// # Errors
    /// The document's shape is not allowed: the message for its sender.
    pub(crate) fn prepare(&self, request: &mut Request) -> Result<(), String> {
        let known = self.kept().get(&request.query).cloned();
        if let Some(document) = known {
            request.set_parsed_query(document);
            return Ok(());
        }
        check_literals(&request.query)?;
        let Ok(document) = request.parsed_query() else {
            return Ok(());
        };
        check_shape(document)?;
        if subscribes(document) {
            return Err("subscriptions are served at /graphql/ws".to_owned());
        }
        let document = document.clone();
        self.keep(&request.query, document);
        Ok(())
    }

    fn keep(&self, text: &str, document: ExecutableDocument) {
        if text.len() > TEXT_MAX {
            return;
        }
        let mut kept = self.kept();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(text.to_owned(), document);
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<String, ExecutableDocument>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepare(documents: &Documents, text: &str) -> Result<(), String> {
        documents.prepare(&mut Request::new(text))
    }

    #[test]
    fn a_document_is_kept_and_one_of_a_wrong_shape_is_refused_each_time() {
        let documents = Documents::default();
        for _ in 0..2 {
            prepare(&documents, "mutation { a }").unwrap();
            prepare(&documents, "mutation { a b }").unwrap_err();
            let elsewhere = prepare(&documents, "subscription { a }").unwrap_err();
            assert!(elsewhere.contains("/graphql/ws"));
            prepare(&documents, "not { closed").unwrap();
        }
        let kept: Vec<String> = documents.kept().keys().cloned().collect();
        assert_eq!(kept, ["mutation { a }"]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let documents = Documents::default();
        for n in 0..=2 * KEPT_MAX {
            prepare(&documents, &format!("{{ field{n} }}")).unwrap();
            assert!(documents.kept().len() <= KEPT_MAX);
        }
        let long = format!("{{ {} }}", "a".repeat(TEXT_MAX));
        prepare(&documents, &long).unwrap();
        assert!(!documents.kept().contains_key(&long));
    }
}
