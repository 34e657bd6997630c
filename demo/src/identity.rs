//! Who asks, and for what, as the gateway says it.

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::request::Parts;

use crate::problem::Problem;

/// The gateway's headers. It strips whatever a caller sends under these names and sets each of them itself,
/// always; so a request that lacks one, or has one twice, did not come through it.
#[derive(Debug)]
pub(crate) struct Identity {
    /// `account:acct_…`, `team:…`, `project:…`, `notebook:…`, `operator` or `anonymous`.
    pub(crate) subject: String,
    pub(crate) account: Option<String>,
    pub(crate) key_id: Option<String>,
    pub(crate) scopes: Vec<String>,
    grants: Vec<String>,
    resource: Option<String>,
    version: Option<u32>,
}

impl Identity {
    /// Holds when the gateway named exactly this resource (`kind` and `id` from the path).
    pub(crate) fn names(&self, kind: &str, id: &str) -> Result<(), Problem> {
        let named = self.resource.as_deref().and_then(|resource| resource.split_once(':'));
        match named {
            Some(named) if named == (kind, id) => Ok(()),
            Some(_) => Err(Problem::not_from_gateway("it names another resource than the path")),
            None => Err(Problem::not_from_gateway("it names no resource")),
        }
    }

    /// The version that the gateway resolved. A path that names a version must name this one.
    pub(crate) fn version(&self, in_path: Option<u32>) -> Result<u32, Problem> {
        let version = self.version.ok_or_else(|| Problem::not_from_gateway("it names no version"))?;
        match in_path {
            Some(other) if other != version => {
                Err(Problem::not_from_gateway("it names another version than the path"))
            }
            _ => Ok(version),
        }
    }

    /// Whether this request may use the secret.
    pub(crate) fn grants_secret(&self, name: &str) -> bool {
        self.grants.iter().any(|grant| grant.strip_prefix("secret:") == Some(name))
    }

    /// Whether this request may query the database.
    pub(crate) fn grants_database(&self, name: &str) -> bool {
        self.grants.iter().any(|grant| grant.strip_prefix("database:") == Some(name))
    }

    fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        let version = match optional(headers, "x-claviger-version")? {
            None => None,
            Some(text) => {
                let version = text.parse().ok().filter(|version| *version > 0);
                Some(version.ok_or_else(|| Problem::not_from_gateway("its version is not a version"))?)
            }
        };
        // Not used here, but the gateway always sends it.
        single(headers, "x-claviger-request-id")?;
        Ok(Self {
            subject: optional(headers, "x-claviger-subject")?
                .ok_or_else(|| Problem::not_from_gateway("it names no subject"))?,
            account: optional(headers, "x-claviger-account")?,
            key_id: optional(headers, "x-claviger-key-id")?,
            scopes: words(single(headers, "x-claviger-scopes")?),
            grants: words(single(headers, "x-claviger-grants")?),
            resource: optional(headers, "x-claviger-resource")?,
            version,
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Identity {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Self::read(&parts.headers)
    }
}

/// The header's only value.
fn single<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, Problem> {
    let mut values = headers.get_all(name).iter();
    let (first, second) = (values.next(), values.next());
    match (first.map(http::HeaderValue::to_str), second) {
        (Some(Ok(value)), None) => Ok(value),
        (None, _) => Err(Problem::not_from_gateway(format!("it has no {name}"))),
        _ => Err(Problem::not_from_gateway(format!("its {name} is unclear"))),
    }
}

/// The header's only value, where the gateway sends an empty one for "none".
fn optional(headers: &HeaderMap, name: &'static str) -> Result<Option<String>, Problem> {
    let value = single(headers, name)?;
    Ok(if value.is_empty() { None } else { Some(value.to_owned()) })
}

fn words(list: &str) -> Vec<String> {
    list.split_ascii_whitespace().map(str::to_owned).collect()
}
