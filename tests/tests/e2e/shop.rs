//! Publishing, looking around and carrying away, as a publisher and a site without a network do it.

use std::fs;
use std::path::Path;

use flowforge_tests::flowforge::Flowforge;
use flowforge_tests::planes::Planes;
use serde_json::{Value, json};

use super::own_disk::{SmallDisk, in_own_mounts};
use super::own_network::without_a_network;
use super::{components, programs};

/// A component that nobody built for FlowForge: one function of this name, and no word about itself.
fn foreign(folder: &Path, function: &str) -> String {
    let text = format!(
        r#"(component
            (core module $m (func (export "f")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f")))
            (export "{function}" (func $f)))"#
    );
    let file = folder.join(format!("{function}.wasm"));
    fs::write(&file, wat::parse_str(text).unwrap()).unwrap();
    file.display().to_string()
}

/// Runs a command that fails; returns its JSON.
fn refused(flowforge: &Flowforge, arguments: &[&str]) -> Value {
    let all: Vec<&str> = arguments.iter().copied().chain(["--output", "json"]).collect();
    let output = flowforge.command(&all).output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[expect(clippy::too_many_lines, reason = "one life of a component, told in order")]
#[test]
fn any_component_is_published_tried_withdrawn_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let planes = Planes::start(programs(), folder.path(), "host").unwrap();
    let flowforge = planes.flowforge();
    let (locate, find) = (foreign(folder.path(), "locate"), foreign(folder.path(), "find"));
    let publish = |file: &str, version: &str| {
        [
            "connector",
            "publish",
            file,
            "--name",
            "acme:geo",
            "--version",
            version,
        ]
        .map(str::to_owned)
        .to_vec()
    };
    let words = |arguments: &[String]| arguments.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    let run = |arguments: &[String]| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        flowforge.json(&arguments).unwrap()
    };
    let mut trial = publish(&locate, "1.0.0");
    trial.push("--dry-run".to_owned());
    let said = run(&trial);
    assert_eq!(said["passed"], json!(true), "{}", words(&trial));
    assert_eq!(said["gates"].as_array().unwrap().len(), 13);
    assert_eq!(
        flowforge
            .json(&["connector", "list", "--publisher", "acme"])
            .unwrap(),
        json!([]),
        "a trial keeps nothing"
    );
    let first = run(&publish(&locate, "1.0.0"));
    assert_eq!(
        (&first["name"], &first["already_there"]),
        (&json!("acme:geo"), &json!(false))
    );

    // Another function under a patch version: the trial and the push say the same.
    let mut trial = publish(&find, "1.0.1");
    trial.push("--dry-run".to_owned());
    let trial: Vec<&str> = trial.iter().map(String::as_str).collect();
    let said = refused(flowforge, &trial);
    assert_eq!(
        (&said["passed"], &said["lowest_right"]),
        (&json!(false), &json!("2.0.0"))
    );
    let gates = said["gates"].as_array().unwrap();
    let shut = gates.iter().find(|gate| !gate["refused"].is_null()).unwrap();
    let reason = shut["refused"].as_str().unwrap();
    assert!(reason.contains("locate: is not there any more"), "{reason}");
    let output = flowforge.command(&publish(&find, "1.0.1")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains(reason), "{told}");
    run(&publish(&find, "2.0.0"));

    flowforge
        .json(&[
            "connector",
            "yank",
            "acme:geo@2.0.0",
            "--reason",
            "finds the wrong place",
        ])
        .unwrap();
    let listed = |arguments: &[&str]| {
        let found = flowforge.json(arguments).unwrap();
        let versions = found
            .as_array()
            .unwrap()
            .iter()
            .map(|found| found["version"].as_str().unwrap().to_owned());
        versions.collect::<Vec<_>>()
    };
    assert_eq!(
        listed(&["connector", "list", "--search", "geo locate"]),
        ["1.0.0"]
    );
    assert_eq!(
        listed(&["connector", "list", "--publisher", "acme", "--capability", "http"]),
        [] as [&str; 0]
    );
    flowforge
        .json(&["connector", "yank", "acme:geo@2.0.0", "--undo"])
        .unwrap();
    assert_eq!(listed(&["connector", "list", "--publisher", "acme"]), ["2.0.0"]);
    let unknown = refused(
        flowforge,
        &["connector", "yank", "acme:geo@9.0.0", "--reason", "x"],
    );
    assert_eq!(unknown["code"], json!("FF-REG-001"));
    flowforge
        .json(&[
            "connector",
            "deprecate",
            "acme:geo",
            "--reason",
            "moved",
            "--use",
            "acme:places@1",
        ])
        .unwrap();
    planes.stop().unwrap();
}

