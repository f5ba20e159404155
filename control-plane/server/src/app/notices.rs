//! What is known to be wrong with connectors, brought to every workflow that uses them: withdrawn versions, advisories,
//! replaced connectors, and publishers whose key was revoked.

use std::sync::Arc;

use flowforge_gates::Severity;
use flowforge_protocol::ConnectorName;
use flowforge_protocol::release::PinnedConnector;
use flowforge_registry::Entry;
use flowforge_workflow::{Diagnostic, Severity as Finding};

use crate::app::App;
use crate::release::ReadyRelease;

/// What kind of thing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoticeKind {
    Advisory,
    Disowned,
    Yanked,
    Deprecated,
}

/// Something that is known of a connector which a workflow uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) connector: String,
    pub(crate) version: String,
    pub(crate) kind: NoticeKind,
    /// Of an advisory.
    pub(crate) id: Option<String>,
    /// Of an advisory.
    pub(crate) severity: Option<Severity>,
    /// For people.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) fix: String,
}

impl Notice {
    /// The stable code under which the lint says it.
    const fn code(&self) -> &'static str {
        match self.kind {
            NoticeKind::Advisory => "FF-WF-096",
            NoticeKind::Disowned => "FF-WF-099",
            NoticeKind::Yanked => "FF-WF-097",
            NoticeKind::Deprecated => "FF-WF-098",
        }
    }

    /// As a finding of the lint. What a critical advisory is about is not published anew.
    fn finding(self, source: &str) -> Diagnostic {
        let severity = match self.severity {
            Some(Severity::Critical) => Finding::Error,
            _ => Finding::Warning,
        };
        let (index, line) = source
            .lines()
            .enumerate()
            .find(|(_, line)| line.contains(&self.connector))
            .unwrap_or((0, ""));
        Diagnostic {
            severity,
            code: self.code().to_owned(),
            message: format!("{} {}: {}", self.connector, self.version, self.message),
            line: u32::try_from(index + 1).unwrap_or(u32::MAX),
            column: u32::try_from(line.find(&self.connector).unwrap_or(0) + 1).unwrap_or(u32::MAX),
            excerpt: line.to_owned(),
            fix: Some(self.fix),
            correction: None,
        }
    }
}

impl App {
    /// What is known of one published version, the worst first.
    pub(crate) fn notices_about(&self, entry: &Entry) -> Vec<Notice> {
        let notice = |kind, message: String, fix: String| Notice {
            connector: entry.name.to_string(),
            version: entry.version.to_string(),
            kind,
            id: None,
            severity: None,
            message,
            fix,
        };
        let advisories = self.registry.advisories(&entry.name, &entry.version);
        let mut notices: Vec<Notice> = advisories
            .iter()
            .map(|advisory| {
                let summary: String = advisory.summary.chars().take(300).collect();
                let fix = match advisory.fixed_in(&entry.name, &entry.version) {
                    Some(fixed) => format!(
                        "use {} {fixed} or later: flowforge workflow publish FOLDER --update",
                        entry.name
                    ),
                    None => "no version without it is known; stop using it if you can".to_owned(),
                };
                Notice {
                    id: Some(advisory.id.clone()),
                    severity: Some(advisory.severity()),
                    ..notice(NoticeKind::Advisory, format!("{}: {summary}", advisory.id), fix)
                }
            })
            .collect();
        if entry.is_disowned {
            let message =
                "its publisher's key was revoked, and what it signed then does not hold any more".to_owned();
            let fix = format!(
                "look whether `{}` has signed it anew: flowforge publisher show {}",
                entry.name.publisher(),
                entry.name.publisher()
            );
            notices.push(notice(NoticeKind::Disowned, message, fix));
        }
        if let Some(yanked) = &entry.standing.yanked {
            let message = format!("it was withdrawn: {}", yanked.reason);
            let fix = "use another version: flowforge workflow publish FOLDER --update".to_owned();
            notices.push(notice(NoticeKind::Yanked, message, fix));
        }
        if let Some(deprecation) = self.registry.deprecation(&entry.name) {
            let fix = match &deprecation.use_instead {
                Some(instead) => format!("use {instead}"),
                None => "look for another connector: flowforge connector list".to_owned(),
            };
            let message = format!("it is replaced: {}", deprecation.reason);
            notices.push(notice(NoticeKind::Deprecated, message, fix));
        }
        notices
    }

    fn entry_of(&self, name: &str, pinned: &PinnedConnector) -> Option<Arc<Entry>> {
        let parsed: ConnectorName = name.parse().ok()?;
        let entry = self.registry.get(&parsed, &pinned.version.parse().ok()?)?;
        (entry.layer_digest == pinned.digest).then_some(entry)
    }

    /// What is known of the connectors of a release.
    pub(crate) fn notices_of(&self, release: &ReadyRelease) -> Vec<Notice> {
        let pinned = release.release.connectors.iter();
        let entries = pinned.filter_map(|(name, pinned)| self.entry_of(name, pinned));
        entries.flat_map(|entry| self.notices_about(&entry)).collect()
    }

    /// The same as findings of the lint of a workflow file.
    pub(crate) fn findings_about<'a>(
        &self,
        source: &str,
        entries: impl Iterator<Item = &'a Arc<Entry>>,
    ) -> Vec<Diagnostic> {
        let notices = entries.flat_map(|entry| self.notices_about(entry));
        notices.map(|notice| notice.finding(source)).collect()
    }

    /// The workflows whose newest version uses a connector; only with the given bytes, if they are given.
    pub(crate) fn users_of(&self, connector: &str, version: Option<&str>) -> Vec<Arc<ReadyRelease>> {
        let mut using = self.newest();
        using.retain(|release| {
            let pinned = release.release.connectors.get(connector);
            pinned.is_some_and(|pinned| version.is_none_or(|version| pinned.version == version))
        });
        using.sort_by(|a, b| a.stored.workflow.cmp(&b.stored.workflow));
        using
    }
}
