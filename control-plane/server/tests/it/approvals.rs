//! Questions to people: one answer counts.

use flowforge_protocol::approval::{Answer, Decision};
use flowforge_protocol::awaited::{Await, Closing};
use flowforge_protocol::job::{Job, Order};
use flowforge_protocol::record::{Event, Outcome};
use flowforge_protocol::{ApprovalId, Datum};
use serde_json::{Value, json};

use crate::support::{FakeHost, Home, Plane, Script, TestClock, accepted, done};

pub(crate) const ASK: &str = r#"workflow: ask
nodes:
  confirm:
    approval:
      title: Send it?
      approvers: [ann, bob, cy]
output: { sent: true }
"#;

const DECIDED: &str = "__typename ... on DecideApprovalSuccess { approval { state decidedBy comment } } \
    ... on ApprovalStateProblem { message approval { state decidedBy } } ... on Problem { code }";

pub(crate) async fn decide(plane: &Plane, id: &str, approved: bool, by: &str) -> Value {
    let input = json!({"id": id, "approved": approved, "by": by, "comment": "looks right"});
    plane
        .change("decideApproval", "DecideApprovalInput", input, DECIDED)
        .await
}

pub(crate) async fn asked(plane: &Plane, host: &FakeHost) -> (Job, Script, ApprovalId) {
    plane.publish(ASK).await;
    plane.start_run(json!({"workflow": "ask"})).await;
    question(plane, host).await
}

/// The question of a run of `ask` that was just started.
pub(crate) async fn ask(plane: &Plane, host: &FakeHost) -> ApprovalId {
    question(plane, host).await.2
}

async fn question(plane: &Plane, host: &FakeHost) -> (Job, Script, ApprovalId) {
    let job = host.job(plane).await;
    let mut script = Script::new(&job);
    let approval = flowforge_protocol::awaited::approval_id(&job.run_id, &"confirm".parse().unwrap());
    let batch = script.batch(vec![
        accepted(&job),
        Event::AwaitOpened {
            step: "confirm".parse().unwrap(),
            awaits: Await::Approval {
                approval: approval.clone(),
                question: json!({"title": "Send it?", "show": {"rows": 3}}).into(),
                approvers: ["ann", "bob", "cy"].map(str::to_owned).to_vec(),
                terms: Box::default(),
            },
            due_ms: None,
        },
    ]);
    host.sync(plane, json!({"received": [job.job_id], "batches": [batch]}))
        .await;
    (job, script, approval)
}

