//! `flowforge expr`: the expression language, from the evaluator itself.

use anyhow::Result;
use clap::Subcommand;
use flowforge_workflow::expr_help;
use serde_json::Value;

use crate::args::Global;
use crate::output::{Exit, next, result};
use crate::say;

/// Learn the expression language
#[derive(Debug, Subcommand)]
#[command(
    disable_help_subcommand = true,
    after_help = "Example:\n  flowforge expr help join"
)]
pub(crate) enum ExprCommand {
    /// List everything that an expression can use, each with an example and its value
    #[command(after_help = "Example:\n  flowforge expr help join")]
    Help {
        /// Only entries that hold this text
        text: Option<String>,
    },
}

/// Runs the command.
pub(crate) fn run(command: ExprCommand, global: &Global) -> Result<Exit> {
    let ExprCommand::Help { text } = command;
    let wanted = text.unwrap_or_default().to_lowercase();
    let entries: Vec<_> = expr_help()
        .iter()
        .filter(|entry| {
            format!("{} {}", entry.form, entry.summary)
                .to_lowercase()
                .contains(&wanted)
        })
        .collect();
    let listed: Value = serde_json::to_value(&entries)?;
    result(global, &listed, |_| {
        for entry in &entries {
            say!("{}", entry.form);
            say!("    {}", entry.summary);
            match entry.value {
                Some(value) => say!("    {} → {value}", entry.example),
                None => say!("    {}", entry.example),
            }
        }
        if entries.is_empty() {
            say!("nothing with `{wanted}`; see all: flowforge expr help");
        }
    });
    if !entries.is_empty() {
        next(global, "flowforge workflow lint FOLDER");
    }
    Ok(if entries.is_empty() {
        Exit::Failed
    } else {
        Exit::Done
    })
}
