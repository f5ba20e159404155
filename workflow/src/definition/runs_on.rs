//! The section `runs_on`: which hosts may have a run, and whether it may move to another one.

use flowforge_protocol::labels::{LABEL_RULE, MAX_LABELS, is_label};

use super::model::RunsOn;
use super::reader::Reader;
use crate::limits::{DEFAULT_LEASE_MS, MAX_LEASE_MS, MIN_LEASE_MS};
use crate::yaml::Entry;

impl Reader<'_> {
    /// Where the runs may be.
    pub(super) fn runs_on(&mut self, entry: &Entry) -> RunsOn {
        self.place("runs_on", Some(entry), &entry.node);
        let Some(mut section) = self.section("runs_on", &entry.node) else {
            return RunsOn::default();
        };
        let pool = section.get("pool").and_then(|entry| {
            let name = self.text("runs_on.pool", entry)?;
            self.check_label(&name, entry.node.span.start, "a pool");
            Some(name)
        });
        let labels = section.get("labels").map(|entry| self.labels(entry));
        let moves = section.get("placement").is_some_and(|entry| self.moves(entry));
        let lease = section.get("lease");
        let lease_ms = lease.map(|entry| self.lease(entry, moves));
        self.finish_with(
            section,
            &[
                ("host", "hosts are named by `labels: [...]` and `pool: its-name`"),
                ("label", "write `labels: [one, another]`"),
                ("failover", "write `placement: failover`"),
                ("pinned", "write `placement: pinned`"),
            ],
        );
        RunsOn {
            pool,
            labels: labels.unwrap_or_default(),
            lease_ms: moves.then(|| lease_ms.unwrap_or(DEFAULT_LEASE_MS)),
        }
    }

    fn check_label(&mut self, name: &str, at: usize, what: &str) {
        if !is_label(name) {
            let message = format!("`{name}` is not the name of {what}");
            self.problem_fix("FF-WF-009", at, message, format!("write {LABEL_RULE}"));
        }
    }

    fn labels(&mut self, entry: &Entry) -> Vec<String> {
        let labels = self.texts("runs_on.labels", entry).unwrap_or_default();
        let at = entry.node.span.start;
        for label in &labels {
            self.check_label(label, at, "a label");
        }
        // The pool is one of the words that a host must have.
        let most = MAX_LABELS - 1;
        if labels.len() > most {
            let message = format!(
                "`labels` has {} entries, at most {most} are allowed",
                labels.len()
            );
            self.problem("FF-WF-009", at, message);
        }
        labels
    }

    fn moves(&mut self, entry: &Entry) -> bool {
        match self.text("runs_on.placement", entry).as_deref() {
            Some("failover") => true,
            Some("pinned") | None => false,
            Some(other) => {
                let message = format!("`placement` is `pinned` or `failover`, not `{other}`");
                let fix = "pinned: a run stays at its host, which may be offline; failover: another host goes on with it when its \
                           host is not heard for the time of `lease`";
                self.problem_fix("FF-WF-009", entry.node.span.start, message, fix);
                false
            }
        }
    }

    fn lease(&mut self, entry: &Entry, moves: bool) -> u64 {
        let at = entry.node.span.start;
        let given = self.duration("runs_on.lease", entry, MAX_LEASE_MS);
        if !moves {
            let message = "`lease` is of use only for a run that may move";
            self.problem_fix(
                "FF-WF-009",
                at,
                message,
                "add `placement: failover`, or take it out",
            );
        }
        match given {
            Some(ms) if ms < MIN_LEASE_MS => {
                let message = format!("`lease` is shorter than {} s", MIN_LEASE_MS / 1_000);
                self.problem("FF-WF-009", at, message);
                DEFAULT_LEASE_MS
            }
            Some(ms) => ms,
            None => DEFAULT_LEASE_MS,
        }
    }
}
