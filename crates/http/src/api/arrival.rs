//! How a request to the API arrives: with which credential, from where, and how the use of a key is counted.

use std::net::IpAddr;

use claviger_authority::{Answer, CallerCredential, Denial};
use claviger_core::decide::{Place, Reasons};
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
    /// Whether a key travelled where others could read it.
    exposed: bool,
}

impl Arrival {
    /// Reads the credential, from everywhere that the API takes one.
    ///
    /// # Errors
    /// A credential that cannot be read.
    pub(super) fn read<B>(
        state: &AppState,
        peer: Option<Peer>,
        request: &Request<B>,
    ) -> Result<Self, Problem> {
        let client = peer.map(|peer| client_of(&peer, request.headers(), &state.edge));
        let slots = Slots { query: *request.method() == Method::GET, ..Slots::ALL };
        let found = credential::read(request.headers(), request.uri().query(), slots)?;
        let key = found.key();
        Ok(Self {
            exposed: key.is_some() && client.is_some_and(|client| !client.secure),
            credential: state.authority.identify(key),
            address: client.and_then(|client| client.address),
            query_without: found.query_without,
        })
    }

    /// Refuses a key that travelled over plain HTTP.
    ///
    /// # Errors
    /// It did.
    pub(super) fn secure(&self) -> Result<(), Problem> {
        if self.exposed {
            Err(Problem::insecure_transport().recorded("", Reasons::default()))
        } else {
            Ok(())
        }
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

/// Counts the use of whoever asks, and returns what is left of the key's rate. Nobody is turned away for having
/// no credential: whoever answers does that.
///
/// # Errors
/// The credential is not accepted, or the key was used more often than it may.
pub(super) fn accepted<P>(answer: &Answer<'_, P>) -> Result<Option<Metered>, Problem> {
    match &answer.outcome {
        Ok(_) => Ok(answer.metered),
        Err(denial) => Err(denied(denial, answer.reasons)),
    }
}

/// A refusal before anything was asked of the credential.
pub(super) fn denied(denial: &Denial, reasons: Reasons) -> Problem {
    let problem = match denial {
        Denial::Refused(refusal) => Problem::refused(*refusal, ""),
        Denial::Limited(metered) => rate::limited(metered),
    };
    problem.recorded("", reasons)
}
