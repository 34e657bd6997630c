//! Answers as JSON. They are written by hand: an answer is a dozen short texts, and a general serialiser that looks
//! at each character for what has to be escaped takes as long as the decision. Identifiers, references, scopes and
//! codes have nothing to escape, by their types; whatever may have is left to the serialiser.

use std::fmt::{Display, Write as _};

use serde::Serialize;

use super::wire::{GrantsAnswer, VerifyAnswer};

/// Bytes of most answers.
const ANSWER_BYTES: usize = 512;

/// One answer.
pub(super) fn of(answer: &VerifyAnswer<'_>) -> String {
    let mut text = String::with_capacity(ANSWER_BYTES);
    write(&mut text, answer);
    text
}

/// The answers to a batch, one after the other.
pub(super) struct Batch(String);

impl Batch {
    /// Room for so many.
    pub(super) fn of(answers: usize) -> Self {
        let mut text = String::with_capacity(answers * ANSWER_BYTES);
        text.push_str("{\"results\":[");
        Self(text)
    }

    /// The next answer.
    pub(super) fn add(&mut self, answer: &VerifyAnswer<'_>) {
        if !self.0.ends_with('[') {
            self.0.push(',');
        }
        write(&mut self.0, answer);
    }

    /// The whole text.
    pub(super) fn finish(mut self) -> String {
        self.0.push_str("]}");
        self.0
    }
}

fn write(text: &mut String, answer: &VerifyAnswer<'_>) {
    text.push_str(if answer.valid { "{\"valid\":true" } else { "{\"valid\":false" });
    text.push_str(",\"code\":");
    quoted(text, &answer.code);
    text.push_str(",\"key_id\":");
    optional(text, answer.key_id.as_ref(), |text, id| quoted(text, &id.0));
    text.push_str(",\"kind\":");
    optional(text, answer.kind.as_ref(), quoted);
    text.push_str(",\"subject\":");
    optional(text, answer.subject.as_ref(), |text, subject| quoted(text, &subject.0));
    text.push_str(",\"scopes\":");
    optional(text, answer.scopes.as_ref(), |text, scopes| {
        text.push('[');
        list(text, scopes.0.iter(), quoted);
        text.push(']');
    });
    text.push_str(",\"expires_at\":");
    optional(text, answer.expires_at.as_ref(), quoted);
    text.push_str(",\"grants\":");
    grants(text, &answer.grants);
    text.push_str(",\"version\":");
    optional(text, answer.version.as_ref(), number);
    if let Some(seconds) = &answer.retry_after_seconds {
        text.push_str(",\"retry_after_seconds\":");
        number(text, seconds);
    }
    if let Some(reasons) = &answer.reasons {
        text.push_str(",\"reasons\":");
        escaped(text, reasons);
    }
    text.push('}');
}

fn grants(text: &mut String, grants: &GrantsAnswer<'_>) {
    if grants.secrets.is_empty() && grants.databases.is_empty() {
        text.push_str("{\"secrets\":[],\"databases\":[]}");
    } else {
        escaped(text, grants);
    }
}

fn optional<T>(text: &mut String, value: Option<&T>, write: impl Fn(&mut String, &T)) {
    match value {
        Some(value) => write(text, value),
        None => text.push_str("null"),
    }
}

fn list<T>(text: &mut String, values: impl IntoIterator<Item = T>, write: impl Fn(&mut String, T)) {
    for (n, value) in values.into_iter().enumerate() {
        if n > 0 {
            text.push(',');
        }
        write(text, value);
    }
}

/// A text that has nothing to escape.
fn quoted(text: &mut String, value: &impl Display) {
    text.push('"');
    let start = text.len();
    // Writing to memory does not fail.
    let _ = write!(text, "{value}");
    debug_assert!(
        text[start..].bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')),
        "a text that has to be escaped"
    );
    text.push('"');
}

fn number(text: &mut String, value: &impl Display) {
    let _ = write!(text, "{value}");
}

/// Whatever may hold any character.
fn escaped(text: &mut String, value: &impl Serialize) {
    // Every field has a form in JSON.
    text.push_str(&serde_json::to_string(value).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use claviger_core::scope::ScopeSet;
    use claviger_core::subject::SubjectView;
    use claviger_core::{AccountId, KeyId};

    use super::super::wire::{ReasonAnswer, Scopes};
    use super::*;
    use crate::wire::Shown;

    fn answer(scopes: &ScopeSet) -> VerifyAnswer<'_> {
        VerifyAnswer {
            valid: true,
            code: "valid",
            key_id: Some(Shown(KeyId::from_bits(7))),
            kind: Some("account"),
            subject: Some(Shown(SubjectView::Account(AccountId::from_bits(8)))),
            scopes: Some(Scopes(scopes)),
            expires_at: None,
            grants: GrantsAnswer::default(),
            version: None,
            retry_after_seconds: None,
            reasons: None,
        }
    }

    fn check(answer: &VerifyAnswer<'_>) {
        let written = of(answer);
        assert_eq!(written, serde_json::to_string(answer).unwrap());
    }

    #[test]
    fn what_is_written_is_what_the_serialiser_writes() {
        let scopes = ScopeSet::parse(["notebook:read", "*:list", "key:create"]).unwrap();
        let none = ScopeSet::default();
        check(&answer(&scopes));
        check(&answer(&none));
        let unknown = VerifyAnswer {
            valid: false,
            code: "invalid_key",
            key_id: None,
            kind: None,
            subject: None,
            scopes: None,
            ..answer(&none)
        };
        check(&unknown);
        let grants =
            GrantsAnswer { secrets: vec!["a \"quoted\" \n name"], databases: vec!["main", "\u{e9}"] };
        let version = Some(u32::MAX);
        let expires_at = Some("2027-01-15T08:00:00Z".to_owned());
        check(&VerifyAnswer { grants, version, expires_at, ..answer(&scopes) });
        let reasons = Some(vec![ReasonAnswer::of(claviger_core::decide::Reason::KeyActive)]);
        check(&VerifyAnswer { reasons, retry_after_seconds: Some(3), ..answer(&scopes) });
        let both = [answer(&scopes), answer(&none)];
        let mut batch = Batch::of(2);
        both.iter().for_each(|answer| batch.add(answer));
        let batch = batch.finish();
        let expect = serde_json::json!({"results": both});
        assert_eq!(serde_json::from_str::<serde_json::Value>(&batch).unwrap(), expect);
    }
}
