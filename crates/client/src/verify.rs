//! Verification: `/v1/verify`, `/v1/whoami`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Result;
use crate::keys::{Key, Kind};
use crate::page::{query, target};
use crate::secret::{self, Secret};
use crate::transport::{Call, Client};

/// Keys in one batch at most.
pub const BATCH_MAX: usize = 1_000;

/// What is asked about a key.
#[derive(Debug, Clone, Serialize)]
pub struct Verify {
    /// The key.
    #[serde(serialize_with = "secret::exposed")]
    pub key: Secret,
    /// What somebody wants to do with it: `type:action`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// To what: `type:id` of a resource, or a container such as `project:proj_…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// At which version; the latest if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// In which context: `api` or `embed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// From which address. A key that is restricted to addresses is refused without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// From which web origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Whether to say step by step why.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub explain: bool,
    /// Whether this is a use of the key. With `false` nothing of its rate and quota is used up and it does not
    /// count as used: for a diagnosis.
    #[serde(skip_serializing_if = "Clone::clone")]
    pub count: bool,
}

impl Verify {
    /// Whether a key is good at all.
    pub fn new(key: impl Into<Secret>) -> Self {
        Self {
            key: key.into(),
            action: None,
            target: None,
            version: None,
            context: None,
            ip: None,
            origin: None,
            explain: false,
            count: true,
        }
    }

    /// A diagnosis: step by step why, and no use of the key.
    #[must_use]
    pub fn diagnosis(self) -> Self {
        Self { explain: true, count: false, ..self }
    }

    /// Whether it allows this action.
    #[must_use]
    pub fn action(mut self, action: impl Into<String>) -> Self {
        self.action = Some(action.into());
        self
    }

    /// On this target.
    #[must_use]
    pub fn target(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }
}

/// What a key asks about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyOwn {
    /// What it wants to do: `type:action`; none asks only whether it reaches the target.
    pub action: Option<String>,
    /// To what: `type:id` of a resource, or a container such as `project:proj_…`.
    pub target: Option<String>,
    /// At which version; the latest if absent.
    pub version: Option<u32>,
    /// In which context: `api` or `embed`.
    pub context: Option<String>,
    /// Whether to say step by step why.
    pub explain: bool,
    /// Whether to use up nothing of the key's rate and quota, and not to count it as used.
    pub diagnosis: bool,
}

/// What the authority says of a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Verdict {
    /// Whether the key is good for what was asked.
    pub valid: bool,
    /// `valid`, or the stable code of the refusal, such as `key_expired`.
    pub code: String,
    /// The key, where it is known.
    pub key_id: Option<String>,
    /// Its kind.
    pub kind: Option<Kind>,
    /// What it stands for.
    pub subject: Option<String>,
    /// What it may do.
    pub scopes: Option<Vec<String>>,
    /// The second from which it is refused.
    #[serde(default, deserialize_with = "crate::expiry::read")]
    pub expires_at: Option<Timestamp>,
    /// What may be used: in embeds, and if it is valid.
    #[serde(default)]
    pub grants: Grants,
    /// The version to serve: the one asked for, else the latest. None unless it is valid and about a resource.
    pub version: Option<u32>,
    /// If it is `rate_limited` or `quota_exceeded`: seconds after which it is worth trying again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
    /// Why, step by step, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasons: Option<Vec<Reason>>,
    /// What a later authority says that this version of the client does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Names of what an embed may use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// Names of secrets.
    pub secrets: Vec<String>,
    /// Names of databases.
    pub databases: Vec<String>,
}

/// One step of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Its stable code.
    pub code: String,
    /// What was found, in words.
    pub text: String,
}

/// What a credential is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Whoami {
    /// `key`, or `account` for a session.
    pub kind: String,
    /// The key, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// The account that signed in, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// What else the authority says.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[derive(Serialize)]
struct Batch<'a> {
    requests: &'a [Verify],
}

#[derive(Deserialize)]
struct Verdicts {
    results: Vec<Verdict>,
}

impl Client {
    /// What the authority says of a key. The client's own key needs `key:verify`, which operators grant.
    ///
    /// A key that is not valid is no error: see [`Verdict::valid`]. An error says nothing about the key.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn verify(&self, question: &Verify) -> Result<Verdict> {
        self.ask(Call::question("/v1/verify", question)?).await
    }

    /// The same for up to [`BATCH_MAX`] keys; the verdicts are in the order of the questions.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn verify_batch(&self, questions: &[Verify]) -> Result<Vec<Verdict>> {
        let call = Call::question("/v1/verify/batch", &Batch { requests: questions })?;
        Ok(self.ask::<Verdicts>(call).await?.results)
    }

    /// What the client's own key is worth for this. No scope is needed. A key that is not accepted at all is refused,
    /// here as everywhere.
    ///
    /// # Errors
    /// Those of every call; 401 `invalid_key`, `key_disabled` or `key_expired`.
    pub async fn verify_own(&self, question: &VerifyOwn) -> Result<Verdict> {
        let VerifyOwn { action, target: about, version, context, explain, diagnosis } = question.clone();
        let fields = [
            ("action", action),
            ("target", about),
            ("version", version.map(|version| version.to_string())),
            ("context", context),
            ("explain", explain.then(|| "true".to_owned())),
            ("count", diagnosis.then(|| "false".to_owned())),
        ];
        self.ask(Call::get(target("/v1/verify", query(fields)))).await
    }

    /// What the client's own credential is and may do.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn whoami(&self) -> Result<Whoami> {
        self.ask(Call::get("/v1/whoami")).await
    }
}