#[tokio::test]
async fn the_first_decision_counts_and_reaches_the_host() {
    let home = Home::new();
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    let (job, mut script, approval) = asked(&plane, &host).await;

    let run = plane.run("last").await;
    assert_eq!(run["state"], "WAITING", "{run:#}");
    assert!(
        run["waitingFor"]
            .as_str()
            .unwrap()
            .contains("by ann, bob, cy: Send it?"),
        "{run:#}"
    );
    let list = plane
        .ask(
            "{ approvals(state: PENDING) { nodes { id run step title show approvers } } }",
            json!({}),
        )
        .await;
    let shown = &list["approvals"]["nodes"][0];
    assert_eq!(shown["id"], json!(approval));
    assert_eq!(shown["show"], json!({"rows": 3}));

    // Both at once: one is told that it counts, the other who was first.
    let (yes, no) = tokio::join!(
        decide(&plane, &approval.as_str()[..8], true, "ann"),
        decide(&plane, approval.as_str(), false, "bob")
    );
    let winners = [&yes, &no]
        .iter()
        .filter(|answer| answer["__typename"] == "DecideApprovalSuccess")
        .count();
    assert_eq!(winners, 1, "{yes:#} {no:#}");
    let (winner, loser) = if yes["__typename"] == "DecideApprovalSuccess" {
        (&yes, &no)
    } else {
        (&no, &yes)
    };
    assert_eq!(loser["__typename"], "ApprovalStateProblem", "{loser:#}");
    assert_eq!(loser["approval"]["decidedBy"], winner["approval"]["decidedBy"]);
    let how = format!(
        "{} by {}",
        winner["approval"]["state"].as_str().unwrap().to_lowercase(),
        winner["approval"]["decidedBy"].as_str().unwrap()
    );
    assert!(loser["message"].as_str().unwrap().ends_with(&how), "{loser:#}");
    assert_eq!(winner["approval"]["comment"], "looks right");

    let told = host.job(&plane).await;
    let Order::Decide(decision) = &told.order else {
        panic!("{told:?}")
    };
    assert_eq!((&told.run_id, &decision.approval), (&job.run_id, &approval));
    assert_eq!(json!(decision.by), winner["approval"]["decidedBy"]);
    host.received(&plane, &told).await;
    assert!(host.jobs(&plane, 0).await.is_empty(), "one decision, one job");

    let decided = Event::AwaitClosed {
        step: "confirm".parse().unwrap(),
        closing: Closing::Decision(Box::new(decision.as_ref().clone().recorded())),
    };
    let outcome = done(json!({"sent": true}));
    let batch = script.batch(vec![decided, Event::Ended { outcome }]);
    host.sync(&plane, json!({"batches": [batch]})).await;
    let run = plane.run("last").await;
    assert_eq!(run["state"], "DONE");
    assert_eq!(run["approvals"][0]["decidedBy"], winner["approval"]["decidedBy"]);
    assert_eq!(
        decide(&plane, approval.as_str(), true, "cy").await["__typename"],
        "ApprovalStateProblem"
    );
    plane.stop().await;
}

#[tokio::test]
async fn what_the_host_recorded_is_what_happened() {
    let home = Home::new();
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    let (_, mut script, approval) = asked(&plane, &host).await;
    // The host had a decision from its own site before ours reached it.
    let no = Answer::<Datum> {
        by: "site".to_owned(),
        answers_for: Some("ann".to_owned()),
        approved: false,
        comment: None,
        at_ms: 7,
        form: None,
        signature: None,
    };
    let decision = Box::new(Decision::of(approval.clone(), vec![no]).unwrap());
    let step: flowforge_protocol::StepKey = "confirm".parse().unwrap();
    let outcome = Outcome::Rejected {
        step: step.clone(),
        by: "site".to_owned(),
    };
    let closing = Closing::Decision(decision);
    let batch = script.batch(vec![
        Event::AwaitClosed { step, closing },
        Event::Ended { outcome },
    ]);
    host.sync(&plane, json!({"batches": [batch]})).await;
    let run = plane.run("last").await;
    assert_eq!(run["state"], "REJECTED");
    assert_eq!(
        run["approvals"],
        json!([{"id": approval, "state": "REJECTED", "decidedBy": "site"}])
    );
    plane.stop().await;
}

#[tokio::test]
async fn a_question_ends_with_its_run() {
    let home = Home::new();
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    let (_, mut script, approval) = asked(&plane, &host).await;
    let outcome = Outcome::Cancelled {
        reason: "not needed".to_owned(),
    };
    let batch = script.batch(vec![Event::Ended { outcome }]);
    host.sync(&plane, json!({"batches": [batch]})).await;
    assert_eq!(plane.run("last").await["approvals"][0]["state"], "WITHDRAWN");
    let late = decide(&plane, approval.as_str(), true, "ann").await;
    assert_eq!(late["__typename"], "ApprovalStateProblem", "{late:#}");
    assert!(host.jobs(&plane, 0).await.is_empty());
    plane.stop().await;
}

#[tokio::test]
async fn an_unknown_question_and_a_long_comment_are_problems() {
    let home = Home::new();
    let plane = home.start().await;
    assert_eq!(
        decide(&plane, "zzzz", true, "ann").await["__typename"],
        "ApprovalNotFoundProblem"
    );
    let input = json!({"id": "last", "approved": true, "comment": "x".repeat(5_000)});
    let answer = plane
        .change("decideApproval", "DecideApprovalInput", input, DECIDED)
        .await;
    assert_eq!(answer["__typename"], "InputProblem", "{answer:#}");
    plane.stop().await;
}

