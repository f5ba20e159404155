//! What authors get wrong, and what the build says.

use flowforge_connector_build::declared;

use crate::harness::Sample;

const WIT: &str = "package test:sample@0.1.0;
world connector {
  use flowforge:connector/types@0.1.0.{failure};
  export run: func(n: f64) -> result<string, failure>;
}
";

fn mistake(source: &str) -> String {
    Sample::new(&[("wit/world.wit", WIT), ("src/connector.ts", source)]).mistake()
}

#[test]
fn a_type_error_names_its_place() {
    let message =
        mistake("export function run(n: number): string {\n  const s: string = n;\n  return s;\n}\n");
    assert_eq!(
        message,
        "src/connector.ts:2:9 error TS2322: Type 'number' is not assignable to type 'string'."
    );
}

#[test]
fn a_module_of_node_is_refused_with_its_mend() {
    let message = mistake(
        "import fs from \"node:fs\";\nexport function run(n: number): string { return String(fs) + n; }\n",
    );
    assert_eq!(
        message,
        "src/connector.ts:1:16 error FF-SDK-001: node:fs is a module of Node\n  mend: connectors have no file system. \
         Take an Artefact port for files, a secret slot for tokens"
    );
}

#[test]
fn the_environment_is_refused_with_its_mend() {
    let message =
        mistake("export function run(n: number): string {\n  return process.env.HOME ?? String(n);\n}\n");
    assert!(
        message.starts_with("src/connector.ts:2:10 error FF-SDK-002: process does not exist in a connector"),
        "{message}"
    );
    assert!(message.contains("secret slot"), "{message}");
}

#[test]
fn a_function_that_does_not_fit_the_world_is_named() {
    let message = mistake("export function run(n: string): string { return n; }\n");
    assert!(
        message.starts_with("src/connector.ts:1:17 error FF-SDK-003: run does not fit wit/: "),
        "{message}"
    );
    let message = mistake("export function walk(n: number): string { return String(n); }\n");
    assert!(
        message.starts_with("src/connector.ts error FF-SDK-003: wit/ exports run, but no function run"),
        "{message}"
    );
}

