//! Every way in which an answer does not count, and the ways in which it does.

use flowforge_protocol::SigningKey;
use flowforge_protocol::envelope::sign_document;
use serde_json::json;

use super::*;

/// Owns what a question borrows.
struct Asked {
    run: RunId,
    step: StepKey,
    approval: ApprovalId,
    show: Value,
    approvers: Vec<String>,
    terms: Terms,
}

impl Asked {
    fn new(approvers: &[&str], terms: Terms) -> Self {
        Self {
            run: RunId::from_entropy([1; 16]),
            step: "confirm".parse().unwrap(),
            approval: ApprovalId::from_entropy([2; 16]),
            show: json!({"rows": 3}),
            approvers: approvers.iter().map(|name| (*name).to_owned()).collect(),
            terms,
        }
    }

    fn question(&self) -> Question<'_> {
        Question {
            workspace: "dev",
            project: "default",
            run: &self.run,
            step: &self.step,
            approval: &self.approval,
            title: "Send it?",
            show: &self.show,
            approvers: &self.approvers,
            terms: &self.terms,
            started_by: Some("ann"),
        }
    }

    fn decide(&self, answers: Vec<Answer<Value>>) -> Result<(), AnswerRefusal> {
        let decision = Decision::of(self.approval.clone(), answers).unwrap();
        self.question().check_decision(&decision)
    }
}

fn answer(by: &str, answers_for: &str, approved: bool) -> Answer<Value> {
    Answer {
        by: by.to_owned(),
        answers_for: Some(answers_for.to_owned()),
        approved,
        comment: None,
        at_ms: 5,
        form: None,
        signature: None,
    }
}

fn quorum(quorum: u32) -> Terms {
    Terms {
        quorum,
        ..Terms::default()
    }
}

#[test]
fn only_who_is_asked_counts_once_and_never_for_an_own_run() {
    let asked = Asked::new(&["duty", "bob"], Terms::default());
    assert_eq!(asked.decide(vec![answer("eve", "duty", true)]), Ok(()));
    assert_eq!(asked.decide(vec![answer("bob", "bob", false)]), Ok(()));
    let refused = asked.decide(vec![answer("eve", "ops", true)]).unwrap_err();
    assert!(matches!(refused, AnswerRefusal::NotAsked { .. }), "{refused}");
    let unnamed = Answer {
        answers_for: None,
        ..answer("bob", "", true)
    };
    let refused = asked.decide(vec![unnamed]).unwrap_err();
    assert!(matches!(refused, AnswerRefusal::NotAsked { .. }), "{refused}");
    let refused = asked.decide(vec![answer("ann", "duty", true)]).unwrap_err();
    assert!(matches!(refused, AnswerRefusal::OwnRun { .. }), "{refused}");
    // Where nobody is named everybody is asked, whoever started the run, too.
    let open = Asked::new(&[], Terms::default());
    assert_eq!(open.decide(vec![answer("ann", "", true)]), Ok(()));
}

#[test]
fn two_people_make_two_and_one_no_is_enough() {
    let asked = Asked::new(&["duty"], quorum(2));
    let (eve, bob) = (answer("eve", "duty", true), answer("bob", "duty", true));
    assert_eq!(asked.decide(vec![eve.clone(), bob.clone()]), Ok(()));
    let one = asked.decide(vec![eve.clone()]).unwrap_err();
    assert_eq!(
        one.to_string(),
        "the answers do not make this decision: 1 of 2 people answered"
    );
    let twice = asked.decide(vec![eve.clone(), eve.clone()]).unwrap_err();
    assert!(matches!(twice, AnswerRefusal::Twice { .. }), "{twice}");
    assert_eq!(
        asked.decide(vec![eve.clone(), answer("bob", "duty", false)]),
        Ok(())
    );
    let late = vec![answer("bob", "duty", false), eve.clone()];
    assert!(matches!(asked.decide(late), Err(AnswerRefusal::Sum(_))));
    let third = vec![eve.clone(), bob.clone(), answer("cy", "duty", true)];
    assert!(matches!(asked.decide(third), Err(AnswerRefusal::Sum(_))));
    // Whoever writes the sum cannot turn a no into a yes.
    let mut turned = Decision::of(asked.approval.clone(), vec![answer("bob", "duty", false)]).unwrap();
    turned.approved = true;
    let turned = asked.question().check_decision(&turned);
    assert!(matches!(turned, Err(AnswerRefusal::Sum(_))), "{turned:?}");
    let none = Decision {
        answers: Vec::new(),
        ..Decision::of(asked.approval.clone(), vec![eve, bob]).unwrap()
    };
    assert!(asked.question().check_decision(&none).is_err());
}

