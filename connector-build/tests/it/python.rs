//! Python: what authors do that the bindings alone would answer with a bare "unreachable".

use flowforge_protocol::FailureKind;
use serde_json::{Value, json};

use crate::harness::{Host, Sample};

const WIT: &str = "package test:sample@0.1.0;
world connector {
  use flowforge:connector/types@0.1.0.{failure, json, artefact};
  enum strength { light, very-strong }
  flags marks { red, blue }
  record pair { strength: strength, line-no: u8, note: option<string> }
  variant figure { dot, circle(f64) }
  export wrong-raise: func() -> result<string, failure>;
  export wrong-shape: func(value: json) -> result<pair, failure>;
  export later: func() -> result<string, failure>;
  export random: func() -> result<list<f64>, failure>;
  export echo: func(figure: figure, pair: pair, note: option<string>, data: list<u8>, any: json, marks: marks)
    -> result<tuple<figure, pair, option<string>, list<u8>, json, marks>, failure>;
  export file: func() -> result<artefact, failure>;
}
";

const SOURCE: &str = r#"import random as dice
from dataclasses import dataclass
from typing import Optional

from flowforge import Artefact, Failure, artefacts, context
from helper import deep


@dataclass
class Pair:
    strength: str
    line_no: int
    note: Optional[str] = None


def wrong_raise() -> str:
    return deep(3)


def wrong_shape(value) -> Pair:
    return value


async def later() -> str:
    return await soon()


async def soon() -> str:
    raise Failure.throttled("busy", 1500)


def random() -> list[float]:
    return [dice.random(), dice.random()]


def echo(figure, pair: Pair, note, data, any, marks):
    print("echo", pair.line_no)
    assert isinstance(pair, Pair)
    return figure, pair, note, data, any, marks


def file() -> Artefact:
    writer = artefacts.create("a.txt", "text/plain")
    writer.write("key " + context.step().idempotency_key)
    made = writer.finish()
    if artefacts.text(made) != "key key-1":
        raise Failure.internal("reads something else")
    return made
"#;

const HELPER: &str = "def deep(n):
    if n > 0:
        return deep(n - 1)
    raise ValueError(\"no more\")
";

fn sample() -> Sample {
    Sample::new(&[
        ("wit/world.wit", WIT),
        ("src/connector.py", SOURCE),
        ("src/helper.py", HELPER),
    ])
}

#[tokio::test]
async fn python_operations_behave() {
    let connector = sample().build().unwrap();
    let host = Host::new();
    let raised = host.call(&connector, "wrong_raise", json!({})).await.unwrap_err();
    assert_eq!(
        (raised.kind, raised.message.as_str()),
        (FailureKind::Internal, "ValueError: no more (src/helper.py:4)")
    );
    for (value, message) in [
        (
            json!({"strength": 7, "line_no": 1}),
            "wrong_shape returned strength: 7, expected one of light, very_strong (src/connector.py:20)",
        ),
        (
            json!({"strength": "light", "line_no": 256}),
            "wrong_shape returned line_no: 256, expected a whole number from 0 to 255 (src/connector.py:20)",
        ),
        (
            json!({"strength": "light"}),
            "wrong_shape returned line_no: None, expected a whole number from 0 to 255 (src/connector.py:20)",
        ),
        (
            json!([1]),
            "wrong_shape returned [1], expected an object (src/connector.py:20)",
        ),
    ] {
        let failure = host
            .call(&connector, "wrong_shape", json!({"value": value}))
            .await
            .unwrap_err();
        assert_eq!(
            (failure.kind, failure.message.as_str()),
            (FailureKind::Internal, message)
        );
    }
    let busy = host.call(&connector, "later", json!({})).await.unwrap_err();
    assert_eq!(
        (busy.kind, busy.retry_after_ms),
        (FailureKind::Throttled, Some(1500))
    );

    let first = host.call(&connector, "random", json!({})).await.unwrap();
    let second = host.call(&connector, "random", json!({})).await.unwrap();
    assert_ne!(first, second, "two instances draw different numbers");

    let circle = json!({"kind": "circle", "value": 1.5});
    let pair = json!({"strength": "very_strong", "line_no": 3, "note": "n"});
    let any = json!({"deep": [1, null, "x"]});
    let input =
        json!({"figure": circle, "pair": pair, "note": "hi", "data": "AAEC", "any": any, "marks": ["blue"]});
    let output = host.call(&connector, "echo", input).await.unwrap();
    assert_eq!(output, json!([circle, pair, "hi", "AAEC", any, ["blue"]]));
    assert_eq!(host.lines(), ["Info: echo 3"]);
    let input = json!({"figure": {"kind": "dot"}, "pair": {"strength": "light", "line_no": 0}, "data": "", "any": null, "marks": []});
    let output = host.call(&connector, "echo", input).await.unwrap();
    assert_eq!((&output[0], &output[2]), (&json!({"kind": "dot"}), &Value::Null));

    let file = host.call(&connector, "file", json!({})).await.unwrap();
    assert_eq!(
        host.artefact_text(file["digest"].as_str().unwrap()).await,
        "key key-1"
    );
}

fn mistake(source: &str) -> String {
    let wit = "package test:sample@0.1.0;\nworld connector {\n  export run: func(n: f64) -> string;\n}\n";
    Sample::new(&[("wit/world.wit", wit), ("src/connector.py", source)]).mistake()
}

/// The tool's linker ended with a panic over such a name.
#[test]
fn an_operation_named_like_a_function_of_the_runtime_is_named() {
    let wit = "package test:sample@0.1.0;\nworld connector {\n  export read: func(n: f64) -> string;\n}\n";
    let source = "def read(n):\n    return 'x'\n";
    let message = Sample::new(&[("wit/world.wit", wit), ("src/connector.py", source)]).mistake();
    assert_eq!(
        message,
        "src/connector.py error FF-SDK-013: an operation has the name of a function inside Python itself; it is one of \
         read\n  mend: give it a name of two words, such as read_items"
    );
}

#[test]
fn what_python_authors_get_wrong_is_named() {
    for (source, start) in [
        (
            "def run(n):\n    return n n\n",
            "src/connector.py:2:14 error FF-SDK-004: invalid syntax",
        ),
        (
            "def run(n):\n    import json\n    return json.dumps(n)\n",
            "src/connector.py:2:5 error FF-SDK-006: an import inside a function",
        ),
        (
            "import requests\ndef run(n):\n    return requests.get(n)\n",
            "src/connector.py:1:1 error FF-SDK-001: requests does not work",
        ),
        (
            "import os\ndef run(n):\n    return os.environ['HOME']\n",
            "src/connector.py:3:12 error FF-SDK-002: os.environ does not exist",
        ),
        (
            "def run(n):\n    return open('x').read()\n",
            "src/connector.py:2:12 error FF-SDK-002: open does not work",
        ),
        (
            "def walk(n):\n    return 'x'\n",
            "src/connector.py error FF-SDK-003: wit/ exports run, but there is no function run",
        ),
        (
            "def run():\n    return 'x'\n",
            "src/connector.py:1:1 error FF-SDK-003: run takes 0 parameters, wit/ gives it 1",
        ),
        (
            "n = 1 / 0\ndef run(n):\n    return 'x'\n",
            "src/connector.py:1 error FF-SDK-005: the top level of the module failed: ZeroDivisionError",
        ),
    ] {
        let message = mistake(source);
        assert!(message.starts_with(start), "{message}\nexpected {start}");
    }
}
