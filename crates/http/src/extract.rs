//! What handlers take out of a request: the caller, a JSON object, parameters. Everything that cannot be
//! read is a problem that says what to do.

use std::error::Error;

use axum::BoxError;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use bytes::Bytes;
use claviger_authority::Caller;
use claviger_authority::idempotency::Idempotency;
use claviger_authority::imports::ImportId;
use claviger_core::change::ChangeId;
use claviger_core::principal::{Container, ContainerId};
use claviger_core::resource::{ResourceNameError, ResourceRef};
use claviger_core::scope::Action;
use claviger_core::subject::external_id;
use claviger_core::{AccountId, KeyId, ProjectId, TeamId};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use crate::api::patience::Stalled;
use crate::problem::Problem;
use crate::references::ReferenceReader;
use crate::state::AppState;

/// The caller, whose credential is accepted. It comes before everything else that a handler takes, so that
/// nothing is read, looked up or told before authentication.
pub struct By(pub Caller);

impl FromRequestParts<AppState> for By {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().cloned();
        let caller = caller
            .ok_or_else(|| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "No caller."))?;
        // Not about this action yet: whatever is asked, the credential has to be good.
        state.authority.accepts(&caller, Action::literal("key", "read"))?;
        Ok(Self(caller))
    }
}

/// A JSON object from the body.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<AppState> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        JsonText::from_request(request, state).await?.read().map(Self)
    }
}

/// The body of a request that says it is JSON, for what borrows from it.
pub struct JsonText(Bytes);

impl JsonText {
    /// Reads a body that did not come through the router.
    ///
    /// # Errors
    /// A body that does not say it is JSON, is too large, or breaks off.
    pub(crate) async fn whole<B>(headers: &HeaderMap, body: B, bytes_max: usize) -> Result<Self, Problem>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        expect_json(headers)?;
        whole(body, bytes_max)
            .await
            .map(Self)
            .map_err(|error| unreadable(error.is::<LengthLimitError>(), &*error))
    }

    /// Reads it as an object.
    ///
    /// # Errors
    /// A problem that says where it is not.
    pub fn read<'b, T: Deserialize<'b>>(&'b self) -> Result<T, Problem> {
        from_slice(&self.0)
    }
}

impl FromRequest<AppState> for JsonText {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        expect_json(request.headers())?;
        Bytes::from_request(request, state)
            .await
            .map(Self)
            .map_err(|rejection| unreadable(rejection.status() == StatusCode::PAYLOAD_TOO_LARGE, &rejection))
    }
}

fn expect_json(headers: &HeaderMap) -> Result<(), Problem> {
    if is_json(headers) {
        return Ok(());
    }
    let detail = "Send the body with `Content-Type: application/json`.";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail))
}

/// Reads a whole body that did not come through the router, of at most so many bytes.
///
/// # Errors
/// What [`unreadable`] tells of.
pub(crate) async fn whole<B>(body: B, bytes_max: usize) -> Result<Bytes, BoxError>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    Ok(Limited::new(body, bytes_max).collect().await?.to_bytes())
}

/// Whether an error, or what it was caused by, is of this kind.
fn comes_from<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    error.is::<E>() || error.source().is_some_and(comes_from::<E>)
}

/// Why a body could not be read to its end.
pub(crate) fn unreadable(too_large: bool, error: &(dyn Error + 'static)) -> Problem {
    if too_large {
        let detail = "The body is larger than this address takes.";
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    } else if comes_from::<Stalled>(error) {
        let detail = "The rest of the body did not come in time.";
        Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail)
    } else {
        Problem::bad_request("malformed_json", "The body could not be read completely.")
    }
}

/// A JSON object from the body of a request that is carried out once, if `Idempotency-Key` gives it a name.
pub struct OnceBody<T>(pub T, pub Option<Idempotency>);

impl<T: DeserializeOwned> FromRequest<AppState> for OnceBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let name = idempotency_key(request.headers())?;
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let text = JsonText::from_request(request, state).await?;
        let value = text.read()?;
        let parts: [&[u8]; 3] = [method.as_str().as_bytes(), path.as_bytes(), &text.0];
        let once = name.map(|name| Idempotency::new(&name, &parts)).transpose()?;
        Ok(Self(value, once))
    }
}

/// The name that the client gave its request.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let (first, more) = (values.next(), values.next().is_some());
    let Some(value) = first else { return Ok(None) };
    match value.to_str() {
        Ok(text) if !more => Ok(Some(text.to_owned())),
        _ => Err(Problem::bad_request(
            "invalid_request",
            "`Idempotency-Key`: send it once, in printable ASCII characters.",
        )),
    }
}

