//! What the application has to be told before it can start.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use claviger_client::Secret;

/// Sees each request's head; used to show what reaches an application.
pub type Observer = Arc<dyn Fn(&http::request::Parts) + Send + Sync>;

/// Everything that [`crate::start`] needs.
#[derive(Clone)]
pub struct Config {
    /// The authority's API, such as `http://127.0.0.1:8400`.
    pub authority: String,
    /// The application's own key: it mirrors resources (`resource:create`, `resource:read`, `resource:update`), asks
    /// about keys (`key:verify`) and reports runs (`history:create`).
    pub key: Secret,
    /// Where to listen: a loopback address. Port 0 takes any free port.
    pub listen: SocketAddr,
    /// Who holds what in the sample data.
    pub people: People,
    /// The team (`team_…`) that holds the team notebooks, and operates the site.
    pub team: String,
    /// The projects that hold the project data.
    pub projects: Projects,
    /// Sees each request's head before anything else does.
    pub observer: Option<Observer>,
    /// Says when a run was created; a parameter so that tests can fix it.
    pub clock: fn() -> SystemTime,
}

/// Account ids (`acct_…`) for the sample data.
#[derive(Clone, Debug)]
pub struct People {
    /// Holds the private notebook, the public notebook and most samples; creator of nearly everything.
    pub owner: String,
    /// Holds one public sample.
    pub member: String,
    /// Holds nothing, and is told apart from the others so that a refusal can be shown.
    pub stranger: String,
}

/// The e-mail addresses of the people in the sample data, in a domain that is nobody's (RFC 2606).
pub const EMAILS: Emails =
    Emails { owner: "owner@demo.example", member: "member@demo.example", stranger: "stranger@demo.example" };

/// An e-mail address for each of the [`People`].
#[derive(Clone, Copy, Debug)]
pub struct Emails {
    /// The owner's.
    pub owner: &'static str,
    /// The member's.
    pub member: &'static str,
    /// The stranger's.
    pub stranger: &'static str,
}

impl People {
    /// The e-mail address of an account, if it is one of these.
    pub(crate) fn email(&self, account: &str) -> Option<&'static str> {
        let people =
            [(&self.owner, EMAILS.owner), (&self.member, EMAILS.member), (&self.stranger, EMAILS.stranger)];
        people.into_iter().find(|(id, _)| *id == account).map(|(_, email)| email)
    }
}

/// Project ids (`proj_…`) for the sample data.
#[derive(Clone, Debug)]
pub struct Projects {
    /// Holds a notebook and a sample.
    pub atlas: String,
    /// Holds a sample that nobody from atlas may see.
    pub borealis: String,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("authority", &self.authority)
            .field("listen", &self.listen)
            .field("people", &self.people)
            .field("team", &self.team)
            .field("projects", &self.projects)
            .finish_non_exhaustive()
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Whoever reaches the application can claim to be anybody, so it must not be reachable from elsewhere.
    #[error("{0} is not a loopback address: the application trusts the headers of whoever reaches it")]
    NotLoopback(SocketAddr),
    /// An id does not have the form that the authority gives out.
    #[error("{name} is `{value}`: expected `{prefix}` and then letters, digits, `_` or `-`")]
    Id {
        /// Which field.
        name: &'static str,
        /// What it contains.
        value: String,
        /// How it should begin.
        prefix: &'static str,
    },
    /// Two ids that the sample data tells apart are the same.
    #[error("`{0}` is named twice: the sample data needs different accounts and projects")]
    Twice(String),
}

/// How long an id may be; the authority's own limit for the ids of resources.
const ID_CHARS_MAX: usize = 128;

impl Config {
    /// Checks what can be checked without asking anybody.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if !self.listen.ip().is_loopback() {
            return Err(ConfigError::NotLoopback(self.listen));
        }
        let ids = [
            ("people.owner", "acct_", &self.people.owner),
            ("people.member", "acct_", &self.people.member),
            ("people.stranger", "acct_", &self.people.stranger),
            ("team", "team_", &self.team),
            ("projects.atlas", "proj_", &self.projects.atlas),
            ("projects.borealis", "proj_", &self.projects.borealis),
        ];
        for (position, (name, prefix, value)) in ids.iter().enumerate() {
            if !value.strip_prefix(prefix).is_some_and(is_id) {
                return Err(ConfigError::Id { name, value: (*value).clone(), prefix });
            }
            if ids.iter().take(position).any(|(_, _, earlier)| earlier == value) {
                return Err(ConfigError::Twice((*value).clone()));
            }
        }
        Ok(())
    }
}

/// Whether `text` can be a resource's id, or what follows the prefix of another.
pub(crate) fn is_id(text: &str) -> bool {
    (1..=ID_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}
