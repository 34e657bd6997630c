//! What the history records of a route.

use claviger_core::scope::Action;
use http::Method;

/// What the history records of a route. Refusals with a known key are recorded in any case, within limits, so
/// that the request id of an answer leads to the reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// Every request.
    All,
    /// What changes something: by the action of the route, or, where it has none, by the method.
    Writes,
    /// Nothing.
    Off,
}

impl Recorded {
    /// Reads the word of the configuration.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        match word {
            "all" => Some(Self::All),
            "writes" => Some(Self::Writes),
            "off" => Some(Self::Off),
            _ => None,
        }
    }

    /// Whether a request of this kind is recorded if it is allowed.
    pub(super) fn takes(self, action: Option<Action<'_>>, method: &Method) -> bool {
        match self {
            Self::All => true,
            Self::Off => false,
            Self::Writes => match action {
                Some(action) => !action.is_read(),
                None => !method.is_safe(),
            },
        }
    }
}
