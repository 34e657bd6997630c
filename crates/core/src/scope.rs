//! Scopes and actions: `type:action`.
//!
//! No scope implies another, and an empty set allows nothing. `*` as an action covers every action of its
//! type; `*` as a type covers every type but the control types, which have to be named.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::limit::{SCOPE_WORD_BYTES_MAX, SCOPES_MAX};

/// Types that belong to Claviger itself. `*` never covers them, and no resource may be of such a type.
pub const CONTROL_TYPES: [&str; 7] = ["key", "account", "team", "project", "resource", "history", "operator"];

/// Whether the type belongs to Claviger itself.
#[must_use]
pub fn is_control_type(kind: &str) -> bool {
    CONTROL_TYPES.contains(&kind)
}

/// Whether this is a word as either side of a scope may be: `[a-z][a-z0-9_-]{0,31}`.
#[must_use]
pub fn is_word(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!(bytes.first(), Some(b'a'..=b'z'))
        && bytes.len() <= SCOPE_WORD_BYTES_MAX
        && bytes.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

/// Why a text is not a scope, an action or a set of scopes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Not of the form `type:action`.
    #[error(
        "a scope is `type:action`, each side `*` or a lower-case word of at most 32 characters, such as `notebook:read`"
    )]
    Malformed,
    /// An action has to be concrete.
    #[error(
        "an action is `type:action`, each side a lower-case word of at most 32 characters, such as `notebook:read`; `*` is for scopes only"
    )]
    NotAnAction,
    /// Too many.
    #[error("a key has at most {SCOPES_MAX} scopes")]
    TooMany,
}

/// What a request wants to do: a concrete `type:action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Action<'a> {
    kind: &'a str,
    verb: &'a str,
}

impl<'a> Action<'a> {
    /// Reads `type:action`.
    ///
    /// # Errors
    /// [`ScopeError::NotAnAction`] unless both sides are concrete words.
    pub fn parse(text: &'a str) -> Result<Self, ScopeError> {
        match text.split_once(':') {
            Some((kind, verb)) if is_word(kind) && is_word(verb) => Ok(Self { kind, verb }),
            _ => Err(ScopeError::NotAnAction),
        }
    }

    /// An action that is known to be well formed because it stands in the code.
    #[must_use]
    pub const fn literal(kind: &'a str, verb: &'a str) -> Self {
        Self { kind, verb }
    }

    /// The type.
    #[must_use]
    pub const fn kind(&self) -> &'a str {
        self.kind
    }

    /// What is done to it.
    #[must_use]
    pub const fn verb(&self) -> &'a str {
        self.verb
    }

    /// Whether it only reads.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.verb == "read"
    }
}

impl fmt::Display for Action<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.verb)
    }
}

/// One scope: `type:action`, where either side may be `*`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    text: Box<str>,
    colon: u8,
}

impl Scope {
    /// The type, or `*`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.text[..usize::from(self.colon)]
    }

    /// The action, or `*`.
    #[must_use]
    pub fn verb(&self) -> &str {
        &self.text[usize::from(self.colon) + 1..]
    }

    /// The text `type:action`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this scope allows the action.
    #[must_use]
    pub fn covers(&self, action: &Action<'_>) -> bool {
        let kind = match self.kind() {
            "*" => !is_control_type(action.kind),
            kind => kind == action.kind,
        };
        kind && matches!(self.verb(), verb if verb == "*" || verb == action.verb)
    }

    /// Whether everything that `other` allows is allowed by this scope, too.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        let kind = match (self.kind(), other.kind()) {
            ("*", "*") => true,
            ("*", kind) => !is_control_type(kind),
            (mine, theirs) => mine == theirs,
        };
        kind && (self.verb() == "*" || self.verb() == other.verb())
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let side = |word: &str| word == "*" || is_word(word);
        match text.split_once(':') {
            Some((kind, verb)) if side(kind) && side(verb) => {
                // A word has at most 32 bytes, so the colon's place fits.
                Ok(Self {
                    text: text.into(),
                    colon: u8::try_from(kind.len()).map_err(|_| ScopeError::Malformed)?,
                })
            }
            _ => Err(ScopeError::Malformed),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The scopes of a key, sorted, each once. The empty set allows nothing.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct ScopeSet(Arc<[Scope]>);

impl ScopeSet {
    /// The set of these scopes.
    ///
    /// # Errors
    /// [`ScopeError::TooMany`] beyond [`SCOPES_MAX`].
    pub fn new(mut scopes: Vec<Scope>) -> Result<Self, ScopeError> {
        scopes.sort_unstable();
        scopes.dedup();
        if scopes.len() > SCOPES_MAX { Err(ScopeError::TooMany) } else { Ok(Self(scopes.into())) }
    }

    /// Reads scopes from texts.
    ///
    /// # Errors
    /// The first text that is not a scope, or too many.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, ScopeError> {
        Self::new(texts.into_iter().map(str::parse).collect::<Result<_, _>>()?)
    }

    /// Whether some scope allows the action.
    #[must_use]
    pub fn cover(&self, action: &Action<'_>) -> bool {
        self.0.iter().any(|scope| scope.covers(action))
    }

    /// Whether everything that `other` allows is allowed by this set, too.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        other.0.iter().all(|theirs| self.0.iter().any(|mine| mine.includes(theirs)))
    }

    /// The scopes, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is allowed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, scope) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str(" ")?;
            }
            f.write_str(&scope.text)?;
        }
        Ok(())
    }
}

