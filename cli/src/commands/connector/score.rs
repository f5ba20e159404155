//! `flowforge connector score`: points for what a connector's bytes say, what its tests show and what trials find.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use flowforge_connector_build::{BuildOptions, COMPONENT_BYTES_MAX, default_cache_dir, rebuild, sbom};
use flowforge_connector_test::{CaseReport, INPUTS_MAX, Report, Suite, SuiteError, probe};
use flowforge_gates::{Candidate, GateName, Known, Report as GateReport, check_version, judge};
use flowforge_ports::Interface;
use flowforge_protocol::{ConnectorName, Digest};
use flowforge_scorecard::{FUZZ_INPUTS, Gate, Measured, Observed, Scorecard, SeenCall, State, score};

use super::test::tested;
use super::{bench, build_folder, component_of, read_component};
use crate::args::Global;
use crate::output::{Exit, Usage, next, result};
use crate::say;
use crate::table::one_line;

#[derive(Debug, Args)]
pub(crate) struct ScoreArgs {
    /// The connector's folder, which is built if needed
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
    /// Made-up inputs to try, all operations together; a score with fewer than 10,000 is provisional
    #[arg(long, value_name = "NUMBER", default_value_t = FUZZ_INPUTS,
          value_parser = clap::value_parser!(u32).range(0..=i64::from(INPUTS_MAX)))]
    inputs: u32,
    /// The version before this one, as a folder or a component file: says whether the version number is right
    #[arg(long, value_name = "FOLDER|FILE")]
    after: Option<PathBuf>,
    /// Do not build a second time to compare the two
    #[arg(long)]
    no_rebuild: bool,
}

/// Runs the command.
pub(crate) async fn run(args: ScoreArgs, global: &Global) -> Result<Exit> {
    let folder = &args.folder;
    if !folder.is_dir() {
        return Err(Usage(format!(
            "{} is no folder: a score needs the source and tests of a connector",
            folder.display()
        ))
        .into());
    }
    let component = read_component(&build_folder(folder).await?.component)?;
    let interface = flowforge_ports::inspect(&component)
        .with_context(|| format!("{} is no connector", folder.display()))?;
    let suite = match Suite::read(folder, None) {
        Ok(suite) => Some(suite),
        Err(SuiteError::None { .. }) => None,
        Err(wrong) => return Err(wrong.into()),
    };
    let report = match &suite {
        Some(suite) => Some(tested(folder, suite.clone(), false).await?),
        None => None,
    };
    let before = match &args.after {
        Some(before) => Some(read_component(&component_of(before).await?)?),
        None => None,
    };
    let judged = judged(&interface, &component, before.as_deref())?;
    let observed = Observed {
        calls: report.iter().flat_map(seen).collect(),
        readme: fs::read_to_string(folder.join("README.md")).ok(),
        changelog: fs::read_to_string(folder.join("CHANGELOG.md")).ok(),
        rebuilt: if args.no_rebuild {
            None
        } else {
            Some(rebuilt(folder, Digest::of(&component)).await?)
        },
        parts: Some(parts(folder)),
        version: judged.as_ref().and_then(version),
        gates: judged.iter().flat_map(gates).collect(),
        measured: Some(measured(component, suite, args.inputs).await?),
    };
    let card = score(&interface, &observed);
    result(global, &serde_json::to_value(&card)?, |_| {
        for line in lines(&card) {
            say!("{line}");
        }
    });
    let command = if report.is_some_and(|report| report.failed > 0) {
        "test"
    } else {
        "publish"
    };
    next(
        global,
        &format!("flowforge connector {command} {}", folder.display()),
    );
    Ok(Exit::Done)
}

async fn measured(component: Vec<u8>, suite: Option<Suite>, inputs: u32) -> Result<Measured> {
    let bench = bench()?;
    let tried = tokio::task::spawn_blocking(move || probe(&component, suite.as_ref(), &bench, inputs));
    Ok(tried.await??)
}

/// Builds once more elsewhere. What a tool says of a build that fails names folders of this machine, so it is told beside
/// the score and not in it.
async fn rebuilt(folder: &Path, first: Digest) -> Result<Result<(), String>> {
    let cache = default_cache_dir(|name| std::env::var_os(name))
        .context("no place for a cache: set FLOWFORGE_CACHE to a folder")?;
    let (folder, options) = (folder.to_owned(), BuildOptions::new(cache));
    let second = tokio::task::spawn_blocking(move || rebuild(&folder, &options, &mut |_| {})).await?;
    Ok(match second {
        Ok(second) if second == first => Ok(()),
        Ok(_) => Err("a second build from the same source gave other bytes".to_owned()),
        Err(error) => {
            eprintln!("the second build failed: {error}");
            Err("it could not be built a second time in another folder".to_owned())
        }
    })
}

