//! The report as JUnit XML, which build servers read.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::{CaseReport, Report};

/// One `testsuite` for each file, one `testcase` for each test.
#[must_use]
pub fn junit(report: &Report) -> String {
    let mut files: BTreeMap<&str, Vec<&CaseReport>> = BTreeMap::new();
    for case in &report.cases {
        files.entry(&case.file).or_default().push(case);
    }
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "<testsuites name=\"{}\" tests=\"{}\" failures=\"{}\">",
        escaped(report.connector.as_deref().unwrap_or("connector")),
        report.cases.len(),
        report.failed
    );
    for (file, cases) in files {
        let failures = cases.iter().filter(|case| !case.passed).count();
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" time=\"{}\">",
            escaped(file),
            cases.len(),
            seconds(cases.iter().map(|case| case.elapsed_us).sum()),
        );
        for case in cases {
            testcase(&mut out, case);
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn testcase(out: &mut String, case: &CaseReport) {
    let _ = write!(
        out,
        "    <testcase name=\"{}\" classname=\"{}\" file=\"{}\" line=\"{}\" time=\"{}\"",
        escaped(&case.name),
        escaped(&case.operation),
        escaped(&case.file),
        case.line,
        seconds(case.elapsed_us),
    );
    if case.passed && case.log.is_empty() {
        out.push_str("/>\n");
        return;
    }
    out.push_str(">\n");
    if !case.passed {
        let first = case.problems.first().map_or("", String::as_str);
        let _ = writeln!(
            out,
            "      <failure message=\"{}\">{}</failure>",
            escaped(first),
            escaped(&case.problems.join("\n"))
        );
    }
    if !case.log.is_empty() {
        let _ = writeln!(
            out,
            "      <system-out>{}</system-out>",
            escaped(&case.log.join("\n"))
        );
    }
    out.push_str("    </testcase>\n");
}

fn seconds(us: u64) -> String {
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

/// Text for an attribute or an element. Control characters, which XML cannot hold, become spaces.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push('\t'),
            c if c.is_control() || c == '\u{fffe}' || c == '\u{ffff}' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_connector_says_cannot_break_the_report() {
        let case = CaseReport {
            file: "tests/a.yaml".to_owned(),
            line: 1,
            name: "a \"<b>\" & c".to_owned(),
            operation: "greet".to_owned(),
            passed: false,
            problems: vec!["text: expected \"x\", got \"]]>\u{1}\"".to_owned()],
            attempts: 1,
            clock_ms: 0,
            elapsed_us: 1_500,
            used: Vec::new(),
            log: vec!["info: </system-out>".to_owned()],
            written: None,
        };
        insta::assert_snapshot!(junit(&Report::of(Some("acme:geo".to_owned()), vec![case])));
    }
}
