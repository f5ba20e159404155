//! `connector.toml`: what the source cannot say about a connector.
//!
//! Strict: an unknown key is a mistake, and every mistake names file, line and key.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use flowforge_ports::{Effect, Trigger};
use serde::Deserialize;
use toml::Spanned;

use crate::place::{UNREADABLE, WRONG_VALUE, mend_of, place, position};
use crate::words::{destination, duration_ms, is_connector_name, is_snake, is_version};
use crate::{BuildError, Diagnostic};

/// Name of the file in a connector's folder.
pub(crate) const FILE: &str = "connector.toml";

/// A `connector.toml` that was read and checked.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// `publisher:name`.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// Name for people.
    pub title: String,
    /// One sentence.
    pub summary: String,
    /// One of the catalogue's categories.
    pub category: String,
    /// SPDX expression, or `LicenseRef-…`.
    pub license: String,
    /// Whether `wit/` is the author's own, also where the tool could write it.
    pub wit_by_hand: bool,
    /// Outgoing HTTP, if the connector makes requests.
    pub http: Option<HttpSection>,
    /// Slot → secret.
    pub secrets: BTreeMap<String, SecretSection>,
    /// Operation → what its types cannot say.
    pub operations: BTreeMap<String, OperationSection>,
}

/// `[needs.http]`
#[derive(Debug, Clone)]
pub struct HttpSection {
    /// `scheme://name`, with `:port` where it is not the usual one, or the one entry `*`: whatever the node allows.
    pub destinations: Vec<String>,
    /// For people.
    pub reason: String,
    /// Line of the section, for messages.
    pub line: usize,
}

/// `[secrets.SLOT]`
#[derive(Debug, Clone)]
pub struct SecretSection {
    /// `bearer`, `basic`, `api-key`, `hmac-key` or `opaque`.
    pub kind: String,
    /// Where it may be sent.
    pub destinations: Vec<String>,
    /// Line of the section, for messages.
    pub line: usize,
}