/// Reads a JSON object. Serde would take an array for a struct, too, field by field; nobody means that.
pub(crate) fn from_slice<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, Problem> {
    let malformed = |detail: String| Problem::bad_request("malformed_json", detail);
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(malformed("The body must be a JSON object, such as `{}`.".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        // What serde says of a field names it, and may quote its value: a key in the wrong field must not
        // come back in an error, nor reach a log.
        serde_json::error::Category::Data => {
            let field = field_at_fault::<T>(body);
            malformed(format!("{}.", without_values(&error.to_string(), field.as_deref())))
        }
        _ => malformed(format!(
            "The body is not valid JSON, at line {}, column {}.",
            error.line(),
            error.column()
        )),
    })
}

/// How serde begins to say that a field is not known.
const UNKNOWN_FIELD: &str = "unknown field ";
/// Names of fields are no longer than this, and shorter than any key.
const FIELD_BYTES_MAX: usize = 15;

/// Which field of a body is not as it should be: `restrictions.rate`, `scopes[1]`. Names that the client chose, such as
/// those of metadata, are `*`. The body is read again for it, so that a good one is read without keeping track.
fn field_at_fault<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Option<String> {
    let deserializer = &mut serde_json::Deserializer::from_slice(body);
    let error = serde_path_to_error::deserialize::<_, T>(deserializer).err()?;
    let segments = error.path().iter().collect::<Vec<_>>();
    // The last name of the path to an unknown field is that field's, which came from outside.
    let names = segments.len().saturating_sub(usize::from(is_of_unknown_field(error.inner())));
    let mut path = String::new();
    for segment in segments.into_iter().take(names) {
        match segment {
            Segment::Map { key } if is_field(key) && path != "metadata" => {
                let dot = if path.is_empty() { "" } else { "." };
                path.push_str(&format!("{dot}{key}"));
            }
            Segment::Seq { index } => path.push_str(&format!("[{index}]")),
            Segment::Map { .. } if !path.is_empty() => {
                path.push_str(".*");
                break;
            }
            _ => break,
        }
    }
    (!path.is_empty()).then_some(path)
}

/// The field at the beginning of a sentence.
fn beginning(field: Option<&str>) -> String {
    let Some(field) = field else { return "A value".to_owned() };
    match field.strip_suffix(".*") {
        Some(map) => format!("A value in `{map}`"),
        None => format!("`{field}`"),
    }
}

fn is_of_unknown_field(error: &serde_json::Error) -> bool {
    error.to_string().starts_with(UNKNOWN_FIELD)
}