#[test]
fn a_package_that_needs_node_is_named() {
    let sample = Sample::new(&[
        ("wit/world.wit", WIT),
        (
            "src/connector.js",
            "import { read } from \"reader\";\nexport function run(n) { return read(n); }\n",
        ),
        ("package.json", r#"{"dependencies": {"reader": "1"}}"#),
    ]);
    let message = sample.mistake();
    assert_eq!(
        message,
        "package.json error FF-BLD-007: not installed: reader\n  mend: run `npm install` in the connector's folder"
    );
    sample.write(
        "node_modules/reader/package.json",
        r#"{"name": "reader", "main": "i.js", "type": "module"}"#,
    );
    sample.write(
        "node_modules/reader/i.js",
        "import fs from \"fs\";\nexport const read = (n) => String(fs) + n;\n",
    );
    let message = sample.mistake();
    assert!(
        message.starts_with(
            "node_modules/reader/i.js:1:16 error FF-SDK-001: package reader needs fs, a module of Node"
        ),
        "{message}"
    );
}

#[test]
fn a_failing_top_level_is_named() {
    let message = mistake(
        "const n = Math.random();\nexport function run(m: number): string { return String(n + m); }\n",
    );
    assert!(message.starts_with("src/connector.ts:1:"), "{message}");
    assert!(
        message.contains("Math.random() at the top level of a module"),
        "{message}"
    );
}

#[test]
fn needs_that_differ_from_imports_are_named() {
    let source = "import { http } from \"@flowforge/sdk\";\n\
                  export async function run(n: number): Promise<string> {\n  \
                  return (await http.get(`https://a.example/${n}`)).text();\n}\n";
    let message = mistake(source);
    assert!(
        message.starts_with(
            "connector.toml error FF-BLD-003: the connector makes HTTP requests, but has no section [needs.http]"
        ),
        "{message}"
    );
}

#[test]
fn folders_that_are_no_connector_say_what_is_missing() {
    let sample = Sample::new(&[]);
    assert!(
        sample
            .mistake()
            .contains("no connector source found: expected Cargo.toml"),
        "{}",
        sample.mistake()
    );
    sample.write("Cargo.toml", "");
    assert!(
        sample.mistake().contains("wit/world.wit is missing"),
        "{}",
        sample.mistake()
    );
    std::fs::remove_file(sample.path().join("Cargo.toml")).unwrap();
    sample.write("src/connector.py", "");
    assert!(
        sample
            .mistake()
            .starts_with("src/connector.py:1:1 error FF-BLD-004: the connector has no operation"),
        "{}",
        sample.mistake()
    );
    let only_read = declared(sample.path()).unwrap_err().to_string();
    assert!(
        only_read.contains("wit/world.wit is not there yet"),
        "{only_read}"
    );
    sample.write("src/connector.ts", "");
    assert!(
        sample.mistake().contains("src/connector.ts and src/connector.py"),
        "{}",
        sample.mistake()
    );
}

#[test]
fn a_wit_mistake_names_its_line() {
    let sample = Sample::new(&[
        (
            "wit/world.wit",
            "package test:sample@0.1.0;\nworld w {\n  export f: fun();\n}\n",
        ),
        ("src/connector.py", ""),
    ]);
    let message = sample.mistake();
    assert!(message.contains("wit/world.wit:3:"), "{message}");
    sample.write(
        "wit/world.wit",
        "package test:other@0.1.0;\nworld w { export f: func(); }\n",
    );
    let message = sample.mistake();
    assert!(
        message.starts_with(
            "wit/world.wit:1 error FF-BLD-006: the package is test:other@0.1.0, but connector.toml says test:sample@0.1.0"
        ),
        "{message}"
    );
}

/// What reading a folder says of this `wit/world.wit` and of a `connector.toml` that was changed so.
fn told(toml: &dyn Fn(String) -> String, wit: &str) -> String {
    let sample = Sample::new(&[("wit/world.wit", wit), ("src/connector.py", "")]);
    let text = std::fs::read_to_string(sample.path().join("connector.toml")).unwrap();
    sample.write("connector.toml", &toml(text));
    let said = declared(sample.path()).unwrap_err().to_string();
    said.replace(&sample.path().display().to_string(), "FOLDER")
}

/// What a folder that is only read is told: every mistake with its file, its line, a code and a mend.
#[test]
fn mistakes_that_reading_finds_read_as_reviewed() {
    const WORLD: &str = "package test:sample@0.1.0;\nworld connector { export run: func() -> string; }\n";
    let same = |text: String| text;
    let without = |key: &'static str| {
        move |text: String| -> String {
            text.lines()
                .filter(|line| !line.starts_with(key))
                .map(|line| format!("{line}\n"))
                .collect()
        }
    };
    let more = |added: &'static str| move |text: String| text + added;
    let all = [
        ("a missing key", told(&without("license"), WORLD)),
        ("an unknown key", told(&more("licence = \"MIT\"\n"), WORLD)),
        ("no TOML", told(&more("title\n"), WORLD)),
        (
            "values that cannot be",
            told(
                &|text: String| text.replace("test:sample", "Sample").replace("0.1.0", "1"),
                WORLD,
            ),
        ),
        (
            "another category",
            told(&|text: String| text.replace("other", "tools"), WORLD),
        ),
        (
            "an empty license",
            told(&|text: String| text.replace("Apache-2.0", ""), WORLD),
        ),
        (
            "destinations",
            told(
                &more("[needs.http]\ndestinations = [\"*\", \"a.example\"]\nreason = \"\"\n"),
                WORLD,
            ),
        ),
        (
            "a slot",
            told(
                &more("[secrets.API-Key]\nkind = \"bearer\"\ndestinations = []\n"),
                WORLD,
            ),
        ),
        (
            "an effect",
            told(
                &more("[operations.run]\neffect = \"keyed\"\n[operations.go]\nretention = \"1h\"\n"),
                WORLD,
            ),
        ),
        (
            "another package",
            told(&same, "\npackage test:other@0.1.0;\nworld w {}\n"),
        ),
        ("no version", told(&same, "package test:sample;\nworld w {}\n")),
        (
            "two operations of one name",
            told(
                &same,
                "package test:sample@0.1.0;\nworld w {\n  export a: func();\n  export a: func();\n}\n",
            ),
        ),
        (
            "a type that is not there",
            told(
                &same,
                "package test:sample@0.1.0;\nworld w {\n  export a: func(m: label);\n}\n",
            ),
        ),
        (
            "a map without types",
            told(
                &same,
                "package test:sample@0.1.0;\nworld w {\n  export a: func(m: map);\n}\n",
            ),
        ),
    ];
    let text: String = all
        .iter()
        .map(|(what, said)| format!("## {what}\n{said}\n\n"))
        .collect();
    insta::assert_snapshot!(text);
}

