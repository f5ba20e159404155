//! Advisories about connectors, in the form that other vulnerability databases have: one OSV document each.
//!
//! The registry keeps them in its own folder, so that they hold where there is no network. Fields that are not named
//! here are kept by whoever stores the document and are not read.

use flowforge_protocol::ConnectorName;
use semver::Version;
use serde::{Deserialize, Serialize};

/// Name of the ecosystem in the documents.
const ECOSYSTEM: &str = "FlowForge";

/// Most versions and ranges that one advisory may name.
const RANGES_MAX: usize = 256;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// Of little consequence.
    Low,
    /// Under conditions that are not usual.
    Moderate,
    /// Serious.
    High,
    /// No version that it is about may be published.
    Critical,
}

/// One advisory. Source: OSV schema 1.6, of which these fields are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advisory {
    /// Its name in all databases, such as `FFSA-2026-0001`.
    pub id: String,
    /// One sentence.
    pub summary: String,
    /// More, Markdown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub details: String,
    /// When it was taken back; it holds no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
    /// What it is about.
    pub affected: Vec<Affected>,
    /// How bad it is.
    pub database_specific: Specific,
}

/// A connector with the versions that are meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affected {
    /// The connector.
    pub package: Package,
    /// Spans of versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<Range>,
    /// Single versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<Version>,
}

/// A connector, as vulnerability databases name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// `FlowForge`.
    pub ecosystem: String,
    /// `publisher:name`.
    pub name: ConnectorName,
}

/// A span of versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// `SEMVER`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it begins and ends, in order.
    pub events: Vec<Event>,
}

/// One end of a span.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The first version with the fault; `0` for the first of all.
    Introduced(String),
    /// The first version without it.
    Fixed(Version),
    /// The last version with it.
    LastAffected(Version),
}

/// What the schema leaves to each database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Specific {
    /// How bad it is.
    pub severity: Severity,
}

/// Why a document is no advisory that can be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdvisoryError {
    /// Its id cannot be a file's name.
    #[error("the id `{0}` is not made of letters, digits and `-`, at most 64")]
    Id(String),
    /// It is about nothing here.
    #[error("it names no connector: `affected` needs a package of the ecosystem `{ECOSYSTEM}`")]
    AboutNothing,
    /// A place of it cannot be understood.
    #[error("{0}")]
    Range(String),
}

impl Advisory {
    /// Checks what its types cannot say.
    ///
    /// # Errors
    /// [`AdvisoryError`], for people.
    pub fn check(&self) -> Result<(), AdvisoryError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if self.id.is_empty() || self.id.len() > 64 || !self.id.chars().all(plain) {
            return Err(AdvisoryError::Id(self.id.chars().take(80).collect()));
        }
        let ours = |affected: &&Affected| affected.package.ecosystem == ECOSYSTEM;
        if !self.affected.iter().any(|affected| ours(&affected)) {
            return Err(AdvisoryError::AboutNothing);
        }
        for affected in self.affected.iter().filter(ours) {
            if affected.ranges.len() + affected.versions.len() > RANGES_MAX {
                return Err(AdvisoryError::Range(format!(
                    "more than {RANGES_MAX} ranges and versions"
                )));
            }
            for range in &affected.ranges {
                check_range(range)?;
            }
        }
        Ok(())
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.database_specific.severity
    }

    /// Whether it holds of this version.
    #[must_use]
    pub fn concerns(&self, name: &ConnectorName, version: &Version) -> bool {
        self.withdrawn.is_none()
            && self
                .affected
                .iter()
                .filter(|affected| affected.package.ecosystem == ECOSYSTEM && affected.package.name == *name)
                .any(|affected| affected.holds(version))
    }

    /// The first version of a connector that is said to be without the fault and is higher than this one.
    #[must_use]
    pub fn fixed_in(&self, name: &ConnectorName, version: &Version) -> Option<Version> {
        let about = self
            .affected
            .iter()
            .filter(|affected| affected.package.name == *name);
        let events = about
            .flat_map(|affected| &affected.ranges)
            .flat_map(|range| &range.events);
        let fixed = events.filter_map(|event| match event {
            Event::Fixed(fixed) if fixed > version => Some(fixed.clone()),
            _ => None,
        });
        fixed.min()
    }
}

