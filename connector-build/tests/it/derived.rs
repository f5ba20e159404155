//! Worlds that the tool writes from functions and types, and what authors are told whose types are no ports.

use std::fs;

use flowforge_connector_build::BuildError;
use serde_json::json;

use crate::harness::{Host, Sample};

const TYPESCRIPT: &str = r#"/** Describes earthquakes. @packageDocumentation */
import { Failure, type Artefact, type Int, type Json } from "@flowforge/sdk";
import type { Place } from "./place";

/** How strong it was. */
export type Strength = "light" | "very_strong";

/** One line about one earthquake. */
export interface Label {
  magnitude: number;
  strength: Strength;
  /** A sentence for people. */
  line: string;
  place?: Place;
}

/** A point, or a circle of this radius. */
export type Area = { kind: "dot" } | { kind: "circle"; value: number };

/**
 * Classify one earthquake.
 *
 * Nothing is asked of anyone.
 * @param magnitude - As the feed gives it.
 * @param place Where, in words.
 */
export function label(magnitude: number, place: string, area?: Area): Label {
  if (magnitude < 4) throw Failure.invalid("magnitude", "must be 4.0 or more");
  const strength = magnitude < 6 ? "light" : "very_strong";
  const size = area?.kind === "circle" ? area.value : 0;
  return { magnitude, strength, line: `${place}, ${size} km`, place: { name: place, isCity: null } };
}

/** Count. @param type What to count. */
export const count = async (type: readonly string[], from: Int | undefined, wide: bigint): Promise<{ total: Int; wide: bigint }> => {
  return { total: type.length + (from ?? 0), wide };
};

/** Keep nothing. */
export function nothing(any: Json, data: Uint8Array, files: Artefact[], pair: [Strength, boolean]): void {}

export const LIMIT = 3;
"#;

const PLACE: &str = "export interface Place { name: string; isCity: boolean | null }\n";

const PYTHON: &str = r#""""Describes earthquakes."""

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from flowforge import Artefact, Json

from place import Place


class Strength(Enum):
    """How strong it was."""

    LIGHT = "light"
    VERY_STRONG = "very_strong"


@dataclass
class Label:
    """One line about one earthquake."""

    magnitude: float
    strength: Strength
    #: A sentence for people.
    line: str
    place: Place | None = None


def label(magnitude: float, place: str, tone: Literal["dry", "warm"] | None = None) -> Label:
    """Classify one earthquake.

    Nothing is asked of anyone.

    Args:
        magnitude: As the feed gives it.
        place: Where,
            in words.
    """
    strength = Strength.LIGHT if magnitude < 6 else Strength.VERY_STRONG
    return Label(magnitude, strength, f"{place}, {tone}", Place(place, None))


def count(type: list[str], from_where: int | None, strength: Strength) -> "tuple[int, Strength]":
    """Count.

    :param type: What to count.
    """
    return len(type) + (from_where or 0), strength


@dataclass
class Dot:
    pass


@dataclass
class Circle:
    radius: float


Area = Dot | Circle


def grow(area: Area, more: Dot | Circle | None) -> Area:
    """Make it larger."""
    if isinstance(area, Circle):
        return Circle(area.radius * 2 + (more.radius if isinstance(more, Circle) else 0))
    return area


def nothing(any: Json, data: bytes, files: list[Artefact]) -> None:
    """Keep nothing."""


def _helper(x):
    return x
"#;

const PLACE_PY: &str = "from dataclasses import dataclass\n\n\n@dataclass\nclass Place:\n    name: str\n    is_city: bool | None\n";

fn world(sample: &Sample) -> String {
    fs::read_to_string(sample.path().join("wit/world.wit")).unwrap()
}

fn notes(built: &flowforge_connector_build::Built) -> String {
    built.notes.iter().map(|note| note.as_note() + "\n").collect()
}

#[tokio::test]
async fn typescript_needs_no_wit() {
    let sample = Sample::new(&[("src/connector.ts", TYPESCRIPT), ("src/place.ts", PLACE)]);
    let built = sample.build().unwrap_or_else(|error| panic!("{error}"));
    insta::assert_snapshot!("world_of_typescript", world(&sample));
    insta::assert_snapshot!("notes_of_typescript", notes(&built));
    let host = Host::new();
    let input = json!({"magnitude": 6.4, "place": "Hualian", "area": {"kind": "circle", "value": 2.5}});
    let output = host.call(&built, "label", input).await.unwrap();
    let place = json!({"name": "Hualian", "is_city": null});
    let wanted =
        json!({"magnitude": 6.4, "strength": "very_strong", "line": "Hualian, 2.5 km", "place": place});
    assert_eq!(output, wanted);
    let input = json!({"type": ["a", "b"], "wide": 9_007_199_254_740_991_i64});
    let output = host.call(&built, "count", input).await.unwrap();
    assert_eq!(output, json!({"total": 2, "wide": 9_007_199_254_740_991_i64}));
    let input = json!({"any": 1, "data": "", "files": [], "pair": ["light", true]});
    host.call(&built, "nothing", input).await.unwrap();
}

