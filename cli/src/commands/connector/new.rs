//! `flowforge connector new`: a folder to begin with.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use flowforge_connector_build::{Kind, NewError, Template, scaffold};
use serde_json::json;

use crate::args::Global;
use crate::output::{Exit, Usage, next, result};
use crate::say;

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// Name of the connector, `publisher:name`
    #[arg(value_name = "NAME")]
    name: String,
    /// What it is written in
    #[arg(long, value_name = "LANGUAGE")]
    lang: Lang,
    /// What its operation is for
    #[arg(long, value_name = "KIND", default_value = "action")]
    kind: KindArg,
    /// Folder to write; without it, the second half of the name, here
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// What a connector is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lang {
    /// A crate; needs cargo
    Rust,
    /// TypeScript; needs Node
    #[value(name = "ts")]
    TypeScript,
    /// JavaScript, checked by its comments; needs Node
    #[value(name = "js")]
    JavaScript,
    /// Python; needs Python 3
    Python,
}

/// What the operation of a new connector is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindArg {
    /// It is a step of a workflow
    Action,
    /// It finds events that begin runs, when it is asked; not in js
    PollTrigger,
    /// It reads requests that begin runs; not in js
    WebhookTrigger,
}

impl KindArg {
    fn kind(self) -> Kind {
        match self {
            Self::Action => Kind::Action,
            Self::PollTrigger => Kind::PollTrigger,
            Self::WebhookTrigger => Kind::WebhookTrigger,
        }
    }
}

impl Lang {
    fn template(self) -> Template {
        match self {
            Self::Rust => Template::Rust,
            Self::TypeScript => Template::TypeScript,
            Self::JavaScript => Template::JavaScript,
            Self::Python => Template::Python,
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &NewArgs, global: &Global) -> Result<Exit> {
    let short = args.name.rsplit(':').next().unwrap_or(&args.name);
    let folder = args.folder.clone().unwrap_or_else(|| PathBuf::from(short));
    let template = args.lang.template();
    let files = scaffold(&args.name, template, args.kind.kind(), &folder).map_err(|error| match error {
        NewError::Write(error) => anyhow::Error::from(error),
        wrong => Usage(wrong.to_string()).into(),
    })?;
    let answer = json!({ "name": args.name, "folder": folder, "source": template.source(), "files": files });
    result(global, &answer, |_| {
        say!("{}/  {}", folder.display(), files.join("  "));
        say!(
            "  {} is what runs, wit/world.wit says what it offers",
            template.source()
        );
    });
    next(global, &format!("flowforge connector test {}", folder.display()));
    Ok(Exit::Done)
}
