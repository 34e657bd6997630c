//! Variables of the environment that begin with `CLAVIGER_`. An empty one counts as unset, everywhere.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use super::mistake::{ConfigError, Mistakes};
use super::setting::{SECTIONS, TOP, VARIABLES};

const PREFIX: &str = "CLAVIGER_";
/// What this repository's own tests and chores read.
const DEVELOPMENT: [&str; 2] = ["CLAVIGER_TEST_", "CLAVIGER_DENY"];

/// The variables that are set, and not empty.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self::of(std::env::vars_os())
    }

    fn of(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let ours = variables.into_iter().filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| name.starts_with(PREFIX))?;
            (!value.is_empty()).then_some((name, value))
        });
        Self(ours.collect())
    }

    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(name).map(OsString::as_os_str)
    }

    /// The value of a variable, as text.
    ///
    /// # Errors
    /// It is not text.
    pub fn text(&self, name: &str) -> Result<Option<&str>, ConfigError> {
        match self.get(name).map(OsStr::to_str) {
            None => Ok(None),
            Some(Some(text)) => Ok(Some(text)),
            Some(None) => Err(ConfigError::new(format!("{name}: this is not text in UTF-8"))),
        }
    }

    /// Whether every variable is one that means something.
    ///
    /// # Errors
    /// Those that do not.
    pub fn checked(&self) -> Result<(), ConfigError> {
        let mut mistakes = Mistakes::default();
        self.check(&mut mistakes);
        mistakes.or(())
    }

    /// Finds variables that are no setting: a typing error must not go unnoticed.
    pub(super) fn check(&self, mistakes: &mut Mistakes) {
        for (name, value) in &self.0 {
            if !is_known(name) && !is_somebody_elses(name, value) {
                mistakes.add(name.as_str(), complaint(name));
            }
        }
    }
}

fn known() -> impl Iterator<Item = &'static str> {
    TOP.iter().filter_map(|setting| setting.variable).chain(VARIABLES.iter().map(|variable| variable.name))
}

fn is_known(name: &str) -> bool {
    known().any(|known| known == name)
}

/// Kubernetes and Docker announce a service that is called `claviger` to every container beside it, as
/// `CLAVIGER_SERVICE_HOST`, `CLAVIGER_PORT_8400_TCP` and so on.
fn is_somebody_elses(name: &str, value: &OsStr) -> bool {
    let link = value
        .to_str()
        .is_some_and(|value| ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme)));
    let of_port = name.split_once("_PORT_").is_some_and(|(_, rest)| {
        let (port, protocol) = rest.split_once('_').unwrap_or((rest, ""));
        port.parse::<u16>().is_ok() && ["TCP", "UDP", "SCTP"].iter().any(|known| protocol.starts_with(known))
    });
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && link)
        || of_port
        || DEVELOPMENT.iter().any(|prefix| name.starts_with(prefix))
}

fn complaint(name: &str) -> String {
    let word = name.strip_prefix(PREFIX).unwrap_or(name).to_ascii_lowercase();
    let of_file = SECTIONS.iter().find(|section| {
        word.strip_prefix(section.name).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    });
    if let Some(section) = of_file {
        return format!(
            "this is set in the configuration file only, under {}; unset the variable",
            section.header
        );
    }
    // `CLAVIGER_LOG_LEVEL` is probably `CLAVIGER_LOG`.
    let longer = || known().filter(|known| name.starts_with(known)).max_by_key(|known| known.len());
    match nearest(name, known()).or_else(longer) {
        Some(nearest) => format!("unknown variable; did you mean {nearest}? Otherwise unset it"),
        None => "unknown variable; unset it. docs/CONFIGURATION.md lists all of them".to_owned(),
    }
}

/// The name that was probably meant, if one is near enough.
#[must_use]
pub fn nearest(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    // `trusted_proxy` is meant to be `trusted_proxies`.
    let plural = name.strip_suffix('y').map(|stem| format!("{stem}ies"));
    let plural = plural.or_else(|| name.strip_suffix('Y').map(|stem| format!("{stem}IES")));
    let far = |known: &str| {
        let plural = plural.as_deref().map_or(usize::MAX, |plural| distance(plural, known));
        distance(name, known).min(plural)
    };
    let near = known.map(|known| (far(known), known)).min()?;
    // A third of a short name would fit anything.
    (near.0 <= 2.min(name.len() / 3)).then_some(near.1)
}

/// How many characters to add, drop or change (Levenshtein). Both names are short.
fn distance(a: &str, b: &str) -> usize {
    let b = b.chars().collect::<Vec<_>>();
    let mut row = (0..=b.len()).collect::<Vec<_>>();
    for (n, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], n + 1);
        for (m, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[m + 1];
            row[m + 1] = changed.min(row[m] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        Self::of(variables.map(|(name, value)| (name.into(), value.into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_and_means_nothing_is_found() {
        let check = |name: &str, value: &str, expect: &str| {
            let mut mistakes = Mistakes::default();
            Environment::from([(name, value)]).check(&mut mistakes);
            let said = mistakes.texts().join("\n");
            assert!(said.contains(expect) && said.is_empty() == expect.is_empty(), "{name}: {said}");
            assert!(!said.contains("sk_secret"), "{said}");
        };
        check("CLAVIGER_LOG", "info", "");
        check("CLAVIGER_TRUSTED_PROXIES", "10.0.0.5", "");
        check("CLAVIGER_LISTN", "sk_secret", "did you mean CLAVIGER_LISTEN?");
        check("CLAVIGER_LOG_LEVEL", "debug", "did you mean CLAVIGER_LOG?");
        check("CLAVIGER_TRUSTED_PROXY", "10.0.0.5", "did you mean CLAVIGER_TRUSTED_PROXIES?");
        check("CLAVIGER_FRIENDLY", "sk_secret", "CLAVIGER_FRIENDLY: unknown variable; unset it");
        check("CLAVIGER_FRIENDLY", "", "");
        check("CLAVIGER_ROUTES", "[]", "in the configuration file only, under [[routes]]");
        check("CLAVIGER_LEAKS_ONLY_TOLD", "account", "under [leaks]");
        // A service called `claviger`, or `claviger-api`, in the same namespace.
        check("CLAVIGER_SERVICE_HOST", "10.96.0.7", "");
        check("CLAVIGER_API_SERVICE_PORT_HTTP", "8400", "");
        check("CLAVIGER_PORT", "tcp://10.96.0.7:8400", "");
        check("CLAVIGER_PORT", "8400", "unknown variable");
        check("CLAVIGER_PORT_8400_TCP_ADDR", "10.96.0.7", "");
    }
}
