//! Stopping around the commit of a lease (B2) and of a decision (B12): the next process has all of it or nothing.

use flowforge_failpoints::FailPoints;
use flowforge_protocol::job::Order;
use serde_json::{Value, json};

use crate::approvals::{asked, decide};
use crate::support::{FakeHost, Home, Plane, SUM, finish_sum};

/// A control plane that fails where the plan says.
async fn failing(plan: &str) -> (Home, Plane) {
    let mut home = Home::new();
    home.fail_points = FailPoints::from_env_value(Some(plan)).unwrap();
    let plane = home.start().await;
    (home, plane)
}

/// The same data folder in a new process, which fails nowhere.
async fn restarted(home: &mut Home, plane: Plane) -> Plane {
    plane.stop().await;
    home.fail_points = FailPoints::inert();
    home.start().await
}

/// The code of the fault that a call ends with.
fn code(answer: &Value) -> &Value {
    &answer["errors"][0]["extensions"]["code"]
}

#[tokio::test]
async fn a_run_is_leased_once_though_the_process_stops_around_the_commit() {
    // The first crossing is the start's own, the second gives the waiting run away.
    for plan in ["B2.before=error@2", "B2=error@2"] {
        let (mut home, plane) = failing(plan).await;
        plane.publish(SUM).await;
        let started = plane
            .start_run(json!({"workflow": "sum", "input": {"a": 1}}))
            .await;
        assert_eq!(started["run"]["epoch"], 0, "{plan}: {started:#}");
        let host = FakeHost::join(&plane, 1).await;
        let call = json!({"lanes": {"starts": 5, "changes": 5}, "seenDelivery": 0});
        let answer = host.try_sync(&plane, call).await;
        assert_eq!(code(&answer), "FF-API-500", "{plan}: {answer:#}");

        let plane = restarted(&mut home, plane).await;
        let host = FakeHost::join(&plane, 1).await;
        let job = host.job(&plane).await;
        assert_eq!(job.run_id.as_str(), started["run"]["id"], "{plan}");
        assert_eq!(job.epoch, 1, "{plan}: the lease was given once");
        finish_sum(&plane, &host, &job).await;
        assert_eq!(plane.run("last").await["state"], "DONE", "{plan}");
        assert!(host.jobs(&plane, 0).await.is_empty(), "{plan}: no second order");
        plane.stop().await;
    }
}

#[tokio::test]
async fn a_decision_counts_once_though_the_process_stops_around_the_commit() {
    for (plan, first_counts) in [("B12.before=error", false), ("B12=error", true)] {
        let (mut home, plane) = failing(plan).await;
        let host = FakeHost::join(&plane, 1).await;
        let (job, _, approval) = asked(&plane, &host).await;
        let call = "mutation($input: DecideApprovalInput!) { decideApproval(input: $input) { __typename } }";
        let input = json!({"id": approval, "approved": true, "by": "ann"});
        let answer = plane.post(None, call, json!({ "input": input })).await;
        assert_eq!(code(&answer), "FF-API-500", "{plan}: {answer:#}");

        let plane = restarted(&mut home, plane).await;
        let host = FakeHost::join(&plane, 1).await;
        let late = decide(&plane, approval.as_str(), false, "bob").await;
        let expected = if first_counts {
            ("ApprovalStateProblem", "ann")
        } else {
            ("DecideApprovalSuccess", "bob")
        };
        assert_eq!(late["__typename"], expected.0, "{plan}: {late:#}");
        let told = host.job(&plane).await;
        let Order::Decide(decision) = &told.order else {
            panic!("{plan}: {told:?}")
        };
        assert_eq!(
            (&told.run_id, decision.by.as_str(), decision.approved),
            (&job.run_id, expected.1, first_counts),
            "{plan}"
        );
        host.received(&plane, &told).await;
        assert!(host.jobs(&plane, 0).await.is_empty(), "{plan}: one order");
        plane.stop().await;
    }
}
