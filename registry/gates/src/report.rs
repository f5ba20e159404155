//! All gates of one component, asked in their order, with what the answers are.

use flowforge_ports::Interface;
use flowforge_protocol::{ConnectorName, Digest};
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::{
    Advisory, CapabilityDifference, Change, Comparison, Impact, Severity, check_licence, check_needs,
    compare, is_confusable, is_enough, lowest_right, previous_of,
};

/// A component that wants to be a version.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The connector.
    pub name: &'a ConnectorName,
    /// The version, as text.
    pub version: &'a str,
    /// The component.
    pub bytes: &'a [u8],
}

/// A component whose interface was read before.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The connector.
    pub name: &'a ConnectorName,
    /// The version, as text.
    pub version: &'a str,
    /// Digest of the component's bytes.
    pub digest: Digest,
    /// Its size.
    pub size_bytes: u64,
}

/// What the registry knows besides.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    /// Largest component, in bytes.
    pub bytes_max: u64,
    /// The published versions of this connector: version, digest of its bytes, what it offers.
    pub versions: Vec<(&'a Version, Digest, &'a Interface)>,
    /// Everybody who has published something here.
    pub publishers: Vec<&'a str>,
    /// All advisories.
    pub advisories: Vec<&'a Advisory>,
    /// Why the publisher's signature does not hold, if it does not.
    pub owner: Result<(), String>,
}

/// A gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateName {
    /// The version is one that a tag can hold.
    Version,
    /// The file is not too large.
    Size,
    /// The file is a component.
    Component,
    /// The component is pushed under the name that it has.
    OwnName,
    /// Every import is one that hosts offer.
    Imports,
    /// What it declares is there.
    Declared,
    /// There is something that can be called.
    Operations,
    /// Its licence is an SPDX expression.
    Licence,
    /// The publisher's name is no other's with a letter changed.
    Name,
    /// Its owner signed it.
    Owner,
    /// The version is not taken by other bytes.
    Free,
    /// The version says what changed.
    Interface,
    /// No critical advisory is about it.
    Advisories,
}

impl GateName {
    /// Its name for people and programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Size => "size",
            Self::Component => "component",
            Self::OwnName => "own_name",
            Self::Imports => "imports",
            Self::Declared => "declared",
            Self::Operations => "operations",
            Self::Licence => "licence",
            Self::Name => "name",
            Self::Owner => "owner",
            Self::Free => "free",
            Self::Interface => "interface",
            Self::Advisories => "advisories",
        }
    }
}

/// What one gate says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// Which.
    pub gate: GateName,
    /// Why it does not let the component through, with the mend; nothing if it does.
    pub refused: Option<String>,
    /// What is worth knowing all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What a registry says of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// `publisher:name`.
    pub name: String,
    /// The version.
    pub version: String,
    /// Digest of the component's bytes.
    pub digest: Digest,
    /// Its size.
    pub size_bytes: u64,
    /// The version that it comes after, if there is one.
    pub after: Option<String>,
    /// What the differences ask of those who use that one.
    pub impact: Option<Impact>,
    /// The lowest version that would be right, if there is one before it.
    pub lowest_right: Option<String>,
    /// Each difference.
    pub changes: Vec<Change>,
    /// What it asks for that the version before did not, and the other way round.
    pub capabilities: CapabilityDifference,
    /// Every gate that could be asked: what is no component has no interface to ask about.
    pub gates: Vec<Gate>,
}

impl Report {
    /// The first gate that does not let it through.
    #[must_use]
    pub fn refusal(&self) -> Option<(GateName, &str)> {
        self.gates
            .iter()
            .find_map(|gate| Some((gate.gate, gate.refused.as_deref()?)))
    }
}

/// Asks every gate. The interface comes with the report if the bytes are a component.
///
/// Takes time and memory in proportion to the component's size.
#[must_use]
pub fn judge(candidate: Candidate<'_>, known: &Known<'_>) -> (Report, Option<Interface>) {
    let subject = Subject {
        name: candidate.name,
        version: candidate.version,
        digest: Digest::of(candidate.bytes),
        size_bytes: u64::try_from(candidate.bytes.len()).unwrap_or(u64::MAX),
    };
    let mut report = Report::begin(subject, known);
    if subject.size_bytes > known.bytes_max {
        return (report, None);
    }
    match flowforge_ports::inspect(candidate.bytes) {
        Ok(interface) => (judge_interface(subject, &interface, known), Some(interface)),
        Err(error) => {
            report.ask(
                GateName::Component,
                Err(format!("the layer cannot be published: {error}")),
            );
            (report, None)
        }
    }
}

