//! `approval`: a question to people.

use std::collections::BTreeMap;

use flowforge_protocol::VerifyingKey;
use flowforge_protocol::approval::{MAX_QUORUM, OnExpiry, Terms};
use serde_json::Value as Json;

use super::At;
use crate::definition::model::{Approval, NodeKind};
use crate::definition::reader::{Reader, Section, if_given, join};
use crate::limits::MAX_WAIT_MS;
use crate::yaml::Entry;

pub(super) fn read(reader: &mut Reader<'_>, at: &mut At<'_, '_>) -> Option<NodeKind> {
    let path = &at.path;
    let mut section = reader.section(path, &at.entry.node)?;
    let title = match section.get("title") {
        Some(entry) => {
            let title = reader.text(&join(path, "title"), entry);
            if title.as_ref().is_some_and(|title| title.trim().is_empty()) {
                let message = "`title` is empty: a person would be asked nothing";
                reader.problem("FF-WF-009", entry.node.span.start, message);
            }
            title
        }
        None => {
            let fix = "the question, for example `title: Send the report?`";
            reader.missing(&section, "title", fix);
            None
        }
    };
    let show = match section.get("show") {
        Some(entry) => {
            reader.place_all(&join(path, "show"), Some(entry), &entry.node);
            entry.node.to_json()
        }
        None => Json::Null,
    };
    let approvers = section
        .get("approvers")
        .and_then(|entry| reader.texts(&join(path, "approvers"), entry))
        .unwrap_or_default();
    let expires_ms = section
        .get("expires")
        .map(|entry| reader.duration(&join(path, "expires"), entry, MAX_WAIT_MS));
    let mut approval = Approval {
        title: String::new(),
        show,
        approvers,
        expires_ms: if_given(expires_ms)?,
        terms: Terms::default(),
    };
    reader.terms(path, &mut section, &mut approval);
    reader.finish(section);
    approval.title = title?;
    Some(NodeKind::Approval(approval))
}

impl Reader<'_> {
    /// What a question wants besides somebody who may answer.
    fn terms(&mut self, path: &str, section: &mut Section<'_>, approval: &mut Approval) {
        if let Some(entry) = section.get("signed_by") {
            approval.terms.signers = self.signers(path, entry);
            if !approval.approvers.is_empty() {
                let message = "`signed_by` says who may answer, so `approvers` has no place here";
                self.problem("FF-WF-035", entry.key_span.start, message);
            }
            approval.approvers = approval.terms.signers.keys().cloned().collect();
        }
        if let Some(entry) = section.get("quorum") {
            let quorum = self.whole(&join(path, "quorum"), entry, 1..=MAX_QUORUM);
            approval.terms.quorum = quorum.unwrap_or(1);
            self.check_quorum(entry, approval);
        }
        if let Some(entry) = section.get("form") {
            approval.terms.form = self.form(&join(path, "form"), entry);
        }
        if let Some(entry) = section.get("on_expiry") {
            approval.terms.on_expiry = self.on_expiry(path, entry);
            self.check_expiry(entry, approval);
        }
        if let Some(entry) = section.get("remind") {
            approval.terms.remind_ms = self.duration(&join(path, "remind"), entry, MAX_WAIT_MS);
        }
    }

    fn signers(&mut self, path: &str, entry: &Entry) -> BTreeMap<String, VerifyingKey> {
        let path = join(path, "signed_by");
        self.place_all(&path, Some(entry), &entry.node);
        let mut signers: BTreeMap<String, VerifyingKey> = BTreeMap::new();
        let named = self.entries(&path, &entry.node).unwrap_or_default();
        for entry in named {
            let Some(text) = self.text(&join(&path, &entry.key), entry) else {
                continue;
            };
            let at = entry.node.span.start;
            match text.parse::<VerifyingKey>() {
                Ok(key) if signers.values().any(|known| *known == key) => {
                    let message = format!("the key of `{}` is somebody else's, too", entry.key);
                    self.problem("FF-WF-009", at, message);
                }
                Ok(key) => {
                    signers.insert(entry.key.clone(), key);
                }
                Err(error) => {
                    let message = format!("the key of `{}` is none: {error}", entry.key);
                    let fix = "`flowforge account key` prints the line for this place";
                    self.problem_fix("FF-WF-009", at, message, fix);
                }
            }
        }
        if named.is_empty() {
            let message = "`signed_by` names nobody, so nobody could answer";
            self.problem("FF-WF-009", entry.node.span.start, message);
        }
        signers
    }

    fn check_quorum(&mut self, entry: &Entry, approval: &Approval) {
        let (wanted, signers) = (approval.terms.quorum, approval.terms.signers.len());
        if signers > 0 && usize::try_from(wanted).is_ok_and(|wanted| wanted > signers) {
            let message = format!("{wanted} people are to answer, and `signed_by` names {signers}");
            self.problem("FF-WF-009", entry.node.span.start, message);
        }
    }

    fn on_expiry(&mut self, path: &str, entry: &Entry) -> OnExpiry {
        match self.text(&join(path, "on_expiry"), entry).as_deref() {
            Some("reject") => OnExpiry::Reject,
            Some("approve") => OnExpiry::Approve,
            Some("expire") | None => OnExpiry::Expire,
            Some(other) => {
                let message = format!("`{other}` is not what an expiry can mean");
                let fix = "expire: the outcome `expired`; reject: a no; approve: a yes";
                self.problem_fix("FF-WF-009", entry.node.span.start, message, fix);
                OnExpiry::Expire
            }
        }
    }

    fn check_expiry(&mut self, entry: &Entry, approval: &Approval) {
        let at = entry.node.span.start;
        let terms = &approval.terms;
        if approval.expires_ms.is_none() {
            let message = "nothing expires here";
            self.problem_fix("FF-WF-035", at, message, "say when, for example `expires: 72h`");
        }
        if terms.on_expiry != OnExpiry::Approve {
            return;
        }
        if !terms.signers.is_empty() {
            let message = "an expiry signs nothing, and `signed_by` asks for a signature";
            self.problem_fix("FF-WF-035", at, message, "use `on_expiry: reject`");
        }
        let fields = terms.form.iter();
        let missing = fields.filter(|field| field.default.is_none() && !field.optional);
        let names: Vec<String> = missing.map(|field| format!("`{}`", field.name)).collect();
        if !names.is_empty() {
            let message = format!("nobody fills in {} when this expires", names.join(", "));
            self.problem_fix(
                "FF-WF-035",
                at,
                message,
                "give each a `default`, or `optional: true`",
            );
        }
    }
}
