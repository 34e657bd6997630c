//! `claviger man`

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Command, CommandFactory};

/// Write the manual pages, one for each command, to a folder.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  claviger man ~/.local/share/man/man1
  man claviger-keys-create")]
pub struct Man {
    /// The folder; it is made if it does not exist.
    folder: PathBuf,
}

impl Man {
    /// Writes them.
    pub fn run(self) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.folder).with_context(|| self.folder.display().to_string())?;
        let mut program = crate::Cli::command();
        // Gives each command its whole name and its usage line.
        program.build();
        let mut count = 0;
        self.write(&program, "claviger", &mut count)?;
        eprintln!("{count} pages are in {}.", self.folder.display());
        Ok(())
    }

    fn write(&self, command: &Command, name: &str, count: &mut u32) -> anyhow::Result<()> {
        let mut page = Vec::new();
        clap_mangen::Man::new(command.clone()).render(&mut page)?;
        let path = self.folder.join(format!("{name}.1"));
        std::fs::write(&path, page).with_context(|| path.display().to_string())?;
        *count += 1;
        for inner in
            command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help")
        {
            self.write(inner, &format!("{name}-{}", inner.get_name()), count)?;
        }
        Ok(())
    }
}
