//! Why a request was not passed on, or its answer not passed back.

use std::io;
use std::time::Duration;

use http::StatusCode;

use super::framing::BadRequest;

/// What an upstream kept us waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The connection.
    Connect,
    /// Taking the request's body.
    Upload,
    /// The head of the answer.
    Response,
}

/// Why there is no answer of the upstream to pass on.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The request cannot be passed on as it is.
    #[error(transparent)]
    BadRequest(#[from] BadRequest),
    /// The body is larger than the route allows.
    #[error("the request's body is larger than {limit_bytes} bytes")]
    BodyTooLarge {
        /// The most that the route allows, in bytes.
        limit_bytes: u64,
    },
    /// The client's body broke off or was not framed as it should be.
    #[error("the request's body is broken or incomplete")]
    ClientBody,
    /// The client stopped sending its body.
    #[error("nothing more of the request's body came for {0:?}")]
    ClientTimeout(Duration),
    /// The client sent its body more slowly than the route allows.
    #[error("the request's body came too slowly")]
    ClientTooSlow,
    /// As many requests as are allowed are under way at the upstream.
    #[error("too many requests are under way at the upstream")]
    UpstreamBusy,
    /// There is no connection to the upstream.
    #[error("the upstream cannot be reached")]
    UpstreamUnreachable(#[source] io::Error),
    /// The upstream kept us waiting.
    #[error("the upstream took longer than {1:?} ({0:?})")]
    UpstreamTimeout(Phase, Duration),
    /// The upstream closed the connection before it had answered.
    #[error("the upstream closed the connection before it had answered")]
    UpstreamClosed(#[source] hyper::Error),
    /// The answer is not HTTP.
    #[error("the upstream's answer is not valid HTTP")]
    UpstreamResponse(#[source] hyper::Error),
    /// The answer is HTTP, but nothing that can be passed on.
    #[error("the upstream's answer cannot be passed on: {0}")]
    UpstreamProtocol(&'static str),
}

impl ProxyError {
    /// The status that tells the client whose fault it is and whether to try again.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) | Self::ClientBody => StatusCode::BAD_REQUEST,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ClientTimeout(_) | Self::ClientTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::UpstreamBusy => StatusCode::SERVICE_UNAVAILABLE,
            Self::UpstreamTimeout(..) => StatusCode::GATEWAY_TIMEOUT,
            Self::UpstreamUnreachable(_)
            | Self::UpstreamClosed(_)
            | Self::UpstreamResponse(_)
            | Self::UpstreamProtocol(_) => StatusCode::BAD_GATEWAY,
        }
    }
}
