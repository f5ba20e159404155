//! What is left of the run when it is over, fetched through the public surface.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_protocol::facts::RunFacts;
use flowforge_protocol::verify::{Asked, Evidence, Report, verify_run};
use flowforge_protocol::{HostId, RunId, TrustRoot, VerifyingKey};
use serde_json::{Value, json};

use crate::demo::{Expected, Stage};

/// What the control plane keeps of a run.
const EVIDENCE: &str = "query Evidence($id: String!) { hosts { id identityKey } run(id: $id) { state output host { id } \
    receipt { valid reason } evidence { release grants receipt lines nextSeq } } }";

/// Everything that the table is computed from.
#[derive(Debug)]
pub(crate) struct Found {
    /// Earthquakes in the report, counted from the file's own rows.
    pub(crate) in_report: Expected,
    /// The count that the run's output states.
    pub(crate) count_in_output: u64,
    /// The records, as lines.
    pub(crate) lines: Vec<u8>,
    /// What the records amount to.
    pub(crate) facts: RunFacts,
    /// The check of the receipt against everything it speaks of.
    pub(crate) report: Report,
    /// What the control plane says of the receipt.
    pub(crate) valid_at_the_plane: bool,
    /// Where the report was saved.
    pub(crate) csv: PathBuf,
}

impl Found {
    /// Fetches it all.
    pub(crate) async fn of(stage: &Stage) -> Result<Self> {
        let data = stage.api().ask(EVIDENCE, json!({ "id": stage.run })).await?;
        let text = |pointer: &str| {
            data.pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let lines = STANDARD
            .decode(text("/run/evidence/lines"))
            .context("the records cannot be read")?;
        if !data.pointer("/run/evidence/nextSeq").is_none_or(Value::is_null) {
            anyhow::bail!("the run has more records than this check reads");
        }
        let run: RunId = stage.run.parse()?;
        let join: Value = serde_json::from_slice(&fs::read(stage.data().join("plane/host-join.json"))?)?;
        let trust: TrustRoot = serde_json::from_value(join.get("trust_root").cloned().unwrap_or_default())?;
        let (release, grants, receipt) = (
            text("/run/evidence/release"),
            text("/run/evidence/grants"),
            text("/run/evidence/receipt"),
        );
        let evidence = Evidence {
            release: release.as_bytes(),
            grants: grants.as_bytes(),
            receipt: receipt.as_bytes(),
            lines: &lines,
        };
        let (host, key) = identity_of(&data)?;
        let asked = Asked {
            run: &run,
            host: &host,
            key: &key,
            epoch: data.pointer("/run/epoch").and_then(Value::as_u64).unwrap_or(1),
        };
        let report = verify_run(&evidence, &trust, &asked);
        let csv = stage.data().join("earthquakes.csv");
        stage.flowforge().json(&[
            "run",
            "artefact",
            &stage.run,
            "report",
            "-o",
            &csv.to_string_lossy(),
        ])?;
        Ok(Self {
            in_report: magnitudes(&fs::read_to_string(&csv)?)?,
            count_in_output: data
                .pointer("/run/output/count")
                .and_then(Value::as_u64)
                .unwrap_or(0),
            facts: RunFacts::of(&run, &lines)?.0,
            lines,
            report,
            valid_at_the_plane: data.pointer("/run/receipt/valid") == Some(&Value::Bool(true)),
            csv,
        })
    }
}

/// The host that executed the run, and its identity key.
fn identity_of(data: &Value) -> Result<(HostId, VerifyingKey)> {
    let id = data.pointer("/run/host/id").context("no host executed the run")?;
    let hosts = data
        .get("hosts")
        .and_then(Value::as_array)
        .context("there are no hosts")?;
    let host = hosts
        .iter()
        .find(|host| host.get("id") == Some(id))
        .context("the run's host is not known")?;
    let key = host
        .get("identityKey")
        .and_then(Value::as_str)
        .context("the host has no identity key")?;
    let bytes = STANDARD.decode(key).context("the identity key is no base64")?;
    let bytes: [u8; 32] = bytes
        .try_into()
        .map_err(|_| anyhow::anyhow!("the identity key has not 32 bytes"))?;
    let id: HostId = serde_json::from_value(id.clone())?;
    Ok((id, VerifyingKey::from_bytes(&bytes)?))
}

/// Counts the rows of the report by their first column.
fn magnitudes(csv: &str) -> Result<Expected> {
    let mut rows = csv.lines();
    let heading = rows.next().context("the report is empty")?;
    if !heading.starts_with("magnitude,") {
        anyhow::bail!("the report begins with `{heading}`, expected the column `magnitude` first");
    }
    let cells: Result<Vec<f64>, _> = rows
        .map(|row| row.split(',').next().unwrap_or_default().parse::<f64>())
        .collect();
    Ok(Expected::of(
        cells
            .context("a row of the report does not begin with a magnitude")?
            .into_iter(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_by_their_magnitude() {
        let found =
            magnitudes("magnitude,strength,line\n4.1,light,x\n5,moderate,\"a, b\"\n6.4,strong,y\n").unwrap();
        assert_eq!(
            found,
            Expected {
                from_4: 3,
                from_5: 2,
                from_6: 1
            }
        );
        assert!(magnitudes("a,b\n1,2\n").is_err());
    }
}
