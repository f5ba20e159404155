//! The test files of a connector: `tests/*.yaml`, each a list of tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::DateTime;
use flowforge_connector_build::Diagnostic;
use flowforge_workflow::yaml_tree;
use serde_json::{Map, Value};

use crate::fields::Reader;
use crate::files::inside;
use crate::mock::{self, Mock};

/// Folder of the test files in a connector's folder.
const FOLDER: &str = "tests";

/// Most test files that are read.
const FILES_MAX: usize = 1_000;

/// Where a test's clock begins unless the test says otherwise: 2026-01-01 00:00 UTC, in milliseconds.
const BEGIN_MS: u64 = 1_767_225_600_000;

/// The tests of one connector.
#[derive(Debug, Clone)]
pub struct Suite {
    /// The folder that `$file` and `golden` start from.
    pub(crate) folder: PathBuf,
    /// The tests, in the order of their files.
    pub cases: Vec<Case>,
}

/// One test.
#[derive(Debug, Clone)]
pub struct Case {
    pub(crate) file: String,
    pub(crate) line: u32,
    /// Its name.
    pub name: String,
    pub(crate) operation: String,
    pub(crate) input: Map<String, Value>,
    pub(crate) secrets: BTreeMap<String, String>,
    pub(crate) begin_ms: u64,
    pub(crate) mocks: Vec<Mock>,
    pub(crate) expected: Expected,
    pub(crate) attempts: Option<u32>,
}

impl Case {
    /// A test of this operation that says nothing else.
    pub(crate) fn none(operation: &str) -> Self {
        Self {
            file: String::new(),
            line: 0,
            name: String::new(),
            operation: operation.to_owned(),
            input: Map::new(),
            secrets: BTreeMap::new(),
            begin_ms: BEGIN_MS,
            mocks: Vec::new(),
            expected: Expected::Result(Value::Null),
            attempts: None,
        }
    }
}

/// What a test expects in the end.
#[derive(Debug, Clone)]
pub(crate) enum Expected {
    /// This result.
    Result(Value),
    /// The result in this file.
    Golden(String),
    /// A failure with these fields; others may be there too.
    Failure(Map<String, Value>),
}

/// Why there are no tests to run.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// There is no test file.
    #[error("{} holds no *.yaml; write a test there, as docs/authors.md shows", folder.display())]
    None {
        /// Where they were looked for.
        folder: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The files are wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Wrong(Vec<Diagnostic>),
}

impl Suite {
    /// Read `tests/*.yaml` of a connector's folder; only tests whose name holds `filter`, if there is one.
    ///
    /// # Errors
    /// One variant of [`SuiteError`] for each reason; [`SuiteError::Wrong`] names every mistake of every file.
    pub fn read(folder: &Path, filter: Option<&str>) -> Result<Self, SuiteError> {
        let tests = folder.join(FOLDER);
        let names = test_files(&tests)?;
        if names.is_empty() {
            return Err(SuiteError::None { folder: tests });
        }
        let (mut cases, mut wrong) = (Vec::new(), Vec::new());
        for name in names {
            let path = tests.join(&name);
            let text = fs::read_to_string(&path).map_err(|source| SuiteError::Read {
                path: path.clone(),
                source,
            })?;
            let (mut read, mut found) = read_file(&tests, &format!("{FOLDER}/{name}"), &text);
            cases.append(&mut read);
            wrong.append(&mut found);
        }
        if !wrong.is_empty() {
            return Err(SuiteError::Wrong(wrong));
        }
        cases.retain(|case| filter.is_none_or(|part| case.name.contains(part)));
        Ok(Self { folder: tests, cases })
    }
}

