//! Triggers whose events a connector finds: the call that does, and of a poll how often it is made.

use flowforge_protocol::NodeId;

use super::model::{Poll, TriggerKind};
use super::reader::{Reader, join};
use crate::definition::duration::format_duration_ms;
use crate::limits::{MAX_POLL_MS, MIN_POLL_MS, POLL_ATTEMPTS};
use crate::yaml::Entry;

impl Reader<'_> {
    /// The places of the call stand under the id of its step, `nodes.new_rows~trigger`, those of the rest under `path`.
    pub(super) fn poll(&mut self, path: &str, name: &str, entry: &Entry) -> Option<TriggerKind> {
        self.place(path, Some(entry), &entry.node);
        // A name that is none was reported where it stands.
        let step = NodeId::of_trigger(name).ok()?;
        let base = format!("nodes.{step}");
        self.place(&base, Some(entry), &entry.node);
        let mut section = self.section(&base, &entry.node)?;
        let every_ms = match section.get("every") {
            Some(entry) => self.every(&join(path, "every"), entry),
            None => {
                self.missing(
                    &section,
                    "every",
                    "how often it is asked, for example `every: 1m`",
                );
                None
            }
        };
        let retries = section.get("retry").is_some();
        let call = match section.get("call") {
            Some(entry) => self.call(&mut section, entry, &base),
            None => {
                let fix = "the operation that finds events, for example `call: acme:feed/new_items`";
                self.missing(&section, "call", fix);
                None
            }
        };
        self.finish(section);
        let mut call = call?;
        if !retries {
            call.retry.attempts = POLL_ATTEMPTS;
        }
        let every_ms = every_ms?;
        Some(TriggerKind::Poll(Box::new(Poll { call, every_ms })))
    }

    fn every(&mut self, path: &str, entry: &Entry) -> Option<u64> {
        let every_ms = self.duration(path, entry, MAX_POLL_MS)?;
        if every_ms < MIN_POLL_MS {
            let message = format!(
                "`every` is shorter than {}, the shortest time between two polls",
                format_duration_ms(MIN_POLL_MS)
            );
            self.problem("FF-WF-009", entry.node.span.start, message);
        }
        Some(every_ms)
    }
}
