//! Questions that several people answer, with forms and signatures of their own.

use flowforge_protocol::approval::{Answer, Decision, Terms};
use flowforge_protocol::awaited::Await;
use flowforge_protocol::envelope::sign_document;
use flowforge_protocol::job::{Job, Order};
use flowforge_protocol::record::Event;
use flowforge_protocol::{ApprovalId, SigningKey, StepKey};
use flowforge_workflow::approval::Question;
use serde_json::{Value, json};

use crate::support::{FakeHost, Home, Plane, Script, accepted};

const SHOWN: &str = "id state quorum decidedBy signers onExpiry form reminders nextReminderAtMs requestedAtMs workspace project \
    answers { by answersFor approved form signed }";

/// A run that a host runs and that asks a question on these terms.
struct Asked {
    host: FakeHost,
    job: Job,
    approval: ApprovalId,
    approvers: Vec<String>,
    terms: Terms,
}

impl Asked {
    async fn new(plane: &Plane, approvers: &[&str], terms: Value) -> Self {
        let host = FakeHost::join(plane, 1).await;
        plane.publish(crate::approvals::ASK).await;
        plane.start_run(json!({"workflow": "ask"})).await;
        let job = host.job(plane).await;
        let mut script = Script::new(&job);
        let approval = flowforge_protocol::awaited::approval_id(&job.run_id, &step());
        let approvers: Vec<String> = approvers.iter().map(|name| (*name).to_owned()).collect();
        let terms: Terms = serde_json::from_value(terms).unwrap();
        let asks = Event::AwaitOpened {
            step: step(),
            awaits: Await::Approval {
                approval: approval.clone(),
                question: json!({"title": "Send it?", "show": {"rows": 3}}).into(),
                approvers: approvers.clone(),
                terms: Box::new(terms.clone()),
            },
            due_ms: None,
        };
        let batch = script.batch(vec![accepted(&job), asks]);
        host.sync(plane, json!({"received": [job.job_id], "batches": [batch]}))
            .await;
        Self {
            host,
            job,
            approval,
            approvers,
            terms,
        }
    }

    async fn says(&self, plane: &Plane, input: Value) -> Value {
        let mut given = json!({"id": self.approval, "approved": true});
        let fields = input.as_object().unwrap().clone();
        given.as_object_mut().unwrap().extend(fields);
        let fields = format!(
            "__typename ... on DecideApprovalSuccess {{ approval {{ {SHOWN} }} }} ... on Problem {{ code message }} \
             ... on InputProblem {{ fields {{ path }} }}"
        );
        plane
            .change("decideApproval", "DecideApprovalInput", given, &fields)
            .await
    }

    fn question(&self) -> Question<'_> {
        const STEP: &str = "confirm";
        static SHOW: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| json!({"rows": 3}));
        static CONFIRM: std::sync::LazyLock<StepKey> = std::sync::LazyLock::new(|| STEP.parse().unwrap());
        Question {
            workspace: &self.job.workspace,
            project: &self.job.project,
            run: &self.job.run_id,
            step: &CONFIRM,
            approval: &self.approval,
            title: "Send it?",
            show: &SHOW,
            approvers: &self.approvers,
            terms: &self.terms,
            started_by: Some("local"),
        }
    }

    async fn decision(&self, plane: &Plane) -> Decision<Value> {
        let told = self.host.job(plane).await;
        let Order::Decide(decision) = told.order else {
            panic!("{told:?}")
        };
        // What is ordered is what the host will find good.
        self.question().check_decision(&decision).unwrap();
        *decision
    }
}

fn step() -> StepKey {
    "confirm".parse().unwrap()
}

