//! The operator's hour, with the commands of `docs/hosts.md`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use flowforge_tests::flowforge::Flowforge;
use flowforge_tests::programs::Running;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::{components, in_clone, programs};

const WAIT: Duration = Duration::from_secs(60);

/// A control plane that hosts of other machines find, as a process.
struct Plane {
    folder: TempDir,
    flowforge: Flowforge,
    plane: Running,
}

impl Plane {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let home = folder.path().join("home");
        let mut serve = Command::new(programs().path("flowforge"));
        serve
            .args(["server", "--listen", "127.0.0.1:0", "--output", "json"])
            .args(["--hosts-url", &format!("https://127.0.0.1:{port}")])
            .args(["--hosts-listen", &format!("127.0.0.1:{port}"), "--data-dir"])
            .arg(folder.path().join("plane"))
            .env("FLOWFORGE_HOME", &home);
        let mut plane = Running::start("plane", &mut serve, &folder.path().join("logs")).unwrap();
        let ready: Value = serde_json::from_str(&plane.first_line().unwrap()).unwrap();
        assert_eq!(ready["hosts"]["url"], format!("https://127.0.0.1:{port}"));
        let flowforge =
            Flowforge::new(&programs(), &home).with_context(&folder.path().join("plane/client.json"));
        Self {
            folder,
            flowforge,
            plane,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file with a token for this name, as `flowforge host token` prints it.
    fn token(&self, name: &str) -> PathBuf {
        let made = self
            .flowforge
            .command(&["host", "token", "--name", name])
            .output()
            .unwrap();
        assert!(made.status.success());
        let text = String::from_utf8(made.stdout).unwrap();
        assert!(
            text.starts_with("ff-enrol-1.") && text.lines().count() == 1,
            "the token alone"
        );
        assert!(String::from_utf8_lossy(&made.stderr).contains("it is shown only now"));
        let path = self.path(&format!("{name}.token"));
        fs::write(&path, text).unwrap();
        path
    }

    fn host(&self, arguments: &[&str]) -> Output {
        self.host_command(arguments).output().unwrap()
    }

    fn host_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(programs().path("flowforge-host"));
        command.args(arguments);
        for variable in ["HTTPS_PROXY", "https_proxy", "FLOWFORGE_PROXY"] {
            command.env_remove(variable);
        }
        command
    }

