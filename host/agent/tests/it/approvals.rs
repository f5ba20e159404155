//! Decisions of people, as the host looks at them: what the control plane signed is believed as far as the release allows.

use flowforge_protocol::approval::{Answer, Decision};
use flowforge_protocol::awaited::{Await, Closing};
use flowforge_protocol::envelope::sign_document;
use flowforge_protocol::record::{Event, Outcome, Trigger};
use flowforge_protocol::{ApprovalId, RunId, SigningKey, StepKey};
use flowforge_workflow::approval::Question;
use serde_json::{Value, json};

use crate::plane::{Plane, WORKSPACE, answer};
use crate::runs::{outcome, publish, scripts};
use crate::world::World;

/// The key of a person, which nobody else has.
fn eve() -> SigningKey {
    SigningKey::from_seed(&[77; 32])
}

fn asking(approval: &str) -> String {
    format!(
        "workflow: asking\nnodes:\n  confirm:\n    approval: {approval}\noutput: {{ answer: \"${{confirm}}\" }}\n"
    )
}

/// Orders a decision that does not count: it is refused under this code, and the question stays open.
async fn refused(world: &World, run: &RunId, approval: &ApprovalId, answers: Vec<Answer<Value>>) -> String {
    let job = world
        .plane
        .order_decision(run, approval.clone(), answers, world.now());
    let find = |state: &crate::plane::State| {
        let mut refused = state.refused.iter();
        refused.find(|refused| refused.job == job).cloned()
    };
    world.plane.until(|state| find(state).is_some()).await;
    let refused = world.plane.with(|state| find(state)).expect("refused");
    assert_eq!(refused.code, "FF-ADM-020", "{refused:?}");
    let records = world.plane.with(|state| state.runs[run].records());
    let closed = |event: &Event| matches!(event, Event::AwaitClosed { .. });
    assert!(
        !records.iter().any(|record| closed(&record.event)),
        "{records:#?}"
    );
    refused.message
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn se_10_a_signed_decision_of_people_who_are_not_asked_is_refused_by_the_host() {
    let world = World::new(scripts());
    let approval = "{ title: Really?, approvers: [duty], quorum: 2, form: { amount: { type: number } } }";
    let published = publish(&world.plane, &asking(approval));
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    let question = world.plane.question(&run).await;
    let yes = |by: &str| Answer {
        form: Some(json!({"amount": 4})),
        ..answer(by, true)
    };
    let stranger = Answer {
        answers_for: Some("ops".to_owned()),
        ..yes("mallory")
    };
    for (answers, why) in [
        (vec![yes("ann"), stranger], "`mallory` is not asked"),
        (vec![yes("ann"), yes("test")], "`test` started this run"),
        (vec![yes("ann")], "1 of 2 people answered"),
        (vec![yes("ann"), yes("ann")], "`ann` has answered already"),
        (
            vec![yes("ann"), answer("bob", true)],
            "the form does not fit: amount",
        ),
    ] {
        let message = refused(&world, &run, &question, answers).await;
        assert!(message.contains(why), "{message}");
    }
    let answers = vec![yes("ann"), yes("bob")];
    world.plane.order_decision(&run, question, answers, world.now());
    let stored = world.plane.ended(&run).await;
    let Outcome::Done { output } = outcome(&stored) else {
        panic!("{:?}", outcome(&stored))
    };
    let answer = &output.content().expect("here")["answer"];
    assert_eq!(
        (&answer["by"], &answer["form"]),
        (&json!("ann, bob"), &json!({"amount": 4}))
    );
    assert_eq!(answer["answers"][0]["by"], "ann");
    world.plane.prove(&published, &stored);
    host.drain().await;
}

/// The question as a person sees it who signs the answer to it.
fn sign(world: &World, run: &RunId, mut answer: Answer<Value>, key: &SigningKey) -> Answer<Value> {
    let records = world.plane.with(|state| state.runs[run].records());
    let (step, approval, question, approvers, terms) = records
        .into_iter()
        .find_map(|record| match record.event {
            Event::AwaitOpened {
                step,
                awaits:
                    Await::Approval {
                        approval,
                        question,
                        approvers,
                        terms,
                    },
                ..
            } => Some((step, approval, question, approvers, terms)),
            _ => None,
        })
        .expect("asked");
    let question = question.content().expect("here").clone();
    let question = Question {
        workspace: WORKSPACE,
        project: flowforge_protocol::DEFAULT_PROJECT,
        run,
        step: &step,
        approval: &approval,
        title: question["title"].as_str().expect("text"),
        show: &question["show"],
        approvers: &approvers,
        terms: &terms,
        started_by: None,
    };
    let envelope = sign_document(&question.to_sign(&answer), key).expect("signed");
    answer.signature = Some(envelope.into());
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_that_is_forged_with_every_key_of_the_plane_is_refused_where_a_person_must_sign() {
    let world = World::new(scripts());
    let approval = format!(
        "{{ title: Really?, show: {{ rows: 3 }}, signed_by: {{ eve: \"{}\" }} }}",
        eve().verifying_key()
    );
    let published = publish(&world.plane, &asking(&approval));
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    let question = world.plane.question(&run).await;
    let yes = || Answer {
        answers_for: Some("eve".to_owned()),
        ..answer("eve", true)
    };
    let message = refused(&world, &run, &question, vec![yes()]).await;
    assert!(message.contains("needs a signature"), "{message}");
    for key in world.plane.keys() {
        let forged = sign(&world, &run, yes(), key);
        let message = refused(&world, &run, &question, vec![forged]).await;
        assert!(message.contains("it does not hold"), "{message}");
    }
    // What eve signed is no yes, and not for what is asked now.
    let no = sign(
        &world,
        &run,
        Answer {
            approved: false,
            ..yes()
        },
        &eve(),
    );
    let turned = Answer { approved: true, ..no };
    refused(&world, &run, &question, vec![turned]).await;
    let own = sign(&world, &run, yes(), &eve());
    world.plane.order_decision(&run, question, vec![own], world.now());
    let stored = world.plane.ended(&run).await;
    assert!(
        matches!(outcome(&stored), Outcome::Done { .. }),
        "{:?}",
        outcome(&stored)
    );
    // The proof stands in the records.
    let signature = stored
        .records()
        .into_iter()
        .find_map(|record| match record.event {
            Event::AwaitClosed {
                closing: Closing::Decision(decision),
                ..
            } => decision.answers[0].signature.clone(),
            _ => None,
        });
    assert!(signature.expect("kept").content().is_some());
    host.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_started_the_run_that_ordered_this_one_does_not_answer_either() {
    let world = World::new(scripts());
    let published = publish(&world.plane, &asking("{ title: Really?, approvers: [duty] }"));
    let host = world.start();
    let run = RunId::from_entropy([1; 16]);
    let flowforge_protocol::job::Order::Start(mut order) = Plane::start_order(&published, json!({})) else {
        panic!("a start")
    };
    let step: StepKey = "child".parse().expect("a step");
    order.trigger = Trigger::Parent {
        run: RunId::from_entropy([2; 16]),
        step,
        started_by: Some("ann".to_owned()),
    };
    let order = flowforge_protocol::job::Order::Start(order);
    world.plane.deliver(&world.plane.job(&run, order, world.now()));
    let question = world.plane.question(&run).await;
    let message = refused(&world, &run, &question, vec![answer("ann", true)]).await;
    assert!(message.contains("`ann` started this run"), "{message}");
    let decision = Decision::of(question.clone(), vec![answer("bob", true)]).expect("an answer");
    world
        .plane
        .order_decision(&run, question, decision.answers, world.now());
    let stored = world.plane.ended(&run).await;
    assert!(matches!(outcome(&stored), Outcome::Done { .. }));
    host.drain().await;
}