#[tokio::test]
async fn two_of_a_group_approve_and_each_fills_in_the_form() {
    let home = Home::new();
    let plane = home.start().await;
    let form = json!([
        {"name": "amount", "schema": {"type": "number", "maximum": 10}},
        {"name": "note", "schema": {"type": "string"}, "default": "none"},
    ]);
    let asked = Asked::new(&plane, &["duty"], json!({"quorum": 2, "form": form})).await;
    let members = json!({"name": "duty", "members": ["ann", "bob", "local"]});
    plane
        .change("setApproverGroup", "SetApproverGroupInput", members, "__typename")
        .await;

    let wrong = asked
        .says(&plane, json!({"by": "ann", "form": {"amount": 11, "more": 1}}))
        .await;
    assert_eq!(wrong["__typename"], "InputProblem", "{wrong:#}");
    let paths: Vec<&str> = wrong["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| field["path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, ["form.more", "form.amount"]);
    let none = asked.says(&plane, json!({"by": "ann"})).await;
    assert_eq!(none["fields"][0]["path"], "form.amount", "{none:#}");

    let first = asked
        .says(&plane, json!({"by": "ann", "form": {"amount": 4}}))
        .await;
    let shown = &first["approval"];
    assert_eq!(
        (&shown["state"], &shown["quorum"]),
        (&json!("PENDING"), &json!(2)),
        "{first:#}"
    );
    assert_eq!(
        shown["answers"],
        json!([{"by": "ann", "answersFor": "duty", "approved": true, "form": {"amount": 4, "note": "none"}, "signed": false}])
    );
    assert_eq!(
        shown["form"][0],
        json!({"name": "amount", "schema": {"type": "number", "maximum": 10}})
    );
    assert!(
        asked.host.jobs(&plane, 0).await.is_empty(),
        "one of two orders nothing"
    );

    let twice = asked
        .says(&plane, json!({"by": "ann", "form": {"amount": 4}}))
        .await;
    assert_eq!(twice["code"], "FF-APR-004", "{twice:#}");
    // Whoever started the run is in the group, and does not count.
    let own = asked
        .says(&plane, json!({"by": "local", "form": {"amount": 4}}))
        .await;
    assert_eq!(own["code"], "FF-APR-003", "{own:#}");
    assert!(
        own["message"]
            .as_str()
            .unwrap()
            .contains("nobody answers the questions of an own run"),
        "{own:#}"
    );

    let second = asked
        .says(
            &plane,
            json!({"by": "bob", "form": {"amount": 5, "note": "fine"}}),
        )
        .await;
    assert_eq!(second["approval"]["state"], "APPROVED", "{second:#}");
    assert_eq!(second["approval"]["decidedBy"], "ann, bob");
    let decision = asked.decision(&plane).await;
    assert_eq!(
        decision.answers[1].form,
        Some(json!({"amount": 5, "note": "fine"}))
    );
    plane.stop().await;
}

#[tokio::test]
async fn people_who_answer_at_the_same_moment_all_count() {
    let home = Home::new();
    let plane = home.start().await;
    let asked = Asked::new(&plane, &["ann", "bob", "cy"], json!({"quorum": 3})).await;
    let say = |by: &'static str| asked.says(&plane, json!({"by": by}));
    let (ann, bob, cy) = tokio::join!(say("ann"), say("bob"), say("cy"));
    for answer in [&ann, &bob, &cy] {
        assert_eq!(answer["__typename"], "DecideApprovalSuccess", "{answer:#}");
    }
    assert_eq!(asked.decision(&plane).await.answers.len(), 3);
    plane.stop().await;
}

#[tokio::test]
async fn one_no_is_enough_although_one_said_yes() {
    let home = Home::new();
    let plane = home.start().await;
    let asked = Asked::new(&plane, &["ann", "bob", "cy"], json!({"quorum": 2})).await;
    asked.says(&plane, json!({"by": "ann"})).await;
    let no = asked.says(&plane, json!({"by": "bob", "approved": false})).await;
    assert_eq!(no["approval"]["state"], "REJECTED", "{no:#}");
    assert_eq!(no["approval"]["decidedBy"], "bob");
    let late = asked.says(&plane, json!({"by": "cy"})).await;
    assert_eq!(late["code"], "FF-APR-001", "{late:#}");
    assert!(!asked.decision(&plane).await.approved);
    plane.stop().await;
}

