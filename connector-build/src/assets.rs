//! What is built in, so that a build needs no checkout of this project.

/// Files as `(path, content)`.
pub(crate) type Files = &'static [(&'static str, &'static str)];

macro_rules! wit {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../wit/connector/", $name)))),*]
    };
}

/// The interfaces that a connector may import.
pub(crate) const CONNECTOR_WIT: Files = wit![
    "artefacts.wit",
    "context.wit",
    "http.wit",
    "log.wit",
    "progress.wit",
    "secrets.wit",
    "types.wit",
    "world.wit",
];

/// The tools for TypeScript, pinned.
pub(crate) const JS_TOOLS: Files = &[
    ("package.json", include_str!("../tools/package.json")),
    ("package-lock.json", include_str!("../tools/package-lock.json")),
];

macro_rules! sdk_js {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../sdk-js/", $path)))),*]
    };
}

/// The SDK for TypeScript and its part of the build.
pub(crate) const SDK_JS: Files = sdk_js![
    "README.md",
    "package.json",
    "build/bundle.mjs",
    "build/derive.mjs",
    "build/driver.mjs",
    "build/mends.mjs",
    "build/names.mjs",
    "build/ports.mjs",
    "build/program.mjs",
    "build/typecheck.mjs",
    "src/artefacts.ts",
    "src/context.ts",
    "src/failure.ts",
    "src/globals.d.ts",
    "src/host.d.ts",
    "src/http.ts",
    "src/index.ts",
    "src/log.ts",
    "src/phase.ts",
    "src/place.ts",
    "src/progress.ts",
    "src/polyfill/clone.ts",
    "src/polyfill/console.ts",
    "src/polyfill/promise.ts",
    "src/polyfill/random.ts",
    "src/polyfill/text.ts",
    "src/polyfill/timers.ts",
    "src/polyfill/url.ts",
    "src/polyfill/utf8.ts",
    "src/refusal.ts",
    "src/runtime.ts",
    "src/secret.ts",
    "src/shape.ts",
    "src/types.ts",
];

/// The tool for Python, pinned.
pub(crate) const PY_TOOLS: Files = &[
    ("library.py", include_str!("../tools/library.py")),
    ("requirements.txt", include_str!("../tools/requirements.txt")),
];

macro_rules! sdk_py {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../sdk-py/", $path)))),*]
    };
}

/// The SDK for Python and its part of the build.
pub(crate) const SDK_PY: Files = sdk_py![
    "README.md",
    "build/derive.py",
    "build/prepare.py",
    "flowforge/__init__.py",
    "flowforge/_runtime.py",
    "flowforge/_shape.py",
    "flowforge/artefacts.py",
    "flowforge/context.py",
    "flowforge/failure.py",
    "flowforge/http.py",
    "flowforge/log.py",
    "flowforge/progress.py",
    "flowforge/secrets.py",
    "flowforge/types.py",
];

macro_rules! sdk_rs {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../sdk-rs/", $path)))),*]
    };
}

/// How the SDK for Rust is formatted, so that `cargo fmt --check` of a connector finds its copy in order.
pub(crate) const RUSTFMT: &str = include_str!("../../rustfmt.toml");

/// The SDK for Rust, without the folder `macro/wit`, which is [`CONNECTOR_WIT`].
pub(crate) const SDK_RS: Files = sdk_rs![
    "Cargo.toml",
    "README.md",
    "macro/Cargo.toml",
    "macro/src/lib.rs",
    "src/artefact.rs",
    "src/failure.rs",
    "src/http.rs",
    "src/json.rs",
    "src/lib.rs",
    "src/log.rs",
    "src/progress.rs",
];

