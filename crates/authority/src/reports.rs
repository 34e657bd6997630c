//! What a host reports of its own site, for the history.

use claviger_core::authority::Reference;
use claviger_core::decide::{Access, Credential, Missing, Refusal, Snapshot, Target};
use claviger_core::history::{HistoryEntry, Origin};
use claviger_core::key::Actor;
use claviger_core::limit::{HISTORY_DETAIL_CHARACTERS_MAX, HISTORY_ENTRIES_MAX};
use claviger_core::resource::Holder;
use claviger_core::scope::{Action, is_control_type};
use claviger_core::{AccountId, Authority as KeyAuthority};

use crate::authority::{Authority, Permitted};
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::index::View;

const CREATE: Action<'static> = Action::literal("history", "create");

/// Something that was done on the host's own site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEntry {
    /// To what: a reference.
    pub target: String,
    /// What: a full action of the host's own, such as `run:create`.
    pub action: String,
    /// In words, at most 512 characters on one line.
    pub detail: String,
    /// Which account did it; the host itself if absent.
    pub actor: Option<AccountId>,
}

impl Authority {
    /// Adds what a host's own site did to the history, with origin `site`, all of it or nothing, and returns
    /// how many rows that were. The instant is now, and the key that reports stands in each row.
    ///
    /// For keys with the scope `history:create`: operators report about everything; keys of accounts, teams
    /// and projects about their own container and the resources in it, and name only accounts that belong to
    /// it. A row is listed under the container that holds its target; one about a resource that is not
    /// mirrored here, under whatever reported it. Actions of the control types are Claviger's own to record.
    ///
    /// # Errors
    /// Refused to sessions, other keys and strangers to the target; [`Error::Invalid`] names the row.
    pub async fn record_history(&self, caller: &Caller, entries: Vec<HostEntry>) -> Result<u64> {
        self.accepts(caller, CREATE)?;
        if entries.len() > HISTORY_ENTRIES_MAX {
            let detail = format!("report at most {HISTORY_ENTRIES_MAX} at once");
            return Err(Error::invalid("entries", detail));
        }
        let rows = entries.iter().enumerate().map(|(at, entry)| self.reported(caller, at, entry));
        let rows = rows.collect::<Result<Vec<_>>>()?;
        let count = rows.len() as u64;
        if count > 0 {
            self.shared.store.append_history(rows).await?;
        }
        Ok(count)
    }

    fn reported(&self, caller: &Caller, at: usize, entry: &HostEntry) -> Result<HistoryEntry> {
        let invalid = |field: &'static str, detail: &dyn std::fmt::Display| {
            Error::invalid(field, format_args!("row {at}: {detail}"))
        };
        let target = Reference::parse(&entry.target).map_err(|e| invalid("target", &e))?;
        let action = Action::parse(&entry.action).map_err(|e| invalid("action", &e))?;
        if is_control_type(action.kind()) {
            return Err(invalid("action", &"actions of this type are recorded by Claviger itself"));
        }
        let one_line = !entry.detail.chars().any(char::is_control);
        if !one_line || entry.detail.chars().count() > HISTORY_DETAIL_CHARACTERS_MAX {
            let detail = format!("it is one line of at most {HISTORY_DETAIL_CHARACTERS_MAX} characters");
            return Err(invalid("detail", &detail));
        }
        let (by, authority, actor) = self.read(|view| {
            let Credential::Key(key) = caller.credential(view) else {
                return Err(Error::refused(Refusal::Forbidden(Missing::Scope), CREATE));
            };
            let own = key.rights.authority.to_authority();
            let (by, authority) = self.may_report(caller, view, &target, &own)?;
            let actor = match entry.actor {
                None => by.actor,
                Some(account) if own == KeyAuthority::Operator || belongs(view, &own, account) => {
                    Actor::Account(account)
                }
                Some(_) => {
                    return Err(invalid("actor", &"this account does not belong to what the key stands for"));
                }
            };
            Ok((by, authority, actor))
        })??;
        Ok(HistoryEntry {
            at: self.now(),
            actor,
            key: by.key,
            action: entry.action.as_str().into(),
            target: entry.target.as_str().into(),
            authority: authority.into(),
            origin: Origin::Site,
            address: caller.address,
            request_id: caller.request_id.clone(),
            outcome: "done".into(),
            detail: entry.detail.as_str().into(),
            reasons: Default::default(),
        })
    }

    /// Who reports, and under which authority the row is listed.
    fn may_report(
        &self,
        caller: &Caller,
        view: &View<'_>,
        target: &Reference<'_>,
        own: &KeyAuthority,
    ) -> Result<(Permitted, String)> {
        let (target, listed) = match target {
            Reference::Account(id) => (Target::Account(*id), format!("account:{id}")),
            Reference::Team(id) => (Target::Team(*id), format!("team:{id}")),
            Reference::Project(id) => (Target::Project(*id), format!("project:{id}")),
            Reference::Operator => (Target::Operator, "operator".to_owned()),
            Reference::Resource(name) => match view.resource(*name) {
                Some(resource) => (Target::Resource(*name, None), holder(resource.holder)),
                None => (Target::Hosted(*name, None), own.to_string()),
            },
        };
        // An account's key administers projects as well; what it reports stays with itself.
        let stays = *own == KeyAuthority::Operator || listed == own.to_string();
        let by = match (self.permit(caller, CREATE, target), target) {
            // To this caller it does not exist, so the row is that about a resource that only the host knows.
            (Err(Error::Refused { refusal: Refusal::NotFound, .. }), Target::Resource(name, _)) => {
                let by = self.permit(caller, CREATE, Target::Hosted(name, None))?;
                return Ok((by, own.to_string()));
            }
            (by, _) => by?,
        };
        if stays {
            Ok((by, listed))
        } else {
            Err(Error::refused(Refusal::Forbidden(Missing::Access(Access::Administer)), CREATE))
        }
    }
}

fn holder(holder: Holder) -> String {
    match holder {
        Holder::Account(id) => format!("account:{id}"),
        Holder::Team(id) => format!("team:{id}"),
        Holder::Project(id) => format!("project:{id}"),
    }
}

/// Whether an account has to do with what a key stands for.
fn belongs(view: &View<'_>, own: &KeyAuthority, account: AccountId) -> bool {
    use claviger_core::subject::ProjectHolder;
    let in_team = |id| view.team(id).is_some_and(|team| team.members.role(account).is_some());
    match own {
        KeyAuthority::Account(id) => *id == account,
        KeyAuthority::Team(id) => in_team(*id),
        KeyAuthority::Project(id) => view.project(*id).is_some_and(|project| {
            let holds = match project.holder {
                ProjectHolder::Account(holder) => holder == account,
                ProjectHolder::Team(team) => in_team(team),
            };
            holds || project.members.role(account).is_some()
        }),
        KeyAuthority::Resource(_) | KeyAuthority::Operator => false,
    }
}