const PACKAGE: &str = r#"{"dependencies": {"fast": "1"}}"#;

const CARGO: &str = "[package]\nname = \"sample\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[lib]\ncrate-type = \
                         [\"cdylib\"]\n\n[dependencies]\nfast = { path = \"fast\" }\n\n[workspace]\n";

/// What is wrong, and the files of a folder in which it is.
const MISTAKES: &[(&str, &[(&str, &str)])] = &[
    (
        "TypeScript: two operations of one name",
        &[(
            "src/connector.ts",
            "export function run(): string { return \"\"; }\nexport function run(): string { return \"\"; }\n",
        )],
    ),
    (
        "Python: two operations of one name",
        &[(
            "src/connector.py",
            "def run() -> str:\n    return ''\n\n\ndef run() -> int:\n    return 1\n",
        )],
    ),
    (
        "TypeScript: native code of its own",
        &[(
            "src/connector.ts",
            "import fast from \"./fast.node\";\nexport function run(): string { return String(fast); }\n",
        )],
    ),
    (
        "JavaScript: native code of a package",
        &[
            (
                "src/connector.js",
                "import { fast } from \"fast\";\n/** @returns {string} */\nexport function run() { return fast(); }\n",
            ),
            ("package.json", PACKAGE),
            (
                "node_modules/fast/package.json",
                r#"{"name": "fast", "main": "i.js"}"#,
            ),
            (
                "node_modules/fast/i.js",
                "\nmodule.exports = { fast: () => require('./fast.node') };\n",
            ),
            ("node_modules/fast/fast.node", "x"),
        ],
    ),
    (
        "Python: native code",
        &[
            ("src/connector.py", "def run() -> str:\n    return ''\n"),
            ("src/fast.cpython-311-x86_64-linux-gnu.so", "x"),
        ],
    ),
    (
        "Rust: native code",
        &[
            ("Cargo.toml", CARGO),
            ("src/lib.rs", ""),
            ("wit/world.wit", WIT),
            (
                "fast/Cargo.toml",
                "[package]\nname = \"fast\"\nversion = \"1.0.0\"\n",
            ),
            ("fast/src/lib.rs", ""),
            (
                "fast/build.rs",
                "fn main() { eprintln!(\"no compiler for C\"); std::process::exit(1) }",
            ),
        ],
    ),
    (
        "TypeScript: a file that is no source",
        &[(
            "src/connector.ts",
            "import data from \"./table.csv\";\nexport function run(): string { return data; }\n",
        )],
    ),
    (
        "TypeScript: a file that is not there",
        &[(
            "src/connector.ts",
            "import { x } from \"./parts\";\nexport function run(): string { return x; }\n",
        )],
    ),
    (
        "Python: a package of an index",
        &[
            ("src/connector.py", "def run() -> str:\n    return ''\n"),
            ("requirements.txt", "numpy\n"),
        ],
    ),
];

/// What a build of each language says to the same mistakes: every one with its file, its line, a code and a mend.
#[test]
fn mistakes_that_a_build_finds_read_as_reviewed() {
    let mut text = String::new();
    for (what, files) in MISTAKES {
        let sample = Sample::new(files);
        text.push_str(&format!("## {what}\n{}\n\n", sample.mistake()));
    }
    insta::assert_snapshot!(text);
}

/// Only the types can make an operation a trigger; the build says what they lack.
#[test]
fn an_operation_that_is_said_to_be_a_trigger_must_look_like_one() {
    let sample = Sample::new(&[
        ("wit/world.wit", WIT),
        (
            "src/connector.ts",
            "export function run(n: number): string { return String(n); }\n",
        ),
    ]);
    sample.append("connector.toml", "\n[operations.run]\ntrigger = \"poll\"\n");
    let message = sample.mistake();
    assert!(
        message.contains(
            "connector.toml:9 error FF-BLD-014: operations.run: no poll trigger: it takes no optional `cursor`"
        ),
        "{message}"
    );
    assert!(
        message.contains("mend: docs/authors.md shows both kinds"),
        "{message}"
    );
}
