//! The standing call: what is stored, what is refused, what comes again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_protocol::record::Event;
use serde_json::{Value, json};

use crate::support::{FakeHost, Home, Plane, SUM, Script, TestClock, accepted, completed, done, finish_sum};

async fn send(plane: &Plane, host: &FakeHost, batch: &Value) -> (Value, Value) {
    let answer = host.sync(plane, json!({"batches": [batch]})).await;
    let at = |place: &str| answer.pointer(place).cloned().unwrap_or_default();
    (at("/acknowledged/0/through"), at("/rejected/0/code"))
}

#[tokio::test]
async fn batches_are_stored_once_in_order_and_unbroken() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    let job = host.started(&plane).await;
    let mut script = Script::new(&job);
    let first = script.batch(vec![accepted(&job)]);
    let second = script.batch(vec![completed("total", json!({"value": 3}))]);
    let third = script.batch(vec![Event::Ended {
        outcome: done(json!({"total": 3})),
    }]);

    assert_eq!(send(&plane, &host, &second).await, (json!(null), json!("gap")));
    assert_eq!(send(&plane, &host, &first).await, (json!(0), json!(null)));
    assert_eq!(
        send(&plane, &host, &first).await,
        (json!(0), json!(null)),
        "a repeated batch is no error"
    );

    let mut stale = second.clone();
    stale["epoch"] = json!(0);
    assert_eq!(
        send(&plane, &host, &stale).await,
        (json!(null), json!("stale_epoch"))
    );

    let mut broken = second.clone();
    let text = String::from_utf8(STANDARD.decode(second["lines"].as_str().unwrap()).unwrap()).unwrap();
    broken["lines"] = json!(STANDARD.encode(text.replace("\"elapsed_us\":5", "\"elapsed_us\":6")));
    assert_eq!(
        send(&plane, &host, &broken).await,
        (json!(0), json!("broken_chain"))
    );
    let mut changed = second.clone();
    changed["lines"] = json!(STANDARD.encode(text.replace("\"value\":3", "\"value\":4")));
    assert_eq!(send(&plane, &host, &changed).await.1, json!("malformed"));
    let mut malformed = second.clone();
    malformed["lines"] = json!(STANDARD.encode("not a record\n"));
    assert_eq!(send(&plane, &host, &malformed).await.1, json!("malformed"));

    assert_eq!(send(&plane, &host, &second).await, (json!(1), json!(null)));
    assert_eq!(send(&plane, &host, &third).await, (json!(2), json!(null)));
    assert_eq!(plane.run("last").await["state"], "DONE");

    // Another history with the same numbers is a conflict, and the first one stands.
    let mut other = Script::new(&job);
    other.batch(vec![accepted(&job)]);
    other.batch(vec![completed("total", json!({"value": 3}))]);
    let conflict = other.batch(vec![Event::Ended {
        outcome: done(json!({"total": 4})),
    }]);
    assert_eq!(
        send(&plane, &host, &conflict).await,
        (json!(2), json!("conflict"))
    );
    assert_eq!(plane.run("last").await["output"], json!({"total": 3}));
    plane.stop().await;
}

#[tokio::test]
async fn only_the_owner_writes_and_only_known_runs() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    let job = host.started(&plane).await;
    let other = FakeHost::join(&plane, 2).await;
    let batch = Script::new(&job).batch(vec![accepted(&job)]);
    assert_eq!(
        send(&plane, &other, &batch).await,
        (json!(null), json!("not_owner"))
    );
    other.sync(&plane, json!({"received": [job.job_id]})).await;
    assert_eq!(
        plane.run("last").await["state"],
        "QUEUED",
        "another host cannot confirm the job"
    );
    let mut unknown = batch.clone();
    unknown["run"] = json!(flowforge_protocol::RunId::from_entropy([9; 16]));
    assert_eq!(
        send(&plane, &host, &unknown).await,
        (json!(null), json!("unknown_run"))
    );
    plane.stop().await;
}

#[tokio::test]
async fn a_lost_answer_brings_its_jobs_again_until_they_are_received() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    plane
        .start_run(json!({"workflow": "sum", "input": {"a": 1}}))
        .await;
    let first = host
        .sync(
            &plane,
            json!({"lanes": {"starts": 5, "changes": 5}, "seenDelivery": 0}),
        )
        .await;
    assert_eq!(first["starts"].as_array().unwrap().len(), 1);
    // The host says that it has not seen that answer.
    let again = host
        .sync(
            &plane,
            json!({"lanes": {"starts": 5, "changes": 5}, "seenDelivery": 0}),
        )
        .await;
    assert_eq!(again["starts"], first["starts"]);
    // It has seen this one, and is still working on it.
    let seen = again["delivery"].clone();
    let quiet = host
        .sync(
            &plane,
            json!({"lanes": {"starts": 5, "changes": 5}, "seenDelivery": seen}),
        )
        .await;
    assert_eq!(quiet["starts"], json!([]));
    // A new registration forgets everything that is not received.
    let host = FakeHost::join(&plane, 1).await;
    let job = host.job(&plane).await;
    host.received(&plane, &job).await;
    let host = FakeHost::join(&plane, 1).await;
    assert!(host.jobs(&plane, 0).await.is_empty());
    plane.stop().await;
}