#[tokio::test]
async fn python_needs_no_wit() {
    let sample = Sample::new(&[("src/connector.py", PYTHON), ("src/place.py", PLACE_PY)]);
    let built = sample.build().unwrap_or_else(|error| panic!("{error}"));
    insta::assert_snapshot!("world_of_python", world(&sample));
    insta::assert_snapshot!("notes_of_python", notes(&built));
    let host = Host::new();
    let output = host
        .call(
            &built,
            "label",
            json!({"magnitude": 6.4, "place": "Hualian", "tone": "dry"}),
        )
        .await
        .unwrap();
    let place = json!({"name": "Hualian", "is_city": null});
    let wanted = json!({"magnitude": 6.4, "strength": "very_strong", "line": "Hualian, dry", "place": place});
    assert_eq!(output, wanted);
    for (given, wanted) in [
        (json!({"area": {"kind": "dot"}}), json!({"kind": "dot"})),
        (
            json!({"area": {"kind": "circle", "value": {"radius": 1.5}}, "more": {"kind": "circle", "value": {"radius": 4}}}),
            json!({"kind": "circle", "value": {"radius": 7.0}}),
        ),
    ] {
        assert_eq!(host.call(&built, "grow", given).await.unwrap(), wanted);
    }
    let input = json!({"type": ["a"], "from_where": 2, "strength": "light"});
    assert_eq!(
        host.call(&built, "count", input).await.unwrap(),
        json!([3, "light"])
    );
}

/// Types that are no ports, and names that nobody can write: each at its place, with what to write instead.
#[test]
fn types_that_are_no_ports_read_as_reviewed() {
    let typescript = r#"import { Missing } from "@flowforge/sdk";
enum Colour { Red = "red" }
interface Tree { next?: Tree; size(): number; when: Date }
interface Box<T> { inside: T }
class Thing { a = 1; }
export function table(map: Map<string, number>, record: Record<string, number>, set: Set<string>): string { return ""; }
export function shapes(colour: Colour, tree: Tree, box: Box<string>, thing: Thing, other: Missing): void {}
export function unions(one: "very-strong" | "b", two: string | number, three: { kind: "a"; x: number } | { kind: "b" }): void {}
export function loose(x, { y }: { y: string }, ...rest: string[]): any {}
export function toCSV(rowID: string): Promise<string>[] { return []; }
export function inferred(a: number) { return a; }
export function generic<T>(a: T): void {}
export default function () {}
"#;
    let python = r"import datetime
from dataclasses import dataclass
from missing import Other


@dataclass
class Tree:
    children: 'list[Tree]'
    when: datetime.datetime


class Plain:
    pass


def table(a: dict[str, int], b: set[str], c: list, d: object) -> str: ...
def shapes(tree: Tree, plain: Plain, other: Other, both: int | str) -> None: ...
def loose(x, limit: int = 3, *rest: str, **more: str) -> None: ...
def toCSV(rowID: str): ...
";
    let mut text = String::new();
    for (language, file, source) in [
        ("TypeScript", "src/connector.ts", typescript),
        ("Python", "src/connector.py", python),
    ] {
        let sample = Sample::new(&[(file, source)]);
        text.push_str(&format!("## {language}\n{}\n\n", sample.mistake()));
        assert!(!sample.path().join("wit").exists(), "nothing was written");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_world_that_is_written_by_hand_stays() {
    let sample = Sample::new(&[(
        "src/connector.ts",
        "export function run(n: number): string { return String(n); }\n",
    )]);
    sample.append("connector.toml", "interface = \"wit\"\n");
    assert!(
        sample.mistake().contains("wit/world.wit is missing"),
        "{}",
        sample.mistake()
    );
    let by_hand = "package test:sample@0.1.0;\nworld w { export run: func(n: f64) -> string; }\n";
    sample.write("wit/world.wit", by_hand);
    let built = sample.build().unwrap();
    assert_eq!(world(&sample), by_hand);
    assert!(
        notes(&built).starts_with("wit/world.wit:2 note FF-BLD-010: operation run has no description"),
        "{}",
        notes(&built)
    );
}

/// The version stands in `connector.toml`; the world follows at the next build.
#[test]
fn a_new_version_is_written_once() {
    let sample = Sample::new(&[(
        "src/connector.ts",
        "export function run(n: number): string { return String(n); }\n",
    )]);
    sample.build().unwrap();
    let text = fs::read_to_string(sample.path().join("connector.toml")).unwrap();
    sample.write("connector.toml", &text.replace("0.1.0", "0.2.0"));
    let stale = flowforge_connector_build::declared(sample.path()).unwrap_err();
    assert!(matches!(stale, BuildError::Source(_)), "{stale}");
    assert!(
        stale.to_string().contains("run `flowforge connector build`"),
        "{stale}"
    );
    sample.build().unwrap();
    assert!(world(&sample).contains("package test:sample@0.2.0;"));
}
