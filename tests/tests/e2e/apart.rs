//! A test in a process with namespaces of its own, so that nothing is left of them however it ends.
//!
//! As the superuser that needs `unshare` only; else the system must allow user namespaces. Where neither is possible the
//! test fails and says so: it is never passed over.

use std::fs::File;
use std::process::{Command, Stdio};

/// Names the file by which the inner process says that it did the test.
const MARK: &str = "FLOWFORGE_TEST_APART";

/// What a test needs for itself.
pub(crate) struct Apart {
    /// What `unshare` calls it.
    pub(crate) namespace: &'static str,
    /// What a shell does before the test, and by which it shows that it could.
    pub(crate) begin: &'static str,
    /// For people: what it is.
    pub(crate) what: &'static str,
}

impl Apart {
    /// Runs a test so. `name` is its whole name as the test runner prints it.
    pub(crate) fn run(&self, name: &str, test: impl FnOnce()) {
        if let Some(mark) = std::env::var_os(MARK) {
            test();
            File::create(mark).unwrap();
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("done");
        let output = self
            .shell(self.way(), &format!("{} && exec \"$0\" \"$@\"", self.begin))
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(MARK, &mark)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(mark.exists(), "`{name}` is not this test's name: {said}");
    }

    /// What `unshare` is to be asked for besides.
    fn way(&self) -> &'static [&'static str] {
        let ways: [&[&str]; 2] = [&[], &["--user", "--map-root-user"]];
        let works = |way: &&&[&str]| {
            let status = self.shell(way, self.begin).stderr(Stdio::null()).status();
            status.is_ok_and(|status| status.success())
        };
        let found = ways.iter().find(works).ok_or_else(|| {
            format!(
                "this test needs {} of its own: run it as the superuser, or on a system that allows user namespaces \
                 (`unshare --user --map-root-user {} sh -c '{}'` must work)",
                self.what, self.namespace, self.begin
            )
        });
        found.unwrap()
    }

    fn shell(&self, way: &[&str], script: &str) -> Command {
        let mut command = Command::new("unshare");
        command.args(way).arg(self.namespace).args(["sh", "-c", script]);
        command
    }
}
