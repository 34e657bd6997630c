//! What a verification is asked, and what it says. Both borrow: from the body, and from the index.

use std::borrow::Cow;

use bytes::Bytes;
use claviger_authority::{self as subject, Answer, CallerCredential, Counting, Denial, MayVerify};
use claviger_core::address;
use claviger_core::decide::{Context, Credential, Permit, Place, Reason, Reasons, Request, Target};
use claviger_core::key::{KeyView, PresentedKey};
use claviger_core::scope::{Action, ScopeSet};
use claviger_core::selector::Version;
use claviger_core::subject::{Reference, SubjectView, WrittenReference};
use claviger_core::{KeyId, UnixSeconds};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text;
use crate::problem::Problem;
use crate::rate::retry_after;
use crate::state::AppState;
use crate::wire::{Shown, invalid, second};

/// Requests of a batch at most: they are decided in one go, and others wait meanwhile.
pub(super) const BATCH_REQUESTS_MAX: usize = 1_000;
/// Bytes of a batch at most: a thousand requests with long keys and long targets.
pub(super) const BATCH_BODY_BYTES_MAX: usize = 1024 * 1024;

/// What is asked about a key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "key": "sk_…", "action": "notebook:read", "target": "notebook:5e1f0c3a9b7d2468", "explain": true
}))]
pub struct VerifyRequest<'b> {
    /// The key as it was presented to you.
    #[serde(borrow)]
    #[schema(value_type = String, example = "sk_…")]
    key: Cow<'b, str>,
    /// The action to check, `type:action`. Absent: only whether the key is good and reaches the target.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, example = "notebook:read")]
    action: Option<Text<'b>>,
    /// To what: `type:id` of a resource, `account:acct_…`, `team:team_…`, `project:proj_…` or `operator`.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, example = "notebook:5e1f0c3a9b7d2468")]
    target: Option<Text<'b>>,
    /// At which version; absent: the latest.
    #[schema(minimum = 1)]
    version: Option<u32>,
    /// `api`, or `embed` for a page of somebody else's; absent: `api`.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, example = "api")]
    context: Option<Text<'b>>,
    /// From which address the key came to you, for keys that are restricted.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, example = "192.0.2.7")]
    ip: Option<Text<'b>>,
    /// The `Origin` that the browser stated, for keys that are restricted.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, example = "https://example.org")]
    origin: Option<Text<'b>>,
    /// Whether to say step by step what led to the answer. For operators everything is explained; for others, a
    /// target that is hidden from the key is explained like one that does not exist.
    #[serde(default)]
    explain: bool,
    /// Whether this counts as a use of the key; absent: it does. With `false` nothing of its rate and quota is
    /// used up, and the answer says what they would say: ask so for a diagnosis.
    #[serde(default = "counts")]
    #[schema(default = true)]
    count: bool,
}

const fn counts() -> bool {
    true
}

/// A text that borrows from the body where it can.
#[derive(Deserialize)]
pub(super) struct Text<'b>(#[serde(borrow)] Cow<'b, str>);

impl Text<'_> {
    fn of<'t>(text: &'t Option<Text<'_>>) -> Option<&'t str> {
        text.as_ref().map(|Text(text)| &**text)
    }
}

