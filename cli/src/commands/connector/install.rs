//! `flowforge connector install`, `upgrade` and `grant`: what a version asks for is shown before it may have it.
//!
//! *Install* is the site's own signature over bytes that somebody else published: with it the site's hosts run them. *Grant* is
//! the word that an upgraded connector may have what it asks for besides; until then its runs wait.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use flowforge_client::Api;
use flowforge_gates::{CapabilityDifference, Comparison, Impact, asked_for};
use flowforge_ports::Interface;
use flowforge_protocol::envelope::sign_document;
use flowforge_protocol::{ConnectorName, Publication};
use serde_json::{Value, json};

use crate::args::Global;
use crate::connectors::registry_of;
use crate::keys::{self, Role};
use crate::output::{Exit, Usage, list, next, result, short_digest, text};
use crate::say;

const ONE: &str = "query One($name: String!, $version: String) { connector(name: $name, version: $version) { name version \
    digest installed publisherKey interface versions usedBy { name } advisories { id severity summary } } \
    capabilityGrants(connector: $name) { capability } }";
const GRANT: &str = "mutation Grant($input: GrantCapabilitiesInput!) { grantCapabilities(input: $input) { __typename \
    ... on GrantCapabilitiesSuccess { connector granted { capability grantedBy grantedAtMs } } \
    ... on Problem { message code } ... on InputProblem { fields { path message } } } }";

#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// The version, `publisher:name@version`
    #[arg(value_name = "NAME@VERSION")]
    version: String,
}

#[derive(Debug, Args)]
pub(crate) struct UpgradeArgs {
    /// The newer version, `publisher:name@version`; without `@version`, the newest
    #[arg(value_name = "NAME@VERSION")]
    version: String,
    /// The older version; without it, the one published before
    #[arg(long, value_name = "VERSION")]
    since: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct GrantArgs {
    /// The version, `publisher:name@version`; without `@version`, the newest
    #[arg(value_name = "NAME@VERSION")]
    version: String,
    /// Only this, in the words of `connector upgrade`; may be repeated. Without it, all that the version asks for
    #[arg(long = "capability", value_name = "TEXT")]
    capabilities: Vec<String>,
    /// Take it instead: runs of versions that ask for it wait
    #[arg(long, requires = "capabilities")]
    take: bool,
}

/// A published version, and what its connector may have here.
struct Seen {
    name: String,
    version: String,
    connector: Value,
    interface: Interface,
    granted: BTreeSet<String>,
}

impl Seen {
    async fn look(api: &Api, wanted: &str) -> Result<Self> {
        let (name, version) = match wanted.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (wanted, None),
        };
        let mut data = api.ask(ONE, json!({ "name": name, "version": version })).await?;
        let connector = data.get_mut("connector").map(Value::take).unwrap_or_default();
        if connector.is_null() {
            bail!("`{wanted}` is not published here · see: flowforge connector list");
        }
        let interface = connector.get("interface").cloned().unwrap_or_default();
        let granted = list(&data, "/capabilityGrants").iter();
        Ok(Self {
            name: text(&connector, "/name").to_owned(),
            version: text(&connector, "/version").to_owned(),
            interface: serde_json::from_value(interface).context("its interface cannot be read")?,
            granted: granted
                .map(|grant| text(grant, "/capability").to_owned())
                .collect(),
            connector,
        })
    }

    /// What it asks for and has not got.
    fn missing(&self) -> Vec<String> {
        asked_for(&self.interface)
            .difference(&self.granted)
            .cloned()
            .collect()
    }

    /// The version that was published before it.
    fn previous(&self) -> Option<String> {
        let versions = list(&self.connector, "/versions")
            .iter()
            .filter_map(Value::as_str);
        // They come newest first.
        versions
            .skip_while(|version| *version != self.version)
            .nth(1)
            .map(str::to_owned)
    }
}