/// The list of approvers was not compared with anything: "approved by mallory", with a valid receipt.
#[tokio::test]
async fn a_stranger_answers_nothing_and_the_question_stays_open() {
    let home = Home::new();
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    let (_, _, approval) = asked(&plane, &host).await;
    let refused = decide(&plane, approval.as_str(), true, "mallory").await;
    assert_eq!(
        (&refused["__typename"], &refused["code"]),
        (&json!("NotAskedProblem"), &json!("FF-APR-003")),
        "{refused:#}"
    );
    assert!(
        host.jobs(&plane, 0).await.is_empty(),
        "nothing was told to the host"
    );
    assert_eq!(plane.run("last").await["approvals"][0]["state"], "PENDING");
    // Whoever is at a development server counts as everybody, and the record says so.
    let input = json!({"id": approval, "approved": true});
    let answer = plane
        .change("decideApproval", "DecideApprovalInput", input, DECIDED)
        .await;
    assert_eq!(
        answer["approval"]["decidedBy"], "local (owner of this development server)",
        "{answer:#}"
    );
    plane.stop().await;
}

/// `approvers: [duty]` names a group, and groups had no members: whoever said that they were `duty` could answer.
#[tokio::test]
async fn who_is_in_a_group_answers_what_is_put_to_it() {
    let home = Home::new();
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    let (_, _, approval) = asked(&plane, &host).await;
    let set = |name: &str, members: Value| {
        let input = json!({"name": name, "members": members});
        let fields = "__typename ... on Problem { code }";
        plane.change("setApproverGroup", "SetApproverGroupInput", input, fields)
    };
    assert_eq!(
        set("bob", json!(["dora"])).await["__typename"],
        "SetApproverGroupSuccess"
    );
    assert_eq!(set("", json!(["dora"])).await["__typename"], "InputProblem");
    let listed = plane.ask("{ approverGroups { name members } }", json!({})).await;
    assert_eq!(
        listed["approverGroups"],
        json!([{"name": "bob", "members": ["dora"]}])
    );
    let group = decide(&plane, approval.as_str(), true, "bob").await;
    assert_eq!(group["__typename"], "NotAskedProblem", "{group:#}");
    // One person is added and removed without a word of the others.
    let fields = "__typename ... on SetApproverGroupSuccess { group { members } }";
    let input = json!({"name": "bob", "add": ["eva", "finn"], "remove": ["dora"]});
    let changed = plane
        .change("setApproverGroup", "SetApproverGroupInput", input, fields)
        .await;
    assert_eq!(changed["group"]["members"], json!(["eva", "finn"]), "{changed:#}");
    let member = decide(&plane, approval.as_str(), true, "dora").await;
    assert_eq!(member["__typename"], "NotAskedProblem", "{member:#}");
    let member = decide(&plane, approval.as_str(), true, "eva").await;
    assert_eq!(member["approval"]["decidedBy"], "eva", "{member:#}");
    assert_eq!(
        set("bob", json!([])).await["__typename"],
        "SetApproverGroupSuccess"
    );
    let listed = plane.ask("{ approverGroups { name } }", json!({})).await;
    assert_eq!(listed["approverGroups"], json!([]));
    plane.stop().await;
}

#[tokio::test]
async fn outside_development_the_local_user_is_one_of_many() {
    let home = Home::new();
    let mut config = home.config();
    config.dev = false;
    let plane = home.start_with(config).await;
    let host = FakeHost::join(&plane, 1).await;
    let (_, _, approval) = asked(&plane, &host).await;
    let input = json!({"id": approval, "approved": true});
    let answer = plane
        .change("decideApproval", "DecideApprovalInput", input, DECIDED)
        .await;
    assert_eq!(answer["__typename"], "NotAskedProblem", "{answer:#}");
    plane.stop().await;
}