fn is_field(name: &str) -> bool {
    name.len() <= FIELD_BYTES_MAX && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// What serde and the standard library say of a value, and what to write instead. The longest first.
const PLAINLY: &[(&str, &str)] = &[
    ("invalid digit found in string", "must be a whole number"),
    ("cannot parse integer from empty string", "must be a whole number"),
    ("number too large to fit in target type", "is too large"),
    ("provided string was not `true` or `false`", "must be `true` or `false`"),
];

/// What is expected, in the words that serde uses for it.
const EXPECTED: &[(&str, &str)] = &[
    ("a string", "a text"),
    ("a borrowed string", "a text"),
    ("a boolean", "`true` or `false`"),
    ("a sequence", "a list"),
    ("a map", "an object"),
    ("an object of texts", "an object whose values are texts"),
    ("an object", "an object"),
    ("u8", "a whole number from 0 to 255"),
    ("u16", "a whole number from 0 to 65535"),
    ("u32", "a whole number from 0 to 4294967295"),
    ("u64", "a whole number, not negative"),
    ("i64", "a whole number"),
    ("f64", "a number"),
];

/// What serde says of a body, in plain words and without the values that it quotes: those stand in double quotes and,
/// if they are numbers, in backticks like the names of fields. An unknown field is a value, too: its name came from
/// outside.
fn without_values(message: &str, field: Option<&str>) -> String {
    let message = message.split(" at line ").next().unwrap_or_default();
    let message = message.strip_prefix("Failed to deserialize query string: ").unwrap_or(message);
    for (unknown, what) in [(UNKNOWN_FIELD, "field"), ("unknown variant ", "word")] {
        if let Some((_, expected)) = message.split_once(unknown) {
            let known = expected.rsplit_once("expected ").map_or("", |(_, known)| known);
            let known = known.trim_start_matches("one of ");
            if known.is_empty() || expected.ends_with("there are no fields") {
                return format!("Unknown {what}; there are none here");
            }
            return match field {
                Some(field) if what == "field" => {
                    format!("Unknown field in `{field}`. Known fields of `{field}`: {known}")
                }
                Some(field) => format!("`{field}`: unknown word. Known words: {known}"),
                None => format!("Unknown {what}. Known {what}s: {known}"),
            };
        }
    }
    let plainly = PLAINLY.iter().find_map(|(said, meant)| Some((message.strip_suffix(said)?, meant)));
    if let Some((said_of, meant)) = plainly {
        let named = said_of.trim_end_matches([':', ' ']);
        return format!("{} {meant}", beginning(if named.is_empty() { field } else { Some(named) }));
    }
    for named in ["missing field `", "duplicate field `"] {
        // These names are ours: a field that is not known is refused before it can be missing or there twice.
        if let Some(name) = message.strip_prefix(named).and_then(|rest| rest.strip_suffix('`')) {
            let what = if named.starts_with("missing") { "is missing" } else { "is there twice" };
            return match field {
                Some(field) if named.starts_with("missing") => format!("`{field}.{name}` {what}"),
                _ => format!("`{name}` {what}"),
            };
        }
    }
    if message.starts_with("a name is given twice") {
        return match field {
            Some(field) => format!("A name in `{field}` is there twice"),
            None => "A name in an object is there twice".to_owned(),
        };
    }
    if let Some((_, expected)) = message.rsplit_once(", expected ") {
        let known = EXPECTED.iter().find(|(said, _)| *said == expected);
        let meant = known.map_or("of another type", |(_, meant)| meant);
        return format!("{} must be {meant}", beginning(field));
    }
    format!("{} is not of the form that this address takes", beginning(field))
}

fn is_json(headers: &HeaderMap) -> bool {
    let essence = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// The parameters of the query.
pub struct QueryOf<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<AppState> for QueryOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &AppState) -> Result<Self, Problem> {
        query_of(&parts.uri).map(Self)
    }
}

/// The parameters in the query of an address.
///
/// # Errors
/// A problem that names what is wrong, without the values.
pub(crate) fn query_of<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    axum::extract::Query::try_from_uri(uri).map(|query| query.0).map_err(|error| {
        Problem::bad_request(
            "invalid_request",
            format!("The query: {}.", without_values(&error.body_text(), None)),
        )
    })
}

/// An identifier in the path. What cannot be one names nothing, so the answer is 404; but the names of resources are
/// made by your application, and one that breaks the rules for them is a mistake that is better told.
pub struct Named<T>(pub T);

/// A resource in the path: `type:id`.
pub struct NamedResource(pub ResourceRef);

impl FromRequestParts<AppState> for NamedResource {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let invalid = |error| crate::wire::invalid("reference", error);
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|_| invalid(ResourceNameError::Id))?;
        text.parse().map(Self).map_err(invalid)
    }
}

impl<T: PathName> FromRequestParts<AppState> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state).await.map_err(|_| not_found())?;
        let caller = parts.extensions.get::<Caller>();
        Ok(Self(T::read(&text, caller.map(|caller| ReferenceReader::of(state, caller)))?))
    }
}

/// What can stand in a path.
pub trait PathName: Sized + Send {
    /// Reads it. What the caller names by an external id is looked up.
    ///
    /// # Errors
    /// Not found: it is nothing that can be named so.
    fn read(text: &str, references: Option<ReferenceReader<'_>>) -> Result<Self, Problem>;
}

/// Names that mean what they say.
macro_rules! plain {
    ($($name:ty),*) => {$(
        impl PathName for $name {
            fn read(text: &str, _: Option<ReferenceReader<'_>>) -> Result<Self, Problem> {
                text.parse().map_err(|_| not_found())
            }
        }
    )*};
}

plain!(String, KeyId, ImportId, ChangeId);

/// Identifiers that may also be `external:` and the application's own name.
macro_rules! container {
    ($($name:ty, $kind:ident;)*) => {$(
        impl PathName for $name {
            fn read(text: &str, references: Option<ReferenceReader<'_>>) -> Result<Self, Problem> {
                let Some(external_id) = external_id(text) else { return text.parse().map_err(|_| not_found()) };
                let external_id = external_id.map_err(|_| not_found())?;
                let references = references.ok_or_else(not_found)?;
                match references.look_up(Container::$kind, external_id)? {
                    ContainerId::$kind(id) => Ok(id),
                    _ => Err(not_found()),
                }
            }
        }
    )*};
}

container! {
    AccountId, Account;
    TeamId, Team;
    ProjectId, Project;
}

/// Two identifiers in the path.
pub struct NamedPair<A, B>(pub A, pub B);

impl<A: PathName, B: PathName> FromRequestParts<AppState> for NamedPair<A, B> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((first, second)) = path.map_err(|_| not_found())?;
        let caller = parts.extensions.get::<Caller>();
        let references = caller.map(|caller| ReferenceReader::of(state, caller));
        Ok(Self(A::read(&first, references)?, B::read(&second, references)?))
    }
}