fn parts(folder: &Path) -> Result<usize, String> {
    match sbom(folder) {
        Ok(list) => Ok(list
            .get("components")
            .and_then(serde_json::Value::as_array)
            .map_or(0, Vec::len)),
        Err(_) => Err("no lock file names what it is made of".to_owned()),
    }
}

/// What the registry's gates say of the bytes; nothing for a component without a name.
fn judged(interface: &Interface, component: &[u8], before: Option<&[u8]>) -> Result<Option<GateReport>> {
    let Some(meta) = &interface.meta else {
        return Ok(None);
    };
    let name: ConnectorName = meta.name.parse()?;
    let before = match before {
        None => None,
        Some(bytes) => {
            let old = flowforge_ports::inspect(bytes).context("--after names no connector")?;
            let version = old.meta.as_ref().map_or("", |meta| meta.version.as_str());
            let version = check_version(version).map_err(|wrong| Usage(format!("--after: {wrong}")))?;
            Some((version, Digest::of(bytes), old))
        }
    };
    let known = Known {
        bytes_max: COMPONENT_BYTES_MAX,
        versions: before
            .iter()
            .map(|(version, digest, old)| (version, *digest, old))
            .collect(),
        publishers: vec![name.publisher()],
        advisories: Vec::new(),
        owner: Ok(()),
    };
    let candidate = Candidate {
        name: &name,
        version: &meta.version,
        bytes: component,
    };
    Ok(Some(judge(candidate, &known).0))
}

/// Who signs, and what is known of other connectors, is the registry's to say.
fn gates(report: &GateReport) -> impl Iterator<Item = Gate> {
    let asked = report
        .gates
        .iter()
        .filter(|gate| !matches!(gate.gate, GateName::Owner | GateName::Advisories | GateName::Name));
    asked.map(|gate| Gate {
        name: gate.gate.as_str().to_owned(),
        shut: gate.refused.clone(),
    })
}

/// Whether the version number is right after the one before it, if that is known.
fn version(report: &GateReport) -> Option<Result<String, String>> {
    let after = report.after.as_ref()?;
    let asked = report
        .gates
        .iter()
        .filter(|gate| matches!(gate.gate, GateName::Interface | GateName::Free));
    let wrong = asked.filter_map(|gate| gate.refused.clone()).next();
    Some(match wrong {
        Some(wrong) => Err(wrong),
        None => Ok(format!("{} is right after {after}", report.version)),
    })
}

fn seen(report: &Report) -> impl Iterator<Item = SeenCall> {
    report.cases.iter().map(|case: &CaseReport| SeenCall {
        operation: case.operation.clone(),
        place: format!("{}:{}", case.file, case.line),
        passed: case.passed,
        used: case.used.clone(),
    })
}

/// What to do, the best gain first; then what did not count.
fn lines(card: &Scorecard) -> Vec<String> {
    let would = if card.uncapped < card.grade {
        format!(", would be {:?}", card.uncapped)
    } else {
        String::new()
    };
    let provisional = if card.provisional.is_empty() {
        String::new()
    } else {
        format!("   provisional: {}", card.provisional.join(", "))
    };
    let mut lines = vec![format!(
        "{} of {} points   grade {:?}{would}{provisional}",
        card.points, card.of, card.grade
    )];
    for cap in &card.caps {
        let (why, mend) = (one_line(&cap.why), one_line(&cap.next));
        lines.push(format!("  at most {:?}: {why}   {mend}", cap.grade));
    }
    for check in card.gains() {
        let mend = check.next.as_deref().unwrap_or_default();
        lines.push(format!(
            "  +{}  {:<18} {}   {}",
            check.missing(),
            check.id,
            one_line(mend),
            one_line(&check.evidence)
        ));
    }
    lines.push(format!(
        "not applicable: {} points; not measured here: {}; both are taken out of the total, not lost",
        card.points_in(State::NotApplicable),
        card.not_measured
    ));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_connector_is_told_what_to_do_first() {
        let card = score(&Interface::default(), &Observed::default());
        let lines = lines(&card);
        assert!(lines[0].contains("grade D   provisional: no runs"), "{lines:#?}");
        assert!(lines[1].starts_with("  +6  described"), "{lines:#?}");
        assert!(
            lines.last().unwrap().contains("taken out of the total"),
            "{lines:#?}"
        );
    }
}
