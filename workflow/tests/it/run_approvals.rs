//! What a question gives: the forms and answers of people, and what an expiry means.

use flowforge_protocol::approval::{Answer, Decision};
use flowforge_protocol::awaited::Closing;
use flowforge_protocol::record::Outcome;
use serde_json::{Value, json};

use crate::support::{Host, plan};

const SPEND: &str = "
  ask:
    approval:
      title: Spend it?
      approvers: [duty]
      quorum: 2
      form: { limit: { type: number }, budget: { type: string, default: office } }
      expires: 1h
      on_expiry: MEANS
  go: { after: ask.approved, set: { form: \"${ask.form}\", limits: \"${ask.answers.map(a, a.form.limit)}\" } }
  no: { after: ask.rejected, set: { by: \"${ask.by}\", form: \"${ask.form}\" } }
";

fn start(means: &str) -> Host {
    let nodes = SPEND.replace("MEANS", means);
    Host::start(
        plan(&format!(
            "nodes:{nodes}output: {{ go: \"${{go}}\", no: \"${{no}}\" }}\n"
        )),
        json!({}),
    )
}

fn says(by: &str, limit: Option<u32>) -> Answer<Value> {
    Answer {
        by: by.to_owned(),
        answers_for: Some("duty".to_owned()),
        approved: limit.is_some(),
        comment: None,
        at_ms: 1_000_000,
        form: limit.map(|limit| json!({"limit": limit, "budget": "travel"})),
        signature: None,
    }
}

/// Records what these answers decide, once it is found good.
fn decide(host: &mut Host, answers: Vec<Answer<Value>>) {
    let approval = host.state().waiting()[0].approval.clone();
    let decision = Decision::of(approval, answers).expect("answers");
    let step = host.state().check_decision(&decision).expect("they count");
    host.close(
        &step.to_string(),
        Closing::Decision(Box::new(decision.recorded())),
    );
}

#[test]
fn the_forms_that_people_filled_in_are_the_output() {
    let mut host = start("expire");
    assert_eq!(host.state().waiting()[0].terms.quorum, 2);
    decide(&mut host, vec![says("ann", Some(5)), says("bob", Some(7))]);
    assert_eq!(
        host.output(),
        json!({"go": {"form": {"limit": 7, "budget": "travel"}, "limits": [5, 7]}, "no": null})
    );
    assert_eq!(host.row("ask").1, "approved by ann, bob");
    host.check_replay();
}

#[test]
fn a_no_has_no_form() {
    let mut host = start("expire");
    decide(&mut host, vec![says("ann", Some(5)), says("bob", None)]);
    assert_eq!(
        host.output(),
        json!({"go": null, "no": {"by": "bob", "form": null}})
    );
}

#[test]
fn an_expiry_is_an_outcome_or_an_answer() {
    let expired = |means: &str| {
        let mut host = start(means);
        host.now_ms += 3_600_000;
        host.advance();
        host.check_replay();
        host
    };
    let host = expired("expire");
    assert!(matches!(host.state().outcome(), Some(Outcome::Expired { .. })));
    let host = expired("reject");
    assert_eq!(
        host.output(),
        json!({"go": null, "no": {"by": null, "form": null}})
    );
    assert_eq!(host.row("ask").1, "rejected by expiry");
    // Nobody comes after a rejection: it ends the run.
    let source = "nodes:\n  ask: { approval: { title: Go?, expires: 1h, on_expiry: reject } }\n";
    let mut host = Host::start(plan(source), json!({}));
    host.now_ms += 3_600_000;
    host.advance();
    assert!(
        matches!(host.state().outcome(), Some(Outcome::Rejected { by, .. }) if by == "expiry"),
        "{:?}",
        host.state().outcome()
    );
    // The form has defaults for everything.
    let source = "nodes:\n  ask: { approval: { title: Go?, expires: 1h, on_expiry: approve, form: { n: { type: integer, default: 3 } } } }\noutput: { ask: \"${ask.form.n}\", by: \"${ask.by}\" }\n";
    let mut host = Host::start(plan(source), json!({}));
    host.now_ms += 3_600_000;
    host.advance();
    assert_eq!(host.output(), json!({"ask": 3, "by": null}));
    assert_eq!(host.row("ask").1, "approved by expiry");
}
