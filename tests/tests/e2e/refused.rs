//! Programs that do not start on a data folder, and what they say.

use std::path::Path;
use std::process::{Command, Output};

use flowforge_tests::planes::Planes;

use super::{flowforge, programs};

/// What a program said that failed.
pub(crate) fn said(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

/// What `flowforge dev` or `flowforge server` says on this folder.
pub(crate) fn plane_on(data: &Path, word: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let arguments = [
        word,
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        &data.to_string_lossy(),
    ];
    said(&flowforge(home.path()).command(&arguments).output().unwrap())
}

/// What a host says on this folder that is to join these planes.
pub(crate) fn host_on(data: &Path, planes: &Planes) -> String {
    let join = planes.data().join("plane/host-join.json");
    let mut host = Command::new(programs().path("flowforge-host"));
    host.arg("--data-dir").arg(data).arg("--join").arg(join);
    said(&host.output().unwrap())
}
