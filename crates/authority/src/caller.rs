//! Who asks for something to be done, and from where.

use std::net::IpAddr;

use claviger_core::AccountId;
use claviger_core::decide::{Credential, Place};
use claviger_core::history::Origin;
use claviger_core::key::Digest;

use crate::index::View;

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
