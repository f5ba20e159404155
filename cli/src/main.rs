//! `flowforge`: one command for builders, authors, publishers and operators.
//!
//! Owns: what is typed and what is printed. Leaves to others: everything that is true. Each file under `commands/` is
//! one word of the command line; what they share is beside this file. Results go to stdout, everything else to stderr.
//! Exit: 0 done, 1 failed, 2 wrongly used.

use std::process::ExitCode;

use clap::Parser as _;

mod args;
mod commands;
mod connectors;
mod describe;
mod key_files;
mod keys;
mod live;
mod output;
mod pages;
mod personal_keys;
mod publisher_keys;
mod result_lines;
mod screen;
mod signing;
mod table;
mod time;

use args::{Cli, Command, Global};
use output::Exit;

/// The planes allocate many small values for every step; this allocator was measured to take less of the processor.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A connector is compiled in a process of its own, which is this program with one hidden word.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == flowforge_runtime::COMPILE_ARGUMENT)
    {
        return flowforge_runtime::compile_worker_main();
    }
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("flowforge: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(run(cli));
    if let Some(kind) = output::unwritten() {
        eprintln!("error: the result cannot be written: {kind}");
        return ExitCode::FAILURE;
    }
    match outcome {
        Ok(exit) => exit.code(),
        Err(error) => output::report(&error),
    }
}

async fn run(cli: Cli) -> anyhow::Result<Exit> {
    let global: Global = cli.global;
    match cli.command {
        Command::Dev(args) => commands::dev::run(args, &global).await,
        Command::Server(args) => commands::server::run(*args, &global).await,
        Command::Connector(command) => commands::connector::run(command, &global).await,
        Command::Bundle(command) => commands::bundle::run(command, &global).await,
        Command::Publisher(command) => commands::publisher::run(command, &global).await,
        Command::Registry(command) => commands::registry::run(command, &global).await,
        Command::Secret(command) => commands::secret::run(command, &global).await,
        Command::Workflow(command) => commands::workflow::run(command, &global).await,
        Command::Run(command) => commands::run::run(command, &global).await,
        Command::Approval(command) => commands::approval::run(command, &global).await,
        Command::Login(args) => commands::login::login(args, &global).await,
        Command::Logout => commands::login::logout(&global).await,
        Command::Context(command) => commands::login::context(&command, &global),
        Command::Account(command) => commands::account::account(command, &global).await,
        Command::Token(command) => commands::account::token(command, &global).await,
        Command::Member(command) => commands::member::run(command, &global).await,
        Command::Schedule(command) => commands::schedule::run(command, &global).await,
        Command::Trigger(command) => commands::trigger::run(command, &global).await,
        Command::Webhook(command) => commands::webhook::run(command, &global).await,
        Command::Endpoint(command) => commands::endpoint::run(command, &global).await,
        Command::Audit(command) => commands::audit::run(command, &global).await,
        Command::Host(command) => commands::host::run(command, &global).await,
        Command::Expr(command) => commands::expr::run(command, &global),
    }
}
