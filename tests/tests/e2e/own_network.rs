//! A network of a test's own, in which this machine's loopback is all there is: no route leads anywhere.
//!
//! As in [`super::own_disk`], the test runs in a process of its own; where the system does not allow that, it fails and
//! says so.

use std::fs::File;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

/// Names the file by which the inner process says that it did the test.
const MARK: &str = "FLOWFORGE_TEST_ALONE";
/// Brings loopback up and becomes the test.
const ENTER: &str = "ip link set lo up && exec \"$0\" \"$@\"";

/// Runs a test in a process without a network. `name` is the test's whole name as the test runner prints it.
pub(crate) fn without_a_network(name: &str, test: impl FnOnce()) {
    if let Some(mark) = std::env::var_os(MARK) {
        // An address that is kept for documentation: with a route, this would time out and not be unreachable.
        let elsewhere: SocketAddr = "192.0.2.1:80".parse().unwrap();
        let error = TcpStream::connect_timeout(&elsewhere, Duration::from_secs(30)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NetworkUnreachable, "{error}");
        test();
        File::create(mark).unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("done");
    let output = Command::new("unshare")
        .args(way())
        .args(["sh", "-c", ENTER])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(MARK, &mark)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(mark.exists(), "`{name}` is not this test's name: {said}");
}

/// What `unshare` is to be asked for.
fn way() -> &'static [&'static str] {
    let ways: [&[&str]; 2] = [&["--net"], &["--user", "--map-root-user", "--net"]];
    let works = |way: &&&[&str]| {
        let trial = Command::new("unshare")
            .args(**way)
            .args(["sh", "-c", "ip link set lo up"])
            .output();
        trial.is_ok_and(|output| output.status.success())
    };
    ways.iter().find(works).expect(
        "this test needs a network of its own: run it as the superuser, or on a system that allows user namespaces \
         (`unshare --user --map-root-user --net ip link set lo up` must work)",
    )
}
