//! What teams and projects have in common.

use serde::{Deserialize, Serialize};

use crate::page::escaped;

/// What shall change of a team or a project. What is absent stays; `Some(None)` takes a value away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GroupPatch {
    /// Another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Another identifier of the host's; for operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<Option<String>>,
    /// Closed, or open again (for operators).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<bool>,
}

/// An account and its role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Which account, `acct_…`.
    pub account: String,
    /// Teams: `owner`, `admin`, `member`. Projects: `admin`, `collaborator`, `viewer`.
    pub role: String,
}

#[derive(Serialize)]
pub(crate) struct RoleBody<'a> {
    pub(crate) role: &'a str,
}

/// The path of one group.
pub(crate) fn path(groups: &str, id: &str) -> String {
    format!("/v1/{groups}/{}", escaped(id))
}

/// The path of its members.
pub(crate) fn members(groups: &str, id: &str) -> String {
    format!("{}/members", path(groups, id))
}

/// The path of one of them.
pub(crate) fn member(groups: &str, id: &str, account: &str) -> String {
    format!("{}/{}", members(groups, id), escaped(account))
}
