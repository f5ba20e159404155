//! `bench:steps`: the smallest useful step, for measuring what a step costs.

use flowforge_sdk::{Failure, Json, connector, json};
use serde_json::{Map, Value};

struct Steps;
connector!(Steps);

impl Connector for Steps {
    fn step(value: Json) -> Result<Json, Failure> {
        let mut object: Map<String, Value> = json::parse("value", &value)?;
        let n = match object.get("n") {
            None => 0,
            Some(n) => n
                .as_i64()
                .ok_or_else(|| Failure::invalid("value.n", "must be a whole number"))?,
        };
        let next = n
            .checked_add(1)
            .ok_or_else(|| Failure::invalid("value.n", "is the largest number there is"))?;
        object.insert("n".to_owned(), Value::from(next));
        json::text(&object)
    }
}