impl Affected {
    fn holds(&self, version: &Version) -> bool {
        self.versions.contains(version) || self.ranges.iter().any(|range| range.holds(version))
    }
}

impl Range {
    fn holds(&self, version: &Version) -> bool {
        let mut inside = false;
        for event in &self.events {
            match event {
                Event::Introduced(from) => {
                    inside = inside || introduced(from).is_some_and(|from| *version >= from);
                }
                Event::Fixed(fixed) if version >= fixed => inside = false,
                Event::LastAffected(last) if version > last => inside = false,
                Event::Fixed(_) | Event::LastAffected(_) => {}
            }
        }
        inside
    }
}

fn introduced(text: &str) -> Option<Version> {
    match text {
        // The lowest of all versions, below every pre-release of it.
        "0" => Version::parse("0.0.0-0").ok(),
        text => text.parse().ok(),
    }
}

fn check_range(range: &Range) -> Result<(), AdvisoryError> {
    let wrong = |message: String| Err(AdvisoryError::Range(message));
    if range.kind != "SEMVER" {
        return wrong(format!(
            "ranges of type `{}` cannot be read, only `SEMVER`",
            range.kind
        ));
    }
    if range.events.len() > RANGES_MAX {
        return wrong(format!("a range has more than {RANGES_MAX} events"));
    }
    match range.events.first() {
        Some(Event::Introduced(_)) => {}
        _ => return wrong("a range begins with `introduced`".to_owned()),
    }
    for event in &range.events {
        if let Event::Introduced(text) = event
            && introduced(text).is_none()
        {
            return wrong(format!(
                "`introduced`: `{text}` is no version; `0` stands for the first"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn document() -> Value {
        json!({
            "schema_version": "1.6.0", "id": "FFSA-2026-0001", "modified": "2026-11-29T00:00:00Z",
            "summary": "Writes the token into its log.",
            "affected": [{
                "package": {"ecosystem": "FlowForge", "name": "acme:geo"},
                "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.2.0"}, {"introduced": "2.0.0"}, {"last_affected": "2.1.0"}]}],
                "versions": ["3.0.0"],
            }],
            "database_specific": {"severity": "CRITICAL"},
        })
    }

    fn parse(value: Value) -> Advisory {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_advisory_holds_for_its_ranges_and_single_versions() {
        let advisory = parse(document());
        advisory.check().unwrap();
        let name: ConnectorName = "acme:geo".parse().unwrap();
        let holds = |version: &str| advisory.concerns(&name, &version.parse().unwrap());
        for version in ["0.0.1", "0.0.0-alpha", "1.1.9", "2.0.0", "2.1.0", "3.0.0"] {
            assert!(holds(version), "{version}");
        }
        for version in ["1.2.0", "1.9.0", "2.1.1", "3.0.1"] {
            assert!(!holds(version), "{version}");
        }
        assert!(!advisory.concerns(&"acme:other".parse().unwrap(), &Version::new(1, 0, 0)));
        assert_eq!(
            advisory.fixed_in(&name, &Version::new(1, 0, 0)),
            Some(Version::new(1, 2, 0))
        );
        assert_eq!(advisory.severity(), Severity::Critical);
    }

    #[test]
    fn one_that_was_taken_back_holds_no_more() {
        let mut document = document();
        document["withdrawn"] = json!("2026-11-30T00:00:00Z");
        assert!(!parse(document).concerns(&"acme:geo".parse().unwrap(), &Version::new(1, 0, 0)));
    }

    #[test]
    fn what_cannot_be_understood_is_refused_with_its_place() {
        let said = |change: &dyn Fn(&mut Value)| {
            let mut document = document();
            change(&mut document);
            parse(document).check().unwrap_err().to_string()
        };
        assert!(said(&|d| d["id"] = json!("../x")).contains("letters, digits"));
        assert!(said(&|d| d["affected"] = json!([])).contains("names no connector"));
        assert!(said(&|d| d["affected"][0]["ranges"][0]["type"] = json!("GIT")).contains("only `SEMVER`"));
        assert!(
            said(&|d| d["affected"][0]["ranges"][0]["events"] = json!([{"fixed": "1.0.0"}]))
                .contains("begins")
        );
        assert!(
            said(&|d| d["affected"][0]["ranges"][0]["events"][0] = json!({"introduced": "x"}))
                .contains("no version")
        );
    }
}
