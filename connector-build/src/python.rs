//! Python connectors: checked and wrapped by the SDK's own program, built by componentize-py.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::build::{Compiled, Job};
use crate::cache::{Recipe, create_dir, source_files, write_whole};
use crate::command::{Finished, run, tool};
use crate::compiled::{MadeWith, compiled_once};
use crate::derived::Model;
use crate::driver::{DeriveJob, DriverDiagnostic, DriverJob, answer, refuse};
use crate::installed::{installed, unpacked, write_files};
use crate::tools::version_text;
use crate::{BuildError, BuildOptions, Diagnostic, Language, Progress, Stage, assets, interpreter};

/// The world that is built: the author's, and what the SDK imports.
const WORLD: &str = "flowforge-build";

/// The package of the SDK that modules import.
const PACKAGE: &str = "flowforge";

/// The module that is built, written by the SDK's program.
const ENTRY: &str = "flowforge_entry";

#[derive(Deserialize)]
struct Prepared {
    diagnostics: Vec<DriverDiagnostic>,
    interfaces: Vec<String>,
}

/// Compile the connector in the job's folder, or take it from the cache.
pub(crate) fn compile(job: &mut Job<'_>) -> Result<Compiled, BuildError> {
    let cache = &job.options.cache_dir;
    check_packages(job.folder)?;
    let venv = tools(job.options, job.progress)?;
    let sdk = unpacked(cache, "py-sdk", assets::SDK_PY)?;
    let with = MadeWith {
        language: Language::Python,
        prefix: "py",
        tools: &venv,
        sdk: &sdk,
        detail: "checking the source, making the component",
    };
    compiled_once(job, &with, |job, work| {
        let made = prepare_and_make(job, &venv, &sdk, work)?;
        fs::read(&made).map_err(BuildError::io("cannot read", &made))
    })
}

fn prepare_and_make(job: &Job<'_>, venv: &Path, sdk: &Path, work: &Path) -> Result<PathBuf, BuildError> {
    let (wit, entry, made) = (work.join("wit"), work.join("entry"), work.join("connector.wasm"));
    job.world.write_to(&wit)?;
    create_dir(&entry)?;
    let driver_job = DriverJob {
        folder: job.folder,
        entry: &entry.join(format!("{ENTRY}.py")),
        tools: venv,
        sdk,
        work,
        wit: &wit,
        world: &job.world.name,
        operations: &job.world.interface.operations,
        component: &made,
    };
    let mut python = tool(program(venv, "python"));
    python.arg("-I").arg(sdk.join("build/prepare.py"));
    let finished = run(
        "python",
        &mut python,
        &driver_job.text()?,
        job.options.limits.compile,
    )?;
    let prepared: Prepared = answer("the check of the Python source", &finished)?;
    refuse(prepared.diagnostics)?;
    let imports: String = prepared
        .interfaces
        .iter()
        .map(|name| format!("  import {name};\n"))
        .collect();
    let world = format!("world {WORLD} {{\n  include {};\n{imports}}}\n", job.world.name);
    write_whole(&wit.join(format!("{WORLD}.wit")), world.as_bytes())?;
    // Python leaves what it compiled beside a module and takes it from there later: each build gets copies of its own.
    let (own_sdk, own_src) = (work.join("sdk"), work.join("src"));
    copy_modules(&sdk.join(PACKAGE), &own_sdk.join(PACKAGE))?;
    copy_modules(&job.folder.join("src"), &own_src)?;
    // What else is installed beside the tool is no part of a connector: it would look there otherwise.
    let nothing_else = work.join("venv");
    create_dir(&nothing_else.join("lib/site-packages"))?;
    let mut componentize = tool(program(venv, "componentize-py"));
    componentize
        .current_dir(work)
        .env("VIRTUAL_ENV", &nothing_else)
        .arg("--wit-path")
        .arg(&wit)
        .args(["--world", WORLD, "componentize", ENTRY, "--output"])
        .arg(&made)
        .arg("--python-path")
        .arg(&entry)
        .arg("--python-path")
        .arg(&own_sdk)
        .arg("--python-path")
        .arg(&own_src);
    let finished = run(
        "componentize-py",
        &mut componentize,
        "",
        job.options.limits.compile,
    )?;
    if finished.status.success() {
        return Ok(made);
    }
    // The second one reads any traceback, also that of the linker.
    Err(name_of_the_runtime(job, &finished)
        .or_else(|| top_level(job.folder, &finished))
        .unwrap_or_else(|| finished.failure("componentize-py")))
}

/// What the tool's linker says of two functions of one name.
const TWO_OF_ONE_NAME: &str = "duplicate items detected";

/// An operation that is called like a function inside the runtime: `read`, `write`, `time`. Such names are one word.
fn name_of_the_runtime(job: &Job<'_>, finished: &Finished) -> Option<BuildError> {
    let names = job.world.interface.operations.iter();
    let short: Vec<&str> = names
        .map(|operation| operation.name.as_str())
        .filter(|name| !name.contains(['_', '.']))
        .collect();
    if short.is_empty() || !finished.stderr.contains(TWO_OF_ONE_NAME) {
        return None;
    }
    Some(BuildError::Source(vec![Diagnostic {
        file: SOURCE.to_owned(),
        line: 0,
        column: 0,
        code: Some("FF-SDK-013".to_owned()),
        message: format!(
            "an operation has the name of a function inside Python itself; it is one of {}",
            short.join(", ")
        ),
        mend: Some("give it a name of two words, such as read_items".to_owned()),
    }]))
}

