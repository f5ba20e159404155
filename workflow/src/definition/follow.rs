//! `on_done` and `on_failed`: what follows the end of a run.

use super::model::Follow;
use super::reader::{Reader, if_given, join};
use crate::names;
use crate::yaml::Entry;

/// Longest name of a webhook endpoint.
const MAX_ENDPOINT: usize = 64;

impl Reader<'_> {
    pub(super) fn follow(&mut self, path: &str, entry: &Entry) -> Option<Follow> {
        self.place(path, Some(entry), &entry.node);
        let mut section = self.section(path, &entry.node)?;
        let workflow = section
            .get("workflow")
            .map(|entry| self.followed(&join(path, "workflow"), entry));
        let endpoint = section
            .get("endpoint")
            .map(|entry| self.endpoint(&join(path, "endpoint"), entry));
        if workflow.is_none() && endpoint.is_none() {
            let fix = "`workflow: NAME` starts another workflow, `endpoint: NAME` tells a webhook endpoint";
            self.not_one_of(&section, &["workflow", "endpoint"], fix);
        }
        self.finish(section);
        let (workflow, endpoint) = (if_given(workflow)?, if_given(endpoint)?);
        (workflow.is_some() || endpoint.is_some()).then_some(Follow { workflow, endpoint })
    }

    fn followed(&mut self, path: &str, entry: &Entry) -> Option<String> {
        let name = self.text(path, entry)?;
        if names::is_kebab(&name) {
            return Some(name);
        }
        let message = format!("`{name}` is not a workflow name");
        self.problem_fix(
            "FF-WF-009",
            entry.node.span.start,
            message,
            "write its kebab-case name",
        );
        None
    }

    fn endpoint(&mut self, path: &str, entry: &Entry) -> Option<String> {
        let name = self.text(path, entry)?;
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
        if name.len() <= MAX_ENDPOINT
            && name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.bytes().all(good)
        {
            return Some(name);
        }
        let message = format!("`{name}` is not the name of a webhook endpoint");
        let fix = "the name that it has in `flowforge endpoint list`";
        self.problem_fix("FF-WF-009", entry.node.span.start, message, fix);
        None
    }
}
