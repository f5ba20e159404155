//! What is signed is what this machine compiles from the file, not what a server says it is.
//!
//! The server prepares the documents, because it knows which connectors and workflows are published. Everything else in
//! them follows from the file, and is compared with it here, with the code that the server uses: definition, configuration,
//! requests, calls. What the server adds is bounded: pins only for what the file calls, at the versions of the lock file
//! where it names them, and grants only within what the nodes ask for.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use flowforge_protocol::grants::GrantSet;
use flowforge_protocol::release::Release;
use flowforge_workflow::model::Workflow;
use flowforge_workflow::{canonical, grant_requests, lock_parse, parse, release_calls, release_children};
use serde_json::{Map, Value};

/// What is on this machine.
pub(crate) struct Local<'a> {
    /// The workflow file.
    pub(crate) source: &'a str,
    /// `workflow.lock`, if there is one.
    pub(crate) lock: Option<&'a str>,
    /// Configuration in the place of the file's.
    pub(crate) config: &'a Map<String, Value>,
}

/// Checks that the documents say what the file says, and nothing else.
pub(crate) fn check(local: &Local<'_>, release: &Release, grants: &GrantSet) -> Result<()> {
    let definition = parse(local.source)
        .ok()
        .context("the file cannot be compiled here")?;
    let compiled = canonical(&definition, local.config).context("the file cannot be compiled here")?;
    // The values themselves and not their canonical form, in which `4.0` is `4`: expressions divide them differently.
    if compiled != release.definition {
        refuse("its definition is not that of the file")?;
    }
    let workflow: Workflow = serde_json::from_value(compiled).context("the file cannot be compiled here")?;
    if release.workflow != workflow.workflow || release.config != workflow.config {
        refuse("name or configuration are not those of the file")?;
    }
    if release.values_stay != workflow.values_stay || release.calls != release_calls(&workflow) {
        refuse("the calls of nodes, or what stays on the host, are not those of the file")?;
    }
    let called: BTreeSet<&str> = release.calls.values().map(String::as_str).collect();
    if !called
        .into_iter()
        .eq(release.connectors.keys().map(String::as_str))
    {
        refuse("it pins other connectors than the file calls")?;
    }
    if !release_children(&workflow).iter().eq(release.children.keys()) {
        refuse("it pins other workflows than the file runs")?;
    }
    let lock = match local.lock {
        Some(lock) => lock_parse(lock).context("workflow.lock cannot be read")?,
        None => Default::default(),
    };
    let other = release.connectors.iter().find(|(name, pinned)| {
        let locked = lock.get(name.as_str());
        locked.is_some_and(|locked| locked != *pinned)
    });
    if let Some((name, _)) = other {
        refuse(&format!("it pins {name} otherwise than workflow.lock"))?;
    }
    if grant_requests(&workflow, &workflow.config).ok().as_ref() != Some(&release.requests) {
        refuse("what its nodes ask for is not what the file asks for")?;
    }
    for (node, granted) in &grants.nodes {
        let request = release.requests.iter().find(|request| request.node == *node);
        let within = request.is_some_and(|request| {
            let mut destinations = granted.destinations.iter();
            let mut secrets = granted.secrets.iter();
            destinations.all(|destination| request.destinations.contains(destination))
                && secrets.all(|(slot, grant)| request.secrets.get(slot) == Some(&grant.secret))
        });
        if !within {
            refuse(&format!(
                "the grants give node `{node}` more than the file asks for"
            ))?;
        }
    }
    Ok(())
}

fn refuse(what: &str) -> Result<()> {
    bail!("the server prepared another release than this file: {what}; nothing was signed")
}