/// Signs bytes that somebody else published with the site's own key.
pub(super) async fn install(args: InstallArgs, global: &Global) -> Result<Exit> {
    if !args.version.contains('@') {
        return Err(Usage(format!(
            "`{}` names no version; write acme:geo@0.1.0",
            args.version
        ))
        .into());
    }
    let api = global.api()?;
    let seen = Seen::look(&api, &args.version).await?;
    let digest = text(&seen.connector, "/digest");
    let asks: Vec<String> = asked_for(&seen.interface).into_iter().collect();
    let is_installed = seen
        .connector
        .get("installed")
        .and_then(Value::as_bool)
        .unwrap_or_default();
    if !is_installed {
        let critical = list(&seen.connector, "/advisories")
            .iter()
            .find(|advisory| text(advisory, "/severity") == "CRITICAL");
        if let Some(advisory) = critical {
            bail!(
                "{}: {}; nothing was installed",
                text(advisory, "/id"),
                text(advisory, "/summary")
            );
        }
        sign(&api, &seen, digest).await?;
    }
    let answer = json!({ "name": seen.name, "version": seen.version, "digest": digest, "asks": asks });
    result(global, &answer, |_| {
        let done = if is_installed {
            "was installed before"
        } else {
            "installed"
        };
        say!(
            "{} {} · {} · {done}",
            seen.name,
            seen.version,
            short_digest(digest)
        );
        asks.iter().for_each(|what| say!("  asks for {what}"));
    });
    next(
        global,
        &format!("flowforge connector upgrade {}@{}", seen.name, seen.version),
    );
    Ok(Exit::Done)
}

async fn sign(api: &Api, seen: &Seen, digest: &str) -> Result<()> {
    let name: ConnectorName = seen.name.parse()?;
    let key = keys::load(api.context(), Role::Publisher)?;
    let client = registry_of(api)?;
    let pulled = client.pull(&name, &seen.version).await?;
    let layer_digest = pulled.layer_digest;
    if layer_digest.to_string() != digest {
        bail!("the registry shows {digest} and serves {layer_digest}; nothing was installed");
    }
    let statement = Publication {
        name,
        version: seen.version.clone(),
        layer_digest,
    };
    let envelope = sign_document(&statement, &key)?;
    client
        .push(pulled.bytes, &envelope)
        .await
        .with_context(|| format!("{} {} was not installed", seen.name, seen.version))?;
    Ok(())
}

/// Shows what a newer version changes and asks for besides.
pub(super) async fn upgrade(args: UpgradeArgs, global: &Global) -> Result<Exit> {
    let api = global.api()?;
    let seen = Seen::look(&api, &args.version).await?;
    let since = args.since.or_else(|| seen.previous());
    let found = match &since {
        Some(since) => {
            let older = Seen::look(&api, &format!("{}@{since}", seen.name)).await?;
            flowforge_gates::compare(&older.interface, &seen.interface)
        }
        None => Comparison {
            capabilities: CapabilityDifference {
                added: asked_for(&seen.interface).into_iter().collect(),
                removed: Vec::new(),
            },
            ..Comparison::default()
        },
    };
    let missing = match seen.granted.is_empty() && list(&seen.connector, "/usedBy").is_empty() {
        // Nobody uses it: the first release that does says what it may have.
        true => Vec::new(),
        false => seen.missing(),
    };
    let answer = json!({
        "name": seen.name, "version": seen.version, "since": since, "impact": found.impact(), "changes": found.changes,
        "capabilities": found.capabilities, "missing": missing,
        "installed": seen.connector.get("installed"),
    });
    result(global, &answer, |_| {
        lines(&seen, since.as_deref(), &found, &missing)
            .iter()
            .for_each(|line| say!("{line}"));
    });
    if missing.is_empty() {
        next(global, "flowforge workflow publish FOLDER --update");
        return Ok(Exit::Done);
    }
    next(
        global,
        &format!("flowforge connector grant {}@{}", seen.name, seen.version),
    );
    Ok(Exit::Failed)
}

