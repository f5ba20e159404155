//! A connector's author at the command line: the first folder, looking at things, publishing what others built.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Output, Stdio};

use flowforge_tests::planes::Planes;
use serde_json::{Value, json};

use super::{components, flowforge, in_clone, programs};

/// A component that nobody built for this project: no description, its own numbers.
const FOREIGN: &str = r#"(component
  (core module $m (func (export "seven") (result i32) i32.const 7))
  (core instance $i (instantiate $m))
  (func (export "seven") (result s32) (canon lift (core func $i "seven"))))"#;

fn words(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A folder of a stranger whose build script and compiler wrapper leave a mark when they run.
fn folder_of_a_stranger(folder: &Path, mark: &Path) {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "connector.toml",
        "[connector]\nname = \"demo:nice\"\nversion = \"0.1.0\"\ntitle = \"Nice\"\nsummary = \"Looks nice.\"\n\
         category = \"transform\"\nlicense = \"Apache-2.0\"\n",
    );
    write(
        "wit/world.wit",
        "package demo:nice@0.1.0;\nworld connector {\n  export hello: func(to: tuple<string, u8>) -> string;\n}\n",
    );
    write(
        "Cargo.toml",
        "[package]\nname = \"nice\"\nversion = \"0.1.0\"\nedition = \"2021\"\nbuild = \"build.rs\"\n[workspace]\n\
         [lib]\ncrate-type = [\"cdylib\"]\n",
    );
    write(
        "build.rs",
        &format!("fn main() {{ std::fs::write({mark:?}, \"ran\").unwrap(); }}\n"),
    );
    write("src/lib.rs", "");
}

/// `connector inspect FOLDER` built the folder first, so that looking at a stranger's connector ran the stranger's build
/// script with the looker's keys at hand.
#[test]
fn looking_at_a_folder_runs_nothing_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let (stranger, mark) = (folder.path().join("nice"), folder.path().join("mark"));
    folder_of_a_stranger(&stranger, &mark);
    let inspect = |more: &[&str]| {
        let path = stranger.to_string_lossy();
        let arguments = [&["connector", "inspect", &path], more].concat();
        flowforge(folder.path()).command(&arguments).output().unwrap()
    };
    let seen = inspect(&[]);
    assert!(seen.status.success(), "{}", words(&seen));
    assert!(
        words(&seen).contains("write to: [\"text\", 7]"),
        "{}",
        words(&seen)
    );
    assert!(words(&seen).contains("nothing ran"), "{}", words(&seen));
    assert!(!mark.exists(), "the build script ran");
    // The mark would have told: with --build the script runs.
    inspect(&["--build"]);
    assert!(mark.exists(), "the build script did not run with --build");
}

#[test]
fn every_type_is_shown_as_a_workflow_writes_it() {
    let folder = tempfile::tempdir().unwrap();
    let seen = on_component(folder.path(), "demo.quake-text", &["inspect"], &["--schema"]);
    for part in [
        "gives { magnitude: 1.5, strength: light, line: \"text\" }",
        "   or { magnitude: 1.5, strength: strong, line: \"text\" }",
        "label input",
        "component  ",
    ] {
        assert!(words(&seen).contains(part), "{part}\nis not in\n{}", words(&seen));
    }
}

#[test]
fn inspect_gives_programs_schemas_and_where_they_come_from() {
    let folder = tempfile::tempdir().unwrap();
    let stranger = folder.path().join("nice");
    folder_of_a_stranger(&stranger, &folder.path().join("mark"));
    let seen = flowforge(folder.path())
        .json(&["connector", "inspect", &stranger.to_string_lossy()])
        .unwrap();
    assert_eq!(seen["from"], json!("folder"));
    assert_eq!(
        seen["operations"][0]["input_schema"]["properties"]["to"]["prefixItems"][0],
        json!({"type": "string"})
    );
    assert_eq!(seen["operations"][0]["output_schema"], json!({"type": "string"}));
}

