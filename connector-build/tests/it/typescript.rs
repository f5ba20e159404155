//! TypeScript: what authors do that the engine alone would answer with a bare "unreachable".

use flowforge_protocol::FailureKind;
use serde_json::{Value, json};

use crate::harness::{Host, Sample};

const WIT: &str = "package test:sample@0.1.0;
world connector {
  use flowforge:connector/types@0.1.0.{failure, json};
  enum strength { light, very-strong }
  record pair { strength: strength, line-no: u8, note: option<string> }
  variant figure { dot, circle(f64) }
  export wrong-throw: func() -> result<string, failure>;
  export wrong-shape: func(value: json) -> result<pair, failure>;
  export later: func(how: string) -> result<string, failure>;
  export random: func() -> result<list<f64>, failure>;
  export echo: func(figure: figure, pair: pair, note: option<string>, data: list<u8>, any: json)
    -> result<tuple<figure, pair, option<string>, list<u8>, json>, failure>;
  export globals: func() -> result<json, failure>;
  export wide: func(u: u64, s: s64) -> result<tuple<u64, s64>, failure>;
}
";

const SOURCE: &str = r#"import { Failure, context, log, type Json } from "@flowforge/sdk";
import { deep } from "./deep";

interface Pair { strength: "light" | "very_strong"; lineNo: number; note?: string }
type Figure = { kind: "dot" } | { kind: "circle"; value: number };

export function wrongThrow(): string {
  return deep(3);
}

export function wrongShape(value: Json): Pair {
  return value as unknown as Pair;
}

export async function later(how: string): Promise<string> {
  const order: string[] = [];
  const tick = async (name: string) => { await null; order.push(name); return name; };
  if (how === "never") await new Promise(() => undefined);
  if (how === "reject") await Promise.all([tick("a"), Promise.reject(Failure.throttled("busy", 1500))]);
  if (how === "throw") { await tick("x"); throw new RangeError("after await"); }
  const all = await Promise.all([tick("a"), tick("b")]);
  for await (const more of (async function* () { yield await tick("c"); })()) all.push(more);
  setTimeout(() => order.push("late"));
  await Promise.race([tick("d"), new Promise(() => undefined)]);
  return [...all, ...order].join(",");
}

export function random(): number[] {
  return [Math.random(), Math.random()];
}

export function echo(figure: Figure, pair: Pair, note: string | undefined, data: Uint8Array, any: Json): [Figure, Pair, string | undefined, Uint8Array, unknown] {
  return [figure, pair, note, data, any];
}

export function globals(): unknown {
  console.log("hello", { a: [1, "x"] });
  log.warn("careful");
  const url = new URL("../b?x=1&y=%20z#f", "https://example.org:443/a/c/d");
  url.searchParams.append("q", "a b");
  return {
    url: url.href,
    y: url.searchParams.get("y"),
    text: new TextDecoder().decode(new TextEncoder().encode("grüß 🌋")),
    base64: btoa("any"),
    plain: atob("YW55"),
    uuid: /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID()),
    clone: structuredClone({ when: new Date(0), list: [1] }),
    key: context.step().idempotencyKey,
  };
}

export function wide(u: bigint, s: bigint): [bigint, bigint] {
  return [u, s];
}
"#;

const DEEP: &str = "export function deep(n: number): string {
  if (n > 0) return deep(n - 1);
  throw new Error(\"no more\");
}
";

fn sample() -> Sample {
    Sample::new(&[
        ("wit/world.wit", WIT),
        ("src/connector.ts", SOURCE),
        ("src/deep.ts", DEEP),
    ])
}