fn with_form() -> Asked {
    let form = json!([
        {"name": "amount", "schema": {"type": "number", "maximum": 10}},
        {"name": "note", "schema": {"type": "string"}, "optional": true},
        {"name": "copies", "schema": {"type": "integer"}, "default": 1},
    ]);
    let terms = Terms {
        form: serde_json::from_value(form).unwrap(),
        ..Terms::default()
    };
    Asked::new(&["duty"], terms)
}

#[test]
fn a_yes_comes_with_the_form_filled_in() {
    let asked = with_form();
    let question = asked.question();
    let form = question.form(true, Some(&json!({"amount": 4}))).unwrap();
    assert_eq!(form, Some(json!({"amount": 4, "note": null, "copies": 1})));
    let yes = |form: Option<Value>| Answer {
        form,
        ..answer("eve", "duty", true)
    };
    assert_eq!(asked.decide(vec![yes(form)]), Ok(()));
    for wrong in [
        None,
        Some(json!({"amount": 4})),
        Some(json!({"amount": 11, "note": null, "copies": 1})),
        Some(json!({"amount": "4", "note": null, "copies": 1})),
        Some(json!({"amount": 4, "note": null, "copies": 1, "more": 1})),
        Some(json!({"amount": 4, "note": "n".repeat(MAX_FORM_BYTES), "copies": 1})),
    ] {
        let refused = asked.decide(vec![yes(wrong)]).unwrap_err();
        assert!(matches!(refused, AnswerRefusal::Form(_)), "{refused}");
    }
    assert_eq!(
        asked.decide(vec![answer("eve", "duty", false)]),
        Ok(()),
        "a no has none"
    );
    assert!(question.form(false, Some(&json!({}))).is_err());
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn signed(asked: &Asked, mut answer: Answer<Value>, key: &SigningKey) -> Answer<Value> {
    let envelope = sign_document(&asked.question().to_sign(&answer), key).unwrap();
    answer.signature = Some(envelope.into());
    answer
}

#[test]
fn a_persons_own_signature_is_for_one_answer_to_one_question() {
    let signers = [
        ("eve".to_owned(), key(7).verifying_key()),
        ("bob".to_owned(), key(8).verifying_key()),
    ];
    let terms = Terms {
        signers: signers.into(),
        ..Terms::default()
    };
    let asked = Asked::new(&["eve", "bob"], terms.clone());
    let eve = answer("eve", "eve", true);
    assert_eq!(asked.decide(vec![signed(&asked, eve.clone(), &key(7))]), Ok(()));
    let refused = |answer: Answer<Value>| {
        let refused = asked.decide(vec![answer]).unwrap_err();
        assert!(matches!(refused, AnswerRefusal::Signature { .. }), "{refused}");
    };
    refused(eve.clone());
    refused(signed(&asked, eve.clone(), &key(8)));
    // The signature of a no, with other words, of another question.
    let no = signed(&asked, answer("eve", "eve", false), &key(7));
    refused(Answer { approved: true, ..no });
    let with_words = signed(&asked, eve.clone(), &key(7));
    refused(Answer {
        comment: Some("and send my regards".to_owned()),
        ..with_words
    });
    let mut other = Asked::new(&["eve", "bob"], terms);
    other.show = json!({"rows": 4});
    refused(signed(&other, eve.clone(), &key(7)));
    other.show = asked.show.clone();
    other.run = RunId::from_entropy([9; 16]);
    refused(signed(&other, eve.clone(), &key(7)));
    // Where none is asked for none is kept.
    let plain = Asked::new(&["eve"], Terms::default());
    assert!(plain.decide(vec![signed(&plain, eve, &key(7))]).is_err());
}