fn lines(seen: &Seen, since: Option<&str>, found: &Comparison, missing: &[String]) -> Vec<String> {
    let mut lines = vec![match since {
        Some(since) => format!("{} {since} → {}", seen.name, seen.version),
        None => format!("{} {}, the first version", seen.name, seen.version),
    }];
    let word = match found.impact() {
        Impact::Same => "nothing that can be told apart from outside",
        Impact::Compatible => "more than before, and all that was there works on",
        Impact::Breaking => "a workflow that works with the older one may fail",
    };
    lines.push(format!("  interface     {word}"));
    lines.extend(
        found
            .changes
            .iter()
            .map(|change| format!("                {change}")),
    );
    let added = found.capabilities.added.iter().map(|what| format!("  + {what}"));
    let removed = found
        .capabilities
        .removed
        .iter()
        .map(|what| format!("  - {what}"));
    lines.extend(added.chain(removed));
    if missing.is_empty() {
        lines.push("✓ it asks for nothing that was not granted".to_owned());
    } else {
        lines.push(format!(
            "✗ FF-REG-010: not granted here: {}; runs that use this version wait for it",
            missing.join(", ")
        ));
    }
    lines
}

/// Grants what a version asks for, or takes it.
pub(super) async fn grant(args: GrantArgs, global: &Global) -> Result<Exit> {
    let api = global.api()?;
    let seen = Seen::look(&api, &args.version).await?;
    let capabilities = match args.capabilities.is_empty() {
        true => seen.missing(),
        false => args.capabilities,
    };
    if !args.take {
        let asked = asked_for(&seen.interface);
        if let Some(foreign) = capabilities.iter().find(|what| !asked.contains(*what)) {
            return Err(Usage(format!(
                "{} {} does not ask for `{foreign}`; it asks for {}",
                seen.name,
                seen.version,
                asked.into_iter().collect::<Vec<_>>().join(", ")
            ))
            .into());
        }
    }
    if capabilities.is_empty() {
        let answer = json!({ "connector": seen.name, "granted": list(&seen.connector, "/granted") });
        result(global, &answer, |_| {
            say!(
                "{} {} asks for nothing that was not granted",
                seen.name,
                seen.version
            );
        });
        return Ok(Exit::Done);
    }
    let input = json!({ "connector": seen.name, "capabilities": capabilities, "taken": args.take });
    let answer = api.change("grantCapabilities", GRANT, input).await?;
    result(global, &answer, |answer| {
        let verb = if args.take { "taken from" } else { "granted to" };
        say!("{verb} {}: {}", seen.name, capabilities.join(", "));
        let all: Vec<&str> = list(answer, "/granted")
            .iter()
            .map(|grant| text(grant, "/capability"))
            .collect();
        say!("it may have: {}", all.join(", "));
    });
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upgrade_is_told_port_by_port_and_ends_with_what_is_missing() {
        let seen = Seen {
            name: "acme:geo".to_owned(),
            version: "0.2.0".to_owned(),
            connector: json!({ "versions": ["0.2.0", "0.1.1", "0.1.0"] }),
            interface: Interface::default(),
            granted: BTreeSet::new(),
        };
        assert_eq!(seen.previous().as_deref(), Some("0.1.1"));
        let found: Comparison = serde_json::from_value(json!({
            "changes": [{"rule": "operation-added", "impact": "compatible", "place": "announce", "message": "is new"}],
            "capabilities": {"added": ["http https://chat.acme.example", "secret channel"], "removed": []},
        }))
        .unwrap();
        let missing = ["secret channel".to_owned()];
        let told = [
            lines(&seen, Some("0.1.1"), &found, &missing),
            lines(&seen, None, &Comparison::default(), &[]),
        ];
        insta::assert_snapshot!(told.concat().join("\n"));
    }
}