/// `[operations.NAME]`
#[derive(Debug, Clone)]
pub struct OperationSection {
    /// Short name for people.
    pub title: Option<String>,
    /// What a repetition does.
    pub effect: Option<Effect>,
    /// How it begins runs.
    pub trigger: Option<Trigger>,
    /// Line of the section, for messages.
    pub line: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    connector: Connector,
    #[serde(default)]
    needs: Needs,
    #[serde(default)]
    secrets: BTreeMap<Spanned<String>, Secret>,
    #[serde(default)]
    operations: BTreeMap<Spanned<String>, Operation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Connector {
    name: Spanned<String>,
    version: Spanned<String>,
    title: Spanned<String>,
    summary: Spanned<String>,
    category: Category,
    license: Spanned<String>,
    /// `wit`: the interface is written by hand in `wit/`, also where the tool could write it.
    #[serde(default)]
    interface: Option<InterfaceSource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum InterfaceSource {
    Wit,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Category {
    Transform,
    Data,
    Messaging,
    Files,
    Ai,
    Devices,
    Other,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Needs {
    http: Option<Spanned<Http>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Http {
    destinations: Vec<Spanned<String>>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    kind: SecretKind,
    destinations: Vec<Spanned<String>>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum SecretKind {
    Bearer,
    Basic,
    ApiKey,
    HmacKey,
    Opaque,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Operation {
    title: Option<String>,
    effect: Option<EffectClass>,
    retention: Option<Spanned<String>>,
    /// `poll` or `webhook`.
    trigger: Option<Trigger>,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum EffectClass {
    Idempotent,
    Keyed,
    Unsafe,
}

impl Manifest {
    /// Read `connector.toml` in this folder.
    ///
    /// # Errors
    /// [`BuildError::Folder`] if there is none, [`BuildError::Manifest`] with every mistake found.
    pub fn read(folder: &Path) -> Result<Self, BuildError> {
        if !folder.is_dir() {
            return Err(BuildError::Folder {
                folder: folder.to_owned(),
                reason: "no such folder".to_owned(),
            });
        }
        let path = folder.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(BuildError::Folder {
                folder: folder.to_owned(),
                reason: format!("{FILE} is missing; is this a connector's folder?"),
            }),
            Err(error) => Err(BuildError::io("cannot read", &path)(error)),
        }
    }

    /// Check the text of a `connector.toml`.
    ///
    /// # Errors
    /// [`BuildError::Manifest`] with every mistake found.
    pub fn parse(text: &str) -> Result<Self, BuildError> {
        let file: File = toml::from_str(text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            let mend = mend_of(error.message());
            BuildError::Manifest(vec![place(
                text,
                &span,
                UNREADABLE,
                error.message().to_owned(),
                &mend,
            )])
        })?;
        let mut check = Check {
            text,
            found: Vec::new(),
        };
        let manifest = check.manifest(&file);
        if check.found.is_empty() {
            Ok(manifest)
        } else {
            check.found.sort_by_key(|wrong| (wrong.line, wrong.column));
            Err(BuildError::Manifest(check.found))
        }
    }
}

/// Gathers the mistakes of one file.
struct Check<'a> {
    text: &'a str,
    found: Vec<Diagnostic>,
}

impl Check<'_> {
    fn wrong(&mut self, span: &Range<usize>, message: impl Into<String>, mend: &str) {
        self.found
            .push(place(self.text, span, WRONG_VALUE, message.into(), mend));
    }

    fn line(&self, span: &Range<usize>) -> usize {
        position(self.text, span.start).0
    }

    fn manifest(&mut self, file: &File) -> Manifest {
        let connector = &file.connector;
        if !is_connector_name(connector.name.get_ref()) {
            let message = format!(
                "name: `{}` is no connector name: `publisher:name`, both in lower-case letters, digits and single `-`",
                connector.name.get_ref()
            );
            self.wrong(&connector.name.span(), message, "such as name = \"acme:geo\"");
        }
        if !is_version(connector.version.get_ref()) {
            let message = format!(
                "version: `{}` is no semantic version",
                connector.version.get_ref()
            );
            self.wrong(&connector.version.span(), message, "such as version = \"0.1.0\"");
        }
        for (key, value) in [
            ("title", &connector.title),
            ("summary", &connector.summary),
            ("license", &connector.license),
        ] {
            if value.get_ref().trim().is_empty() {
                let mend = match key {
                    "license" => "such as \"Apache-2.0\", or LicenseRef-… for terms of your own",
                    _ => "people choose a connector by it: write a few words",
                };
                self.wrong(&value.span(), format!("{key}: must not be empty"), mend);
            }
        }
        Manifest {
            name: connector.name.get_ref().clone(),
            version: connector.version.get_ref().clone(),
            title: connector.title.get_ref().clone(),
            summary: connector.summary.get_ref().clone(),
            category: connector.category.as_str().to_owned(),
            license: connector.license.get_ref().clone(),
            wit_by_hand: connector.interface.is_some(),
            http: file.needs.http.as_ref().map(|section| HttpSection {
                destinations: self.destinations("needs.http.destinations", &section.get_ref().destinations),
                reason: section.get_ref().reason.clone(),
                line: self.line(&section.span()),
            }),
            secrets: file
                .secrets
                .iter()
                .map(|(slot, secret)| self.secret(slot, secret))
                .collect(),
            operations: file
                .operations
                .iter()
                .map(|(name, section)| self.operation(name, section))
                .collect(),
        }
    }

    fn destinations(&mut self, key: &str, entries: &[Spanned<String>]) -> Vec<String> {
        for entry in entries {
            let text = entry.get_ref();
            if text == "*" {
                if entries.len() > 1 {
                    self.wrong(
                        &entry.span(),
                        format!("{key}: `*` already covers the other entries"),
                        "keep `*` alone, or name each place",
                    );
                }
            } else if let Err(reason) = destination(text) {
                self.wrong(
                    &entry.span(),
                    format!("{key}: `{text}` {reason}"),
                    "such as https://api.example.com",
                );
            }
        }
        entries.iter().map(|entry| entry.get_ref().clone()).collect()
    }

    fn secret(&mut self, slot: &Spanned<String>, secret: &Secret) -> (String, SecretSection) {
        let name = slot.get_ref().clone();
        if !is_snake(&name) {
            self.wrong(
                &slot.span(),
                format!("secrets: slot `{name}` must be snake_case, as workflows write it"),
                "such as [secrets.api_token]",
            );
        }
        let section = SecretSection {
            kind: secret.kind.as_str().to_owned(),
            destinations: self.destinations(&format!("secrets.{name}.destinations"), &secret.destinations),
            line: self.line(&slot.span()),
        };
        (name, section)
    }

    fn operation(&mut self, name: &Spanned<String>, section: &Operation) -> (String, OperationSection) {
        let effect = match (section.effect, &section.retention) {
            (None, None) => None,
            (Some(EffectClass::Keyed), Some(retention)) => {
                let retention_ms = duration_ms(retention.get_ref()).unwrap_or_else(|| {
                    self.wrong(
                        &retention.span(),
                        "retention: must be a whole number and `ms`, `s`, `m`, `h` or `d`",
                        "such as retention = \"24h\"",
                    );
                    0
                });
                Some(Effect::Keyed { retention_ms })
            }
            (Some(EffectClass::Keyed), None) => {
                let message = format!(
                    "operations.{}: effect `keyed` needs `retention`, how long the service remembers the key",
                    name.get_ref()
                );
                self.wrong(&name.span(), message, "such as retention = \"24h\"");
                None
            }
            (_, Some(retention)) => {
                self.wrong(
                    &retention.span(),
                    "retention: has a meaning only with effect = \"keyed\"",
                    "remove it, or add effect = \"keyed\"",
                );
                None
            }
            (Some(EffectClass::Idempotent), None) => Some(Effect::Idempotent),
            (Some(EffectClass::Unsafe), None) => Some(Effect::Unsafe),
        };
        let section = OperationSection {
            title: section.title.clone(),
            effect,
            trigger: section.trigger,
            line: self.line(&name.span()),
        };
        (name.get_ref().clone(), section)
    }
}

impl Category {
    fn as_str(self) -> &'static str {
        match self {
            Self::Transform => "transform",
            Self::Data => "data",
            Self::Messaging => "messaging",
            Self::Files => "files",
            Self::Ai => "ai",
            Self::Devices => "devices",
            Self::Other => "other",
        }
    }
}

impl SecretKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Basic => "basic",
            Self::ApiKey => "api-key",
            Self::HmacKey => "hmac-key",
            Self::Opaque => "opaque",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[connector]
name = "demo:quake-text"
version = "0.1.0"
title = "Earthquake text"
summary = "Describes earthquakes."
category = "transform"
license = "Apache-2.0"
"#;

    fn mistakes(text: &str) -> Vec<String> {
        match Manifest::parse(text) {
            Ok(_) => Vec::new(),
            Err(BuildError::Manifest(found)) => found.iter().map(ToString::to_string).collect(),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_complete_file_is_read() {
        let text = format!(
            "{GOOD}\n[needs.http]\ndestinations = [\"https://chat.acme.example\", \"http://127.0.0.1:8080\"]\n\
             reason = \"Posts.\"\n[secrets.channel]\nkind = \"api-key\"\ndestinations = [\"https://*.acme.example:8443\"]\n\
             [operations.announce]\ntitle = \"Announce\"\neffect = \"keyed\"\nretention = \"24h\"\n"
        );
        let manifest = Manifest::parse(&text).unwrap();
        assert_eq!(manifest.name, "demo:quake-text");
        assert_eq!(manifest.http.unwrap().destinations.len(), 2);
        assert_eq!(manifest.secrets["channel"].kind, "api-key");
        assert_eq!(
            manifest.operations["announce"].effect,
            Some(Effect::Keyed {
                retention_ms: 86_400_000
            })
        );
    }

    #[test]
    fn an_unknown_key_names_its_line() {
        let found = mistakes(&format!("{GOOD}licence = \"MIT\"\n"));
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with("connector.toml:9:1 error FF-BLD-001: unknown field `licence`"),
            "{}",
            found[0]
        );
    }

    #[test]
    fn a_wrong_word_lists_the_right_ones() {
        let found = mistakes(&GOOD.replace("transform", "tools"));
        assert!(found[0].starts_with("connector.toml:7:"), "{}", found[0]);
        assert!(found[0].contains("`messaging`"), "{}", found[0]);
    }

    #[test]
    fn all_wrong_values_are_named_at_once() {
        let text = GOOD.replace("demo:quake-text", "Quake").replace("0.1.0", "1.0")
            + "[needs.http]\ndestinations = [\"*\", \"chat.example\", \"https://a.example/x\"]\nreason = \"\"\n\
               [secrets.Auth]\nkind = \"bearer\"\ndestinations = []\n\
               [operations.post]\neffect = \"keyed\"\n[operations.get]\nretention = \"1h\"\n";
        let found = mistakes(&text);
        let starts = [
            "connector.toml:3:8 error FF-BLD-002: name: `Quake`",
            "connector.toml:4:11 error FF-BLD-002: version: `1.0`",
            "connector.toml:10:17 error FF-BLD-002: needs.http.destinations: `*` already",
            "connector.toml:10:22 error FF-BLD-002: needs.http.destinations: `chat.example` is no destination",
            "connector.toml:10:38 error FF-BLD-002: needs.http.destinations: `https://a.example/x` names more",
            "connector.toml:12:10 error FF-BLD-002: secrets: slot `Auth`",
            "connector.toml:15:13 error FF-BLD-002: operations.post: effect `keyed` needs",
            "connector.toml:18:13 error FF-BLD-002: retention: has a meaning only",
        ];
        for (found, start) in found.iter().zip(starts) {
            assert!(found.starts_with(start), "{found}\nexpected {start}");
        }
        assert_eq!(found.len(), starts.len(), "{found:#?}");
    }
}