macro_rules! template {
    ($($path:literal from $file:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../templates/", $file)))),*]
    };
}

/// The world of a new connector in Rust.
pub(crate) const TEMPLATE_WIT: &str = include_str!("../templates/rust/wit/world.wit");

/// What every new connector has.
pub(crate) const TEMPLATE_COMMON: Files = template![
    "CHANGELOG.md" from "common/CHANGELOG.md",
    "README.md" from "common/README.md",
    "connector.toml" from "common/connector.toml",
    "tests/greet.yaml" from "common/tests/greet.yaml",
];

/// What a new connector has that polls, in place of what every other one has.
pub(crate) const TEMPLATE_POLL: Files = template![
    "CHANGELOG.md" from "common/CHANGELOG.md",
    "README.md" from "poll/README.md",
    "connector.toml" from "poll/connector.toml",
    "tests/new_items.yaml" from "poll/tests/new_items.yaml",
];

/// What a new connector has that reads webhooks, in place of what every other one has.
pub(crate) const TEMPLATE_WEBHOOK: Files = template![
    "CHANGELOG.md" from "common/CHANGELOG.md",
    "README.md" from "webhook/README.md",
    "connector.toml" from "webhook/connector.toml",
    "tests/read_items.yaml" from "webhook/tests/read_items.yaml",
];

/// A new trigger in TypeScript, in Python, and in Rust with its world.
pub(crate) struct TriggerSources {
    pub(crate) typescript: &'static str,
    pub(crate) python: &'static str,
    pub(crate) rust: &'static str,
    pub(crate) world: &'static str,
}

/// The sources of new triggers that poll.
pub(crate) const POLL_SOURCES: TriggerSources = TriggerSources {
    typescript: include_str!("../templates/poll/connector.ts"),
    python: include_str!("../templates/poll/connector.py"),
    rust: include_str!("../templates/poll/connector.rs"),
    world: include_str!("../templates/poll/wit/world.wit"),
};

/// The sources of new triggers that read webhooks.
pub(crate) const WEBHOOK_SOURCES: TriggerSources = TriggerSources {
    typescript: include_str!("../templates/webhook/connector.ts"),
    python: include_str!("../templates/webhook/connector.py"),
    rust: include_str!("../templates/webhook/connector.rs"),
    world: include_str!("../templates/webhook/wit/world.wit"),
};

/// What a new connector in Rust has besides.
pub(crate) const TEMPLATE_RUST: Files = template![
    ".gitignore" from "rust/gitignore",
    "Cargo.lock" from "rust/cargo-lock",
    "Cargo.toml" from "rust/cargo-toml",
    "src/lib.rs" from "rust/src/lib.rs",
    "tests/connector.rs" from "rust/tests/connector.rs",
    "wit/world.wit" from "rust/wit/world.wit",
];

/// What a new connector in TypeScript has besides.
pub(crate) const TEMPLATE_TYPESCRIPT: Files = template![
    ".gitignore" from "typescript/gitignore",
    "package.json" from "typescript/package.json",
    "src/connector.ts" from "typescript/src/connector.ts",
    "tsconfig.json" from "typescript/tsconfig.json",
    "wit/world.wit" from "derived/wit/world.wit",
];

/// What a new connector in JavaScript has besides.
pub(crate) const TEMPLATE_JAVASCRIPT: Files = template![
    ".gitignore" from "typescript/gitignore",
    "package.json" from "typescript/package.json",
    "src/connector.js" from "javascript/src/connector.js",
    "tsconfig.json" from "typescript/tsconfig.json",
    "wit/world.wit" from "derived/wit/world.wit",
];

/// What a new connector in Python has besides.
pub(crate) const TEMPLATE_PYTHON: Files = template![
    ".gitignore" from "python/gitignore",
    "pyproject.toml" from "python/pyproject.toml",
    "src/connector.py" from "python/src/connector.py",
    "tests/test_connector.py" from "python/tests/test_connector.py",
    "wit/world.wit" from "derived/wit/world.wit",
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::cache::source_files;

    #[test]
    fn every_wit_file_is_built_in() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/connector");
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let built_in: Vec<_> = CONNECTOR_WIT.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, built_in);
    }

    #[test]
    fn every_file_of_the_sdks_is_built_in() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for (folder, built_in, parts) in [
            ("sdk-js", SDK_JS, ["src/", "build/"]),
            ("sdk-py", SDK_PY, ["flowforge/", "build/"]),
            ("sdk-rs", SDK_RS, ["src/", "macro/src/"]),
        ] {
            let files = source_files(&root.join(folder)).unwrap();
            let needed: Vec<_> = files
                .iter()
                .filter(|file| parts.iter().any(|part| file.starts_with(part)))
                .collect();
            for file in needed {
                assert!(
                    built_in.iter().any(|(path, _)| path == file),
                    "{folder}/{file} is not built in"
                );
            }
        }
    }
}