#[test]
fn a_new_connector_says_what_comes_next_and_a_wrong_name_is_a_wrong_use() {
    let folder = tempfile::tempdir().unwrap();
    let command = |arguments: &[&str]| {
        let mut command = flowforge(folder.path()).command(arguments);
        command.current_dir(folder.path()).output().unwrap()
    };
    let made = command(&["connector", "new", "acme:geo", "--lang", "python"]);
    assert!(made.status.success(), "{}", words(&made));
    assert!(
        words(&made).contains("next: flowforge connector test geo"),
        "{}",
        words(&made)
    );
    assert!(folder.path().join("geo/src/connector.py").is_file());
    let twice = command(&["connector", "new", "acme:geo", "--lang", "ts"]);
    assert_eq!(twice.status.code(), Some(2), "{}", words(&twice));
    let wrong = command(&["connector", "new", "geo", "--lang", "ts"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", words(&wrong));
    assert!(words(&wrong).contains("such as acme:geo"), "{}", words(&wrong));
}

#[test]
fn a_component_that_nobody_built_for_this_project_is_published_under_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let planes = Planes::start(programs(), folder.path(), "host").unwrap();
    let file = planes.data().join("foreign.wasm");
    fs::write(&file, wat::parse_str(FOREIGN).unwrap()).unwrap();
    let file = file.to_string_lossy().into_owned();
    let publish = |more: &[&str]| {
        let arguments = [&["connector", "publish", &file], more].concat();
        planes.flowforge().command(&arguments).output().unwrap()
    };
    let unnamed = publish(&[]);
    assert_eq!(unnamed.status.code(), Some(1));
    assert!(
        words(&unnamed).contains("give --name PUBLISHER:NAME"),
        "{}",
        words(&unnamed)
    );
    let named = ["--name", "acme:geo", "--version"];
    let bad = publish(&[&named[..], &["1.0.0+build", "--dry-run"]].concat());
    assert_eq!(bad.status.code(), Some(1), "{}", words(&bad));
    assert!(words(&bad).contains("a tag cannot hold `+`"), "{}", words(&bad));
    let dry = publish(&[&named[..], &["1.0.0", "--dry-run"]].concat());
    assert!(dry.status.success(), "{}", words(&dry));
    let nothing = planes.flowforge().json(&["connector", "list"]).unwrap();
    assert_eq!(nothing, json!([]), "a dry run publishes nothing");
    let done = publish(&[&named[..], &["1.0.0"]].concat());
    assert!(done.status.success(), "{}", words(&done));
    let seen = planes
        .flowforge()
        .json(&["connector", "inspect", "acme:geo"])
        .unwrap();
    assert_eq!(seen["operations"][0]["name"], json!("seven"));
    assert_eq!(seen["from"], json!("registry"));
    planes.stop().unwrap();
}

/// `connector test` or `connector run OPERATION` on a built first-party component, with this variable beside the others.
/// Compiled code is kept between the runs of these tests.
fn on_component_with(home: &Path, component: &str, words: &[&str], more: &[&str], token: &str) -> Output {
    let mut command = flowforge(home).command(&["connector"]);
    command
        .args(words)
        .arg(components().join(format!("{component}.wasm")))
        .args(more)
        .env("TRIAL_TOKEN", token)
        .env(
            "FLOWFORGE_CACHE",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("authors"),
        );
    command.output().unwrap()
}

fn on_component(home: &Path, component: &str, words: &[&str], more: &[&str]) -> Output {
    on_component_with(home, component, words, more, "")
}

#[test]
fn the_tests_of_our_own_connectors_pass_and_are_reported_to_programs_and_build_servers() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.xml");
    for (component, name) in [
        ("flowforge.http", "http"),
        ("flowforge.convert", "convert"),
        ("demo.quake-text", "quake-text"),
    ] {
        let tests = in_clone("connectors").join(name);
        let (tests, report) = (tests.to_string_lossy(), report.to_string_lossy());
        let more = ["--tests", &tests, "--junit", &report, "--output", "json"];
        let output = on_component(folder.path(), component, &["test"], &more);
        assert!(output.status.success(), "{}", words(&output));
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(told["failed"], json!(0));
        assert!(told["passed"].as_u64().unwrap() >= 3, "{told}");
    }
    let xml = fs::read_to_string(&report).unwrap();
    assert!(
        xml.contains("<testsuites name=\"demo:quake-text\" tests=\"4\" failures=\"0\">"),
        "{xml}"
    );
}

#[test]
fn waits_and_deaths_of_a_test_move_its_own_clock_only() {
    let folder = tempfile::tempdir().unwrap();
    let tests = in_clone("connectors/http");
    let more = ["--tests", &tests.to_string_lossy(), "--output", "json"];
    let output = on_component(folder.path(), "flowforge.http", &["test"], &more);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let case = |name: &str| {
        let all = told["cases"].as_array().unwrap();
        all.iter().find(|case| case["name"] == name).unwrap().clone()
    };
    let busy = case("a busy service is asked again when it says so");
    assert_eq!(busy["attempts"], json!(4));
    assert!(busy["clock_ms"].as_u64().unwrap() >= 30_000, "{busy}");
    let silent = case("a service that never answers");
    assert!(silent["clock_ms"].as_u64().unwrap() >= 80_000, "{silent}");
    assert_eq!(case("the host dies while it waits")["clock_ms"], json!(0));
}