#[tokio::test]
async fn what_goes_wrong_names_file_and_line() {
    let connector = sample().build().unwrap();
    let host = Host::new();
    let thrown = host.call(&connector, "wrong_throw", json!({})).await.unwrap_err();
    assert_eq!(
        (thrown.kind, thrown.message.as_str()),
        (FailureKind::Internal, "no more (src/deep.ts:3)")
    );
    for (value, message) in [
        (
            json!({"strength": 7, "lineNo": 1}),
            "wrong_shape returned strength: 7, expected one of light, very_strong (src/connector.ts:11)",
        ),
        (
            json!({"strength": "light", "lineNo": 256}),
            "wrong_shape returned lineNo: 256, expected a whole number from 0 to 255 (src/connector.ts:11)",
        ),
        (
            json!({"strength": "light"}),
            "wrong_shape returned lineNo: undefined, expected a whole number from 0 to 255 (src/connector.ts:11)",
        ),
        (
            json!([1]),
            "wrong_shape returned [1], expected an object (src/connector.ts:11)",
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
}

/// A number above 2^63 came as a negative one, and one in a JSON value as its neighbour, without a word.
#[tokio::test]
async fn an_integer_that_the_engine_cannot_hold_is_refused() {
    let connector = sample().build().unwrap();
    let host = Host::new();
    const SAFE: i64 = (1 << 53) - 1;
    let input = json!({"u": SAFE, "s": -SAFE});
    let output = host.call(&connector, "wide", input).await.unwrap();
    assert_eq!(output, json!([SAFE, -SAFE]));
    for input in [
        json!({"u": u64::MAX, "s": 0}),
        json!({"u": 1_u64 << 63, "s": 0}),
        json!({"u": SAFE + 1, "s": 0}),
        json!({"u": 0, "s": -SAFE - 1}),
        json!({"u": 0, "s": i64::MIN}),
    ] {
        let failure = host.call(&connector, "wide", input.clone()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Invalid, "{input}: {failure:?}");
        assert!(failure.message.contains("cannot hold exactly"), "{failure:?}");
    }
    let input = json!({"value": {"\"1": "9007199254740993", "list": [1e30, 9_007_199_254_740_993_u64]}});
    let failure = host.call(&connector, "wrong_shape", input).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Invalid);
    assert!(
        failure.message.contains("the integer 9007199254740993 is beyond"),
        "{failure:?}"
    );
}

#[tokio::test]
async fn async_operations_run_to_their_end() {
    let connector = sample().build().unwrap();
    let host = Host::new();
    let output = host
        .call(&connector, "later", json!({"how": "well"}))
        .await
        .unwrap();
    assert_eq!(output, json!("a,b,c,a,b,c,late,d"));
    let rejected = host
        .call(&connector, "later", json!({"how": "reject"}))
        .await
        .unwrap_err();
    assert_eq!(
        (rejected.kind, rejected.retry_after_ms),
        (FailureKind::Throttled, Some(1500))
    );
    let thrown = host
        .call(&connector, "later", json!({"how": "throw"}))
        .await
        .unwrap_err();
    assert_eq!(thrown.message, "RangeError: after await (src/connector.ts:20)");
    let never = host
        .call(&connector, "later", json!({"how": "never"}))
        .await
        .unwrap_err();
    assert!(
        never
            .message
            .starts_with("later never ended: it awaits something"),
        "{}",
        never.message
    );
}

#[tokio::test]
async fn random_numbers_are_the_hosts() {
    let connector = sample().build().unwrap();
    let host = Host::new();
    let first = host.call(&connector, "random", json!({})).await.unwrap();
    let second = host.call(&connector, "random", json!({})).await.unwrap();
    let number = |value: &Value, index: usize| value[index].as_f64().unwrap();
    for value in [&first, &second] {
        assert!((0.0..1.0).contains(&number(value, 0)) && (0.0..1.0).contains(&number(value, 1)));
    }
    assert_ne!(first, second, "two instances draw different numbers");
    assert_ne!(first[0], first[1]);
}

#[tokio::test]
async fn values_of_every_shape_come_back() {
    let connector = sample().build().unwrap();
    let host = Host::new();
    let circle = json!({"kind": "circle", "value": 1.5});
    let pair = json!({"strength": "very_strong", "line_no": 3, "note": "n"});
    let any = json!({"deep": [1, null, "x"]});
    let input = json!({"figure": circle, "pair": pair, "note": "hi", "data": "AAEC", "any": any});
    let output = host.call(&connector, "echo", input).await.unwrap();
    assert_eq!(output, json!([circle, pair, "hi", "AAEC", any]));
    let input = json!({"figure": {"kind": "dot"}, "pair": {"strength": "light", "line_no": 0}, "data": "", "any": null});
    let output = host.call(&connector, "echo", input).await.unwrap();
    assert_eq!(output[0], json!({"kind": "dot"}));
    assert_eq!(output[2], Value::Null);
}

#[tokio::test]
async fn what_the_engine_lacks_is_there() {
    let connector = sample().build().unwrap();
    let host = Host::new();
    let output = host.call(&connector, "globals", json!({})).await.unwrap();
    let expected = json!({
        "url": "https://example.org/a/b?x=1&y=+z&q=a+b#f", "y": " z", "text": "grüß 🌋", "base64": "YW55",
        "plain": "any", "uuid": true, "clone": {"when": "1970-01-01T00:00:00.000Z", "list": [1]}, "key": "key-1",
    });
    assert_eq!(output, expected);
    assert_eq!(host.lines(), ["Info: hello { a: [1, \"x\"] }", "Warn: careful"]);
}
