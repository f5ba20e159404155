//! A host on another machine, as far as the network can tell: two namespaces, one cable, and a wall with one hole.

use std::process::Command;

use super::{components, in_clone, programs};

/// Why namespaces cannot be made here, if they cannot.
fn no_namespaces() -> Option<String> {
    let script = "ip link set lo up && iptables -A OUTPUT -j ACCEPT && iptables -L -n > /dev/null";
    let tried = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--net",
            "--mount",
            "sh",
            "-c",
            script,
        ])
        .output();
    match tried {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(format!("unshare: {error}")),
    }
}

/// `tests/line_namespaces.sh` says what is proved.
#[test]
fn a_host_behind_a_wall_enrols_works_and_speaks_to_nobody_else() {
    if let Some(reason) = no_namespaces() {
        eprintln!(
            "SKIPPED a_host_behind_a_wall_enrols_works_and_speaks_to_nobody_else: no network namespaces here: {reason}"
        );
        return;
    }
    let work = tempfile::tempdir().unwrap();
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--mount", "bash"])
        .arg(in_clone("tests/line_namespaces.sh"))
        .env("PROGRAMS", programs().path("flowforge").parent().unwrap())
        .env("COMPONENTS", components())
        .env("EXAMPLES", in_clone("examples"))
        .env("WORK", work.path())
        .env_remove("HTTPS_PROXY")
        .env_remove("https_proxy")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    assert_eq!(said.matches("proved: ").count(), 8, "{said}");
    eprintln!("{said}");
}