/// Every way in which a test of a service fails, told with both sides.
#[test]
fn a_test_that_fails_says_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let tests = folder.path().join("tests");
    fs::create_dir(&tests).unwrap();
    let write = |text: &str| fs::write(tests.join("get.yaml"), text).unwrap();
    let path = folder.path().to_string_lossy().into_owned();
    let run = || {
        words(&on_component(
            folder.path(),
            "flowforge.http",
            &["test"],
            &["--tests", &path],
        ))
    };
    write(
        r#"
- name: another header, another body, an answer too many
  call: post
  with: { url: "https://a.example/x", json: { n: 1 } }
  secrets: { auth: token-1, other: token-2 }
  mock:
    - request: POST https://a.example/x
      headers: { authorization: Bearer token-2, x-missing: "1" }
      json: { n: 2 }
      answers: [{ status: 200 }, { status: 200 }]
  expect: { status: 200, headers: { content-length: "0" }, body: null }
- name: a place that is not mocked
  call: get
  with: { url: "https://b.example/" }
  expect: 1
- name: a path that is not mocked
  call: get
  with: { url: "https://a.example/y" }
  mock: [{ request: "GET https://a.example/x", answers: [{ status: 200 }] }]
  expect_failure: { kind: unavailable }
- name: a golden file that is not there
  call: get
  with: { url: "https://a.example/x" }
  mock: [{ request: "GET https://a.example/x", answers: [{ status: 200 }] }]
  golden: none.json
"#,
    );
    let said = run();
    for part in [
        "header `authorization`: expected `Bearer token-2`, got `Bearer token-1`",
        "header `x-missing`: expected `1`, it is missing",
        "body: n: expected 2, got 1",
        "1 of 2 answers were never asked for",
        "secrets.other: the connector declares no such slot",
        "expected a result, got denied: this node may not reach https://b.example:443",
        "GET https://a.example:443/y: no mocked service answers this request now",
        "none.json is missing; `--update` writes it",
        "tests/get.yaml:2",
        "0 tests passed, 4 failed",
    ] {
        assert!(said.contains(part), "{part}\nis not in\n{said}");
    }
}

#[test]
fn one_call_shows_what_it_used_and_what_it_took() {
    let folder = tempfile::tempdir().unwrap();
    let call =
        |arguments: &[&str]| on_component(folder.path(), "demo.quake-text", &["run", "label"], arguments);
    let with = ["--with", "magnitude=6.4", "--with", "place=7", "--with", "time=0"];
    let done = call(&[&with[..], &["--output", "json"]].concat());
    assert!(done.status.success(), "{}", words(&done));
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(told["output"]["line"], json!("1970-01-01  M 6.4  7"));
    assert!(told["peak_memory_bytes"].as_u64().unwrap() > 0, "{told}");
    let failed = call(&["--with", "magnitude=1", "--with", "place=x", "--with", "time=0"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        words(&failed).contains("✗ invalid at magnitude: must be 4.0 or more"),
        "{}",
        words(&failed)
    );
    let unknown = on_component(folder.path(), "demo.quake-text", &["run", "lable"], &[]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(words(&unknown).contains("there is label"), "{}", words(&unknown));
}

#[test]
fn a_call_outside_shows_each_place_with_its_secret() {
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = format!("http://{}", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = vec![0; 4096];
        let read = stream.read(&mut request).unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
            .unwrap();
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    let refused = on_component(
        folder.path(),
        "flowforge.http",
        &["run", "get"],
        &["--with", "url=http://x.example"],
    );
    assert_eq!(refused.status.code(), Some(2));
    assert!(words(&refused).contains("give --allow"), "{}", words(&refused));
    let url = format!("url={place}/feed");
    let more = [
        "--with",
        &url,
        "--allow",
        &place,
        "--secret",
        "auth=TRIAL_TOKEN",
        "--output",
        "json",
    ];
    let done = on_component_with(folder.path(), "flowforge.http", &["run", "get"], &more, "token-1");
    assert!(done.status.success(), "{}", words(&done));
    assert!(serving.join().unwrap().contains("authorization: Bearer token-1"));
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(
        told["used"][0],
        json!({"destination": place, "secret": "auth", "count": 1})
    );
    assert_eq!(told["trace"][0]["what"], json!("http"));
    assert!(!words(&done).contains("token-1"), "{}", words(&done));
}

/// A folder is built and tested again when a file of it is saved, also after a mistake.
#[test]
fn every_save_makes_another_round() {
    let folder = tempfile::tempdir().unwrap();
    let geo = folder.path().join("geo");
    let made = flowforge(folder.path())
        .command(&[
            "connector",
            "new",
            "acme:geo",
            "--lang",
            "js",
            "--folder",
            &geo.to_string_lossy(),
        ])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", words(&made));
    let mut watching = flowforge(folder.path())
        .command(&["connector", "dev", &geo.to_string_lossy(), "--output", "json"])
        .env(
            "FLOWFORGE_CACHE",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("connector-cache"),
        )
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut round = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let edit = |file: &str, from: &str, to: &str| {
        let path = geo.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&path, text.replace(from, to)).unwrap();
    };
    assert_eq!(round()["failed"], json!(0));
    edit("src/connector.js", "Hello", "Good morning");
    let changed = round();
    assert_eq!(
        changed["cases"][0]["problems"],
        json!(["text: expected \"Hello, Ada!\", got \"Good morning, Ada!\""])
    );
    edit("connector.toml", "summary", "sumary");
    assert!(round()["error"].as_str().unwrap().contains("connector.toml:5:1"));
    edit("connector.toml", "sumary", "summary");
    assert_eq!(round()["failed"], json!(1));
    edit("tests/greet.yaml", "Hello", "Good morning");
    assert_eq!(round()["failed"], json!(0));
    watching.kill().unwrap();
    watching.wait().unwrap();
}
