//! Every example workflow is one that people can publish as it stands; the one whose nodes are code runs here.

use std::ffi::OsStr;
use std::fs;

use flowforge_tests::planes::Planes;
use serde_json::json;

use super::{components, in_clone, programs};

/// Published before the workflow that names them, whose release pins theirs.
const CHILDREN: [&str; 3] = [
    "examples/parent-child/archive-month",
    "examples/parent-child/invoice-run",
    "examples/quotation-form/file-quotation",
];
const EXAMPLES: [&str; 9] = [
    "examples/code-steps",
    "examples/expense-approval",
    "examples/form-answer",
    "examples/nightly-sync",
    "examples/order-payment",
    "examples/parent-child",
    "examples/payment-events",
    "examples/quotation-form",
    "examples/sales-report",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_pass_the_lint_with_the_first_party_connectors() {
    let folder = tempfile::tempdir().unwrap();
    let mut planes = Planes::start(programs(), folder.path(), "e2e-host").unwrap();
    planes.start_host(None).await.unwrap();
    let flowforge = planes.flowforge();
    for entry in fs::read_dir(components()).unwrap() {
        let component = entry.unwrap().path();
        if component.extension() == Some(OsStr::new("wasm")) {
            flowforge
                .json(&["connector", "publish", &component.to_string_lossy()])
                .unwrap();
        }
    }
    flowforge
        .json_with_input(
            &[
                "secret",
                "set",
                "books_token",
                "--kind",
                "bearer",
                "--for",
                "https://books.example.com",
            ],
            "a-token-of-some-length",
        )
        .unwrap();
    for child in CHILDREN {
        let path = in_clone(child).join("workflow.yaml");
        let copy = planes.data().join("workflow.yaml");
        fs::copy(path, &copy).unwrap();
        flowforge
            .json(&["workflow", "publish", &copy.to_string_lossy()])
            .unwrap();
    }
    for example in EXAMPLES {
        let path = in_clone(example);
        let linted = flowforge.json(&["workflow", "lint", &path.to_string_lossy()]);
        assert!(linted.is_ok(), "{example}: {linted:?}");
    }
    // A copy, so that workflow.lock is not written into the clone.
    let copy = planes.data().join("code-steps");
    fs::create_dir(&copy).unwrap();
    let file = "workflow.yaml";
    fs::copy(in_clone("examples/code-steps").join(file), copy.join(file)).unwrap();
    flowforge
        .json(&["workflow", "publish", &copy.to_string_lossy()])
        .unwrap();
    let ended = flowforge.json(&["run", "start", "code-steps", "--wait"]).unwrap();
    assert_eq!(
        ended["output"],
        json!({ "means": { "hall-1": 22.5, "hall-2": 19.0 } }),
        "{ended:#}"
    );
    planes.stop().unwrap();
}
