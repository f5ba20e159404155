//! Several people at one control plane, each at a machine of its own: signed in, with a role, and with a say of its own.

use std::fs;

use flowforge_tests::flowforge::Flowforge;
use flowforge_tests::planes::Planes;
use serde_json::{Value, json};

use super::{programs, start_planes};

const ASKS: &str = "workflow: asks
nodes:
  confirm:
    approval: { title: \"Send it?\", approvers: [bob] }
output: { sent: true }
";
const PASSWORD: &str = "a few plain words";

/// Somebody with a folder of the own, who signs in by this link.
pub(super) fn join(planes: &Planes, name: &str, link: &str) -> (Flowforge, Value) {
    let home = planes.data().join(name);
    fs::create_dir_all(&home).unwrap();
    let person = Flowforge::new(&programs(), &home);
    let joined = person
        .json_with_input(&["login", link, "--name", name], PASSWORD)
        .unwrap();
    (person, joined)
}

pub(super) fn invited(by: &Flowforge, role: &str) -> String {
    let link = by.json(&["member", "invite", "--role", role]).unwrap();
    link["address"].as_str().unwrap().to_owned()
}

/// What a command says that must not succeed.
pub(super) fn refused(person: &Flowforge, arguments: &[&str]) -> String {
    let output = person.command(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// A program with a token that only looks sees runs and starts none.
fn only_looks(of: &Flowforge, program: &Flowforge, server: &str) {
    let made = of
        .json(&["token", "make", "dashboard", "--permission", "read"])
        .unwrap();
    let secret = made["secret"].as_str().unwrap();
    let mut looks = program.command(&["run", "list", "--server", server, "--output", "json"]);
    let looked = looks.env("FLOWFORGE_TOKEN", secret).output().unwrap();
    assert!(
        looked.status.success(),
        "{}",
        String::from_utf8_lossy(&looked.stderr)
    );
    let mut starts = program.command(&["run", "start", "asks", "--server", server]);
    let started = starts.env("FLOWFORGE_TOKEN", secret).output().unwrap();
    let said = String::from_utf8_lossy(&started.stderr).into_owned();
    assert!(
        !started.status.success() && said.contains("does not pass on"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_person_is_invited_approves_and_is_refused_what_the_role_does_not_allow() {
    let folder = tempfile::tempdir().unwrap();
    let mut planes = start_planes(folder.path(), "people-host").await;
    planes.start_host(None).await.unwrap();
    let workflow = planes.data().join("asks");
    fs::create_dir_all(&workflow).unwrap();
    fs::write(workflow.join("workflow.yaml"), ASKS).unwrap();
    let owner = planes.flowforge().clone();
    owner
        .json(&["workflow", "publish", &workflow.to_string_lossy()])
        .unwrap();

    // Without a session nothing is told, not even what there is.
    let server = planes.api().context().server.clone();
    let nobody = Flowforge::new(&programs(), &planes.data().join("nobody"));
    let said = refused(&nobody, &["run", "list", "--server", &server]);
    assert!(
        said.contains("sign in first") && said.contains("flowforge login"),
        "{said}"
    );

    let first = planes.first_link().unwrap().to_owned();
    let (ann, joined) = join(&planes, "ann", &first);
    assert_eq!(
        (&joined["name"], &joined["roles"]),
        (&json!("ann"), &json!(["admin"]))
    );
    let (bob, joined) = join(&planes, "bob", &invited(&ann, "operator"));
    assert_eq!(joined["roles"], json!(["operator"]));
    let (eve, _) = join(&planes, "eve", &invited(&ann, "viewer"));

    let run = ann.json(&["run", "start", "asks"]).unwrap();
    let id = run["id"].as_str().unwrap().to_owned();
    let approval = loop {
        let waiting = eve.json(&["approval", "list"]).unwrap();
        if let Some(id) = waiting[0]["id"].as_str() {
            break id.to_owned();
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    let said = refused(&ann, &["approval", "approve", &approval]);
    assert!(said.contains("bob"), "{said}");
    let said = refused(&eve, &["approval", "approve", &approval]);
    assert!(
        said.contains(
            "`approve`; the roles that have it are: builder, operator, publisher, admin; eve has: viewer"
        ),
        "{said}"
    );
    let decided = bob.json(&["approval", "approve", &approval]).unwrap();
    assert_eq!(decided["decidedBy"], "bob");
    loop {
        let shown = bob.json(&["run", "show", &id]).unwrap();
        if shown["state"] == "DONE" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    for (arguments, permission) in [
        (&["member", "invite", "--role", "admin"][..], "`manage-members`"),
        (&["audit", "list"], "`read-audit`"),
        (&["host", "drain", "people-host"], "`manage-hosts`"),
    ] {
        let said = refused(&bob, arguments);
        assert!(
            said.contains(permission) && said.contains("bob has: operator"),
            "{said}"
        );
    }

    only_looks(&ann, &nobody, &server);

    // Who is removed has nothing any more, and whoever signs out shows nothing any more.
    ann.json(&["member", "remove", "eve"]).unwrap();
    assert!(refused(&eve, &["run", "list"]).contains("FF-API-401"));
    bob.json(&["logout"]).unwrap();
    assert!(refused(&bob, &["run", "list"]).contains("sign in first"));
    let back = bob
        .json_with_input(&["login", &server, "--name", "bob"], PASSWORD)
        .unwrap();
    assert_eq!(back["name"], "bob");
    let did = owner
        .json(&["audit", "list", "--actor", "bob", "--action", "approval."])
        .unwrap();
    assert_eq!(did[0]["outcome"], "DONE", "{did}");
    planes.stop().unwrap();
}
