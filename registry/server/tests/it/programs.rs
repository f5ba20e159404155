//! Programs of others that the tests run: `skopeo` and `docker-registry` as Debian packages, and a Python with `oras`.

use std::process::{Child, Command, Output, Stdio};

/// A program that ends with the test.
pub(crate) struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Begins a program.
pub(crate) fn spawn(program: &str, arguments: &[&str]) -> Ended {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Ended(child.unwrap_or_else(|error| panic!("{}", missing(program, &error.to_string()))))
}

/// Runs a program to its end.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    output.unwrap_or_else(|error| panic!("{}", missing(program, &error.to_string())))
}

/// The same, which must succeed; returns what it printed.
pub(crate) fn done(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert!(output.status.success(), "{program} {arguments:?}: {out}{err}");
    out
}

/// The Python that has `oras`.
pub(crate) fn python_with_oras() -> String {
    std::env::var("FLOWFORGE_ORAS_PYTHON").unwrap_or_else(|_| {
        panic!("{}", missing("oras", "FLOWFORGE_ORAS_PYTHON is not set"));
    })
}

fn missing(program: &str, why: &str) -> String {
    format!(
        "{program}: {why}. `cargo xtask test` installs the registry's clients; alone: `cargo xtask clients -- cargo \
         nextest run -p flowforge-registry`"
    )
}
