//! A run that was started or is looked at: followed to its end, or left with the command that does so.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use flowforge_client::Api;
use serde_json::Value;

use crate::args::Global;
use crate::commands::asked::{exit_of, fetch, parse_duration};
use crate::live::{self, Watched};
use crate::output::{Exit, next, number, result, short, text};
use crate::{result_lines, say};

/// Which version of a workflow is meant.
#[derive(Debug, Args)]
pub(crate) struct Version {
    /// Version; without it, the newest
    #[arg(long, value_name = "NUMBER")]
    pub(crate) version: Option<u32>,
}

/// Whether a run is followed, and how long.
#[derive(Debug, Args)]
pub(crate) struct Follow {
    /// Follow it until it ends
    #[arg(long)]
    wait: bool,
    /// With --wait: give up after this long, for example 90s or 10m; the run goes on
    #[arg(long, value_name = "TIME", requires = "wait")]
    timeout: Option<String>,
}

/// How a run is followed, with a time that was understood.
pub(crate) struct Following {
    /// Whether it is.
    pub(crate) wait: bool,
    timeout: Option<Duration>,
}

impl Follow {
    /// Reads the time: before anything is started.
    pub(crate) fn read(&self) -> Result<Following> {
        let timeout = self.timeout.as_deref();
        let timeout = timeout
            .map(|given| parse_duration("--timeout", given))
            .transpose()?;
        Ok(Following {
            wait: self.wait,
            timeout,
        })
    }
}

impl Following {
    /// Follows a run that was just started; without `--wait` it says which run that is, and how to follow it.
    pub(crate) async fn begun(&self, global: &Global, api: &Api, run: Value) -> Result<Exit> {
        if self.wait {
            return self.to_the_end(global, api, run).await;
        }
        result(global, &run, started);
        let command = format!("flowforge run show {} --wait", short(text(&run, "/id")));
        next(global, &command);
        Ok(Exit::Done)
    }

    /// Follows a run to its end, or until the time is up or Ctrl-C is pressed.
    pub(crate) async fn to_the_end(&self, global: &Global, api: &Api, run: Value) -> Result<Exit> {
        let id = text(&run, "/id").to_owned();
        match live::watch(api, run, !global.json(), self.timeout).await? {
            Watched::Ended(run) => {
                result(global, &run, |run| {
                    result_lines::of(run).iter().for_each(|line| say!("{line}"))
                });
                Ok(exit_of(&run))
            }
            Watched::Left(why) => {
                if global.json() {
                    result(global, &fetch(api, &id).await?, |_| {});
                }
                eprintln!("{why}; the run goes on: flowforge run show {} --wait", short(&id));
                Ok(Exit::Failed)
            }
        }
    }
}

fn started(run: &Value) {
    say!(
        "run {} · {} v{}",
        short(text(run, "/id")),
        text(run, "/workflow"),
        number(run, "/version")
    );
}