#[tokio::test]
async fn jobs_survive_a_restart_of_the_server() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    plane
        .start_run(json!({"workflow": "sum", "input": {"a": 1}}))
        .await;
    plane.stop().await;
    let plane = home.start().await;
    // The session is stored, the job is stored.
    let job = host.job(&plane).await;
    plane
        .start_run(json!({"workflow": "sum", "input": {"a": 2}}))
        .await;
    let next = host.job(&plane).await;
    assert!(next.sequence > job.sequence, "sequences never repeat");
    finish_sum(&plane, &host, &job).await;
    finish_sum(&plane, &host, &next).await;
    plane.stop().await;
    let plane = home.start().await;
    assert_eq!(
        plane.run(job.run_id.as_str()).await["output"],
        json!({"total": 3})
    );
    plane.stop().await;
}

#[tokio::test]
async fn an_expired_job_is_signed_anew_before_it_is_delivered() {
    let clock = TestClock::at(1_800_000_000_000);
    let home = Home::at(&clock);
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    plane
        .start_run(json!({"workflow": "sum", "input": {"a": 1}}))
        .await;
    let first = host.job(&plane).await;
    let later = first.expires_at_ms;
    clock.set(later);
    let again = host.job(&plane).await;
    assert_ne!(again.job_id, first.job_id);
    assert!(again.sequence > first.sequence && again.expires_at_ms > later);
    assert_eq!(
        (&again.run_id, again.epoch, &again.order),
        (&first.run_id, first.epoch, &first.order)
    );
    // A host that finds it expired by its own clock gets another, too.
    let refused = json!({"job": again.job_id, "code": "FF-JOB-004", "message": "expired"});
    host.sync(&plane, json!({"refused": [refused]})).await;
    let third = host.job(&plane).await;
    assert_ne!(third.job_id, again.job_id);
    assert_eq!(plane.run("last").await["state"], "QUEUED");
    plane.stop().await;
}

#[tokio::test]
async fn a_busy_host_gets_no_new_runs_until_it_has_room() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    host.sync(&plane, json!({"busy": true})).await;
    let started = plane
        .start_run(json!({"workflow": "sum", "input": {"a": 1}}))
        .await;
    assert_eq!(started["run"]["epoch"], 0);
    assert!(host.jobs(&plane, 0).await.is_empty());
    host.sync(&plane, json!({"busy": false})).await;
    assert_eq!(host.job(&plane).await.run_id.as_str(), started["run"]["id"]);
    plane.stop().await;
}

#[tokio::test]
async fn a_receipt_must_agree_with_the_records() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    let job = host.started(&plane).await;
    let mut script = Script::new(&job);
    let outcome = done(json!({"total": 3}));
    let early = host.receipt(&job, &script, &outcome);
    let batch = script.batch(vec![
        accepted(&job),
        completed("total", json!({"value": 3})),
        Event::Ended {
            outcome: outcome.clone(),
        },
    ]);
    let answer = host
        .sync(
            &plane,
            json!({"batches": [batch], "receipts": [{"run": job.run_id, "envelope": early}]}),
        )
        .await;
    assert_eq!(answer["rejected"][0]["code"], "invalid_receipt", "{answer:#}");
    let mut forged: Value = serde_json::from_str(&host.receipt(&job, &script, &outcome)).unwrap();
    forged["signatures"][0]["sig"] = json!(STANDARD.encode([7; 64]));
    let forged = json!({"receipts": [{"run": job.run_id, "envelope": forged.to_string()}]});
    assert_eq!(
        host.sync(&plane, forged).await["rejected"][0]["code"],
        "invalid_receipt"
    );
    let good = json!({"receipts": [{"run": job.run_id, "envelope": host.receipt(&job, &script, &outcome)}]});
    assert_eq!(
        host.sync(&plane, good).await["receiptsStored"],
        json!([job.run_id])
    );
    assert_eq!(plane.run("last").await["receipt"]["valid"], true);
    plane.stop().await;
}

/// A control plane that was restored from a backup took what hosts held for foreign, and they erased the only copy.
#[tokio::test]
async fn a_host_can_ask_how_far_its_runs_are_stored() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    let job = host.started(&plane).await;
    let begun = Script::new(&job).batch(vec![accepted(&job)]);
    host.sync(&plane, json!({"batches": [begun]})).await;
    let done = host.started(&plane).await;
    finish_sum(&plane, &host, &done).await;
    let unknown = flowforge_protocol::RunId::from_entropy([9; 16]);
    let ask = |run: &flowforge_protocol::RunId, epoch: u64| json!({"run": run, "epoch": epoch});
    let asked = json!([
        ask(&job.run_id, 1),
        ask(&done.run_id, 1),
        ask(&unknown, 1),
        ask(&job.run_id, 2)
    ]);
    let answer = host.sync(&plane, json!({ "asked": asked })).await;
    assert_eq!(
        answer["acknowledged"],
        json!([{"run": job.run_id, "through": 0}, {"run": done.run_id, "through": 2}])
    );
    assert_eq!(answer["receiptsStored"], json!([done.run_id]));
    let codes = [&answer["rejected"][0]["code"], &answer["rejected"][1]["code"]];
    assert_eq!(codes, ["unknown_run", "not_owner"], "{answer:#}");
    plane.stop().await;
}

