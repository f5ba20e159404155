//! `flowforge connector test`: an author's tests, and reports for people, programs and build servers.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use flowforge_connector_test::{CaseReport, INPUTS_MAX, Report, Suite, fuzz, junit, test};

use super::{bench, component_of, read_component};
use crate::args::Global;
use crate::output::{Exit, Usage, counted, next, result};
use crate::table::one_line;
use crate::{say, time};

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The connector's folder, which is built if needed, or a component file
    #[arg(value_name = "FOLDER|FILE", default_value = ".")]
    what: PathBuf,
    /// For a component file: the folder whose tests/*.yaml are run
    #[arg(long, value_name = "FOLDER")]
    tests: Option<PathBuf>,
    /// Only tests whose name holds this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Also write a report in the form that build servers read
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write golden files anew instead of comparing with them
    #[arg(long)]
    update: bool,
    /// Also call each operation with so many made-up inputs; one that breaks it is told as small as it still does
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=i64::from(INPUTS_MAX)))]
    fuzz: Option<u32>,
}

/// Runs the command.
pub(crate) async fn run(args: TestArgs, global: &Global) -> Result<Exit> {
    let folder = match (&args.tests, args.what.is_dir()) {
        (Some(folder), _) => folder.clone(),
        (None, true) => args.what.clone(),
        (None, false) => {
            return Err(
                Usage("a component file has no tests beside it: give --tests FOLDER".to_owned()).into(),
            );
        }
    };
    let suite = Suite::read(&folder, args.filter.as_deref())?;
    if suite.cases.is_empty() {
        return Err(Usage("no test has such a name".to_owned()).into());
    }
    let mut report = tested(&args.what, suite.clone(), args.update).await?;
    if let Some(inputs) = args.fuzz {
        report = report.and(fuzzed(&args.what, suite, inputs).await?);
    }
    if let Some(file) = &args.junit {
        fs::write(file, junit(&report)).with_context(|| format!("cannot write {}", file.display()))?;
    }
    result(global, &serde_json::to_value(&report)?, |_| print(&report));
    if report.failed > 0 {
        return Ok(Exit::Failed);
    }
    next(global, &next_command(&args.what));
    Ok(Exit::Done)
}

/// Builds what is to be tested, if needed, and tests it.
pub(super) async fn tested(what: &Path, suite: Suite, update: bool) -> Result<Report> {
    let component = read_component(&component_of(what).await?)?;
    let bench = bench()?;
    Ok(tokio::task::spawn_blocking(move || test(&component, &suite, &bench, update)).await??)
}

async fn fuzzed(what: &Path, suite: Suite, inputs: u32) -> Result<Vec<CaseReport>> {
    let component = read_component(&component_of(what).await?)?;
    let bench = bench()?;
    Ok(tokio::task::spawn_blocking(move || fuzz(&component, Some(&suite), &bench, inputs)).await??)
}

fn next_command(what: &Path) -> String {
    format!("flowforge connector publish {}", what.display())
}

pub(super) fn print(report: &Report) {
    for case in &report.cases {
        for line in lines(case) {
            say!("{line}");
        }
    }
    say!(
        "{} passed, {} failed",
        counted(report.passed, "test"),
        report.failed
    );
}

/// One line for a test that passed; for one that did not, what was wrong and what the connector said.
fn lines(case: &CaseReport) -> Vec<String> {
    let mut facts = vec![milliseconds(case.elapsed_us)];
    if case.attempts > 1 {
        facts.push(format!("{} attempts", case.attempts));
    }
    if case.clock_ms > 0 {
        facts.push(format!("clock moved {}", time::elapsed(case.clock_ms)));
    }
    if let Some(file) = &case.written {
        facts.push(format!("wrote {file}"));
    }
    let mark = if case.passed { "✓" } else { "✗" };
    let mut lines = vec![format!(
        "{mark} {}: {}   {}",
        one_line(&case.operation),
        one_line(&case.name),
        facts.join(", ")
    )];
    if !case.passed {
        if case.line > 0 {
            lines.push(format!("  {}:{}", case.file, case.line));
        }
        lines.extend(
            case.problems
                .iter()
                .map(|problem| format!("  {}", one_line(problem))),
        );
        lines.extend(case.log.iter().map(|line| format!("  log {}", one_line(line))));
    }
    lines
}

/// `0.4 ms`
pub(super) fn milliseconds(us: u64) -> String {
    format!("{}.{} ms", us / 1_000, us % 1_000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_fails_says_where_and_what() {
        let case = CaseReport {
            file: "tests/label.yaml".to_owned(),
            line: 3,
            name: "a strong one".to_owned(),
            operation: "label".to_owned(),
            passed: false,
            problems: vec!["strength: expected \"strong\", got \"light\"".to_owned()],
            attempts: 2,
            clock_ms: 2_000,
            elapsed_us: 432,
            used: Vec::new(),
            log: vec!["info: thinking".to_owned()],
            written: None,
        };
        assert_eq!(
            lines(&case),
            [
                "✗ label: a strong one   0.4 ms, 2 attempts, clock moved 2.0 s",
                "  tests/label.yaml:3",
                "  strength: expected \"strong\", got \"light\"",
                "  log info: thinking",
            ]
        );
    }
}