/// Copy a folder of modules, without what Python compiled.
fn copy_modules(from: &Path, to: &Path) -> Result<(), BuildError> {
    for file in source_files(from)? {
        let (from, to) = (from.join(&file), to.join(&file));
        let bytes = fs::read(&from).map_err(BuildError::io("cannot read", &from))?;
        if let Some(folder) = to.parent() {
            create_dir(folder)?;
        }
        fs::write(&to, bytes).map_err(BuildError::io("cannot write", &to))?;
    }
    Ok(())
}

/// An error at the top level of a module, which runs while the connector is built: the last lines of its traceback.
fn top_level(folder: &Path, finished: &Finished) -> Option<BuildError> {
    let text = &finished.stderr;
    let from = text.find("Traceback (most recent call last)")?;
    let trace: Vec<&str> = text
        .get(from..)?
        .lines()
        .skip(1)
        .take_while(|line| !line.trim().is_empty())
        .collect();
    let reason = trace.iter().rev().find(|line| !line.starts_with([' ', '\t']))?;
    let place = trace
        .iter()
        .rev()
        .filter_map(|line| frame(line))
        .find_map(|(file, line)| {
            let inside = format!("src/{file}");
            folder.join(&inside).is_file().then_some((inside, line))
        });
    let (file, line) = place.unwrap_or_else(|| (SOURCE.to_owned(), 0));
    Some(BuildError::Source(vec![Diagnostic {
        file,
        line,
        column: 0,
        code: Some("FF-SDK-005".to_owned()),
        message: format!("the top level of the module failed: {reason}"),
        mend: None,
    }]))
}

/// File and line of `  File "/2/connector.py", line 3, in <module>`, the file as seen from the mounted folder.
fn frame(line: &str) -> Option<(String, usize)> {
    let rest = line.trim().strip_prefix("File \"")?;
    let (path, rest) = rest.split_once('"')?;
    let number = rest
        .strip_prefix(", line ")?
        .split(',')
        .next()?
        .trim()
        .parse()
        .ok()?;
    let (_, inside) = path.trim_start_matches('/').split_once('/')?;
    Some((inside.to_owned(), number))
}

/// The author's module.
pub(crate) const SOURCE: &str = "src/connector.py";

/// Read the operations and types in the author's module. Its text is read; nothing of it runs.
pub(crate) fn read_model(folder: &Path, options: &BuildOptions) -> Result<Model, BuildError> {
    let sdk = unpacked(&options.cache_dir, "py-sdk", assets::SDK_PY)?;
    let job = DeriveJob {
        task: "derive",
        folder,
        entry: SOURCE,
        tools: Path::new(""),
        sdk: &sdk,
    };
    let mut python = tool("python3");
    python.arg("-I").arg(sdk.join("build/derive.py"));
    let finished = run("python3", &mut python, &job.text()?, options.limits.compile)?;
    answer("reading the types of the source", &finished)
}

/// A virtual environment with the pinned tool, made once.
fn tools(options: &BuildOptions, progress: &mut dyn FnMut(Progress)) -> Result<PathBuf, BuildError> {
    let mut recipe = Recipe::default();
    for (path, content) in assets::PY_TOOLS {
        recipe.add_bytes(*path, content.as_bytes());
    }
    recipe
        .add("platform", std::env::consts::ARCH)
        .add("runtime", "1")
        .add("python", version_text("python3", &["--version"])?);
    let folder = installed(&options.cache_dir, "py-tools", &recipe, |folder| {
        progress(Progress {
            stage: Stage::Install,
            detail: "componentize-py, with pip".to_owned(),
        });
        write_files(folder, assets::PY_TOOLS)?;
        let venv = folder.join("venv");
        let mut make = tool("python3");
        make.args(["-m", "venv"]).arg(&venv);
        let finished = run("python3 -m venv", &mut make, "", options.limits.install)?;
        if !finished.status.success() {
            return Err(finished.failure("python3 -m venv"));
        }
        let mut pip = tool(program(&venv, "python"));
        pip.current_dir(folder)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--only-binary",
                ":all:",
            ])
            .args(["--requirement", "requirements.txt"]);
        let finished = run("pip install", &mut pip, "", options.limits.install)?;
        if !finished.status.success() {
            return Err(finished.failure("pip install"));
        }
        // A changed native library would have to be signed anew there.
        if cfg!(target_os = "macos") {
            return Ok(());
        }
        interpreter::make_steady(folder, &venv, &program(&venv, "python"), options.limits.install)
    })?;
    Ok(folder.join("venv"))
}

/// A program of a virtual environment.
fn program(venv: &Path, name: &str) -> PathBuf {
    venv.join(if cfg!(windows) { "Scripts" } else { "bin" })
        .join(name)
}

/// Packages from an index are not built in; a connector that names some must not be built without them.
fn check_packages(folder: &Path) -> Result<(), BuildError> {
    if !folder.join("requirements.txt").exists() {
        return Ok(());
    }
    Err(BuildError::Source(vec![Diagnostic {
        file: "requirements.txt".to_owned(),
        line: 0,
        column: 0,
        code: Some("FF-BLD-007".to_owned()),
        message: "packages from an index cannot be built in yet".to_owned(),
        mend: Some("copy modules that are pure Python into src/, and remove this file".to_owned()),
    }]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_gives_file_and_line() {
        assert_eq!(
            frame("  File \"/2/connector.py\", line 3, in <module>"),
            Some(("connector.py".to_owned(), 3))
        );
        assert_eq!(
            frame("  File \"/2/sub/part.py\", line 12, in f"),
            Some(("sub/part.py".to_owned(), 12))
        );
        assert_eq!(frame("    import x"), None);
    }
}