/// The same answer as for anything else that does not exist.
pub(crate) fn not_found() -> Problem {
    Problem::refused(claviger_core::decide::Refusal::NotFound, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        name: String,
        #[serde(default)]
        count: u32,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its errors are looked at")]
    struct Outer {
        body: Option<Body>,
        scopes: Option<Vec<String>>,
        metadata: Option<std::collections::BTreeMap<String, String>>,
    }

    #[test]
    fn the_field_at_fault_is_named() {
        let check = |body: &str, expect: &str| {
            let problem = from_slice::<Outer>(body.as_bytes()).err();
            assert_eq!(problem.map(|problem| problem.detail).as_deref(), Some(expect), "{body}");
        };
        check(r#"{"scopes": "sk_secret"}"#, "`scopes` must be a list.");
        check(r#"{"scopes": ["a", 4711]}"#, "`scopes[1]` must be a text.");
        check(r#"{"body": {"name": 1}}"#, "`body.name` must be a text.");
        check(r#"{"body": {}}"#, "`body.name` is missing.");
        check(
            r#"{"body": {"name": "x", "sk_secret": 1}}"#,
            "Unknown field in `body`. Known fields of `body`: `name` or `count`.",
        );
        check(r#"{"metadata": {"sk_secret": 1}}"#, "A value in `metadata` must be a text.");
        check(r#"{"sk_secret": 1}"#, "Unknown field. Known fields: `body`, `scopes`, `metadata`.");
        check(r#"{"body": "sk_secret"}"#, "`body` must be of another type.");
    }

    #[test]
    fn values_of_a_query_are_refused_in_plain_words() {
        let check = |query: &str, expect: &str| {
            let uri = format!("/?name=x&{query}").parse().unwrap();
            let told = query_of::<Body>(&uri).map(|body| body.count).map_err(|problem| problem.detail);
            assert_eq!(told.err().unwrap_or_default(), expect, "{query}");
        };
        check("count=1", "");
        check("count=x", "The query: `count` must be a whole number.");
        check("count=", "The query: `count` must be a whole number.");
        check("count=99999999999", "The query: `count` is too large.");
        check("sk_secret=1", "The query: Unknown field. Known fields: `name` or `count`.");
        check("name=y", "The query: `name` is there twice.");
    }

    #[test]
    fn only_objects_and_no_values_in_errors() {
        let check = |body: &str, expect: &str| {
            let told = match from_slice::<Body>(body.as_bytes()) {
                Ok(body) => format!("{} {}", body.name, body.count),
                Err(problem) => problem.detail,
            };
            assert_eq!(told, expect, "{body}");
        };
        check(r#" {"name": "x", "count": 1}"#, "x 1");
        check(r#"["x", 1]"#, "The body must be a JSON object, such as `{}`.");
        check("", "The body must be a JSON object, such as `{}`.");
        check("{", "The body is not valid JSON, at line 1, column 1.");
        check(
            r#"{"name": "x", "count": "sk_secret"}"#,
            "`count` must be a whole number from 0 to 4294967295.",
        );
        for number in ["-1", "4294967296", "1.5", "1e3", "18446744073709551616", "1e400"] {
            let text = format!(r#"{{"name": "x", "count": {number}}}"#);
            let told =
                from_slice::<Body>(text.as_bytes()).err().map(|problem| problem.detail).unwrap_or_default();
            assert!(!told.is_empty() && !told.contains(number), "{number}: {told}");
        }
        check(r#"{"name": 4711}"#, "`name` must be a text.");
        check(r#"{"name": "x", "name": "y"}"#, "`name` is there twice.");
        check(r#"{"count": 1}"#, "`name` is missing.");
        check(r#"{"sk_secret": 1}"#, "Unknown field. Known fields: `name` or `count`.");
    }
}
