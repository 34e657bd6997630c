//! How far long work has come, on a terminal.

use std::io::{IsTerminal, Write};

/// Characters of the bar.
const WIDTH: u64 = 30;

/// A bar on standard error, if that is a terminal; nothing otherwise.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    total: u64,
    shown: bool,
}

impl Progress {
    /// A bar up to this total.
    #[must_use]
    pub fn new(what: &'static str, total: u64) -> Self {
        Self { what, total, shown: std::io::stderr().is_terminal() }
    }

    /// Shows that so much is done.
    pub fn at(&self, done: u64) {
        if self.shown {
            // A bar that cannot be drawn is no reason to stop.
            let _ = write!(std::io::stderr(), "\r{}", self.text(done));
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }

    fn text(&self, done: u64) -> String {
        let full = (done * WIDTH).checked_div(self.total).unwrap_or(WIDTH).min(WIDTH);
        let (full, empty) = ("█".repeat(cells(full)), "░".repeat(cells(WIDTH - full)));
        format!("{} {full}{empty} {done} of {}", self.what, self.total)
    }
}

fn cells(n: u64) -> usize {
    usize::try_from(n).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills() {
        let bar = Progress { what: "Importing", total: 200, shown: false };
        assert_eq!(bar.text(0), format!("Importing {} 0 of 200", "░".repeat(30)));
        assert_eq!(bar.text(100), format!("Importing {}{} 100 of 200", "█".repeat(15), "░".repeat(15)));
        assert_eq!(bar.text(200), format!("Importing {} 200 of 200", "█".repeat(30)));
        let nothing = Progress { total: 0, ..bar };
        assert!(nothing.text(0).contains('█'));
    }
}
