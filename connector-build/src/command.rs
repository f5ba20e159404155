//! Running an outside tool: a limit on its time, a limit on what is kept of its output, an environment of its own.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::BuildError;

/// Most bytes kept of each output of a tool; what is above is read and dropped.
const OUTPUT_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// How much of a failing tool's output its error shows, in characters, from the end.
const SHOWN_CHARS: usize = 4_000;

/// What a tool left behind.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// The error for a tool that had no business failing.
    pub(crate) fn failure(&self, tool: &str) -> BuildError {
        let both = format!("{}{}", self.stdout, self.stderr);
        let text = both.trim();
        let skipped = text.chars().count().saturating_sub(SHOWN_CHARS);
        BuildError::Tool {
            tool: tool.to_owned(),
            status: self.status.to_string(),
            output: text.chars().skip(skipped).collect(),
        }
    }
}

/// A tool with the caller's environment, less what would make it depend on the build that runs around this one.
pub(crate) fn tool(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        if is_foreign(name) {
            command.env_remove(name);
        }
    }
    command
}

/// Variables that cargo, npm or a virtual environment set for their own children.
fn is_foreign(name: &str) -> bool {
    const KEPT: [&str; 5] = [
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTR",
        "CARGO_BUILD_JOBS",
    ];
    let cargo = name.starts_with("CARGO") && !KEPT.iter().any(|kept| name.starts_with(kept));
    let npm = name.starts_with("npm_lifecycle") || name.starts_with("npm_package");
    cargo
        || npm
        || matches!(
            name,
            "RUSTFLAGS"
                | "RUSTC_WRAPPER"
                | "RUSTC"
                | "NODE_OPTIONS"
                | "VIRTUAL_ENV"
                | "PYTHONPATH"
                | "PYTHONHOME"
        )
}

/// Run a tool to its end, with `input` as its standard input.
///
/// # Errors
/// [`BuildError::TimedOut`]: it was stopped at `limit`. [`BuildError::Tool`]: it could not be started.
/// A failing exit status is the caller's to judge.
pub(crate) fn run(
    name: &str,
    command: &mut Command,
    input: &str,
    limit: Duration,
) -> Result<Finished, BuildError> {
    let cannot = |what: &str, error: io::Error| BuildError::Tool {
        tool: name.to_owned(),
        status: what.to_owned(),
        output: error.to_string(),
    };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| cannot("not started", error))?;
    let mut stdin = child.stdin.take();
    let stdout = child.stdout.take();
    let stderr = child.stderr.take();
    thread::scope(|scope| {
        // A tool that never reads its input must not hold the build up: writing has its own thread too.
        scope.spawn(move || stdin.as_mut().map(|stdin| stdin.write_all(input.as_bytes())));
        let (done, all_read) = mpsc::sync_channel(2);
        let finished = done.clone();
        let stdout = scope.spawn(move || read_all(stdout, &done));
        let stderr = scope.spawn(move || read_all(stderr, &finished));
        let ended = (0..2).try_for_each(|_| all_read.recv_timeout(limit));
        if ended.is_err() {
            stop(&mut child);
            return Err(BuildError::TimedOut {
                tool: name.to_owned(),
                limit,
            });
        }
        let status = child.wait().map_err(|error| cannot("not waited for", error))?;
        Ok(Finished {
            status,
            stdout: stdout.join().unwrap_or_default(),
            stderr: stderr.join().unwrap_or_default(),
        })
    })
}

/// Stop a tool that is over its limit. That it may have ended by itself in this moment is no error.
fn stop(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn read_all(stream: Option<impl Read>, done: &mpsc::SyncSender<()>) -> String {
    let mut kept = Vec::new();
    if let Some(mut stream) = stream {
        let _ = stream.by_ref().take(OUTPUT_BYTES_MAX).read_to_end(&mut kept);
        let _ = io::copy(&mut stream, &mut io::sink());
    }
    let _ = done.send(());
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_input_and_status_come_back() {
        let mut command = tool("sh");
        command.args(["-c", "cat; echo problem >&2; exit 3"]);
        let finished = run("sh", &mut command, "hello", Duration::from_secs(60)).unwrap();
        assert_eq!(
            (finished.stdout.as_str(), finished.stderr.as_str()),
            ("hello", "problem\n")
        );
        assert_eq!(finished.status.code(), Some(3));
    }

    #[test]
    fn a_tool_that_never_ends_is_stopped() {
        let mut command = tool("sh");
        command.args(["-c", "exec sleep 1000"]);
        let error = run("sh", &mut command, "", Duration::from_millis(20))
            .err()
            .unwrap();
        assert!(matches!(error, BuildError::TimedOut { .. }), "{error}");
    }

    #[test]
    fn a_build_inside_a_build_is_not_told_of_the_outer_one() {
        assert!(
            is_foreign("CARGO_TARGET_DIR") && is_foreign("CARGO_MANIFEST_DIR") && is_foreign("RUSTFLAGS")
        );
        assert!(!is_foreign("CARGO_HOME") && !is_foreign("CARGO_NET_OFFLINE") && !is_foreign("PATH"));
    }
}