#[tokio::test]
async fn a_signature_of_ones_own_is_asked_for_and_kept() {
    let home = Home::new();
    let plane = home.start().await;
    let key = SigningKey::from_seed(&[7; 32]);
    let terms = json!({"signers": {"eve": key.verifying_key()}});
    let asked = Asked::new(&plane, &["eve"], terms).await;
    let unsigned = asked.says(&plane, json!({"by": "eve"})).await;
    assert_eq!(
        (&unsigned["__typename"], &unsigned["code"]),
        (&json!("SignatureProblem"), &json!("FF-APR-005")),
        "{unsigned:#}"
    );
    let answer = Answer {
        by: "eve".to_owned(),
        answers_for: Some("eve".to_owned()),
        approved: true,
        comment: None,
        at_ms: 1,
        form: None,
        signature: None,
    };
    let to_sign = asked.question().to_sign(&answer);
    let other = SigningKey::from_seed(&[8; 32]);
    let forged = sign_document(&to_sign, &other).unwrap();
    let refused = asked
        .says(&plane, json!({"by": "eve", "signature": forged}))
        .await;
    assert_eq!(refused["code"], "FF-APR-005", "{refused:#}");
    let signed = sign_document(&to_sign, &key).unwrap();
    let no = asked
        .says(
            &plane,
            json!({"by": "eve", "approved": false, "signature": signed}),
        )
        .await;
    assert_eq!(no["code"], "FF-APR-005", "the signature is of a yes: {no:#}");
    let yes = asked
        .says(&plane, json!({"by": "eve", "signature": signed}))
        .await;
    assert_eq!(yes["approval"]["state"], "APPROVED", "{yes:#}");
    assert_eq!(yes["approval"]["answers"][0]["signed"], true);
    assert_eq!(yes["approval"]["signers"], json!(["eve"]));
    assert!(asked.decision(&plane).await.answers[0].signature.is_some());
    plane.stop().await;
}

#[tokio::test]
async fn a_decision_that_the_host_refuses_is_asked_again() {
    let home = Home::new();
    let plane = home.start().await;
    let asked = Asked::new(&plane, &["ann"], json!({})).await;
    asked.says(&plane, json!({"by": "ann"})).await;
    let told = asked.host.job(&plane).await;
    let refused = json!({"job": told.job_id, "code": "FF-ADM-020", "message": "`ann` is not asked"});
    asked.host.sync(&plane, json!({"refused": [refused]})).await;
    let run = plane.run("last").await;
    assert_eq!(
        (&run["state"], &run["approvals"][0]["state"]),
        (&json!("WAITING"), &json!("PENDING")),
        "{run:#}"
    );
    assert!(
        run["waitingFor"].as_str().unwrap().contains("FF-ADM-020"),
        "{run:#}"
    );
    assert!(
        asked.host.jobs(&plane, 0).await.is_empty(),
        "it does not come again"
    );
    plane.stop().await;
}

#[tokio::test]
async fn reminders_are_counted_while_the_question_waits() {
    let clock = crate::support::TestClock::at(1_800_000_000_000);
    let home = Home::at(&clock);
    let plane = home.start().await;
    let asked = Asked::new(
        &plane,
        &["ann"],
        json!({"remind_ms": 3_600_000, "on_expiry": "reject"}),
    )
    .await;
    let look = || async {
        let query = format!("query($id: String!) {{ approval(id: $id) {{ {SHOWN} }} }}");
        plane.ask(&query, json!({"id": asked.approval})).await["approval"].clone()
    };
    let count = |shown: &Value| shown["reminders"].as_u64().unwrap();
    let before = look().await;
    clock.pass(2 * 3_600_000 + 1_000);
    let shown = look().await;
    assert_eq!(count(&shown), count(&before) + 2, "{shown:#}");
    assert_eq!(shown["onExpiry"], "REJECT");
    let next = shown["nextReminderAtMs"].as_u64().unwrap();
    let asked_at = shown["requestedAtMs"].as_u64().unwrap();
    assert_eq!(next, asked_at + (count(&shown) + 1) * 3_600_000);
    asked.says(&plane, json!({"by": "ann"})).await;
    assert_eq!(look().await["reminders"], Value::Null);
    plane.stop().await;
}