    fn shown(&self, name: &str) -> Value {
        self.flowforge.json(&["host", "show", name]).unwrap()
    }
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

#[expect(clippy::too_many_lines, reason = "one life of a host, told in order")]
#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_checked_enrolled_drained_revoked_and_says_the_truth() {
    let plane = Plane::start();
    let (token, data) = (plane.token("press-7"), plane.path("host"));
    let (token, data) = (token.to_str().unwrap(), data.to_str().unwrap());
    let checked = plane.host(&["check", "--token-file", token, "--data-dir", data]);
    assert_eq!(code(&checked), Some(0), "{}", text(&checked));
    assert!(
        text(&checked).contains(" ✓ server         it is the one in the token"),
        "{}",
        text(&checked)
    );
    assert!(!Path::new(data).exists(), "a check makes nothing");
    let checked = plane.host(&[
        "check",
        "--token-file",
        token,
        "--data-dir",
        data,
        "--output",
        "json",
    ]);
    let found: Value = serde_json::from_slice(&checked.stdout).unwrap();
    let names: Vec<&str> = found
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|found| found["name"].as_str())
        .collect();
    assert_eq!(names, ["name", "server", "clock", "token", "disk", "user"]);
    // Working, it enrols first; the file of the token is gone then.
    let mut start = plane.host_command(&["--data-dir", data, "--token-file", token]);
    let host = Running::start("host", &mut start, &plane.path("logs")).unwrap();
    let until = Instant::now() + WAIT;
    while code(&plane.host(&["status", "--data-dir", data, "--check"])) != Some(0) {
        assert!(Instant::now() < until, "{}", host.end_of_log());
        sleep(Duration::from_millis(50)).await;
    }
    assert!(!Path::new(token).exists());
    let status = plane.host(&["status", "--data-dir", data]);
    // Each host renews at a moment of its own, 67 to 72 of 100 of the 7 days.
    let renews = ["4 d", "5 d"].map(|left| format!("certificate renews in {left}"));
    assert!(
        text(&status).contains("connected") && renews.iter().any(|said| text(&status).contains(said)),
        "{}",
        text(&status)
    );
    // A run, with a connector that comes over the same line.
    let component = components().join("bench.steps.wasm");
    plane
        .flowforge
        .json(&["connector", "publish", &component.to_string_lossy()])
        .unwrap();
    fs::create_dir_all(plane.path("w1")).unwrap();
    fs::copy(
        in_clone("examples/bench/w1/workflow.yaml"),
        plane.path("w1/workflow.yaml"),
    )
    .unwrap();
    plane
        .flowforge
        .json(&["workflow", "publish", plane.path("w1").to_str().unwrap()])
        .unwrap();
    let run = plane
        .flowforge
        .json(&["run", "start", "w1", "--input", "{\"n\": 5}", "--wait"])
        .unwrap();
    assert_eq!(
        (&run["state"], &run["receipt"]["valid"]),
        (&"DONE".into(), &true.into())
    );
    // Drained it is connected and gets nothing.
    plane
        .flowforge
        .json(&["host", "drain", "press-7", "--reason", "new disk"])
        .unwrap();
    let shown = plane.shown("press-7");
    assert_eq!(
        (&shown["standing"], &shown["connected"]),
        (&"DRAINING".into(), &true.into()),
        "{shown}"
    );
    assert_eq!(shown["standingReason"], "drained by local: new disk");
    let waits = plane
        .flowforge
        .json(&["run", "start", "w1", "--input", "{\"n\": 6}"])
        .unwrap();
    let state = |run: &Value| {
        plane
            .flowforge
            .json(&["run", "show", run["id"].as_str().unwrap()])
            .unwrap()["state"]
            .clone()
    };
    assert_eq!(state(&waits), "QUEUED");
    plane
        .flowforge
        .json(&["host", "drain", "press-7", "--undo"])
        .unwrap();
    let until = Instant::now() + WAIT;
    while state(&waits) != "DONE" {
        assert!(
            Instant::now() < until,
            "a host that is taken back works again: {}",
            state(&waits)
        );
        sleep(Duration::from_millis(50)).await;
    }
    // Revoked it says so, and goes on.
    let refused = plane
        .flowforge
        .command(&["host", "revoke", "press-7"])
        .output()
        .unwrap();
    assert_eq!(code(&refused), Some(2), "it asks first");
    plane
        .flowforge
        .json(&["host", "revoke", "press-7", "--reason", "stolen", "--yes"])
        .unwrap();
    let until = Instant::now() + WAIT;
    loop {
        let status = text(&plane.host(&["status", "--data-dir", data]));
        if status.contains("this host was revoked (revoked by local: stolen)") {
            break;
        }
        assert!(Instant::now() < until, "{status}");
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        code(&plane.host(&["status", "--data-dir", data, "--check"])),
        Some(1)
    );
    let verify = plane.host(&["journal", "verify", "--data-dir", data]);
    assert_eq!(code(&verify), Some(1), "{}", text(&verify));
    assert!(
        text(&verify).contains("is running and holds its journal"),
        "{}",
        text(&verify)
    );
    assert!(host.stop().unwrap().success());
    let verify = plane.host(&["journal", "verify", "--data-dir", data, "--output", "json"]);
    assert_eq!(code(&verify), Some(0), "{}", text(&verify));
    assert_eq!(
        serde_json::from_slice::<Value>(&verify.stdout).unwrap()["unfinished_runs"],
        0
    );
    plane.plane.stop().unwrap();
}

#[test]
fn a_host_that_leaves_keeps_nothing_to_speak_with() {
    let plane = Plane::start();
    let (token, data) = (plane.token("press-7"), plane.path("host"));
    let (token, data) = (token.to_str().unwrap(), data.to_str().unwrap());
    let enrolled = plane.host(&[
        "enrol",
        "--data-dir",
        data,
        "--token-file",
        token,
        "--output",
        "json",
    ]);
    assert_eq!(code(&enrolled), Some(0), "{}", text(&enrolled));
    let said: Value = serde_json::from_slice(&enrolled.stdout).unwrap();
    assert_eq!(
        (&said["name"], &said["enrolledNow"]),
        (&"press-7".into(), &true.into())
    );
    let left = plane.host(&["leave", "--data-dir", data]);
    assert_eq!(code(&left), Some(0), "{}", text(&left));
    assert_eq!(plane.shown("press-7")["standing"], "LEFT");
    assert!(!Path::new(data).join("keys/link.json").exists());
    let again = plane.host(&["leave", "--data-dir", data]);
    assert_eq!(code(&again), Some(1));
    assert!(text(&again).contains("nothing to leave"), "{}", text(&again));
}

