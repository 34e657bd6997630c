//! What teams and projects have in common on the wire.

use claviger_authority::groups::GroupPatch;
use claviger_core::AccountId;
use claviger_core::name::Name;
use claviger_core::principal::{Members, Role};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::wire::{Listing, PageQuery, external_id_of, given, invalid, or_none, page_of, present};

/// What to change of a team or a project. What is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Lab II"}))]
pub struct UpdateGroup {
    /// What people call it: 1 to 128 characters.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 128)]
    name: Option<Option<String>>,
    /// Your application's own identifier of it, or null; operators only.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    external_id: Option<Option<String>>,
    /// Closed, or open again (operators only).
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool, required = false)]
    closed: Option<Option<bool>>,
}

impl UpdateGroup {
    /// The change.
    pub(super) fn read(self) -> Result<GroupPatch, Problem> {
        let name = |text: String| Name::parse(&text).map_err(|e| invalid("name", e));
        Ok(GroupPatch {
            name: given("name", self.name)?.map(name).transpose()?,
            external_id: or_none(self.external_id, external_id_of)?,
            closed: given("closed", self.closed)?,
        })
    }
}

/// The role of the account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"role": "admin"}))]
pub struct PutMember {
    /// In a team `member`, `admin` or `owner`; in a project `viewer`, `collaborator` or `admin`.
    #[schema(example = "admin")]
    role: String,
}

/// Reads the role.
pub(super) fn role_of<R: Role>(body: &PutMember) -> Result<R, Problem> {
    let words = || R::WORDS.iter().map(|(_, word)| *word).collect::<Vec<_>>().join("`, `");
    R::from_word(&body.role).ok_or_else(|| invalid("role", format_args!("it is one of `{}`", words())))
}

/// An account and its role.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemberAnswer {
    /// The account.
    #[schema(example = "acct_01jd3m0q7w8r9t2v4x6y8z0a1b")]
    account: String,
    /// Its role.
    #[schema(example = "admin")]
    role: &'static str,
}

impl MemberAnswer {
    /// An account in its role.
    pub(super) fn of<R: Role>(account: AccountId, role: R) -> Self {
        Self { account: account.to_string(), role: role.as_str() }
    }
}

/// A page of members, by account.
pub(super) fn members_page<R: Role>(
    members: &Members<R>,
    page: &PageQuery,
) -> Result<Listing<MemberAnswer>, Problem> {
    let (limit, after) = page_of::<AccountId>(page.limit, page.cursor.as_deref())?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let rows = members.iter().filter(|(account, _)| after.is_none_or(|after| *account > after));
    let rows = rows.take(shown.saturating_add(1)).collect();
    let cursor = |(account, _): &(AccountId, R)| account.to_string();
    Ok(Listing::of(rows, limit, cursor, |(account, role)| MemberAnswer::of(account, role)))
}