/// Asks every gate of a component whose interface was read from its bytes before.
#[must_use]
pub fn judge_interface(subject: Subject<'_>, interface: &Interface, known: &Known<'_>) -> Report {
    let mut report = Report::begin(subject, known);
    report.ask(GateName::Component, Ok(()));
    report.ask_about_itself(subject, interface);
    report.ask(GateName::Name, check_publisher(subject.name, &known.publishers));
    report.ask(GateName::Owner, known.owner.clone());
    if let Ok(version) = check_version(subject.version) {
        report.ask_about_version(subject.name, &version, interface, known);
    }
    report
}

impl Report {
    /// What can be said before the bytes are looked into.
    fn begin(subject: Subject<'_>, known: &Known<'_>) -> Self {
        let mut report = Self {
            name: subject.name.to_string(),
            version: subject.version.chars().take(130).collect(),
            digest: subject.digest,
            size_bytes: subject.size_bytes,
            after: None,
            impact: None,
            lowest_right: None,
            changes: Vec::new(),
            capabilities: CapabilityDifference::default(),
            gates: Vec::new(),
        };
        report.ask(GateName::Version, check_version(subject.version).map(drop));
        report.ask(GateName::Size, check_size(subject.size_bytes, known.bytes_max));
        report
    }

    fn ask(&mut self, gate: GateName, answer: Result<(), String>) {
        self.gates.push(Gate {
            gate,
            refused: answer.err(),
            note: None,
        });
    }

    fn note(&mut self, note: String) {
        if let Some(gate) = self.gates.last_mut() {
            gate.note = Some(note);
        }
    }

    fn ask_about_itself(&mut self, subject: Subject<'_>, interface: &Interface) {
        self.ask(GateName::OwnName, check_own_name(subject, interface));
        self.ask(GateName::Imports, check_imports(interface));
        self.ask(GateName::Declared, check_needs(interface));
        self.ask(GateName::Operations, check_operations(interface));
        let licence = interface.meta.as_ref().map_or("", |meta| meta.license.as_str());
        if licence.is_empty() {
            self.ask(GateName::Licence, Ok(()));
            self.note("it states no licence, so that nobody knows what they may do with it".to_owned());
        } else {
            self.ask(GateName::Licence, check_licence(licence));
        }
    }

    fn ask_about_version(
        &mut self,
        name: &ConnectorName,
        version: &Version,
        interface: &Interface,
        known: &Known<'_>,
    ) {
        let taken = known.versions.iter().find(|(taken, ..)| *taken == version);
        let is_there = taken.is_some_and(|(_, digest, _)| *digest == self.digest);
        self.ask(
            GateName::Free,
            match taken {
                Some(_) if !is_there => Err(format!(
                    "{name} {version} exists with different content; next free: {}",
                    next_free(version, known)
                )),
                _ => Ok(()),
            },
        );
        self.ask_about_interface(version, interface, known, is_there);
        let concerned = known
            .advisories
            .iter()
            .filter(|advisory| advisory.concerns(name, version));
        let worst = concerned.max_by_key(|advisory| advisory.severity());
        match worst {
            Some(worst) if worst.severity() == Severity::Critical => {
                self.ask(GateName::Advisories, Err(told(worst, name, version)));
            }
            Some(worst) => {
                self.ask(GateName::Advisories, Ok(()));
                self.note(told(worst, name, version));
            }
            None => self.ask(GateName::Advisories, Ok(())),
        }
    }

    fn ask_about_interface(
        &mut self,
        version: &Version,
        interface: &Interface,
        known: &Known<'_>,
        is_there: bool,
    ) {
        let others = known.versions.iter().map(|(version, ..)| *version);
        let Some(previous) = previous_of(others, version) else {
            self.ask(GateName::Interface, Ok(()));
            return;
        };
        let before = known.versions.iter().find(|(version, ..)| *version == previous);
        let Some((_, _, old)) = before else {
            return;
        };
        let found = compare(old, interface);
        let impact = found.impact();
        let lowest = lowest_right(previous, impact);
        // What is published stays so, even if today's rules would want another number.
        let answer = if is_there || is_enough(previous, version, impact) {
            Ok(())
        } else {
            Err(too_small(previous, version, &lowest, &found))
        };
        self.ask(GateName::Interface, answer);
        self.after = Some(previous.to_string());
        self.impact = Some(impact);
        self.lowest_right = Some(lowest.to_string());
        self.changes = found.changes;
        self.capabilities = found.capabilities;
    }
}

/// Most differences that a refusal lists.
const REASONS_MAX: usize = 8;