/// The destinations and secrets that are about to be granted, each once.
pub(crate) fn granted(grants: &GrantSet) -> (Vec<&str>, Vec<&str>) {
    let destinations: BTreeSet<&str> = grants
        .nodes
        .values()
        .flat_map(|node| node.destinations.iter().map(String::as_str))
        .collect();
    let secrets: BTreeSet<&str> = grants
        .nodes
        .values()
        .flat_map(|node| node.secrets.values().map(|grant| grant.secret.as_str()))
        .collect();
    (destinations.into_iter().collect(), secrets.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use flowforge_protocol::Digest;
    use flowforge_protocol::grants::{NodeGrants, SecretGrant};
    use flowforge_protocol::release::PinnedConnector;

    use super::*;

    const FILE: &str = r#"workflow: innocent
secrets: [chat_token]
nodes:
  half: { set: { x: 4.0 } }
  tell:
    call: demo:caller/run
    allow: ["https://chat.example.com"]
    secrets: { auth: chat_token }
output: {}
"#;

    fn pinned(bytes: &[u8]) -> PinnedConnector {
        PinnedConnector {
            version: "0.1.0".to_owned(),
            digest: Digest::of(bytes),
        }
    }

    /// What an honest server prepares.
    fn prepared(source: &str) -> (Release, GrantSet) {
        let definition = parse(source).unwrap();
        let compiled = canonical(&definition, &Map::new()).unwrap();
        let workflow: Workflow = serde_json::from_value(compiled.clone()).unwrap();
        let release = Release {
            workspace: "dev".to_owned(),
            project: "default".to_owned(),
            workflow: workflow.workflow.clone(),
            version: 1,
            title: String::new(),
            definition_digest: Digest::of_json(&compiled),
            definition: compiled,
            connectors: BTreeMap::from([("demo:caller".to_owned(), pinned(b"caller"))]),
            calls: release_calls(&workflow),
            children: BTreeMap::new(),
            values_stay: false,
            config: workflow.config.clone(),
            requests: grant_requests(&workflow, &workflow.config).unwrap(),
            created_at_ms: 0,
        };
        let grant = SecretGrant {
            secret: "chat_token".to_owned(),
            kind: "bearer".to_owned(),
            destinations: vec!["https://chat.example.com:443".to_owned()],
        };
        let node = NodeGrants {
            destinations: vec!["https://chat.example.com:443".to_owned()],
            secrets: BTreeMap::from([("auth".to_owned(), grant)]),
        };
        let grants = GrantSet {
            workspace: "dev".to_owned(),
            project: "default".to_owned(),
            release: Digest::of(b"release"),
            version: 1,
            nodes: BTreeMap::from([("tell".parse().unwrap(), node)]),
            created_at_ms: 0,
        };
        (release, grants)
    }

    fn checked(release: &Release, grants: &GrantSet, lock: Option<&str>) -> Result<()> {
        let config = Map::new();
        let local = Local {
            source: FILE,
            lock,
            config: &config,
        };
        check(&local, release, grants)
    }

    /// Whatever a server returned was signed with the release key and the grant key: publishing `innocent` signed `evil`.
    #[test]
    fn only_what_the_file_says_is_signed() {
        let (honest, grants) = prepared(FILE);
        checked(&honest, &grants, None).unwrap();
        let (evil, evil_grants) = prepared(&FILE.replace("innocent", "evil"));
        checked(&evil, &evil_grants, None).unwrap_err();
        let (elsewhere, elsewhere_grants) = prepared(&FILE.replace("chat.example", "evil.example"));
        checked(&elsewhere, &elsewhere_grants, None).unwrap_err();
        let changes: [fn(&mut Release, &mut GrantSet); 7] = [
            |release, _| release.workflow = "evil".to_owned(),
            |release, _| {
                release.connectors.insert("evil:one".to_owned(), pinned(b"evil"));
            },
            |release, _| {
                let evil = "https://evil.example:443".to_owned();
                release.requests[0].destinations.push(evil);
            },
            |release, _| release.values_stay = true,
            // The same canonical form, and so the same digest; divided by 3 it is 1.
            |release, _| {
                let other = release.definition.to_string().replace("4.0", "4");
                release.definition = serde_json::from_str(&other).unwrap();
            },
            |_, grants| {
                let node = grants.nodes.values_mut().next().unwrap();
                node.destinations.push("https://evil.example:443".to_owned());
            },
            |_, grants| {
                let node = grants.nodes.values_mut().next().unwrap();
                node.secrets.get_mut("auth").unwrap().secret = "bank_token".to_owned();
            },
        ];
        for change in changes {
            let (mut release, mut grants) = prepared(FILE);
            change(&mut release, &mut grants);
            let error = checked(&release, &grants, None).unwrap_err().to_string();
            assert!(error.contains("nothing was signed"), "{error}");
        }
    }

    #[test]
    fn what_the_lock_file_pins_stays_pinned() {
        let (release, grants) = prepared(FILE);
        let locked = flowforge_workflow::lock_format(&release.connectors);
        checked(&release, &grants, Some(&locked)).unwrap();
        let mut other = release;
        other
            .connectors
            .insert("demo:caller".to_owned(), pinned(b"other bytes"));
        checked(&other, &grants, Some(&locked)).unwrap_err();
        checked(&other, &grants, None).unwrap();
    }
}
