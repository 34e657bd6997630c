//! What is wrong with a configuration: all of it, each with its place.

/// What is wrong, in the order in which it was found.
#[derive(Debug, Default)]
pub(super) struct Mistakes(Vec<String>);

impl Mistakes {
    /// Adds one: where, and what is wrong and to be written instead.
    pub(super) fn add(&mut self, place: impl std::fmt::Display, complaint: impl std::fmt::Display) {
        self.0.push(format!("{place}: {complaint}"));
    }

    /// Each, as one line.
    #[cfg(test)]
    pub(super) fn texts(&self) -> &[String] {
        &self.0
    }

    /// How many there are so far.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// What came of it, if nothing is wrong.
    pub(super) fn or<T>(self, value: T) -> Result<T, ConfigError> {
        if self.0.is_empty() { Ok(value) } else { Err(ConfigError(self.0)) }
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
