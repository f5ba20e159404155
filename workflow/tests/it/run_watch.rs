//! Examples on their own data: the one that the product is shown with, and the one that calls nothing.

use std::collections::BTreeMap;

use flowforge_protocol::Failure;
use flowforge_protocol::record::Outcome;
use flowforge_workflow::{Invoke, complete_input, parse};
use serde_json::{Value, json};

use crate::support::{Host, echo, plan_of};

const SOURCE: &str = include_str!("../../../examples/earthquake-watch/workflow.yaml");
const FEED: &str = include_str!("../../../examples/earthquake-watch/usgs-all-week.geojson");

fn operate(invoke: &Invoke) -> Result<Value, Failure> {
    Ok(match (invoke.connector.as_str(), invoke.operation.as_str()) {
        ("flowforge:http", "get") => {
            let body: Value = serde_json::from_str(FEED).expect("the feed is JSON");
            json!({ "status": 200, "headers": [], "body": body })
        }
        ("demo:quake-text", "label") => {
            let magnitude = invoke.input["magnitude"].as_f64().expect("a number");
            json!({ "magnitude": magnitude, "strength": "light", "line": invoke.input["place"] })
        }
        ("demo:statistics", "summarise") => {
            let values: Vec<f64> = invoke.input["values"]
                .as_array()
                .expect("a list")
                .iter()
                .filter_map(Value::as_f64)
                .collect();
            let max = values.iter().copied().fold(0.0, f64::max);
            json!({ "count": values.len(), "mean": 4.7421, "median": 4.6, "max": max })
        }
        ("flowforge:convert", "to_csv") => {
            json!({ "digest": "sha256:ab", "name": "earthquakes.csv", "media_type": "text/csv", "size": 8901 })
        }
        ("flowforge:http", "post") => json!({ "status": 200, "headers": [], "body": null }),
        other => panic!("nobody calls {other:?}"),
    })
}

#[test]
fn the_week_is_reported_after_a_person_agreed() {
    let plan = plan_of(SOURCE, &BTreeMap::new());
    let mut host = Host::start(plan, json!({ "threshold": 4.0 }));
    host.run(operate);
    assert_eq!(host.state().waiting().len(), 1, "{}", host.table());
    let question = host.state().waiting().remove(0);
    assert_eq!(
        question.title,
        "128 earthquakes, the strongest 6.4. Send the report?"
    );
    assert_eq!(question.show.as_array().map(Vec::len), Some(5), "five reach 6.0");
    host.decide("confirm", true);
    host.run(operate);
    insta::assert_snapshot!(host.table());
    let Some(Outcome::Done { output }) = host.state().outcome() else {
        panic!("{:?}", host.state().outcome())
    };
    let output = output.shown();
    assert_eq!(output["count"], 128);
    assert_eq!(output["strongest"], 6.4);
    let keys: Vec<&str> = output
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(keys, ["count", "strongest", "report"], "in the order of the file");
    assert_eq!(host.state().steps_done(), 136);
    for count in 1..=host.records.len() {
        host.replay(count);
    }
    assert_eq!(host.replay(host.records.len()).view(), host.state().view());
}

#[test]
fn the_report_of_a_day_is_made_with_expressions_alone() {
    let source = include_str!("../../../examples/sales-report/workflow.yaml");
    let definition = parse(source).expect("the example is right");
    let input = complete_input(definition.model(), &json!({})).expect("it has defaults");
    let mut host = Host::start(plan_of(source, &BTreeMap::new()), input);
    host.run(echo);
    let output = host.output();
    assert_eq!(output["mean"], 73.5);
    assert_eq!(output["customers"], "Ada, Bo, Cy");
    assert_eq!(output["tags"], json!(["new", "large"]));
    let report = &output["report"];
    assert_eq!(report["day"], "28.11.2026");
    assert_eq!(report["due"], "2026-12-12T00:00:00Z");
    assert_eq!(report["by_region"], json!({ "NORTH": 140.5, "SOUTH": 80 }));
    assert_eq!(report["large"], 2);
    assert_eq!(report["id"].as_str().map(str::len), Some(36));
    host.check_replay();
}
