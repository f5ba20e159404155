//! Every example workflow is one that people can publish as it stands.

use std::ffi::OsStr;
use std::fs;

use flowforge_tests::planes::Planes;

use super::{components, in_clone, programs};

/// Published before the workflow that names them, whose release pins theirs.
const CHILDREN: [&str; 3] = [
    "examples/parent-child/archive-month",
    "examples/parent-child/invoice-run",
    "examples/quotation-form/file-quotation",
];
const EXAMPLES: [&str; 7] = [
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
    planes.stop().unwrap();
}
