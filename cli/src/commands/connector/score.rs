//! `flowforge connector score`: points for what a connector's bytes say and what its tests show.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use flowforge_connector_test::{CaseReport, Report, Suite, SuiteError};
use flowforge_scorecard::{Check, Observed, Scorecard, SeenCall, State, score};

use super::test::tested;
use super::{component_of, read_component};
use crate::args::Global;
use crate::output::{Exit, next, result};
use crate::say;
use crate::table::one_line;

#[derive(Debug, Args)]
pub(crate) struct ScoreArgs {
    /// The connector's folder, which is built if needed
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
}

/// Runs the command.
pub(crate) async fn run(args: ScoreArgs, global: &Global) -> Result<Exit> {
    let folder = &args.folder;
    let component = read_component(&component_of(folder).await?)?;
    let interface = flowforge_ports::inspect(&component)
        .with_context(|| format!("{} is no connector", folder.display()))?;
    let report = match Suite::read(folder, None) {
        Ok(suite) => Some(tested(folder, suite, false).await?),
        Err(SuiteError::None { .. }) => None,
        Err(wrong) => return Err(wrong.into()),
    };
    let observed = Observed {
        calls: report.iter().flat_map(seen).collect(),
        readme: fs::read_to_string(folder.join("README.md")).ok(),
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
    let mut lines = vec![format!(
        "{} of the {} points that are measured here   grade {:?}",
        card.points, card.of, card.grade
    )];
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
    let of = |state: State| -> u32 {
        let checks = card.categories.iter().flat_map(|category| &category.checks);
        checks
            .filter(|check: &&Check| check.state == state)
            .map(|check| check.of)
            .sum()
    };
    lines.push(format!(
        "not applicable: {} points; not measured here: {}; both are taken out of the total, not lost",
        of(State::NotApplicable),
        of(State::NotMeasured)
    ));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_connector_is_told_what_to_do_first() {
        let card = score(&flowforge_ports::Interface::default(), &Observed::default());
        let lines = lines(&card);
        assert!(lines[0].ends_with("grade D"), "{lines:#?}");
        assert!(lines[1].starts_with("  +6  described"), "{lines:#?}");
        assert!(
            lines.last().unwrap().contains("taken out of the total"),
            "{lines:#?}"
        );
    }
}
