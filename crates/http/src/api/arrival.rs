//! How a request to the API arrives: with which credential, from where, and how the use of a key is counted.

use std::net::IpAddr;

use claviger_authority::CallerCredential;
use claviger_authority::index::View;
use claviger_core::decide::{Credential, Place, Reasons, Refusal, authenticate};
use claviger_core::quota::Metered;
use http::header::ORIGIN;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Uri};

use crate::client::client_of;
use crate::credential::{self, Query, Slots};
use crate::problem::Problem;
use crate::rate;
use crate::serve::Peer;
use crate::state::AppState;

/// What a request was presented with, and from where.
pub(super) struct Arrival {
    /// With what.
    pub(super) credential: CallerCredential,
    /// From which address, as far as it can be believed.
    pub(super) address: Option<IpAddr>,
    /// The query without the credential, if it was there.
    query_without: Option<Query>,
}

/// A use of a credential, counted.
pub(super) struct Counted {
    /// Whether it is accepted at all; whether it may do what is asked is for whoever answers to find out.
    pub(super) accepted: Result<(), Refusal>,
    /// What is left of the key's rate, if it has one.
    pub(super) rate: Option<Metered>,
}

impl Arrival {
    /// Reads the credential, from everywhere that the API takes one.
    ///
    /// # Errors
    /// A credential that cannot be read, or a key that travelled over plain HTTP.
    pub(super) fn read<B>(
        state: &AppState,
        peer: Option<Peer>,
        request: &Request<B>,
    ) -> Result<Self, Problem> {
        let client = peer.map(|peer| client_of(&peer, request.headers(), &state.edge));
        let slots = Slots { query: *request.method() == Method::GET, ..Slots::ALL };
        let found = credential::read(request.headers(), request.uri().query(), slots)?;
        let key = found.key();
        if key.is_some() && client.is_some_and(|client| !client.secure) {
            return Err(Problem::insecure_transport());
        }
        Ok(Self {
            credential: state.authority.identify(key),
            address: client.and_then(|client| client.address),
            query_without: found.query_without,
        })
    }

    /// From where the request was made.
    pub(super) fn place<'r>(&self, headers: &'r HeaderMap) -> Place<'r> {
        Place { address: self.address, origin: web_origin(headers) }
    }

    /// The address of the request without the credential, if it stood there.
    ///
    /// # Errors
    /// What is left cannot be an address.
    pub(super) fn uri_without(&self, uri: &Uri) -> Result<Option<Uri>, Problem> {
        let Some(rest) = &self.query_without else { return Ok(None) };
        let text = match rest {
            None => uri.path().to_owned(),
            Some(query) => format!("{}?{query}", uri.path()),
        };
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::try_from(text).map_err(|_| Problem::unreadable_address())?);
        Uri::from_parts(parts).map(Some).map_err(|_| Problem::unreadable_address())
    }
}

/// The web origin that a browser states.
pub(super) fn web_origin(headers: &HeaderMap) -> Option<&str> {
    headers.get(ORIGIN).and_then(|value| value.to_str().ok())
}

/// Counts the use of a known key: as one that was let through if it is accepted and its rate allows it.
///
/// # Errors
/// The key was used more often than it may.
pub(super) fn count(
    state: &AppState,
    view: &View<'_>,
    credential: Credential<'_>,
    place: Place<'_>,
) -> Result<Counted, Problem> {
    let authority = &state.authority;
    let (now, mut reasons) = (authority.now(), Reasons::default());
    let accepted = authenticate(view, credential, place, now, &mut reasons);
    let Credential::Key(key) = credential else { return Ok(Counted { accepted, rate: None }) };
    let rate = if accepted.is_ok() { authority.check_rate(key, now) } else { None };
    let refusal = rate::refusal(rate.as_ref());
    let allowed = accepted.is_ok() && refusal.is_none();
    authority.record_use(key.id, place.address, now, allowed, rate.as_ref());
    refusal.map_or(Ok(Counted { accepted, rate }), Err)
}
