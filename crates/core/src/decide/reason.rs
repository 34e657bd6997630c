//! What was found on the way to a verdict, so that "why was this refused?" can always be answered.

use std::fmt;

use super::{Access, Refusal};
use crate::quota::Metered;
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
    OwnerClosed,
    /// The address is outside the key's blocks.
    AddressOutside,
    /// The origin is not one of the key's.
    OriginOutside,
    /// The route, or the action, needs a credential.
    CredentialRequired,
    /// The target does not exist, or its owner was closed.
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
    /// There is no such target, or the credential may not know of it: which of the two stays hidden.
    NotFound,
    /// The key's rate allows this use, and so many more right now.
    WithinRate(u32),
    /// The key was used as often as its rate allows.
    RateExceeded,
    /// The key's quota allows this use, and so many more in this period.
    WithinQuota(u32),
    /// The key was used as often as its quota allows.
    QuotaExceeded,
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
            Self::OwnerClosed => "owner_closed",
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
            Self::NotFound => "not_found",
            Self::WithinRate(_) => "within_rate",
            Self::RateExceeded => "rate_exceeded",
            Self::WithinQuota(_) => "within_quota",
            Self::QuotaExceeded => "quota_exceeded",
        }
    }
}

impl Reason {
    /// Every finding that says nothing more than its code.
    const PLAIN: [Self; 28] = [
        Self::NoCredential,
        Self::KeyUnknown,
        Self::SignedIn,
        Self::KeyActive,
        Self::KeyDisabled,
        Self::KeyExpired,
        Self::OwnerClosed,
        Self::AddressOutside,
        Self::OriginOutside,
        Self::CredentialRequired,
        Self::Unknown,
        Self::NoSuchVersion,
        Self::Public,
        Self::NotPublic,
        Self::NotReached,
        Self::ScopeCovers,
        Self::ScopeMissing,
        Self::KindNotForEmbeds,
        Self::TargetRequired,
        Self::AnotherResource,
        Self::VersionNotSelected,
        Self::ResourceKeysRead,
        Self::OperatorsRunOnly,
        Self::NotAnOperator,
        Self::AsAnonymous,
        Self::NotFound,
        Self::RateExceeded,
        Self::QuotaExceeded,
    ];

    /// Whether it says something about the credential and the question alone, and nothing about what exists.
    const fn is_about_the_asker(self) -> bool {
        !matches!(
            self,
            Self::Unknown
                | Self::NoSuchVersion
                | Self::Latest(_)
                | Self::Public
                | Self::NotPublic
                | Self::Reaches(_)
                | Self::NotReached
                | Self::Needs(_)
        )
    }

    /// The finding as the store keeps it: its code, and after a `=` what else it says.
    #[must_use]
    pub fn to_word(self) -> String {
        let code = self.code();
        match self {
            Self::Latest(version) => format!("{code}={version}"),
            Self::Reaches(access) | Self::Needs(access) => format!("{code}={}", access.as_str()),
            Self::WithinRate(left) | Self::WithinQuota(left) => format!("{code}={left}"),
            _ => code.to_owned(),
        }
    }

    /// Reads what [`Reason::to_word`] wrote.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        let Some((code, value)) = word.split_once('=') else {
            return Self::PLAIN.into_iter().find(|reason| reason.code() == word);
        };
        match code {
            "latest" => value.parse().ok().and_then(Version::new).map(Self::Latest),
            "reaches" => Access::from_word(value).map(Self::Reaches),
            "needs_more" => Access::from_word(value).map(Self::Needs),
            "within_rate" => value.parse().ok().map(Self::WithinRate),
            "within_quota" => value.parse().ok().map(Self::WithinQuota),
            _ => None,
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
            Self::OwnerClosed => "the account, team or project it stands for was closed",
            Self::AddressOutside => "the address is outside the key's restrictions, or was not stated",
            Self::OriginOutside => "the origin is outside the key's restrictions, or was not stated",
            Self::CredentialRequired => "this cannot be done without a credential",
            Self::Unknown => "the target does not exist, or its owner was closed",
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
            Self::NotFound => "there is no such target or version, or this credential may not know of it",
            Self::WithinRate(left) => return write!(f, "the key's rate allows it; {left} more right now"),
            Self::RateExceeded => "the key was used as often as its rate allows",
            Self::WithinQuota(left) => {
                return write!(f, "the key's quota allows it; {left} more in this period");
            }
            Self::QuotaExceeded => "the key was used as often as its quota allows",
            Self::AsAnonymous => "what anonymous callers may do is allowed, as anonymous",
        };
        f.write_str(text)
    }
}

