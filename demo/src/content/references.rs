//! The secrets and databases that notebooks reference: made up, but used as real ones would be.

/// A secret that a notebook's embed may use.
pub(crate) struct Secret {
    pub(crate) name: &'static str,
    value: &'static str,
}

/// A database, and the answer to the one query that the embeds run on it.
pub(crate) struct Database {
    pub(crate) name: &'static str,
    pub(crate) query: &'static str,
    pub(crate) columns: &'static [&'static str],
    pub(crate) rows: &'static [&'static [&'static str]],
}

/// How much of a secret's end an embed shows.
const SHOWN_CHARS: usize = 4;
/// How every demonstration secret begins, which therefore need not be hidden.
const DEMO_PREFIX: &str = "demo-token-";

const SECRETS: &[Secret] = &[
    Secret { name: "WEATHER_TOKEN", value: "demo-token-9c41d07be2a6" },
    Secret { name: "ARCHIVE_TOKEN", value: "demo-token-3fb85a10c7d9" },
    Secret { name: "LAB_TOKEN", value: "demo-token-60e2479ab1f3" },
    Secret { name: "SURVEY_TOKEN", value: "demo-token-d8135cf0947e" },
];

const DATABASES: &[Database] = &[
    Database {
        name: "stations",
        query: "select station, elevation_m, rain_mm from readings order by station",
        columns: &["station", "elevation_m", "rain_mm"],
        rows: &[&["harbour", "4", "37"], &["lighthouse", "31", "29"], &["quarry", "118", "52"]],
    },
    Database {
        name: "archive",
        query: "select year, rain_mm from weeks where week = 31 order by year",
        columns: &["year", "rain_mm"],
        rows: &[&["2022", "18"], &["2023", "41"], &["2024", "25"]],
    },
    Database {
        name: "inventory",
        query: "select shelf, boxes from stock order by shelf",
        columns: &["shelf", "boxes"],
        rows: &[&["A", "14"], &["B", "9"], &["C", "22"], &["D", "6"]],
    },
];

/// The secret with this name.
pub(crate) fn secret(name: &str) -> Option<&'static Secret> {
    SECRETS.iter().find(|secret| secret.name == name)
}

/// The database with this name.
pub(crate) fn database(name: &str) -> Option<&'static Database> {
    DATABASES.iter().find(|database| database.name == name)
}

impl Secret {
    /// Enough of the value to see that it is there, and no more.
    pub(crate) fn masked(&self) -> String {
        let end = self.value.char_indices().rev().nth(SHOWN_CHARS - 1).map_or(0, |(start, _)| start);
        format!("{DEMO_PREFIX}…{}", &self.value[end..])
    }
}

#[cfg(test)]
mod tests {
    use super::secret;

    #[test]
    fn a_secret_is_shown_by_its_ends() {
        let shown = secret("WEATHER_TOKEN").map(super::Secret::masked);
        assert_eq!(shown.as_deref(), Some("demo-token-…e2a6"));
    }
}
