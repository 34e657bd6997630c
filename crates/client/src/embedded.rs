//! Verification in this process.

use claviger_authority::{Answer, Authority, CallerCredential, Counting, Denial, Question};
use claviger_core::address;
use claviger_core::decide::{Context, Credential, Permit, Place, Request, Target};
use claviger_core::key::PresentedKey;
use claviger_core::quota::Metered;
use claviger_core::scope::Action;
use claviger_core::selector::Version;
use claviger_core::subject::{Reference, WrittenReference};
use jiff::Timestamp;

use crate::verifier::{Unverified, Verifier};
use crate::verify::{Grants, Reason, Verdict, Verify};

/// A verifier over an authority in this process: no network, and nothing is waited for. The service that has
/// it is the authority, so nothing else opens the same store.
#[derive(Clone)]
pub struct Embedded(Authority);

impl Embedded {
    /// A verifier over this authority.
    #[must_use]
    pub fn new(authority: Authority) -> Self {
        Self(authority)
    }

    /// The authority.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.0
    }

    /// What a key is worth, from memory alone. It counts as a use of the key, as it does over HTTP, unless
    /// [`Verify::count`] says otherwise.
    ///
    /// # Errors
    /// A question that cannot be asked, such as a target that names nothing.
    pub fn decide(&self, question: &Verify) -> Result<Verdict, Unverified> {
        let wrong =
            |field: &str, why: &dyn std::fmt::Display| Unverified::Refused(format!("`{field}`: {why}"));
        let key = PresentedKey::parse(question.key.expose()).ok();
        let action = question.action.as_deref().map(Action::parse).transpose();
        let version = match question.version.map(Version::new) {
            Some(None) => return Err(wrong("version", &"it is a whole number from 1")),
            known => known.flatten(),
        };
        let context = match question.context.as_deref().map(Context::from_word) {
            None => Context::Api,
            Some(Some(context)) => context,
            Some(None) => return Err(wrong("context", &"it is `api` or `embed`")),
        };
        let target = question.target.as_deref().map(WrittenReference::parse).transpose();
        let target = match target.map_err(|error| wrong("target", &error))? {
            None => Target::Nothing,
            Some(WrittenReference::External(kind, id)) => Target::External(kind, id),
            Some(WrittenReference::Known(Reference::Operator)) => Target::Operator,
            Some(WrittenReference::Known(Reference::Account(id))) => Target::Account(id),
            Some(WrittenReference::Known(Reference::Team(id))) => Target::Team(id),
            Some(WrittenReference::Known(Reference::Project(id))) => Target::Project(id),
            Some(WrittenReference::Known(Reference::Resource(name))) => Target::Resource(name, version),
        };
        if version.is_some() && !matches!(target, Target::Resource(..)) {
            return Err(wrong("version", &"only a resource has versions: name one as the `target`"));
        }
        let address = question.ip.as_deref().map(address::parse).transpose();
        let request = Request {
            action: action.map_err(|error| wrong("action", &error))?,
            target,
            context,
            place: Place {
                address: address.map_err(|error| wrong("ip", &error))?,
                origin: question.origin.as_deref(),
            },
            anonymous: false,
            to_application: false,
        };
        let credential = key.map_or(CallerCredential::Unknown, |key| self.0.identify(Some(key)));
        let counting = if question.count { Counting::Count } else { Counting::Ask };
        let asked = Question { credential, request, counting, record: None };
        self.0
            .admit(&asked, |answer| told(&answer, question.explain))
            .map_err(|error| Unverified::Unavailable { reason: error.to_string(), retry_after: None })
    }
}

fn reason(reason: claviger_core::decide::Reason) -> Reason {
    Reason { code: reason.code().to_owned(), text: reason.to_string() }
}

/// An answer as the API gives it.
fn told(answer: &Answer<'_, Permit<'_>>, explain: bool) -> Verdict {
    let permit = answer.outcome.as_ref().ok();
    let entry = match answer.credential {
        Credential::Key(entry) => Some(entry),
        Credential::Anonymous | Credential::Unknown | Credential::SignedIn(_) => None,
    };
    let rights = entry.map(|entry| entry.rights);
    let names = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    Verdict {
        valid: permit.is_some(),
        code: answer.outcome.as_ref().err().map_or("valid", Denial::code).to_owned(),
        key_id: entry.map(|entry| entry.id.to_string()),
        kind: rights.map(|rights| rights.subject.kind().into()),
        subject: rights.map(|rights| rights.subject.to_string()),
        scopes: rights.map(|rights| rights.scopes.iter().map(ToString::to_string).collect()),
        expires_at: rights
            .and_then(|rights| rights.expires_at)
            .map(|at| Timestamp::from_millisecond(at.start().millis()).unwrap_or(Timestamp::MAX)),
        grants: permit.map_or_else(Grants::default, |permit| Grants {
            secrets: names(permit.secrets().collect()),
            databases: names(permit.databases().collect()),
        }),
        version: permit.and_then(Permit::version).map(Version::get),
        retry_after_seconds: match &answer.outcome {
            Err(Denial::Limited(metered)) => Some(seconds(metered)),
            Ok(_) | Err(Denial::Refused(_)) => None,
        },
        // The service is the authority, so it may know what exists.
        reasons: explain.then(|| answer.reasons.iter().map(reason).collect()),
        other: serde_json::Map::new(),
    }
}

/// Rounded up: who waits that long, waits long enough.
fn seconds(metered: &Metered) -> u64 {
    let wait = metered.retry_after();
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

impl From<claviger_core::Kind> for crate::Kind {
    fn from(kind: claviger_core::Kind) -> Self {
        match kind {
            claviger_core::Kind::Account => Self::Account,
            claviger_core::Kind::Team => Self::Team,
            claviger_core::Kind::Project => Self::Project,
            claviger_core::Kind::Resource => Self::Resource,
            claviger_core::Kind::Operator => Self::Operator,
        }
    }
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Embedded")
    }
}

impl Verifier for Embedded {
    async fn verify(&self, question: Verify) -> Result<Verdict, Unverified> {
        // This node is asked at once; when it is not up to date, again as soon as it is.
        match self.decide(&question) {
            Err(Unverified::Unavailable { .. }) if self.0.renewed().await.is_ok() => self.decide(&question),
            decided => decided,
        }
    }
}
