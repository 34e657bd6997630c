//! What a notebook is.

use std::fmt;

/// A notebook: an id that never changes, and its versions from 1 upward.
pub(crate) struct Notebook {
    pub(crate) id: &'static str,
    /// Version `n` is at position `n - 1`.
    pub(crate) versions: &'static [Edition],
}

/// One version of a notebook.
pub(crate) struct Edition {
    pub(crate) title: &'static str,
    /// In an order in which each cell follows those that it reads.
    pub(crate) cells: &'static [Cell],
    /// The secrets that this version uses, by name.
    pub(crate) secrets: &'static [&'static str],
    /// The databases that this version queries, by name.
    pub(crate) databases: &'static [&'static str],
}

/// A named value that other cells may read.
pub(crate) struct Cell {
    pub(crate) name: &'static str,
    pub(crate) formula: Formula,
}

/// What a cell computes. Written once, so that the module which a browser runs and the page which the server
/// renders cannot disagree; whole numbers only, for the same reason.
pub(crate) enum Formula {
    /// A text.
    Text(&'static str),
    /// A series of measurements.
    Numbers(&'static [i64]),
    /// The number of the version that is read.
    Version,
    /// The sum of a series.
    Sum(&'static str),
    /// The largest number of a series.
    Largest(&'static str),
    /// How many numbers a series has.
    Count(&'static str),
    /// One number times another.
    Product(&'static str, &'static str),
}

/// What a cell comes to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(&'static str),
    Number(i64),
    Numbers(&'static [i64]),
}

impl Notebook {
    /// The version `number`, counted from 1.
    pub(crate) fn edition(&self, number: u32) -> Option<&'static Edition> {
        let position = usize::try_from(number).ok()?.checked_sub(1)?;
        self.versions.get(position)
    }
}

impl Formula {
    /// The names of the cells that it reads.
    pub(crate) fn inputs(&self) -> Vec<&'static str> {
        match self {
            Self::Text(_) | Self::Numbers(_) | Self::Version => Vec::new(),
            Self::Sum(series) | Self::Largest(series) | Self::Count(series) => vec![series],
            Self::Product(left, right) => vec![left, right],
        }
    }
}

impl Edition {
    /// Each cell's name and value, or nothing if a cell reads one that is not there or is of another type.
    pub(crate) fn evaluate(&self, version: u32) -> Option<Vec<(&'static str, Value)>> {
        let mut values: Vec<(&'static str, Value)> = Vec::with_capacity(self.cells.len());
        for cell in self.cells {
            let value = evaluate(&cell.formula, version, &values)?;
            values.push((cell.name, value));
        }
        Some(values)
    }
}

fn evaluate(formula: &Formula, version: u32, values: &[(&str, Value)]) -> Option<Value> {
    let find = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
    let series = |name| if let Some(Value::Numbers(series)) = find(name) { Some(*series) } else { None };
    let number = |name| if let Some(Value::Number(number)) = find(name) { Some(*number) } else { None };
    Some(match formula {
        Formula::Text(text) => Value::Text(text),
        Formula::Numbers(numbers) => Value::Numbers(numbers),
        Formula::Version => Value::Number(version.into()),
        Formula::Sum(name) => Value::Number(series(name)?.iter().sum()),
        Formula::Largest(name) => Value::Number(series(name)?.iter().copied().max()?),
        Formula::Count(name) => Value::Number(i64::try_from(series(name)?.len()).ok()?),
        Formula::Product(left, right) => Value::Number(number(left)?.checked_mul(number(right)?)?),
    })
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Numbers(numbers) => {
                let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
                f.write_str(&numbers.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::content::notebooks::NOTEBOOKS;
    use crate::content::references::{database, secret};

    #[test]
    fn every_version_can_be_computed_and_differs_from_the_one_before() {
        for notebook in NOTEBOOKS {
            let mut before = None;
            for (number, edition) in (1..).zip(notebook.versions) {
                let values = edition.evaluate(number);
                let values = values.unwrap_or_else(|| panic!("{}@{number} does not compute", notebook.id));
                assert!(values.iter().any(|(name, _)| *name == "answer"), "{}@{number}", notebook.id);
                assert_ne!(Some(&values), before.as_ref());
                before = Some(values);
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        for edition in NOTEBOOKS.iter().flat_map(|notebook| notebook.versions) {
            assert!(edition.secrets.iter().all(|name| secret(name).is_some()), "{}", edition.title);
            assert!(edition.databases.iter().all(|name| database(name).is_some()), "{}", edition.title);
        }
    }
}
