//! The words of the command line and the flags that every command understands.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use flowforge_client::{Api, Context};

use crate::commands;

/// Durable, signed workflow runs on machines you own.
#[derive(Debug, Parser)]
#[command(
    name = "flowforge",
    version,
    after_help = "Example:\n  flowforge dev\n\nExit: 0 done, 1 failed, 2 wrongly used."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that every command understands.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Address of the control plane; without it, the one last started by this user
    #[arg(long, global = true, value_name = "URL", env = "FLOWFORGE_SERVER")]
    pub(crate) server: Option<String>,
    /// The `client.json` of a server's data folder, with its address and its owner's keys; or the name of a context that was
    /// kept, see `flowforge context list`
    #[arg(long, global = true, value_name = "FILE", env = "FLOWFORGE_CONTEXT")]
    pub(crate) context: Option<PathBuf>,
    /// How results are printed
    #[arg(long, global = true, value_name = "FORM", default_value = "text")]
    pub(crate) output: Form,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For people
    Text,
    /// For programs: one JSON value
    Json,
}

impl Global {
    /// The control plane that is meant.
    pub(crate) fn context(&self) -> anyhow::Result<Context> {
        Ok(Context::resolve(self.server.as_deref(), self.context.as_deref())?)
    }

    /// A client of the control plane that is meant.
    pub(crate) fn api(&self) -> anyhow::Result<Api> {
        Ok(Api::new(self.context()?)?)
    }

    /// Whether a program reads the output.
    pub(crate) fn json(&self) -> bool {
        self.output == Form::Json
    }
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start everything in one process, for development on this machine
    Dev(commands::dev::DevArgs),
    /// Start a control plane with its registry; hosts join it
    Server(Box<commands::server::ServerArgs>),
    /// Begin, build, test, look at and publish connectors
    #[command(
        subcommand,
        after_help = "Example:\n  flowforge connector inspect flowforge:http"
    )]
    Connector(commands::connector::ConnectorCommand),
    /// Carry connectors in a file to a site that no network reaches
    #[command(
        subcommand,
        after_help = "Example:\n  flowforge bundle export --out connectors.tar"
    )]
    Bundle(commands::bundle::BundleCommand),
    /// See and change who publishes connectors
    #[command(subcommand, after_help = "Example:\n  flowforge publisher show acme")]
    Publisher(commands::publisher::PublisherCommand),
    /// See and change who comes to the registry
    #[command(subcommand, after_help = "Example:\n  flowforge registry access")]
    Registry(commands::registry::RegistryCommand),
    /// Keep the secrets that workflows use
    #[command(subcommand, after_help = "Example:\n  flowforge secret list")]
    Secret(commands::secret::SecretCommand),
    /// Check and publish workflows
    #[command(
        subcommand,
        after_help = "Example:\n  flowforge workflow lint examples/earthquake-watch"
    )]
    Workflow(commands::workflow::WorkflowCommand),
    /// Start and follow runs
    #[command(subcommand, after_help = "Example:\n  flowforge run show last")]
    Run(commands::run::RunCommand),
    /// See when runs start by themselves
    #[command(subcommand, after_help = "Example:\n  flowforge schedule list")]
    Schedule(commands::schedule::ScheduleCommand),
    /// See the triggers whose events a connector finds, and stop them
    #[command(subcommand, after_help = "Example:\n  flowforge trigger list")]
    Trigger(commands::trigger::TriggerCommand),
    /// See what came to webhooks, and have it done once more
    #[command(subcommand, after_help = "Example:\n  flowforge webhook deliveries")]
    Webhook(commands::webhook::WebhookCommand),
    /// Keep webhook endpoints, to which events are sent, and see what went out
    #[command(subcommand, after_help = "Example:\n  flowforge endpoint list")]
    Endpoint(commands::endpoint::EndpointCommand),
    /// Answer what runs ask people
    #[command(subcommand, after_help = "Example:\n  flowforge approval list")]
    Approval(commands::approval::ApprovalCommand),
    /// Sign in at a control plane, or use a one-time link
    Login(commands::login::LoginArgs),
    /// Sign out: the session ends, and nothing is shown any more
    #[command(after_help = "Example:\n  flowforge logout")]
    Logout,
    /// See and choose the control planes that were signed in to
    #[command(subcommand, after_help = "Example:\n  flowforge context use plant-a")]
    Context(commands::login::ContextCommand),
    /// See and keep your own account
    #[command(subcommand, after_help = "Example:\n  flowforge account show")]
    Account(commands::account::AccountCommand),
    /// Keep API tokens for programs
    #[command(
        subcommand,
        after_help = "Example:\n  flowforge token make ci --permission read --permission run"
    )]
    Token(commands::account::TokenCommand),
    /// See, invite and dismiss the people who use this control plane
    #[command(
        subcommand,
        after_help = "Example:\n  flowforge member invite --role operator"
    )]
    Member(commands::member::MemberCommand),
    /// See who did what
    #[command(subcommand, after_help = "Example:\n  flowforge audit list")]
    Audit(commands::audit::AuditCommand),
    /// See, invite and dismiss the hosts that execute runs
    #[command(subcommand, after_help = "Example:\n  flowforge host list")]
    Host(commands::host::HostCommand),
    /// Learn the expression language
    #[command(subcommand)]
    Expr(commands::expr::ExprCommand),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn helps(command: &mut clap::Command, out: &mut Vec<(String, String)>) {
        let name = command.get_bin_name().unwrap_or("flowforge").replace(' ', "-");
        // The environment of the machine does not belong into a snapshot, the width neither.
        out.push((
            name,
            command
                .clone()
                .mut_args(|arg| arg.hide_env_values(true))
                .term_width(100)
                .render_long_help()
                .to_string(),
        ));
        let is_claps = |sub: &clap::Command| {
            sub.get_about()
                .is_some_and(|about| about.to_string().starts_with("Print this"))
        };
        for sub in command.get_subcommands_mut().filter(|sub| !is_claps(sub)) {
            helps(sub, out);
        }
    }

    #[test]
    fn every_help_reads_as_reviewed() {
        let mut command = Cli::command();
        command.build();
        let mut all = Vec::new();
        helps(&mut command, &mut all);
        assert!(all.len() > 20, "{}", all.len());
        for (name, text) in all {
            insta::assert_snapshot!(name, text);
        }
    }

    #[test]
    fn every_command_has_an_example() {
        let mut command = Cli::command();
        command.build();
        let mut all = Vec::new();
        helps(&mut command, &mut all);
        for (name, text) in &all {
            assert!(text.contains("Example:\n  flowforge"), "{name} has no example");
        }
    }
}
