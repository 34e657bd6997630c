//! The claviger program.

mod arguments;
mod clock;
mod commands;
mod config;
mod descriptors;
mod exit;
mod output;
mod remote;
mod server;
mod serving;
mod telemetry;

use std::process::ExitCode;
use std::sync::LazyLock;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// API keys for your product: create, manage and verify them, and guard your API with them.
#[derive(Parser)]
#[command(
    name = "claviger",
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    after_help = AFTER_HELP.as_str(),
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What to try first, and how commands end.
static AFTER_HELP: LazyLock<String> = LazyLock::new(|| format!("{EXAMPLES}\n\n{}", exit::HELP));

const EXAMPLES: &str = "\
Examples:
  claviger demo
      everything at once, on sample data: look around, leave nothing behind
  claviger serve
      the real thing, with everything kept in ./claviger-data
  claviger keys create 'CI runner' --for project:proj_… --scope run:create --expires 90d
      with the operator key of ./claviger-data, or the one in CLAVIGER_KEY
  claviger explain key.txt --action notebook:read --target notebook:5e1f0c3a
      why a key may or may not do something

Keys are read from files, from standard input or from CLAVIGER_KEY, never from arguments: every user of \
the machine can see those.";

#[derive(Subcommand)]
enum Command {
    /// Run the authority: the API, the gateway and the admin listener.
    Serve(commands::serve::Serve),
    /// Run everything on sample data, with a sample application behind the gateway.
    Demo(commands::demo::Demo),
    /// Show what the key that you call with is, and what it may do.
    Whoami(commands::whoami::Whoami),
    /// Create, list, change, rotate, delete and import keys.
    #[command(subcommand)]
    Keys(commands::keys::Keys),
    /// Check what a key is worth.
    Verify(commands::verify::VerifyKey),
    /// Say step by step why a key may or may not do something.
    Explain(commands::explain::Explain),
    /// Show who did what, with which key, from where.
    History(commands::history::History),
    /// Copy the database to a file, also while `claviger serve` runs.
    Backup(commands::backup::Backup),
    /// Put a backup in the place of the database.
    Restore(commands::restore::Restore),
    /// Look at an installation and say what to do.
    Doctor(commands::doctor::Doctor),
    /// Recover the operator key of an installation.
    #[command(subcommand)]
    Operator(commands::operator::Operator),
    /// Print the completions for a shell.
    Completions(commands::completions::Completions),
    /// Write the manual pages to a folder.
    Man(commands::man::Man),
}

fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| arguments::without_secrets(error).exit());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("claviger: the threads could not be started: {error}");
            return ExitCode::from(exit::Code::Failure as u8);
        }
    };
    match runtime.block_on(run(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error),
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(serve) => serve.run().await,
        Command::Demo(demo) => demo.run().await,
        Command::Whoami(whoami) => whoami.run().await,
        Command::Keys(keys) => keys.run().await,
        Command::Verify(verify) => verify.run().await,
        Command::Explain(explain) => explain.run().await,
        Command::History(history) => history.run().await,
        Command::Backup(backup) => backup.run(),
        Command::Restore(restore) => restore.run().await,
        Command::Doctor(doctor) => doctor.run(),
        Command::Operator(operator) => operator.run().await,
        Command::Completions(completions) => completions.run(),
        Command::Man(man) => man.run(),
    }
}