#[test]
fn mistakes_with_tokens_are_told_and_end_with_the_right_code() {
    let plane = Plane::start();
    let data = plane.path("host");
    let data = data.to_str().unwrap();
    let cut = plane.token("press-7");
    let whole = fs::read_to_string(&cut).unwrap();
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let cut = cut.to_str().unwrap();
    for command in ["check", "enrol"] {
        let said = plane.host(&[command, "--data-dir", data, "--token-file", cut]);
        assert_eq!(code(&said), Some(1), "{}", text(&said));
        assert!(
            text(&said).contains("was cut or changed on its way"),
            "{}",
            text(&said)
        );
        assert!(!text(&said).contains(&whole[20..40]), "the token is not repeated");
    }
    for (arguments, expected) in [
        (&["host", "token", "--name", "press 7"][..], 1),
        (&["host", "token", "--name", "press-7", "--expires", "31d"], 1),
        (&["host", "token", "--name", "press-7", "--expires", "soon"], 2),
        (&["host", "token"], 2),
        (&["host", "show", "nobody"], 1),
        (&["host", "drain", "nobody"], 1),
    ] {
        let said = plane.flowforge.command(arguments).output().unwrap();
        assert_eq!(code(&said), Some(expected), "{arguments:?}: {}", text(&said));
    }
    let unknown = plane.host(&["enrol", "--data-dir", data]);
    assert_eq!(code(&unknown), Some(2), "{}", text(&unknown));
}

/// `install` with the machine's own commands replaced by ones that only note how they were called.
#[test]
fn install_makes_user_folder_enrolment_and_service_and_can_be_repeated() {
    let plane = Plane::start();
    let token = plane.token("press-7");
    let (bin, noted) = (plane.path("bin"), plane.path("noted"));
    fs::create_dir_all(&bin).unwrap();
    let stub = |name: &str, body: &str| {
        let path = bin.join(name);
        fs::write(
            &path,
            format!("#!/bin/sh\necho \"{name} $*\" >> {}\n{body}\n", noted.display()),
        )
        .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    stub("id", "exit 1");
    stub("useradd", "");
    stub("install", "for last; do :; done; mkdir -p -m 700 \"$last\"");
    stub("runuser", "shift 3; exec \"$@\"");
    stub("systemctl", "");
    let data = plane.path("var");
    let units = plane.path("units");
    fs::create_dir_all(&units).unwrap();
    let mut install = Command::new("unshare");
    install
        .args(["--user", "--map-root-user"])
        .arg(programs().path("flowforge-host"))
        .args(["install", "--token-file"])
        .arg(&token)
        .arg("--data-dir")
        .arg(&data)
        .arg("--unit-dir")
        .arg(&units)
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    if !Command::new("unshare")
        .args(["--user", "--map-root-user", "true"])
        .status()
        .is_ok_and(|tried| tried.success())
    {
        eprintln!(
            "SKIPPED install_makes_user_folder_enrolment_and_service_and_can_be_repeated: no user namespaces here"
        );
        return;
    }
    let done = install.output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    let noted = fs::read_to_string(&noted).unwrap();
    let commands: Vec<&str> = noted.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(
        commands,
        ["id", "useradd", "install", "runuser", "systemctl", "systemctl"],
        "{noted}"
    );
    assert!(
        noted.contains("systemctl enable --now flowforge-host.service"),
        "{noted}"
    );
    assert!(!noted.contains("ff-enrol"), "the token is on no command line");
    assert!(
        !token.exists() && data.join("keys/link.json").exists(),
        "{}",
        text(&done)
    );
    assert_eq!(plane.shown("press-7")["standing"], "ACTIVE");
    let unit = units.join("flowforge-host.service");
    let written = fs::read_to_string(&unit).unwrap();
    assert!(
        written.contains("User=flowforge") && written.contains("NoNewPrivileges=yes"),
        "{written}"
    );
    let printed = plane.host(&["install", "--print", "--data-dir", data.to_str().unwrap()]);
    assert_eq!(code(&printed), Some(0));
    assert!(
        text(&printed).contains("ProtectSystem=strict"),
        "{}",
        text(&printed)
    );
    // What systemd itself thinks of it, where there is one: how far the service is exposed, from 0 to 10.
    let judged = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=25"])
        .arg(&unit)
        .output();
    if let Ok(judged) = judged {
        assert!(judged.status.success(), "{}", text(&judged));
    }
}

#[test]
fn a_site_file_is_read_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.toml");
    let host = |path: &Path, form: &str| {
        Command::new(programs().path("flowforge-host"))
            .args(["site", "check", "--output", form])
            .arg(path)
            .output()
            .unwrap()
    };
    fs::write(
        &file,
        "destinations = [\"https://*.acme.example\"]\ndrafts = \"deny\"\n",
    )
    .unwrap();
    let said = host(&file, "text");
    assert_eq!(code(&said), Some(0));
    assert!(
        text(&said).contains("https://*.acme.example:443") && text(&said).contains("never"),
        "{}",
        text(&said)
    );
    let said: Value = serde_json::from_slice(&host(&file, "json").stdout).unwrap();
    assert_eq!(said["drafts"], "deny");
    fs::write(&file, "destinations = [\"acme\"]\n").unwrap();
    let said = host(&file, "text");
    assert_eq!(code(&said), Some(1));
    assert!(
        text(&said).contains("site.toml") && text(&said).contains("`acme` names no destinations"),
        "{}",
        text(&said)
    );
}
