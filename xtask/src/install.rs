//! `cargo xtask install`: `flowforge` and `flowforge-host` on the path, the first-party connectors where they look.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{build, tools, ui};

const PROGRAMS: [&str; 2] = ["flowforge", "flowforge-host"];

/// Installs into cargo's own place. `--debug` takes the development profile, which is quicker to build.
pub(crate) fn command(flags: &[&str]) -> Result<ExitCode> {
    let survey = tools::survey();
    if !survey.report() {
        return Ok(ExitCode::from(2));
    }
    let workspace = Workspace::find()?;
    let root = install_root()?;
    let (profile, folder): (&[&str], _) = if flags.contains(&"--debug") {
        (&[], "debug")
    } else {
        (&["--release"], "release")
    };
    // Chosen in the whole workspace, so that what another command has built is not built again in another form.
    let selection = [
        &["--workspace"],
        profile,
        &["--bin", PROGRAMS[0], "--bin", PROGRAMS[1]],
    ]
    .concat();
    ui::build(&workspace)?;
    workspace.build("flowforge, flowforge-host", &selection)?;
    for program in PROGRAMS {
        let built = workspace.target().join(folder).join(program);
        replace(&built, &root.join("bin"), program)?;
    }
    tools::add_wasm_target();
    let flowforge = root.join("bin/flowforge");
    build::connectors(&workspace, &flowforge, &root.join("share/flowforge/components"))?;
    println!(
        "installed flowforge and flowforge-host into {}",
        root.join("bin").display()
    );
    if !on_path(&root.join("bin")) {
        println!(
            "that folder is not on the path: export PATH=\"{}:$PATH\"",
            root.join("bin").display()
        );
    }
    println!("next: flowforge dev");
    Ok(ExitCode::SUCCESS)
}

/// Puts a program in its place in one step: one that is running keeps its file.
fn replace(built: &Path, folder: &Path, name: &str) -> Result<()> {
    let unfinished = folder.join(format!(".{name}.new"));
    fs::create_dir_all(folder)
        .and_then(|()| fs::copy(built, &unfinished))
        .and_then(|_| fs::rename(&unfinished, folder.join(name)))
        .with_context(|| format!("cannot write {}", folder.join(name).display()))
}

fn install_root() -> Result<PathBuf> {
    env::var_os("CARGO_INSTALL_ROOT")
        .or_else(|| env::var_os("CARGO_HOME"))
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")))
        .context("neither CARGO_HOME nor HOME is set, so there is no place to install to")
}

fn on_path(folder: &Path) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|entry| entry == folder))
}
