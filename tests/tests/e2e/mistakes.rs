//! Wrong use: each mistake is told with its place and its mend, and changes nothing.

use std::net::TcpListener;
use std::process::Output;

use flowforge_tests::planes::Planes;

use super::refused::{host_on, plane_on};
use super::{flowforge, programs};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn development_mode_stays_on_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let output = flowforge(folder.path())
        .command(&["dev", "--listen", "0.0.0.0:0"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("development mode has no sign-in; use `flowforge server`"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_port_in_use_is_named_with_another_to_try() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = folder.path().join("data");
    for word in ["dev", "server"] {
        let arguments = [word, "--listen", &address, "--data-dir", &data.to_string_lossy()];
        let output = flowforge(folder.path()).command(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        let expected =
            format!("{address} is in use by another program; try --listen 127.0.0.1:0 (any free port)");
        assert!(said(&output).contains(&expected), "{}", said(&output));
    }
}

#[test]
fn a_second_process_on_the_same_folder_is_sent_to_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let planes = Planes::start(programs(), folder.path(), "host").unwrap();
    let data = folder.path().join("plane");
    let said = plane_on(&data, "server");
    let expected = format!(
        "is already open in process {}; use that one at {}",
        planes.plane().id(),
        planes.api().context().server
    );
    assert!(said.contains(&expected), "{said}");
    planes.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_host_on_the_same_folder_is_told_who_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut planes = Planes::start(programs(), folder.path(), "host").unwrap();
    planes.start_host(None).await.unwrap();
    let data = planes.data().join("host");
    let said = host_on(&data, &planes);
    let expected = format!(
        "the journal {} is already open in process {}; stop that process or use another data folder",
        data.join("journal.redb").display(),
        planes.host().unwrap().id()
    );
    assert!(said.contains(&expected), "{said}");
    assert_eq!(planes.host_status().unwrap()["link"]["state"], "connected");
    planes.stop().unwrap();
}

#[test]
fn without_a_control_plane_the_mend_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let output = flowforge(folder.path())
        .command(&["run", "list"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("start one with `flowforge dev`"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_file_that_is_no_component_and_a_name_that_is_none_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.wasm");
    std::fs::write(&file, "not wasm").unwrap();
    let inspect = |what: &str| {
        flowforge(folder.path())
            .command(&["connector", "inspect", what])
            .output()
            .unwrap()
    };
    let output = inspect(&file.to_string_lossy());
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("is no connector"), "{}", said(&output));
    let output = inspect("nothing-here");
    assert!(
        said(&output).contains("neither a file nor the name of a connector"),
        "{}",
        said(&output)
    );
}