fn test_files(folder: &Path) -> Result<Vec<String>, SuiteError> {
    let unread = |source| SuiteError::Read {
        path: folder.to_owned(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unread(error)),
    };
    let mut names = Vec::new();
    for entry in entries.take(FILES_MAX) {
        let name = entry.map_err(unread)?.file_name().to_string_lossy().into_owned();
        if Path::new(&name)
            .extension()
            .is_some_and(|ext| ext == "yaml" || ext == "yml")
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn read_file(tests: &Path, file: &str, text: &str) -> (Vec<Case>, Vec<Diagnostic>) {
    let mut reader = Reader::new(file, text);
    let root = match tree(file, text) {
        Ok(root) => root,
        Err(found) => return (Vec::new(), found),
    };
    let cases = reader
        .list(&root, "the file")
        .iter()
        .filter_map(|node| read_case(&mut reader, tests, file, node))
        .collect();
    reader.found.sort_by_key(|wrong| (wrong.line, wrong.column));
    (cases, reader.found)
}

/// The text as YAML.
fn tree(file: &str, text: &str) -> Result<yaml_tree::Node, Vec<Diagnostic>> {
    yaml_tree::read(text).map_err(|found| {
        let told = found.into_iter().map(|one| Diagnostic {
            file: file.to_owned(),
            line: usize::try_from(one.line).unwrap_or(0),
            column: usize::try_from(one.column).unwrap_or(0),
            code: Some(one.code),
            message: one.message,
            mend: one.fix,
        });
        told.collect()
    })
}

/// The services of a test: a list, or the name of a file below `tests/` that holds one for several tests.
fn read_mocks(reader: &mut Reader<'_>, tests: &Path, node: &yaml_tree::Node) -> Vec<Mock> {
    let yaml_tree::Value::Text(name) = &node.value else {
        return mock::read(reader, node);
    };
    let name = &name.text;
    let is_test = !name.contains('/');
    let read =
        inside(tests, name).and_then(|path| fs::read_to_string(path).map_err(|error| error.to_string()));
    let text = match read {
        Ok(text) if !is_test => text,
        Ok(_) => {
            let why = format!("`{name}` lies among the test files");
            reader.wrong(
                node.span.start,
                "FF-TST-006",
                why,
                "put services into a folder of their own, such as mocks/",
            );
            return Vec::new();
        }
        Err(error) => {
            let why = format!("the services in {name} cannot be read: {error}");
            reader.wrong(
                node.span.start,
                "FF-TST-006",
                why,
                "write the path from tests/, such as mocks/chat.yaml",
            );
            return Vec::new();
        }
    };
    let file = format!("{FOLDER}/{name}");
    let mut inner = Reader::new(&file, &text);
    let mocks = match tree(&file, &text) {
        Ok(root) => mock::read(&mut inner, &root),
        Err(found) => {
            inner.found = found;
            Vec::new()
        }
    };
    // Tests that share a file share its mistakes.
    for wrong in inner.found {
        if !reader.found.contains(&wrong) {
            reader.found.push(wrong);
        }
    }
    mocks
}

fn read_case(reader: &mut Reader<'_>, tests: &Path, file: &str, node: &yaml_tree::Node) -> Option<Case> {
    let mut fields = reader.fields(node, "a test")?;
    let line = u32::try_from(reader.place(fields.at).0).unwrap_or(u32::MAX);
    let name = fields
        .need("name", "what is tested", reader)
        .and_then(|node| reader.text(node, "name"));
    let operation = fields
        .need("call", "an operation of the connector", reader)
        .and_then(|node| reader.text(node, "call"));
    let input = match fields.get("with").map(|node| (node, node.to_json())) {
        None => Map::new(),
        Some((_, Value::Object(input))) => input,
        Some((node, _)) => {
            reader.wrong(
                node.span.start,
                "FF-TST-002",
                format!("`with` must be a mapping, not {}", node.kind()),
                "write { port: value }",
            );
            Map::new()
        }
    };
    let secrets = fields.get("secrets").map(|node| reader.texts(node, "secrets"));
    let begin_ms = fields.get("now").and_then(|node| {
        let text = reader.text(node, "now")?;
        let parsed = DateTime::parse_from_rfc3339(&text).ok();
        let ms = parsed.and_then(|time| u64::try_from(time.timestamp_millis()).ok());
        if ms.is_none() {
            reader.wrong(
                node.span.start,
                "FF-TST-002",
                format!("`{text}` is no time"),
                "such as 2026-01-01T00:00:00Z",
            );
        }
        ms
    });
    let mocks = fields.get("mock").map(|node| read_mocks(reader, tests, node));
    let attempts = fields
        .get("expect_attempts")
        .and_then(|node| reader.number(node, "expect_attempts", 1));
    let expected = read_expected(reader, &mut fields);
    fields.finish(reader);
    Some(Case {
        file: file.to_owned(),
        line,
        name: name?,
        operation: operation?,
        input,
        secrets: secrets.unwrap_or_default().into_iter().collect(),
        begin_ms: begin_ms.unwrap_or(BEGIN_MS),
        mocks: mocks.unwrap_or_default(),
        expected: expected?,
        attempts,
    })
}

fn read_expected(reader: &mut Reader<'_>, fields: &mut crate::fields::Fields<'_>) -> Option<Expected> {
    let result = fields.get("expect").map(|node| Expected::Result(node.to_json()));
    let golden = fields
        .get("golden")
        .and_then(|node| reader.text(node, "golden"))
        .map(Expected::Golden);
    let failure = fields
        .get("expect_failure")
        .and_then(|node| match node.to_json() {
            Value::Object(wanted) => Some(Expected::Failure(wanted)),
            _ => {
                reader.wrong(
                    node.span.start,
                    "FF-TST-002",
                    "`expect_failure` must be a mapping",
                    "write { kind: invalid, path: name }",
                );
                None
            }
        });
    let mut given = [result, golden, failure].into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(expected), None) => Some(expected),
        (None, _) => {
            reader.wrong(
                fields.at,
                "FF-TST-003",
                "the test expects nothing",
                "add `expect: …`, `golden: FILE.json` or `expect_failure: { kind: … }`",
            );
            None
        }
        (Some(_), Some(_)) => {
            reader.wrong(
                fields.at,
                "FF-TST-003",
                "the test expects two things",
                "keep one of expect, golden and expect_failure",
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(FOLDER)).unwrap();
        fs::write(folder.path().join("tests/a.yaml"), text).unwrap();
        Suite::read(folder.path(), None).unwrap_err().to_string()
    }

    #[test]
    fn every_mistake_names_file_line_code_and_mend() {
        insta::assert_snapshot!(mistakes(
            r"
- name: nothing is expected
  call: greet
- name: two things are expected
  call: greet
  expect: 1
  golden: a.json
- name: 7
  with: [1]
  expcet: 1
  expect: 2
- name: mocks
  call: greet
  now: yesterday
  expect: 1
  expect_attempts: 0
  mock:
    - request: fetch https://a.example/
      answers: []
    - answers: [{ fault: explode }, { status: 700 }, { status: 200, fault: reset }, { status: 200, after: soon }]
      request: GET https://a.example/
    - request: GET ftp://a.example/
      answers: [{ status: 200, headers: { 'a b': c } }]
      rate_limit: { requests: 0 }
"
        ));
    }

    #[test]
    fn services_that_several_tests_share_lie_in_a_file_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("tests/mocks")).unwrap();
        let services = "- request: GET https://a.example/\n  answers: [{ status: 200 }]\n";
        fs::write(folder.path().join("tests/mocks/a.yaml"), services).unwrap();
        let case = "- { name: one, call: greet, expect: 1, mock: mocks/a.yaml }\n";
        fs::write(folder.path().join("tests/a.yaml"), case.repeat(2)).unwrap();
        let suite = Suite::read(folder.path(), None).unwrap();
        assert!(suite.cases.iter().all(|case| case.mocks.len() == 1));
        fs::write(folder.path().join("tests/mocks/a.yaml"), "- answers: []\n").unwrap();
        let told = Suite::read(folder.path(), None).unwrap_err().to_string();
        assert!(
            told.starts_with("tests/mocks/a.yaml:1:3 error FF-TST-003"),
            "{told}"
        );
        for (name, part) in [
            ("mocks/b.yaml", "cannot be read"),
            ("a.yaml", "among the test files"),
            ("../x", "beside"),
        ] {
            fs::write(
                folder.path().join("tests/a.yaml"),
                format!("- {{ name: one, call: greet, expect: 1, mock: {name} }}\n"),
            )
            .unwrap();
            let told = Suite::read(folder.path(), None).unwrap_err().to_string();
            assert!(told.contains(part) && told.contains("FF-TST-006"), "{told}");
        }
    }

    #[test]
    fn yaml_that_cannot_be_read_names_its_place() {
        let told = mistakes("- name: a: b\n");
        assert!(told.starts_with("tests/a.yaml:1:"), "{told}");
    }

    #[test]
    fn a_folder_without_tests_says_where_they_belong() {
        let folder = tempfile::tempdir().unwrap();
        let told = Suite::read(folder.path(), None).unwrap_err().to_string();
        assert!(told.contains("holds no *.yaml"), "{told}");
    }
}
