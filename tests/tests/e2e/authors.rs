//! A connector's author at the command line: the first folder, looking at things, publishing what others built.

use std::fs;
use std::path::Path;
use std::process::Output;

use flowforge_tests::planes::Planes;
use serde_json::json;

use super::{flowforge, programs};

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