/// A run that rests at its host because of trouble there looked as if it ran.
#[tokio::test]
async fn a_run_that_rests_says_why() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    let job = host.started(&plane).await;
    host.received(&plane, &job).await;
    let resting = json!([{"run": job.run_id, "reason": "its release cannot be loaded"}]);
    host.sync(&plane, json!({ "resting": resting })).await;
    let waiting = plane.run("last").await["waitingFor"].clone();
    assert!(
        waiting.as_str().unwrap().contains("its release cannot be loaded"),
        "{waiting}"
    );
    host.sync(&plane, json!({ "busy": false })).await;
    assert_eq!(plane.run("last").await["waitingFor"], waiting, "as said before");
    host.sync(&plane, json!({ "resting": [] })).await;
    assert!(plane.run("last").await["waitingFor"].is_null());
    plane.stop().await;
}

/// A host that goes on with a run gets its records, and no host gets those of a run that is not its own.
#[tokio::test]
async fn a_host_gets_the_records_of_its_runs_and_of_no_other() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    let job = host.started(&plane).await;
    let mut script = Script::new(&job);
    let batches = [
        script.batch(vec![accepted(&job)]),
        script.batch(vec![completed("total", json!({"value": 3}))]),
    ];
    for batch in &batches {
        send(&plane, &host, batch).await;
    }
    let query = "query($run: String!, $fromSeq: Long!) { runRecords(run: $run, fromSeq: $fromSeq) \
                 { run epoch firstSeq count chain lines } }";
    let ask = async |host: &FakeHost, from: usize| {
        let asked = json!({"run": job.run_id, "fromSeq": from});
        let mut answer = plane.post_host(Some(&host.session), query, asked).await;
        assert!(answer.get("errors").is_none(), "{answer:#}");
        answer["data"]["runRecords"].take()
    };
    for (from, batch) in batches.iter().enumerate() {
        assert_eq!(ask(&host, from).await, *batch);
    }
    assert_eq!(ask(&host, 2).await, json!(null), "there are no more");
    let other = FakeHost::join(&plane, 2).await;
    assert_eq!(ask(&other, 0).await, json!(null), "it is not for this host");
    plane.stop().await;
}

/// A host whose journal was lost kept its runs as running until one of them was told something; their starts were given to
/// the new journal, which ran them a second time.
#[tokio::test]
async fn runs_of_a_lost_journal_are_shown_as_lost_and_not_started_again() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    let start = || plane.start_run(json!({"workflow": "sum", "input": {"a": 1}}));
    start().await;
    let begun = host.job(&plane).await;
    let mut script = Script::new(&begun);
    let batch = script.batch(vec![accepted(&begun)]);
    host.sync(&plane, json!({"received": [begun.job_id], "batches": [batch]}))
        .await;
    start().await;
    let other = host.job(&plane).await;
    let batch = Script::new(&other).batch(vec![accepted(&other)]);
    host.sync(&plane, json!({"received": [other.job_id], "batches": [batch]}))
        .await;
    start().await;
    let delivered = host.job(&plane).await;
    let life = "00000000000000000000000000000002";
    let lanes = json!({"starts": 10, "changes": 10});
    let answer = host
        .sync(
            &plane,
            json!({"hostIncarnation": life, "lanes": lanes, "seenDelivery": 0}),
        )
        .await;
    assert_eq!(answer["starts"], json!([]), "{answer:#}");
    for job in [&begun, &other, &delivered] {
        let run = plane.run(job.run_id.as_str()).await;
        assert_eq!(run["state"], "LOST", "{run:#}");
        assert!(
            run["waitingFor"].as_str().unwrap().contains("cancel it"),
            "{run:#}"
        );
    }
    let told = "mutation($input: CancelRunInput!) { cancelRun(input: $input) { __typename } }";
    plane.ask(told, json!({"input": {"id": delivered.run_id}})).await;
    assert_eq!(plane.run(delivered.run_id.as_str()).await["state"], "CANCELLED");
    plane.ask(told, json!({"input": {"id": other.run_id}})).await;
    // Its table went on to say that its node is at work.
    let shown = "query($id: String!) { run(id: $id) { state view } }";
    let shown = plane.ask(shown, json!({"id": other.run_id})).await;
    assert_eq!(shown["run"]["state"], "CANCELLED", "{shown:#}");
    assert_eq!(shown["run"]["view"]["nodes"][0]["state"], "stopped", "{shown:#}");
    // The old journal was found again after all.
    let batch = script.batch(vec![completed("total", json!({"value": 3}))]);
    host.sync(&plane, json!({"batches": [batch]})).await;
    assert_eq!(plane.run(begun.run_id.as_str()).await["state"], "RUNNING");
    plane.stop().await;
}
