//! What was found on the way to a verdict, so that "why was this refused?" can always be answered.

use std::fmt;

use super::{Access, Refusal};
use crate::selector::Version;

/// One finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// There was no credential.
    NoCredential,
    /// The key is not known.
    KeyUnknown,
    /// An account is signed in.
    SignedIn,
    /// The key is active and not past its date.
    KeyActive,
    /// The key is disabled.
    KeyDisabled,
    /// The key is past its date.
    KeyExpired,
    /// The key was replaced without an overlap.
    KeyRetired,
    /// What the key stands for was closed.
    HolderClosed,
    /// The address is outside the key's blocks.
    AddressOutside,
    /// The origin is not one of the key's.
    OriginOutside,
    /// The route, or the action, needs a credential.
    CredentialRequired,
    /// The target does not exist, or its holder was closed.
    Unknown,
    /// The resource has no such version.
    NoSuchVersion,
    /// No version was named: this is the latest.
    Latest(Version),
    /// The version is public.
    Public,
    /// The version is not public.
    NotPublic,
    /// The credential reaches the target, this strongly.
    Reaches(Access),
    /// The credential does not reach the target.
    NotReached,
    /// The action needs more.
    Needs(Access),
    /// A scope covers the action.
    ScopeCovers,
    /// No scope covers the action.
    ScopeMissing,
    /// Keys of this kind do not work in embeds.
    KindNotForEmbeds,
    /// A resource key needs a resource as the target.
    TargetRequired,
    /// The key is for another resource.
    AnotherResource,
    /// The version is outside the key's selector.
    VersionNotSelected,
    /// Resource keys only read their resource.
    ResourceKeysRead,
    /// Operator keys reach control types only.
    OperatorsRunOnly,
    /// This is for operator keys.
    NotAnOperator,
    /// The credential is good, but only what everybody may do is done with it.
    AsAnonymous,
}

impl Reason {
    /// Its stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoCredential => "no_credential",
            Self::KeyUnknown => "key_unknown",
            Self::SignedIn => "signed_in",
            Self::KeyActive => "key_active",
            Self::KeyDisabled => "key_disabled",
            Self::KeyExpired => "key_expired",
            Self::KeyRetired => "key_retired",
            Self::HolderClosed => "holder_closed",
            Self::AddressOutside => "address_outside",
            Self::OriginOutside => "origin_outside",
            Self::CredentialRequired => "credential_required",
            Self::Unknown => "unknown",
            Self::NoSuchVersion => "no_such_version",
            Self::Latest(_) => "latest",
            Self::Public => "public",
            Self::NotPublic => "not_public",
            Self::Reaches(_) => "reaches",
            Self::NotReached => "not_reached",
            Self::Needs(_) => "needs_more",
            Self::ScopeCovers => "scope_covers",
            Self::ScopeMissing => "scope_missing",
            Self::KindNotForEmbeds => "kind_not_for_embeds",
            Self::TargetRequired => "target_required",
            Self::AnotherResource => "another_resource",
            Self::VersionNotSelected => "version_not_selected",
            Self::ResourceKeysRead => "resource_keys_read",
            Self::OperatorsRunOnly => "operators_run_only",
            Self::NotAnOperator => "not_an_operator",
            Self::AsAnonymous => "as_anonymous",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::NoCredential => "no credential was presented",
            Self::KeyUnknown => "the key is not known: mistyped, deleted, or never issued here",
            Self::SignedIn => "the account is signed in and open",
            Self::KeyActive => "the key is active and not expired",
            Self::KeyDisabled => "the key is disabled",
            Self::KeyExpired => "the key has expired",
            Self::KeyRetired => "the key was replaced by another one",
            Self::HolderClosed => "the account, team or project it stands for was closed",
            Self::AddressOutside => "the address is outside the key's restrictions, or was not stated",
            Self::OriginOutside => "the origin is outside the key's restrictions, or was not stated",
            Self::CredentialRequired => "this cannot be done without a credential",
            Self::Unknown => "the target does not exist, or its holder was closed",
            Self::NoSuchVersion => "the resource has no such version",
            Self::Latest(version) => return write!(f, "no version was named; the latest is {version}"),
            Self::Public => "the version is public",
            Self::NotPublic => "the version is not public",
            Self::Reaches(Access::Administer) => "the credential reaches the target and may administer it",
            Self::Reaches(Access::Write) => "the credential reaches the target and may read and write it",
            Self::Reaches(_) => "the credential reaches the target and may read it",
            Self::NotReached => "the credential does not reach the target",
            Self::Needs(Access::Administer) => "the action is for those who administer the target",
            Self::Needs(_) => "the action needs the right to write",
            Self::ScopeCovers => "a scope covers the action",
            Self::ScopeMissing => "no scope covers the action",
            Self::KindNotForEmbeds => "keys of accounts, teams and projects do not work in embeds",
            Self::TargetRequired => "a resource key needs a resource as the target",
            Self::AnotherResource => "the key is for another resource",
            Self::VersionNotSelected => "the version is outside those the key selects",
            Self::ResourceKeysRead => "a resource key only reads its resource",
            Self::OperatorsRunOnly => "operator keys reach control types only",
            Self::NotAnOperator => "this is for operator keys",
            Self::AsAnonymous => "what anonymous callers may do is allowed, as anonymous",
        };
        f.write_str(text)
    }
}

/// The findings, in order. Kept in place: verification allocates nothing.
#[derive(Clone, Copy, Default)]
pub struct Reasons {
    found: [Option<Reason>; Self::MOST],
    count: usize,
}

impl Reasons {
    /// The longest way to a verdict finds seven things; one to spare.
    const MOST: usize = 8;

    pub(super) fn push(&mut self, reason: Reason) {
        if let Some(slot) = self.found.get_mut(self.count) {
            *slot = Some(reason);
            self.count += 1;
        }
    }

    /// Notes why, and passes the refusal on.
    pub(super) fn because(&mut self, reason: Reason, refusal: Refusal) -> Refusal {
        self.push(reason);
        refusal
    }

    /// The findings, in order.
    pub fn iter(&self) -> impl Iterator<Item = Reason> {
        self.found.iter().flatten().copied()
    }
}

impl fmt::Debug for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
