//! What is wrong with a configuration: all of it, each with its place.

/// A place, and its line if it is in the file.
pub(super) struct Named {
    pub(super) text: String,
    pub(super) line: usize,
}

impl From<&str> for Named {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), line: 0 }
    }
}

/// What is wrong, in the order in which it was found.
#[derive(Debug, Default)]
pub(super) struct Mistakes(Vec<(usize, String)>);

impl Mistakes {
    /// Adds one: where, and what is wrong and to be written instead.
    pub(super) fn add(&mut self, place: impl Into<Named>, complaint: impl std::fmt::Display) {
        let Named { text, line } = place.into();
        self.0.push((line, format!("{text}: {complaint}")));
    }

    /// How many there are so far.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Each, as one line: those of variables and flags, and then those of the file from its beginning on.
    pub(super) fn texts(mut self) -> Vec<String> {
        self.0.sort_by_key(|(line, _)| *line);
        self.0.into_iter().map(|(_, text)| text).collect()
    }

    /// What came of it, if nothing is wrong.
    pub(super) fn or<T>(self, value: T) -> Result<T, ConfigError> {
        if self.0.is_empty() { Ok(value) } else { Err(ConfigError(self.texts())) }
    }
}

/// What is wrong with the configuration: one line for each mistake.
#[derive(Debug)]
pub struct ConfigError(Vec<String>);

impl ConfigError {
    /// With this one mistake.
    pub fn new(text: impl Into<String>) -> Self {
        Self(vec![text.into()])
    }

    /// Both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.0 {
            [one] => f.write_str(one),
            all => {
                write!(f, "{} mistakes in the configuration", all.len())?;
                all.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
            }
        }
    }
}

impl std::error::Error for ConfigError {}
