//! Who asks for something to be done, and from where.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use claviger_core::AccountId;
use claviger_core::decide::{Credential, Place, Snapshot};
use claviger_core::history::Origin;
use claviger_core::key::Digest;
use claviger_core::name::ExternalId;
use claviger_core::principal::{Container, ContainerId};

use crate::authority::Authority;
use crate::index::View;
use crate::read::NotFresh;

/// Who asks. What the credential is worth is looked up at each decision, never remembered.
#[derive(Debug, Clone)]
pub struct Caller {
    /// With what.
    pub credential: CallerCredential,
    /// From which address.
    pub address: Option<IpAddr>,
    /// The web origin that a browser stated.
    pub web_origin: Option<Box<str>>,
    /// By which way, for the history.
    pub origin: Origin,
    /// The request, as it stands in the logs.
    pub request_id: Option<Box<str>>,
    /// What it named by external ids.
    pub named: NamedByCaller,
}

/// What a request named by external ids, and what they meant when it was read. Each decision checks that they still
/// mean that, and rests on it. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct NamedByCaller(Arc<Mutex<BTreeMap<ContainerId, ExternalId>>>);

impl NamedByCaller {
    fn add(&self, id: ContainerId, external_id: ExternalId) {
        let mut named = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        named.entry(id).or_insert(external_id);
    }

    /// Whether the external ids still mean what they meant.
    pub(crate) fn still_holds(&self, snapshot: &impl Snapshot) -> bool {
        let named = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        named.iter().all(|(id, external_id)| {
            let now = match *id {
                ContainerId::Account(id) => snapshot.account(id).and_then(|it| it.external_id.as_ref()),
                ContainerId::Team(id) => snapshot.team(id).and_then(|it| it.external_id.as_ref()),
                ContainerId::Project(id) => snapshot.project(id).and_then(|it| it.external_id.as_ref()),
            };
            now == Some(external_id)
        })
    }
}

impl Authority {
    /// What a caller means by an external id. For one that nothing has, an identifier that nothing has, so that the
    /// answer is that for anything else that does not exist.
    ///
    /// # Errors
    /// [`NotFresh`].
    pub fn named_by(
        &self,
        caller: &Caller,
        container: Container,
        external_id: ExternalId,
    ) -> Result<ContainerId, NotFresh> {
        let found = self.read(|view| view.by_external_id(container, external_id.as_str()))?;
        let Some(id) = found else { return Ok(container.unknown()) };
        caller.named.add(id, external_id);
        Ok(id)
    }
}

/// With what somebody asks.
#[derive(Debug, Clone, Copy)]
pub enum CallerCredential {
    /// With nothing.
    Anonymous,
    /// With a key of this digest, known or not.
    Key(Digest),
    /// With a text that cannot be a key of ours.
    Unknown,
    /// With a session.
    Account(AccountId),
}

impl CallerCredential {
    /// The digest of the key that was presented, if one was that could be ours.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        match self {
            Self::Key(digest) => Some(digest),
            Self::Anonymous | Self::Unknown | Self::Account(_) => None,
        }
    }

    /// The credential as decisions take it.
    #[must_use]
    pub fn look_up<'v>(&self, view: &'v View<'_>) -> Credential<'v> {
        match self {
            Self::Anonymous => Credential::Anonymous,
            Self::Unknown => Credential::Unknown,
            Self::Account(id) => Credential::SignedIn(*id),
            Self::Key(digest) => view.key(digest).map_or(Credential::Unknown, Credential::Key),
        }
    }
}

impl Caller {
    /// The credential as decisions take it.
    #[must_use]
    pub fn credential<'v>(&self, view: &'v View<'_>) -> Credential<'v> {
        self.credential.look_up(view)
    }

    /// From where.
    #[must_use]
    pub fn place(&self) -> Place<'_> {
        Place { address: self.address, origin: self.web_origin.as_deref() }
    }
}
