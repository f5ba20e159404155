//! TypeScript and JavaScript connectors: checked, bundled and wrapped by the SDK's driver, run by QuickJS.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::build::{Compiled, Job};
use crate::cache::Recipe;
use crate::command::{run, tool};
use crate::compiled::{MadeWith, compiled_once};
use crate::derived::Model;
use crate::driver::{DeriveJob, DriverDiagnostic, DriverJob, answer, refuse};
use crate::installed::{installed, unpacked, write_files};
use crate::tools::version_text;
use crate::{BuildError, BuildOptions, Diagnostic, Language, Progress, Stage, assets, engine, quickjs};

#[derive(Deserialize)]
struct Made {
    diagnostics: Vec<DriverDiagnostic>,
}

/// Compile the connector in the job's folder, or take it from the cache.
pub(crate) fn compile(job: &mut Job<'_>) -> Result<Compiled, BuildError> {
    let cache = &job.options.cache_dir;
    check_packages(job.folder)?;
    let tools = tools(job.options, job.progress)?;
    let sdk = unpacked(cache, "js-sdk", assets::SDK_JS)?;
    let with = MadeWith {
        language: Language::TypeScript,
        prefix: "ts",
        tools: &tools,
        sdk: &sdk,
        detail: "checking types, bundling, making the component",
    };
    let compiled = compiled_once(job, &with, |job, work| make(job, &tools, &sdk, work))?;
    // What this program adds is added each time: the cache holds only what its tools made.
    Ok(Compiled {
        component: quickjs::taken_out(&compiled.component)?,
        ..compiled
    })
}

fn make(job: &Job<'_>, tools: &Path, sdk: &Path, work: &Path) -> Result<Vec<u8>, BuildError> {
    let wit = work.join("wit");
    job.world.write_to(&wit)?;
    let made = work.join("connector.wasm");
    let entry = entry_of(job.folder);
    let driver_job = DriverJob {
        folder: job.folder,
        entry: Path::new(entry),
        tools,
        sdk,
        work,
        wit: &wit,
        world: &job.world.name,
        operations: &job.world.interface.operations,
        component: &made,
    };
    let mut node = tool("node");
    node.arg(sdk.join("build/driver.mjs"));
    let finished = run("node", &mut node, &driver_job.text()?, job.options.limits.compile)?;
    refuse(answer::<Made>("the TypeScript build", &finished)?.diagnostics)?;
    fs::read(&made).map_err(BuildError::io("cannot read", &made))
}

/// The author's module.
pub(crate) fn entry_of(folder: &Path) -> &'static str {
    if folder.join("src/connector.ts").is_file() {
        "src/connector.ts"
    } else {
        "src/connector.js"
    }
}

/// Read the operations and types in the author's module.
pub(crate) fn read_model(
    folder: &Path,
    options: &BuildOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Model, BuildError> {
    check_packages(folder)?;
    let tools = tools(options, progress)?;
    let sdk = unpacked(&options.cache_dir, "js-sdk", assets::SDK_JS)?;
    let job = DeriveJob {
        task: "derive",
        folder,
        entry: entry_of(folder),
        tools: &tools,
        sdk: &sdk,
    };
    let mut node = tool("node");
    node.arg(sdk.join("build/driver.mjs"));
    let finished = run("node", &mut node, &job.text()?, options.limits.compile)?;
    answer("reading the types of the source", &finished)
}

/// The pinned tools, installed with npm once.
fn tools(
    options: &BuildOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<std::path::PathBuf, BuildError> {
    let mut recipe = Recipe::default();
    for (path, content) in assets::JS_TOOLS {
        recipe.add_bytes(*path, content.as_bytes());
    }
    // The tools hold native code for one platform and one Node.
    recipe
        .add("platform", std::env::consts::ARCH)
        .add("node", version_text("node", &["--version"])?)
        .add("engine", "2");
    installed(&options.cache_dir, "js-tools", &recipe, |folder| {
        progress(Progress {
            stage: Stage::Install,
            detail: "TypeScript, esbuild and componentize-qjs, with npm".to_owned(),
        });
        write_files(folder, assets::JS_TOOLS)?;
        let mut npm = tool("npm");
        npm.current_dir(folder).args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel",
            "error",
        ]);
        let finished = run("npm ci", &mut npm, "", options.limits.install)?;
        if finished.status.success() {
            engine::write_steady(folder)
        } else {
            Err(finished.failure("npm ci"))
        }
    })
}

/// The author's own packages are the author's to install: their lock file decides what comes in.
fn check_packages(folder: &Path) -> Result<(), BuildError> {
    #[derive(Deserialize)]
    struct Package {
        #[serde(default)]
        dependencies: std::collections::BTreeMap<String, serde_json::Value>,
    }
    let path = folder.join("package.json");
    let Ok(text) = fs::read_to_string(&path) else {
        return Ok(());
    };
    let wrong = |message: String, mend: Option<String>| {
        BuildError::Source(vec![Diagnostic {
            file: "package.json".to_owned(),
            line: 0,
            column: 0,
            code: Some("FF-BLD-007".to_owned()),
            message,
            mend,
        }])
    };
    let package: Package = serde_json::from_str(&text).map_err(|error| wrong(error.to_string(), None))?;
    let absent: Vec<&str> = package
        .dependencies
        .keys()
        .map(String::as_str)
        .filter(|name| *name != "@flowforge/sdk" && !folder.join("node_modules").join(name).exists())
        .collect();
    if absent.is_empty() {
        return Ok(());
    }
    let mend = "run `npm install` in the connector's folder".to_owned();
    Err(wrong(format!("not installed: {}", absent.join(", ")), Some(mend)))
}
