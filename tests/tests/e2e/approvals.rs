//! Questions that count: two of a group with a form, nobody for an own run, and a signature that only one person can make.

use std::fs;

use flowforge_tests::flowforge::Flowforge;
use serde_json::{Value, json};

use super::people::{invited, join, refused};
use super::{in_clone, start_planes};

/// The run, once it is so.
async fn run_is(person: &Flowforge, id: &str, state: &str) -> Value {
    loop {
        let run = person.json(&["run", "show", id]).unwrap();
        if run["state"] == state {
            return run;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// The question of a run, once it is asked.
async fn question(person: &Flowforge, run: &str) -> String {
    let run = run_is(person, run, "WAITING").await;
    run["approvals"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_a_group_fill_in_a_form_and_a_signature_is_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut planes = start_planes(folder.path(), "approvals-host").await;
    planes.start_host(None).await.unwrap();
    let owner = planes.flowforge().clone();
    let first = planes.first_link().unwrap().to_owned();
    let (ann, _) = join(&planes, "ann", &first);
    let (bob, _) = join(&planes, "bob", &invited(&ann, "operator"));
    let (cy, _) = join(&planes, "cy", &invited(&ann, "operator"));
    let (eve, _) = join(&planes, "eve", &invited(&ann, "operator"));

    let example = in_clone("examples/expense-approval");
    let copy = planes.data().join("expense-approval");
    fs::create_dir_all(&copy).unwrap();
    fs::copy(example.join("workflow.yaml"), copy.join("workflow.yaml")).unwrap();
    owner
        .json(&["workflow", "publish", &copy.to_string_lossy()])
        .unwrap();
    ann.json(&[
        "approval", "group", "duty", "--member", "ann", "--member", "bob", "--member", "cy",
    ])
    .unwrap();

    let input = json!({"what": "a crane", "amount": 900}).to_string();
    let run = ann
        .json(&["run", "start", "expense-approval", "--input", &input])
        .unwrap();
    let run = run["id"].as_str().unwrap();
    let asked = question(&ann, run).await;
    let form = |limit: u32| json!({"limit": limit, "budget": "machines"}).to_string();
    let said = refused(&ann, &["approval", "approve", &asked, "--form", &form(1)]);
    assert!(said.contains("`ann` started this run"), "{said}");
    let said = refused(&eve, &["approval", "approve", &asked, "--form", &form(1)]);
    assert!(said.contains("`eve` is not asked"), "{said}");
    let said = refused(&bob, &["approval", "approve", &asked, "--form", &form(20_000)]);
    assert!(said.contains("form.limit"), "{said}");
    let one = bob
        .json(&["approval", "approve", &asked, "--form", &form(1000)])
        .unwrap();
    assert_eq!(
        (&one["state"], &one["answers"][0]["by"]),
        (&json!("PENDING"), &json!("bob"))
    );
    let said = refused(&bob, &["approval", "approve", &asked, "--form", &form(1000)]);
    assert!(said.contains("FF-APR-004"), "{said}");
    let two = cy
        .json(&["approval", "approve", &asked, "--form", &form(950)])
        .unwrap();
    assert_eq!(
        (&two["state"], &two["decidedBy"]),
        (&json!("APPROVED"), &json!("bob, cy"))
    );
    let run = run_is(&ann, run, "DONE").await;
    assert_eq!(
        run["output"],
        json!({"booked": {"by": "bob, cy", "budget": "machines", "limits": [1000, 950]}, "refused": null})
    );
    assert_eq!(run["receipt"]["valid"], true, "{run:#}");

    // Bob's key is on bob's machine; the workflow names its public half.
    let key = bob.json(&["account", "key"]).unwrap();
    let key = key["key"].as_str().unwrap();
    let members = ann.json(&["member", "list"]).unwrap();
    let known = members
        .as_array()
        .unwrap()
        .iter()
        .find(|member| member["name"] == "bob");
    assert_eq!(known.unwrap()["signingKey"], key);
    let valve = planes.data().join("valve");
    fs::create_dir_all(&valve).unwrap();
    let source = format!(
        "workflow: valve\nnodes:\n  open:\n    approval: {{ title: Open the valve?, show: {{ valve: 7 }}, signed_by: {{ bob: \"{key}\" }} }}\noutput: {{ by: \"${{open.by}}\" }}\n"
    );
    fs::write(valve.join("workflow.yaml"), source).unwrap();
    owner
        .json(&["workflow", "publish", &valve.to_string_lossy()])
        .unwrap();
    let run = ann.json(&["run", "start", "valve"]).unwrap();
    let run = run["id"].as_str().unwrap();
    let asked = question(&ann, run).await;
    let said = refused(&bob, &["approval", "approve", &asked]);
    assert!(said.contains("FF-APR-005"), "{said}");
    // The owner of the server may say any name, and has no key of it.
    let said = refused(&owner, &["approval", "approve", &asked, "--by", "bob"]);
    assert!(said.contains("FF-APR-005"), "{said}");
    let signed = bob
        .json(&["approval", "approve", &asked, "--sign", "--comment", "seen"])
        .unwrap();
    assert_eq!(signed["state"], "APPROVED");
    let run = run_is(&ann, run, "DONE").await;
    assert_eq!(run["output"], json!({"by": "bob"}));
    let shown = ann.json(&["approval", "show", &asked]).unwrap();
    assert_eq!(shown["answers"][0]["signed"], true, "{shown:#}");
    planes.stop().unwrap();
}