/// What a key is worth for what was asked.
// `super::text` writes it down; the tests hold that against what a serialiser would write.
#[derive(ToSchema)]
#[cfg_attr(test, derive(Serialize))]
pub struct VerifyAnswer<'v> {
    /// Whether to let it through.
    pub(super) valid: bool,
    /// `valid`, or why not: `invalid_key`, `key_disabled`, `key_expired`, `restricted`, `forbidden`,
    /// `target_required`, `not_found`, `rate_limited`, `quota_exceeded`.
    #[schema(example = "valid")]
    pub(super) code: &'static str,
    /// The key; null if it is not known. So are the next four.
    #[schema(value_type = Option<String>)]
    pub(super) key_id: Option<Shown<KeyId>>,
    /// `account`, `team`, `project`, `resource` or `operator`.
    pub(super) kind: Option<&'static str>,
    /// What it stands for.
    #[schema(value_type = Option<String>, example = "account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b")]
    pub(super) subject: Option<Shown<SubjectView<'v>>>,
    /// What it may do.
    #[schema(value_type = Option<Vec<String>>)]
    pub(super) scopes: Option<Scopes<'v>>,
    /// The second from which it is refused; null for never.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) expires_at: Option<String>,
    /// What the answer may use: in embeds, and if it is valid.
    pub(super) grants: GrantsAnswer<'v>,
    /// The version to serve: the one asked for, else the latest. Null unless it is valid and about a resource.
    pub(super) version: Option<u32>,
    /// If it is one of the last two: seconds after which it is worth trying again.
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    #[schema(value_type = u64, required = false)]
    pub(super) retry_after_seconds: Option<u64>,
    /// What led to the answer, in order, if `explain` was asked for.
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    pub(super) reasons: Option<Vec<ReasonAnswer>>,
}

/// Scopes as texts, written from where they are.
pub(super) struct Scopes<'v>(pub(super) &'v ScopeSet);

#[cfg(test)]
impl Serialize for Scopes<'_> {
    fn serialize<S: serde::Serializer>(&self, target: S) -> Result<S::Ok, S::Error> {
        target.collect_seq(self.0.iter().map(Shown))
    }
}

/// Names of what an embed may use.
#[derive(Default, Serialize, ToSchema)]
pub struct GrantsAnswer<'v> {
    /// Names of secrets.
    pub(super) secrets: Vec<&'v str>,
    /// Names of databases.
    pub(super) databases: Vec<&'v str>,
}

/// One finding.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReasonAnswer {
    /// Its stable code.
    #[schema(example = "key_active")]
    code: &'static str,
    /// In words.
    #[schema(value_type = String)]
    text: Shown<Reason>,
}

impl ReasonAnswer {
    pub(in super::super) fn of(reason: Reason) -> Self {
        Self { code: reason.code(), text: Shown(reason) }
    }
}

/// A verification that was read.
pub(super) struct Question<'q> {
    key: Option<PresentedKey<'q>>,
    request: Request<'q>,
    explain: bool,
    counting: Counting,
}

impl<'b> VerifyRequest<'b> {
    /// A question without a place: action, target and context.
    pub(super) fn of(
        key: Cow<'b, str>,
        [action, target, context]: [Option<&'b str>; 3],
        version: Option<u32>,
        (explain, count): (bool, bool),
    ) -> Self {
        let text = |text: Option<&'b str>| text.map(|text| Text(Cow::Borrowed(text)));
        let (action, target, context) = (text(action), text(target), text(context));
        Self { key, action, target, version, context, ip: None, origin: None, explain, count }
    }

    /// Reads the question. A key that none can look like is not a mistake of the one who asks.
    pub(super) fn read(&self) -> Result<Question<'_>, Problem> {
        let version = |n| Version::new(n).ok_or_else(|| invalid("version", "it is a whole number from 1"));
        let version = self.version.map(version).transpose()?;
        let target = match Text::of(&self.target).map(WrittenReference::parse) {
            None => Target::Nothing,
            Some(Err(error)) => return Err(invalid("target", error)),
            Some(Ok(WrittenReference::External(kind, id))) => Target::External(kind, id),
            Some(Ok(WrittenReference::Known(Reference::Operator))) => Target::Operator,
            Some(Ok(WrittenReference::Known(Reference::Account(id)))) => Target::Account(id),
            Some(Ok(WrittenReference::Known(Reference::Team(id)))) => Target::Team(id),
            Some(Ok(WrittenReference::Known(Reference::Project(id)))) => Target::Project(id),
            Some(Ok(WrittenReference::Known(Reference::Resource(name)))) => Target::Resource(name, version),
        };
        if version.is_some() && !matches!(target, Target::Resource(..)) {
            return Err(invalid("version", "only a resource has versions: name one as the `target`"));
        }
        let action =
            Text::of(&self.action).map(Action::parse).transpose().map_err(|e| invalid("action", e))?;
        let context = match Text::of(&self.context).map(Context::from_word) {
            None => Context::Api,
            Some(Some(context)) => context,
            Some(None) => return Err(invalid("context", "it is `api` or `embed`")),
        };
        let address = Text::of(&self.ip).map(address::parse).transpose();
        let address = address.map_err(|error| invalid("ip", error))?;
        let place = Place { address, origin: Text::of(&self.origin) };
        Ok(Question {
            key: PresentedKey::parse(&self.key).ok(),
            request: Request { action, target, context, place, anonymous: false, to_application: false },
            explain: self.explain,
            counting: if self.count { Counting::Count } else { Counting::Ask },
        })
    }
}