fn too_small(previous: &Version, version: &Version, lowest: &Version, found: &Comparison) -> String {
    let impact = found.impact();
    let mut reasons = found.reasons(impact);
    let grown = found
        .capabilities
        .added
        .iter()
        .map(|what| format!("asks for {what}"));
    if impact == Impact::Compatible {
        reasons.extend(grown);
    }
    let more = reasons.len().saturating_sub(REASONS_MAX);
    reasons.truncate(REASONS_MAX);
    if more > 0 {
        reasons.push(format!("and {more} more"));
    }
    let what = match impact {
        Impact::Breaking => "breaks workflows that use",
        Impact::Same | Impact::Compatible => "has more than",
    };
    format!(
        "{version} {what} {previous}: {}. The version would have to be {lowest}",
        reasons.join("; ")
    )
}

fn told(advisory: &Advisory, name: &ConnectorName, version: &Version) -> String {
    let summary: String = advisory.summary.chars().take(300).collect();
    let mend = match advisory.fixed_in(name, version) {
        Some(fixed) => format!("use {fixed} or later"),
        None => "no version without it is known".to_owned(),
    };
    format!("{}: {summary} ({mend})", advisory.id)
}

/// Reads a version that a tag can hold.
///
/// # Errors
/// Why it is none, for people.
pub fn check_version(text: &str) -> Result<Version, String> {
    let invalid = |why: &str| {
        let text: String = text.chars().take(130).collect();
        format!("`{text}` is not a version: {why}; expected a semantic version such as 0.1.0")
    };
    if text.len() > 128 {
        return Err(invalid("it is longer than 128 characters"));
    }
    let version = Version::parse(text).map_err(|error| invalid(&error.to_string()))?;
    if !version.build.is_empty() {
        return Err(invalid("a tag cannot hold `+` and build metadata"));
    }
    Ok(version)
}

fn check_size(bytes: u64, bytes_max: u64) -> Result<(), String> {
    if bytes <= bytes_max {
        return Ok(());
    }
    Err(format!(
        "the component is {bytes} bytes, above the limit of {bytes_max}; fetch large data when it is needed, or take it \
         as an artefact"
    ))
}

fn check_own_name(subject: Subject<'_>, interface: &Interface) -> Result<(), String> {
    match &interface.meta {
        Some(meta) if meta.name != subject.name.as_str() || meta.version != subject.version => Err(format!(
            "the component says that it is {} {}, it was pushed as {} {}; build it again or push it under its own name",
            meta.name, meta.version, subject.name, subject.version
        )),
        _ => Ok(()),
    }
}

fn check_imports(interface: &Interface) -> Result<(), String> {
    let unknown = |capability: &&flowforge_ports::Capability| {
        capability.kind == flowforge_ports::CapabilityKind::Unknown
    };
    let foreign: Vec<&str> = interface
        .capabilities
        .iter()
        .filter(unknown)
        .map(|capability| capability.import.as_str())
        .take(REASONS_MAX)
        .collect();
    if foreign.is_empty() {
        return Ok(());
    }
    Err(format!(
        "it imports what no host offers: {}; hosts offer `flowforge:connector`, `wasi:http/outgoing-handler` and the \
         basic interfaces of WASI",
        foreign.join(", ")
    ))
}

fn check_operations(interface: &Interface) -> Result<(), String> {
    if !interface.operations.is_empty() {
        return Ok(());
    }
    let refused: Vec<String> = interface
        .not_callable
        .iter()
        .take(REASONS_MAX)
        .map(|function| format!("`{}`: {}", function.name, function.reason))
        .collect();
    Err(match refused.as_slice() {
        [] => "it exports no function, so there is nothing to call".to_owned(),
        refused => format!("none of its functions can be called: {}", refused.join("; ")),
    })
}

fn check_publisher(name: &ConnectorName, publishers: &[&str]) -> Result<(), String> {
    if publishers.contains(&name.publisher()) {
        return Ok(());
    }
    match publishers
        .iter()
        .find(|known| is_confusable(name.publisher(), known))
    {
        Some(known) => Err(format!(
            "`{}` is easily taken for `{known}`, who publishes here; choose a name that nobody mixes up",
            name.publisher()
        )),
        None => Ok(()),
    }
}

fn next_free(version: &Version, known: &Known<'_>) -> Version {
    let mut next = Version::new(version.major, version.minor, version.patch.saturating_add(1));
    while known.versions.iter().any(|(taken, ..)| **taken == next) && next.patch < u64::MAX {
        next.patch += 1;
    }
    next
}

#[cfg(test)]
mod tests;
