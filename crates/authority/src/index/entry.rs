//! What a decision reads of a key beside its status and expiry: immutable, and shared where keys are alike.

use std::collections::HashSet;
use std::sync::Arc;

use claviger_core::id::Id;
use claviger_core::key::{KeyEntry, KeyView, RightsView};
use claviger_core::lifecycle::Status;
use claviger_core::restriction::Restrictions;
use claviger_core::scope::ScopeSet;
use claviger_core::subject::ResourceSubject;
use claviger_core::{KeyId, Subject, UnixSeconds};

/// What many keys have in common.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Terms {
    scopes: ScopeSet,
    restrictions: Restrictions,
}

/// What a key may do, but for the account, team or project that it stands for: most keys share it with
/// others. It never changes; a key whose rights change gets another.
#[derive(Debug, Clone)]
pub(super) struct Decision {
    reach: Reach,
    terms: Arc<Terms>,
}

/// An [`Subject`] without its identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reach {
    Account,
    Team,
    Project,
    Resource(Box<ResourceSubject>),
    Operator,
}

/// Who a key is, for as long as it lives: its identifier and the one of what it stands for (zero for
/// resources and operators), in two words each.
pub(super) type Identity = [u64; 4];

/// A key taken apart.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    pub(super) identity: Identity,
    pub(super) status: Status,
    pub(super) expires_at: Option<UnixSeconds>,
    pub(super) decision: Decision,
}

impl Decision {
    /// The key, put together again.
    pub(super) fn view(
        &self,
        identity: Identity,
        status: Status,
        expires_at: Option<UnixSeconds>,
    ) -> KeyView<'_> {
        let owner = bits([identity[2], identity[3]]);
        let subject = match &self.reach {
            Reach::Account => Subject::Account(Id::from_bits(owner)),
            Reach::Team => Subject::Team(Id::from_bits(owner)),
            Reach::Project => Subject::Project(Id::from_bits(owner)),
            Reach::Resource(resource) => Subject::Resource(&**resource),
            Reach::Operator => Subject::Operator,
        };
        let Terms { scopes, restrictions } = &*self.terms;
        let rights = RightsView { subject, scopes, expires_at, restrictions };
        KeyView { id: key_id(identity), status, rights }
    }

    /// Whether another key can share this. Equal terms are one, see [`Interner`].
    pub(super) fn serves(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.terms, &other.terms) && self.reach == other.reach
    }

    /// Whether many keys have the same.
    pub(super) const fn is_shared(&self) -> bool {
        !matches!(self.reach, Reach::Resource(_))
    }

    /// Bytes on the heap that belong to this alone.
    #[cfg(any(test, feature = "measure"))]
    pub(super) fn bytes_beyond(&self) -> usize {
        match &self.reach {
            Reach::Resource(resource) => size_of::<ResourceSubject>() + resource.reference.as_str().len(),
            Reach::Account | Reach::Team | Reach::Project | Reach::Operator => 0,
        }
    }
}

/// The identifier of a key.
pub(super) fn key_id(identity: Identity) -> KeyId {
    KeyId::from_bits(bits([identity[0], identity[1]]))
}

fn bits([high, low]: [u64; 2]) -> u128 {
    (u128::from(high) << 64) | u128::from(low)
}

fn words(bits: u128) -> [u64; 2] {
    [(bits >> 64) as u64, bits as u64]
}

/// Terms below which none are looked for to drop: a few sets of scopes that an API offers.
const SWEEP_FROM: usize = 1_024;

/// The terms in use, each once. Only the writer has it.
#[derive(Debug)]
pub(super) struct Interner {
    known: HashSet<Arc<Terms>>,
    /// Beyond this many, those that no key has any more are dropped.
    sweep_at: usize,
}

impl Default for Interner {
    fn default() -> Self {
        Self { known: HashSet::new(), sweep_at: SWEEP_FROM }
    }
}

impl Interner {
    /// Takes a key apart, sharing its terms with every key that has the same.
    pub(super) fn parts(&mut self, key: KeyEntry) -> Parts {
        let KeyEntry { id, status, rights } = key;
        let terms = self.shared(Terms { scopes: rights.scopes, restrictions: rights.restrictions });
        let (reach, owner) = match rights.subject {
            Subject::Account(owner) => (Reach::Account, owner.bits()),
            Subject::Team(owner) => (Reach::Team, owner.bits()),
            Subject::Project(owner) => (Reach::Project, owner.bits()),
            Subject::Resource(resource) => (Reach::Resource(resource), 0),
            Subject::Operator => (Reach::Operator, 0),
        };
        let ([id_high, id_low], [high, low]) = (words(id.bits()), words(owner));
        let identity = [id_high, id_low, high, low];
        Parts { identity, status, expires_at: rights.expires_at, decision: Decision { reach, terms } }
    }

    fn shared(&mut self, terms: Terms) -> Arc<Terms> {
        if let Some(known) = self.known.get(&terms) {
            return known.clone();
        }
        if self.known.len() >= self.sweep_at {
            self.known.retain(|terms| Arc::strong_count(terms) > 1);
            self.sweep_at = SWEEP_FROM.max(self.known.len() * 2);
        }
        let terms = Arc::new(terms);
        self.known.insert(terms.clone());
        terms
    }

    /// Bytes that the terms take, the texts of their scopes and restrictions left out.
    #[cfg(any(test, feature = "measure"))]
    pub(super) fn bytes(&self) -> usize {
        // An `Arc` has two counters, a slot of the set one pointer and a byte of control.
        self.known.len() * (size_of::<Terms>() + 2 * size_of::<usize>())
            + self.known.capacity() * (size_of::<Arc<Terms>>() + 1)
    }
}

#[cfg(test)]
mod tests {
    use claviger_core::key::Rights;

    use super::*;

    fn key(scope: u64) -> KeyEntry {
        let scopes = ScopeSet::parse([format!("a{scope}:read").as_str()]).unwrap();
        let (subject, restrictions) = (Subject::Operator, Restrictions::default());
        let rights = Rights { subject, scopes, expires_at: None, restrictions };
        KeyEntry { id: KeyId::from_bits(1), status: Status::Active, rights }
    }

    #[test]
    fn keys_share_equal_terms_and_what_no_key_has_is_dropped() {
        let mut interner = Interner::default();
        let (one, same) = (interner.parts(key(1)), interner.parts(key(1)));
        assert!(Arc::ptr_eq(&one.decision.terms, &same.decision.terms));
        for n in 0..10_000 {
            interner.parts(key(n));
        }
        assert!(interner.known.len() <= SWEEP_FROM + 1);
        assert!(Arc::ptr_eq(&one.decision.terms, &interner.parts(key(1)).decision.terms));
        let all = (0..10_000).map(|n| interner.parts(key(n))).collect::<Vec<_>>();
        assert_eq!(interner.known.len(), all.len(), "what is in use stays");
    }
}