impl<'q> Question<'q> {
    /// The same question, asked from somewhere else.
    pub(super) fn asked_from(mut self, place: Place<'q>) -> Self {
        self.request.place = place;
        self
    }

    /// What to look up. A text that no key can have is a key that is not known, and never nobody.
    pub(super) fn identify(&self, state: &AppState) -> CallerCredential {
        self.key.map_or(CallerCredential::Unknown, |key| state.authority.identify(Some(key)))
    }

    /// What is asked of this credential, for [`Authority::admit`](claviger_authority::Authority::admit).
    pub(super) fn about(&self, credential: CallerCredential) -> subject::Question<'q> {
        subject::Question { credential, request: self.request, counting: self.counting, record: None }
    }

    /// What it wants to do.
    pub(super) fn request(&self) -> Request<'q> {
        self.request
    }

    /// Whether it is a use of the key.
    pub(super) fn counts(&self) -> bool {
        self.counting == Counting::Count
    }

    /// The answer as it is sent.
    pub(super) fn written(
        &self,
        state: &AppState,
        answer: &Answer<'_, Permit<'_>>,
        asker: MayVerify,
    ) -> Bytes {
        text::of(&self.answer(state, answer, asker)).into()
    }

    /// The answer, which is counted among the decisions.
    pub(super) fn answer<'v>(
        &self,
        state: &AppState,
        answer: &Answer<'v, Permit<'v>>,
        asker: MayVerify,
    ) -> VerifyAnswer<'v> {
        let shown = || if asker.knows_all { answer.reasons } else { answer.reasons_for_the_key() };
        let answer = VerifyAnswer::of(answer, self.explain.then(shown).as_ref());
        state.metrics.decided("verify", answer.code);
        answer
    }
}

impl<'v> VerifyAnswer<'v> {
    fn of(answer: &Answer<'v, Permit<'v>>, reasons: Option<&Reasons>) -> Self {
        let (code, permit) = match &answer.outcome {
            Ok(permit) => ("valid", Some(permit)),
            Err(denial) => (denial.code(), None),
        };
        let known: Option<KeyView<'v>> = match answer.credential {
            Credential::Key(entry) => Some(entry),
            Credential::Anonymous | Credential::Unknown | Credential::SignedIn(_) => None,
        };
        let rights = known.map(|entry| entry.rights);
        Self {
            valid: permit.is_some(),
            code,
            key_id: known.map(|entry| Shown(entry.id)),
            kind: rights.map(|rights| rights.subject.kind().as_str()),
            subject: rights.map(|rights| Shown(rights.subject)),
            scopes: rights.map(|rights| Scopes(rights.scopes)),
            expires_at: rights.and_then(|rights| rights.expires_at).map(|at: UnixSeconds| second(at)),
            grants: permit.map_or_else(GrantsAnswer::default, |permit| GrantsAnswer {
                secrets: permit.secrets().collect(),
                databases: permit.databases().collect(),
            }),
            version: permit.and_then(Permit::version).map(Version::get),
            retry_after_seconds: match &answer.outcome {
                Err(Denial::Limited(metered)) => Some(retry_after(metered)),
                Ok(_) | Err(Denial::Refused(_)) => None,
            },
            reasons: reasons.map(|reasons| reasons.iter().map(ReasonAnswer::of).collect()),
        }
    }
}