/// A damaged journal was moved away: the decision and two cancellations were refused by the host, deleted by the plane, and
/// the run stayed open for ever.
#[tokio::test]
async fn a_run_that_its_host_has_lost_says_so_and_can_be_ended() {
    let clock = TestClock::at(1_800_000_000_000);
    let home = Home::at(&clock);
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    let (_, mut script, approval) = asked(&plane, &host).await;
    decide(&plane, approval.as_str(), true, "ann").await;
    let told = host.job(&plane).await;
    let refuse = |code: &str| json!({"refused": [{"job": told.job_id, "code": code, "message": "no"}]});
    // Busy, or the like: the run is not lost, and the decision comes again by itself.
    host.sync(&plane, refuse("FF-ADM-014")).await;
    let run = plane.run("last").await;
    assert_eq!(run["state"], "WAITING");
    assert!(
        run["waitingFor"].as_str().unwrap().contains("FF-ADM-014"),
        "{run:#}"
    );
    assert!(host.jobs(&plane, 0).await.is_empty(), "not at once");
    clock.pass(2_000);
    assert_eq!(host.job(&plane).await.job_id, told.job_id);

    host.sync(&plane, refuse("FF-ADM-012")).await;
    let run = plane.run("last").await;
    assert_eq!(run["state"], "LOST", "{run:#}");
    assert!(
        run["waitingFor"].as_str().unwrap().contains("cancel it"),
        "{run:#}"
    );
    // The host finds it after all.
    let batch = script.batch(vec![Event::Log {
        step: "confirm".parse().unwrap(),
        attempt: 0,
        level: flowforge_protocol::record::LogLevel::Info,
        message: json!("found").into(),
    }]);
    host.sync(&plane, json!({"batches": [batch]})).await;
    assert_eq!(plane.run("last").await["state"], "WAITING");
    host.sync(&plane, refuse("FF-ADM-012")).await;
    let fields = "__typename ... on CancelRunSuccess { run { state } }";
    let over = plane
        .change("cancelRun", "CancelRunInput", json!({"id": "last"}), fields)
        .await;
    assert_eq!(over["run"]["state"], "CANCELLED", "{over:#}");
    clock.pass(3_600_000);
    assert!(host.jobs(&plane, 0).await.is_empty(), "nothing is left to tell");
    plane.stop().await;
}

/// A run whose records were damaged at its host rested there, and nobody could end it.
#[tokio::test]
async fn a_run_that_its_host_cannot_read_any_more_ends_with_the_reason() {
    let home = Home::new();
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    asked(&plane, &host).await;
    let request = json!({"id": "last", "reason": "it hangs"});
    plane
        .change("cancelRun", "CancelRunInput", request, "__typename")
        .await;
    let told = host.job(&plane).await;
    // The order arrived; what it found is said afterwards.
    let message = "run r could not be read any more and is dropped: table `records`";
    let refused = json!({"refused": [{"job": told.job_id, "code": "FF-ADM-018", "message": message}]});
    host.sync(&plane, refused).await;
    let run = plane.run("last").await;
    assert_eq!(run["state"], "CANCELLED", "{run:#}");
    let said = run.to_string();
    assert!(
        said.contains("it hangs") && said.contains("could not be read any more"),
        "{run:#}"
    );
    plane.stop().await;
}

#[tokio::test]
async fn a_second_cancellation_reaches_the_host_though_the_first_was_refused() {
    let home = Home::new();
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    asked(&plane, &host).await;
    let cancel = || plane.change("cancelRun", "CancelRunInput", json!({"id": "last"}), "__typename");
    cancel().await;
    let first = host.job(&plane).await;
    host.sync(
        &plane,
        json!({"refused": [{"job": first.job_id, "code": "FF-ADM-014", "message": "full"}]}),
    )
    .await;
    cancel().await;
    let second = host.job(&plane).await;
    assert!(matches!(second.order, Order::Cancel { .. }), "{second:?}");
    assert_ne!(second.job_id, first.job_id);
    plane.stop().await;
}