#[test]
fn a_full_disk_publishes_nothing_and_costs_nothing() {
    in_own_mounts(
        "shop::a_full_disk_publishes_nothing_and_costs_nothing",
        || async {
            let folder = tempfile::tempdir().unwrap();
            let disk = SmallDisk::on(&folder.path().join("plane/registry"), 8);
            let planes = Planes::start(programs(), folder.path(), "host").unwrap();
            let publish = |name: &str| {
                let file = components().join(name).display().to_string();
                planes
                    .flowforge()
                    .command(&["connector", "publish", &file])
                    .output()
                    .unwrap()
            };
            assert!(publish("flowforge.http.wasm").status.success());
            disk.fill();
            let refused = publish("demo.quake-text.wasm");
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert_eq!(refused.status.code(), Some(1), "{said}");
            assert!(
                said.contains("the registry's disk is full; free some space, then push again"),
                "{said}"
            );
            let names = || {
                let listed = planes.flowforge().json(&["connector", "list"]).unwrap();
                let names = listed
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|found| found["name"].as_str().unwrap().to_owned());
                names.collect::<Vec<_>>()
            };
            assert_eq!(names(), ["flowforge:http"]);
            disk.free();
            assert!(publish("demo.quake-text.wasm").status.success());
            assert_eq!(names(), ["demo:quake-text", "flowforge:http"]);
            planes.stop().unwrap();
        },
    );
}

#[test]
fn connectors_reach_a_site_that_no_network_reaches() {
    without_a_network("shop::connectors_reach_a_site_that_no_network_reaches", || {
        let folder = tempfile::tempdir().unwrap();
        let bundle = folder.path().join("connectors.tar").display().to_string();
        let http = components().join("flowforge.http.wasm").display().to_string();
        let maker = Planes::start(programs(), &folder.path().join("maker"), "host").unwrap();
        maker.flowforge().json(&["connector", "publish", &http]).unwrap();
        let packed = maker
            .flowforge()
            .json(&["bundle", "export", "flowforge:http", "--out", &bundle])
            .unwrap();
        assert_eq!(
            packed["connectors"][0]["documents"],
            json!(1),
            "with its publisher's signature"
        );
        let root = maker.data().join("plane/trust-root.json");
        let trusted: Value = serde_json::from_slice(&fs::read(&root).unwrap()).unwrap();
        let root = root.display().to_string();
        let checked = maker
            .flowforge()
            .json(&["bundle", "verify", &bundle, "--trust", &root])
            .unwrap();
        assert_eq!(checked["signatures_checked"], json!(true));
        maker.stop().unwrap();

        // A site that does not know the publisher takes nothing.
        let home = folder.path().join("site");
        let site = Planes::start(programs(), &home, "host").unwrap();
        let own = site.data().join("plane/trust-root.json");
        let stranger = refused(
            site.flowforge(),
            &["bundle", "verify", &bundle, "--trust", &own.display().to_string()],
        );
        assert!(
            stranger["connectors"][0]["refused"]
                .as_str()
                .unwrap()
                .contains("that is trusted here")
        );
        let output = site
            .flowforge()
            .command(&["bundle", "import", &bundle])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("owned by another key"));
        assert_eq!(site.flowforge().json(&["connector", "list"]).unwrap(), json!([]));
        site.stop().unwrap();

        // Its owner writes the publisher's key into the trust root.
        let mut root: Value = serde_json::from_slice(&fs::read(&own).unwrap()).unwrap();
        root["publishers"]["flowforge"] = trusted["publishers"]["*"].clone();
        fs::write(&own, root.to_string()).unwrap();
        let site = Planes::start(programs(), &home, "host").unwrap();
        for _ in 0..2 {
            site.flowforge().json(&["bundle", "import", &bundle]).unwrap();
        }
        let listed = site.flowforge().json(&["connector", "list"]).unwrap();
        assert_eq!(
            (&listed[0]["name"], listed.as_array().unwrap().len()),
            (&json!("flowforge:http"), 1)
        );

        // One byte of it changed on the way.
        let mut bytes = fs::read(&bundle).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&bundle, bytes).unwrap();
        let output = site
            .flowforge()
            .command(&["bundle", "import", &bundle])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("was changed"));
        site.stop().unwrap();
    });
}
