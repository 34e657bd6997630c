//! Why a request is refused.

use super::Access;
use crate::restriction::Restricted;

/// Why a request is refused. The edge maps each to a status in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// There is no credential, and one is needed.
    CredentialsRequired,
    /// The credential is not known: never issued, mistyped or deleted.
    InvalidKey,
    /// The key is disabled, or what it stands for was closed.
    KeyDisabled,
    /// The key has expired.
    KeyExpired,
    /// The key was replaced without an overlap.
    KeyRetired,
    /// The key may not be used from there.
    Restricted(Restricted),
    /// The target is known to the caller, but something is missing.
    Forbidden(Missing),
    /// A resource key was used without a resource.
    TargetRequired,
    /// There is no such target, or the caller may not know of it.
    NotFound,
}

/// What a caller lacks on a target that it may know of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Missing {
    /// A scope that covers the action.
    Scope,
    /// A role, or a kind of key, with this access.
    Access(Access),
    /// The version is outside the key's selector.
    Version,
    /// Only operator keys do this.
    Operator,
    /// Operator keys do not do this.
    NotForOperators,
    /// Only owners of the team and operators do this.
    Owner,
    /// The caller would win rights that it does not have: these.
    Right(Right),
    /// A key that stands in public pages does not end itself.
    ResourceKeyDeletesItself,
}

/// A right that a caller would win for itself or others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Right {
    /// Scopes that it does not have.
    Scopes,
    /// Verification of keys, which only operators grant.
    Verify,
    /// Grants, which only resource keys carry.
    Grants,
    /// A date after its own.
    Expiry,
    /// Freedom from its own restrictions.
    Restrictions,
    /// Versions of a resource that it does not reach.
    Versions,
    /// More uses than its own rate or quota allows, in all.
    Uses,
    /// A role that gives more than it has.
    Role,
    /// A role that administers.
    Administration,
}

impl Refusal {
    /// Whether the credential itself is refused, whatever is asked.
    #[must_use]
    pub const fn is_of_the_credential(self) -> bool {
        match self {
            Self::CredentialsRequired
            | Self::InvalidKey
            | Self::KeyDisabled
            | Self::KeyExpired
            | Self::KeyRetired
            | Self::Restricted(_) => true,
            Self::Forbidden(_) | Self::TargetRequired | Self::NotFound => false,
        }
    }

    /// The stable code of the answer.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::CredentialsRequired => "credentials_required",
            Self::InvalidKey => "invalid_key",
            Self::KeyDisabled => "key_disabled",
            Self::KeyExpired => "key_expired",
            Self::KeyRetired => "key_retired",
            Self::Restricted(_) => "restricted",
            Self::Forbidden(_) => "forbidden",
            Self::TargetRequired => "target_required",
            Self::NotFound => "not_found",
        }
    }

    /// What the caller is told, for an action that it asked for. It says what to do, never what it may not know.
    #[must_use]
    pub fn detail(self, action: &str) -> String {
        match self {
            Self::CredentialsRequired => "This needs a credential. Send an API key, for example as `Authorization: Bearer KEY`.".into(),
            Self::InvalidKey => "This key is not known here. It may be mistyped, or it was deleted.".into(),
            Self::KeyDisabled => {
                "This key is disabled. Its managers can set it back to active, unless its account, team or project was closed.".into()
            }
            Self::KeyExpired => "This key has expired. Create a new one, or ask one of its managers to change its date.".into(),
            Self::KeyRetired => "This key was replaced by another one. Use the key that replaces it, or ask a manager of the key for a new one.".into(),
            Self::Restricted(Restricted::Address) => "This key may not be used from this address.".into(),
            Self::Restricted(Restricted::Origin) => "This key may not be used from this origin.".into(),
            Self::TargetRequired => "A key of one resource is good for that resource only: name it as the target.".into(),
            Self::NotFound => "There is nothing here, or nothing that this credential may know of.".into(),
            Self::Forbidden(missing) => missing.detail(action),
        }
    }
}

impl Missing {
    fn detail(self, action: &str) -> String {
        match self {
            Self::Scope => format!("This key lacks a scope that covers `{action}`."),
            Self::Access(Access::Administer) => format!("Only those who administer the target may use `{action}`."),
            Self::Access(_) => format!("`{action}` needs more than the right to read the target."),
            Self::Version => "This version is outside those that the key was made for.".into(),
            Self::Operator => format!("Only operator keys may use `{action}`."),
            Self::NotForOperators => "Operator keys manage Claviger; they never reach what it protects.".into(),
            Self::Owner => "Only owners, signed in, and operator keys make owners of a team or take owners out.".into(),
            Self::ResourceKeyDeletesItself => {
                "A key of one resource stands in public pages, so it cannot delete itself; its managers can delete it.".into()
            }
            Self::Right(right) => format!("A key cannot give or win more than it has itself: {}.", right.detail()),
        }
    }
}

impl Right {
    const fn detail(self) -> &'static str {
        match self {
            Self::Scopes => "the caller lacks some of these `scopes`",
            Self::Verify => "`key:verify` is granted by operators only",
            Self::Grants => "only people and operators give `grants`; say `\"grants\": []`",
            Self::Expiry => "the caller expires earlier; give an `expires_at` that is not later than its own",
            Self::Restrictions => "the caller has `restrictions` that the other key would not have",
            Self::Versions => {
                "the caller does not reach all of these versions; select, or open, only those that it can read"
            }
            Self::Uses => {
                "the caller has a rate or a quota, which another key would multiply; use a key without one"
            }
            Self::Role => {
                "this role has more than the caller's `scopes`, it does not end, and it has no `restrictions`; people and operators give it"
            }
            Self::Administration => "only people and operators give a role that administers",
        }
    }
}
