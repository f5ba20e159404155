//! `flowforge connector publish --dry-run`: what the registry says of a component, without publishing it.

use anyhow::{Context as _, Result};
use flowforge_gates::{Impact, Report};
use flowforge_protocol::envelope::sign_document;
use flowforge_protocol::{Publication, SigningKey};
use flowforge_registry::Client;

use crate::args::Global;
use crate::output::{Exit, result, short_digest};
use crate::{say, time};

/// Asks the registry, which answers with the gates that a push would meet.
pub(super) async fn run(
    global: &Global,
    client: &Client,
    bytes: Vec<u8>,
    statement: &Publication,
    key: &SigningKey,
) -> Result<Exit> {
    let envelope = sign_document(statement, key)?;
    let report = client
        .judge(bytes.into(), &envelope)
        .await
        .with_context(|| format!("{} {} could not be judged", statement.name, statement.version))?;
    let signer = key.verifying_key().id().short();
    let passed = report.refusal().is_none();
    let mut answer = serde_json::to_value(&report)?;
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("signer".to_owned(), signer.clone().into());
        fields.insert("passed".to_owned(), passed.into());
    }
    result(global, &answer, |_| {
        lines(&report, &signer).iter().for_each(|line| say!("{line}"))
    });
    Ok(if passed { Exit::Done } else { Exit::Failed })
}

/// The report for people.
fn lines(report: &Report, signer: &str) -> Vec<String> {
    let after = match &report.after {
        Some(after) => format!("   after {after}"),
        None => "   the first version".to_owned(),
    };
    let mut lines = vec![format!("{} {}{after}", report.name, report.version)];
    if let (Some(impact), Some(lowest)) = (report.impact, &report.lowest_right) {
        let word = match impact {
            Impact::Same => "nothing changed",
            Impact::Compatible => "more than before",
            Impact::Breaking => "breaks something",
        };
        lines.push(format!("  interface     {word}: {lowest} or higher"));
        lines.extend(
            report
                .changes
                .iter()
                .map(|change| format!("                {change}")),
        );
    }
    let added = report.capabilities.added.iter().map(|what| format!("+ {what}"));
    let removed = report.capabilities.removed.iter().map(|what| format!("- {what}"));
    let differences: Vec<String> = added.chain(removed).collect();
    if !differences.is_empty() {
        lines.push(format!("  capabilities  {}", differences.join(", ")));
    }
    let open = report.gates.iter().filter(|gate| gate.refused.is_none()).count();
    lines.push(format!(
        "  gates         {open} of {} · {} · {} · signed by {signer}",
        report.gates.len(),
        time::size(report.size_bytes),
        short_digest(&report.digest.to_string()),
    ));
    for gate in &report.gates {
        if let Some(reason) = &gate.refused {
            lines.push(format!("  ✗ {}: {reason}", gate.gate.as_str()));
        }
        if let Some(note) = &gate.note {
            lines.push(format!("  ! {}: {note}", gate.gate.as_str()));
        }
    }
    lines.push(match report.refusal() {
        Some(_) => "the registry would refuse it; nothing was published".to_owned(),
        None => "✓ the registry would publish it; nothing was published".to_owned(),
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_from_what_changed_to_what_is_in_the_way() {
        let report: Report = serde_json::from_value(serde_json::json!({
            "name": "acme:geo", "version": "1.0.1", "size_bytes": 2_000_000,
            "digest": format!("sha256:{}", "a".repeat(64)),
            "after": "1.0.0", "impact": "breaking", "lowest_right": "2.0.0",
            "changes": [{"rule": "input-required", "impact": "breaking", "place": "locate · input lang", "message": "is new and must be given"}],
            "capabilities": {"added": ["http https://a.example"], "removed": ["secret auth"]},
            "gates": [
                {"gate": "licence", "refused": null, "note": "it states no licence"},
                {"gate": "interface", "refused": "1.0.1 breaks workflows"},
            ],
        }))
        .unwrap();
        insta::assert_snapshot!(lines(&report, "ed25519:abc").join("\n"));
    }
}
