//! Who is asked about a key.

use std::future::Future;
use std::time::Duration;

use crate::error::Error;
use crate::transport::Client;
use crate::verify::{Verdict, Verify};

/// Says what a key is worth: an authority over HTTP ([`Client`]), or one in this process (`Embedded`, with
/// the feature `embedded`).
pub trait Verifier: Send + Sync + 'static {
    /// What the key is worth for what is asked. A key that is not valid is no error.
    fn verify(&self, question: Verify) -> impl Future<Output = Result<Verdict, Unverified>> + Send;
}

/// Why nothing can be said about a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unverified {
    /// Not at the moment: answered with 503, never with 401.
    #[error("the authority cannot be asked: {reason}")]
    Unavailable {
        /// What is in the way; for the log.
        reason: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// The question cannot be asked, or not by this service: a mistake of its own. Answered with 500.
    #[error("the authority does not take the question: {0}")]
    Refused(String),
}

impl Verifier for Client {
    async fn verify(&self, question: Verify) -> Result<Verdict, Unverified> {
        Client::verify(self, &question).await.map_err(|error| {
            let retry_after = error.problem().and_then(|problem| problem.retry_after);
            let unavailable = error.is_unavailable();
            match error {
                _ if unavailable => Unverified::Unavailable { reason: error.to_string(), retry_after },
                Error::Problem(problem) => Unverified::Refused(problem.to_string()),
                other => Unverified::Refused(other.to_string()),
            }
        })
    }
}

impl<V: Verifier> Verifier for std::sync::Arc<V> {
    async fn verify(&self, question: Verify) -> Result<Verdict, Unverified> {
        V::verify(self, question).await
    }
}