/// The findings, in order. Kept in place: verification allocates nothing.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Reasons {
    found: [Option<Reason>; Self::MOST],
    count: usize,
}

impl Reasons {
    /// The longest way to a verdict finds seven things, and two are said of rate and quota; one to spare.
    const MOST: usize = 10;

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

    /// Notes what rate and quota of a key say.
    pub fn meter(&mut self, metered: &Metered) {
        match metered.rate {
            Some(rate) if rate.allowed => self.push(Reason::WithinRate(rate.remaining)),
            Some(_) => self.push(Reason::RateExceeded),
            None => {}
        }
        match metered.quota {
            Some(quota) if quota.allowed => self.push(Reason::WithinQuota(quota.remaining)),
            Some(_) => self.push(Reason::QuotaExceeded),
            None => {}
        }
    }

    /// The findings for someone who must not learn what exists. If the outcome is "not found", everything
    /// that was found out about the target is replaced by [`Reason::NotFound`], so the findings about a hidden
    /// target and about one that does not exist are the same.
    #[must_use]
    pub fn without_existence(self, outcome_is_not_found: bool) -> Self {
        if !outcome_is_not_found {
            return self;
        }
        let mut shown = Self::default();
        for reason in self.iter().filter(|reason| reason.is_about_the_asker()) {
            shown.push(reason);
        }
        if shown.count < self.count {
            shown.push(Reason::NotFound);
        }
        shown
    }

    /// Whether nothing was found.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
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

impl FromIterator<Reason> for Reasons {
    fn from_iter<I: IntoIterator<Item = Reason>>(reasons: I) -> Self {
        let mut all = Self::default();
        reasons.into_iter().for_each(|reason| all.push(reason));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: [Reason; 7] = [
        Reason::Latest(Version::FIRST),
        Reason::Reaches(Access::None),
        Reason::Reaches(Access::Read),
        Reason::Needs(Access::Write),
        Reason::Needs(Access::Administer),
        Reason::WithinRate(3),
        Reason::WithinQuota(u32::MAX),
    ];

    #[test]
    fn words_are_read_back() {
        for reason in Reason::PLAIN.into_iter().chain(SOME) {
            assert_eq!(Reason::from_word(&reason.to_word()), Some(reason));
        }
        for word in ["", "latest", "latest=0", "reaches=all", "within_rate=-1", "key_active=1"] {
            assert_eq!(Reason::from_word(word), None, "{word}");
        }
        let mut codes = Reason::PLAIN.map(Reason::code).to_vec();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Reason::PLAIN.len());
    }

    #[test]
    fn a_hidden_target_is_explained_like_a_missing_one() {
        let shown = |reasons: &[Reason]| {
            let reasons = reasons.iter().copied().collect::<Reasons>().without_existence(true);
            reasons.iter().map(Reason::code).collect::<Vec<_>>()
        };
        let missing = shown(&[Reason::KeyActive, Reason::Unknown]);
        assert_eq!(missing, ["key_active", "not_found"]);
        assert_eq!(shown(&[Reason::KeyActive, SOME[0], Reason::NotReached]), missing);
        assert_eq!(shown(&[Reason::KeyActive, Reason::NoSuchVersion]), missing);
        assert_eq!(
            shown(&[Reason::KeyActive, SOME[0], Reason::NotReached, SOME[0], Reason::NotPublic]),
            missing
        );
        let key_alone = [Reason::KeyActive, Reason::KindNotForEmbeds];
        assert_eq!(shown(&key_alone), ["key_active", "kind_not_for_embeds"]);
        let reasons =
            [Reason::KeyActive, SOME[0], SOME[2], Reason::ScopeMissing].into_iter().collect::<Reasons>();
        assert_eq!(reasons.without_existence(false), reasons);
    }
}
