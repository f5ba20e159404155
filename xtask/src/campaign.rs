//! `cargo xtask campaign`: proofs that take longer than a test may.
//!
//! A campaign is a program `campaign_NAME` of `tests/`, or the one of the interface, which is a script. It says its progress on stderr and its result on stdout; the
//! result goes to `docs/campaigns/NAME.md` with the machine, the commit and the command, also when it is a bad one.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::machine::{commit, machine, today};
use crate::postgres::{self, Cluster};
use crate::progress::spoken;
use crate::workspace::Workspace;
use crate::{build, tools, ui};

/// Begins the names of the programs.
const PREFIX: &str = "campaign_";

/// The campaign that drives a browser.
const BUILDER: &str = "builder";
/// Campaigns that need a PostgreSQL.
const WITH_DATABASE: [&str; 1] = ["servers"];

/// What was asked for.
struct Wanted<'a> {
    name: &'a str,
    seed: Option<&'a str>,
    budget: Option<&'a str>,
}

/// Runs the campaign that the words name; without a name, lists them.
pub(crate) fn command(words: &[&str]) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let Some((name, flags)) = words.split_first() else {
        list(workspace.root())?;
        return Ok(ExitCode::from(2));
    };
    let wanted = wanted(name, flags)?;
    let survey = tools::survey();
    if !survey.report() {
        return Ok(ExitCode::from(2));
    }
    let mut command = program(&workspace, &wanted)?;
    // It ends with the campaign.
    let cluster = WITH_DATABASE.contains(name).then(Cluster::start).transpose()?;
    command.envs(
        cluster
            .as_ref()
            .map(|cluster| (postgres::VARIABLE, cluster.address())),
    );
    let started = Instant::now();
    let (passed, said) = run(&mut command)?;
    drop(cluster);
    let file = workspace.root().join(format!("docs/campaigns/{name}.md"));
    let command = ["cargo", "xtask", "campaign"].iter().chain(words).copied();
    let report = format!(
        "# Campaign `{name}`: {}\n\n| | |\n|---|---|\n| command | `{}` |\n| machine | {} |\n| commit | {} |\n\
         | date | {} |\n| took | {} |\n\n{}\n",
        if passed { "passed" } else { "FAILED" },
        command.collect::<Vec<_>>().join(" "),
        machine(),
        commit(workspace.root()),
        today(),
        spoken(started.elapsed()),
        said.trim_end()
    );
    fs::create_dir_all(file.parent().context("the report has no folder")?)?;
    fs::write(&file, report).with_context(|| format!("cannot write {}", file.display()))?;
    println!(
        "\n{} · {}",
        if passed { "passed" } else { "FAILED" },
        file.display()
    );
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn wanted<'a>(name: &'a str, flags: &[&'a str]) -> Result<Wanted<'a>> {
    let mut wanted = Wanted {
        name,
        seed: None,
        budget: None,
    };
    let mut flags = flags.iter();
    while let Some(flag) = flags.next() {
        let place = match *flag {
            "--seed" => &mut wanted.seed,
            // What is counted has a name of its own in one campaign.
            "--budget" | "--images" => &mut wanted.budget,
            other => {
                bail!("`{other}` is not understood here; there are --seed N and --budget N (or --images N)")
            }
        };
        let value = flags.next().with_context(|| format!("{flag} needs a number"))?;
        value
            .parse::<u64>()
            .with_context(|| format!("{flag} {value}: not a whole number"))?;
        *place = Some(value);
    }
    Ok(wanted)
}

/// The built program, told what was asked for.
fn program(workspace: &Workspace, wanted: &Wanted<'_>) -> Result<Command> {
    if wanted.name == BUILDER {
        build::everything(workspace)?;
        return ui::campaign(workspace);
    }
    let program = format!("{PREFIX}{}", wanted.name);
    if !programs(workspace.root())?.contains(&program) {
        list(workspace.root())?;
        bail!("there is no campaign `{}`", wanted.name);
    }
    build::everything(workspace)?;
    let environment: [(&str, OsString); 2] = [
        ("FLOWFORGE_COMPONENTS", workspace.components().into()),
        ("FLOWFORGE_PROGRAMS", workspace.programs().into()),
    ];
    let mut command = Command::new(workspace.programs().join(&program));
    command.current_dir(workspace.root()).envs(environment);
    for (flag, value) in [("--seed", wanted.seed), ("--budget", wanted.budget)] {
        command.args(value.map(|value| [flag, value]).into_iter().flatten());
    }
    Ok(command)
}

/// Runs it; what it prints is shown and kept.
fn run(command: &mut Command) -> Result<(bool, String)> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let output = child.stdout.take().context("the campaign has no output")?;
    let mut said = String::new();
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        said.push_str(&line);
        said.push('\n');
    }
    Ok((child.wait()?.success(), said))
}

fn list(root: &Path) -> Result<()> {
    println!("Usage: cargo xtask campaign NAME [--seed N] [--budget N]\n\nCampaigns:");
    for program in programs(root)? {
        let source = fs::read_to_string(root.join(format!("tests/src/bin/{program}.rs")))?;
        let first = source.lines().next().unwrap_or_default();
        let what = first.split_once("`: ").map_or(first, |(_, what)| what);
        println!("  {:<10} {what}", program.trim_start_matches(PREFIX));
    }
    println!("  {BUILDER:<10} seconds and frames of the interface, by Chromium's own trace");
    Ok(())
}

fn programs(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join("tests/src/bin"))? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if name.starts_with(PREFIX) {
            names.push(name.into_owned());
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_and_budget_are_whole_numbers() {
        let good = wanted("kills", &["--seed", "7", "--budget", "20"]).unwrap();
        assert_eq!((good.seed, good.budget), (Some("7"), Some("20")));
        assert_eq!(wanted("crashes", &["--images", "9"]).unwrap().budget, Some("9"));
        for bad in [&["--seed"][..], &["--seed", "x"], &["--speed", "1"]] {
            assert!(wanted("kills", bad).is_err(), "{bad:?}");
        }
    }
}