impl fmt::Debug for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(text: &str) -> ScopeSet {
        ScopeSet::parse(text.split_whitespace()).unwrap()
    }

    #[test]
    fn coverage() {
        let check = |scopes: &str, action: &str, expect: bool| {
            assert_eq!(set(scopes).cover(&Action::parse(action).unwrap()), expect, "[{scopes}] {action}");
        };
        check("", "notebook:read", false);
        check("notebook:read", "notebook:read", true);
        check("notebook:write", "notebook:read", false);
        check("*:read", "notebook:read", true);
        check("*:read", "notebook:write", false);
        check("notebook:*", "notebook:write", true);
        check("*:*", "run:create", true);
        for kind in CONTROL_TYPES {
            check("*:*", &format!("{kind}:read"), false);
            check(&format!("{kind}:*"), &format!("{kind}:read"), true);
        }
    }

    #[test]
    fn malformed_texts() {
        for text in [
            "", ":", "a", "a:", ":a", "A:read", "a:read:x", "1a:read", "a b:read", "**:read", "a:re*",
            "é:read",
        ] {
            assert_eq!(text.parse::<Scope>(), Err(ScopeError::Malformed), "{text:?}");
        }
        assert!(format!("{}:read", "a".repeat(32)).parse::<Scope>().is_ok());
        assert!(format!("{}:read", "a".repeat(33)).parse::<Scope>().is_err());
        assert!(Action::parse("*:read").is_err() && Action::parse("a:*").is_err());
        let many = (0..=SCOPES_MAX).map(|n| format!("a{n}:read")).collect::<Vec<_>>();
        assert_eq!(ScopeSet::parse(many.iter().map(String::as_str)), Err(ScopeError::TooMany));
    }

    fn word() -> impl Strategy<Value = String> {
        prop_oneof!["[a-c]", Just("key".to_owned()), Just("history".to_owned())]
    }

    fn scope() -> impl Strategy<Value = Scope> {
        let side = || prop_oneof![3 => word(), 1 => Just("*".to_owned())];
        (side(), side()).prop_map(|(kind, verb)| format!("{kind}:{verb}").parse().unwrap())
    }

    fn scopes() -> impl Strategy<Value = ScopeSet> {
        proptest::collection::vec(scope(), 0..5).prop_map(|scopes| ScopeSet::new(scopes).unwrap())
    }

    proptest! {
        /// Narrowing never widens: what an included set covers, the including set covers, too.
        #[test]
        fn an_included_set_covers_no_more(wide in scopes(), narrow in scopes(), kind in word(), verb in word()) {
            let action = Action { kind: &kind, verb: &verb };
            if wide.includes(&narrow) && narrow.cover(&action) {
                prop_assert!(wide.cover(&action));
            }
        }

        #[test]
        fn inclusion_is_reflexive_and_transitive(a in scopes(), b in scopes(), c in scopes()) {
            prop_assert!(a.includes(&a) && a.includes(&ScopeSet::default()));
            if a.includes(&b) && b.includes(&c) {
                prop_assert!(a.includes(&c));
            }
        }

        #[test]
        fn removing_a_scope_never_widens(full in scopes(), drop in 0_usize..5) {
            let mut rest = full.iter().cloned().collect::<Vec<_>>();
            if drop < rest.len() {
                rest.remove(drop);
            }
            prop_assert!(full.includes(&ScopeSet::new(rest).unwrap()));
        }

        #[test]
        fn text_round_trips(scope in scope()) {
            prop_assert_eq!(scope.to_string().parse::<Scope>().unwrap(), scope);
        }
    }
}
