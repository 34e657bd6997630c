//! Colours, for terminals only.

use std::io::IsTerminal;

/// A colour that means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// As it is.
    Plain,
    /// Headings.
    Bold,
    /// What matters less.
    Dim,
    /// Good.
    Green,
    /// To be looked at.
    Yellow,
    /// Bad.
    Red,
}

impl Colour {
    /// Select Graphic Rendition (ECMA-48, section 8.3.117).
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Red => "31",
        }
    }
}

/// A text and its colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Styled {
    /// The text.
    pub text: String,
    /// Its colour.
    pub colour: Colour,
}

impl Styled {
    /// This text in this colour. What would move the cursor or ring the bell is replaced: names come from
    /// others.
    pub fn new(text: impl AsRef<str>, colour: Colour) -> Self {
        let harmless = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        Self { text: text.as_ref().chars().map(harmless).collect(), colour }
    }

    /// The text, coloured if that is wanted.
    #[must_use]
    pub fn paint(&self, colours: bool) -> String {
        match self.colour {
            Colour::Plain => self.text.clone(),
            _ if !colours => self.text.clone(),
            colour => format!("\x1b[{}m{}\x1b[0m", colour.code(), self.text),
        }
    }
}

impl<T: AsRef<str>> From<T> for Styled {
    fn from(text: T) -> Self {
        Self::new(text, Colour::Plain)
    }
}

/// Whether colours are wanted: on a terminal that knows them, unless `NO_COLOR` says otherwise
/// (<https://no-color.org>).
pub(super) fn wanted() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    std::io::stdout().is_terminal() && !set("NO_COLOR") && !dumb
}
