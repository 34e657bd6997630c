//! `claviger keys`: one file for each command.

mod change;
mod create;
mod delete;
mod enable;
mod import;
mod list;
mod rotate;
mod rows;
mod show;

use clap::Subcommand;

/// What to do with keys.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  claviger keys create 'CI runner' --for project:proj_… --scope run:create --expires 90d
  claviger keys list --status active
  claviger keys rotate key_… --overlap 24h
  claviger keys disable key_…

`claviger keys create --help` and so on have more for each command.")]
pub enum Keys {
    /// Create a key. It is shown once and never again.
    Create(create::Create),
    /// List keys, the newest first.
    List(list::List),
    /// Show everything that is known of a key.
    Show(show::Show),
    /// Give a key another name.
    Rename(change::Rename),
    /// Disable a key: it is refused until it is enabled again.
    Disable(change::Disable),
    /// Enable keys that were disabled.
    Enable(enable::Enable),
    /// Replace a key by a new one with the same rights.
    Rotate(rotate::Rotate),
    /// Delete a key. Nothing of it remains but its history.
    Delete(delete::Delete),
    /// Take over keys from elsewhere, from a CSV or JSON Lines file.
    Import(import::Import),
}

impl Keys {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Create(command) => command.run().await,
            Self::List(command) => command.run().await,
            Self::Show(command) => command.run().await,
            Self::Rename(command) => command.run().await,
            Self::Disable(command) => command.run().await,
            Self::Enable(command) => command.run().await,
            Self::Rotate(command) => command.run().await,
            Self::Delete(command) => command.run().await,
            Self::Import(command) => command.run().await,
        }
    }
}
