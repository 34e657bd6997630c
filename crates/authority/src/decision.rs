//! How a use case decides, and how it is decided again.
//!
//! All management decisions are made here, through a [`Deciding`]. It takes the sequence of the index before it
//! looks anything up, notes every record that is looked up, and so ends up with the permit that the store asks
//! for: as old as its oldest decision, resting on the records of all of them.
//!
//! [`Authority::attempts`] runs the read-decide-write of a use case, again where somebody else was quicker: where
//! a permit became stale, or a record has another revision than the one that was read.

use claviger_core::decide::{
    Credential, KeyAction, ManagePermit, Policy, Reasons, Refusal, Request, RoleChange, Snapshot, Target,
    accept, decide, decide_key, decide_role,
};
use claviger_core::history::HistoryEntry;
use claviger_core::key::{Actor, Rights};
use claviger_core::permit::{Known, PolicyVersion, RecordRef, Recorder, WritePermit};
use claviger_core::principal::{Container, ContainerId};
use claviger_core::scope::Action;
use claviger_core::{KeyId, Subject, Timestamp};
use claviger_store::{Audit, Once};

use crate::authority::{Authority, Changed, On};
use crate::caller::Caller;
use crate::condition::Condition;
use crate::error::{Error, Result};
use crate::idempotency::Idempotency;
use crate::index::View;
use crate::locks::Applicant;
use crate::read::NotFresh;

/// How often a use case decides, at most. In one process the second attempt holds the locks of all that made
/// the first one fail; further ones are for other processes.
const ATTEMPTS_MAX: u32 = 32;

/// The decisions of one use case.
pub(crate) struct Deciding<'a> {
    authority: &'a Authority,
    caller: &'a Caller,
    permitted: Option<Permitted>,
    /// Read before the policy is.
    policy_version: PolicyVersion,
}

/// Who acts, and the permit to write.
#[derive(Debug, Clone)]
pub(crate) struct Permitted {
    pub(crate) actor: Actor,
    pub(crate) key: Option<KeyId>,
    pub(crate) write: WritePermit,
}

impl<'a> Deciding<'a> {
    /// Who asks.
    pub(crate) fn caller(&self) -> &'a Caller {
        self.caller
    }

    /// What decisions depend on.
    pub(crate) fn policy(&self) -> Policy {
        self.authority.policy()
    }

    /// The wall clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.authority.now()
    }

    /// Makes one decision in a view of its own. The only place where a permit comes from.
    fn decide<T>(
        &mut self,
        action: Action<'_>,
        decision: impl FnOnce(&Recorder<'_, View<'_>>, Credential<'_>) -> Result<(T, ManagePermit), Refusal>,
    ) -> Result<T> {
        // Before anything is looked up: the permit must not claim to know of a change that the view has missed.
        let sequence = self.authority.shared.index.applied();
        let known = Known { sequence, policy: self.policy_version };
        let decided = self.authority.read(|view| {
            let credential = self.caller.credential(view);
            let mut holds = true;
            let decided = Recorder::decide(view, known, |recorder| {
                let decided = decision(recorder, credential)?;
                holds = self.caller.named.still_holds(recorder);
                Ok(decided)
            });
            let decided = decided.inspect_err(|_| {
                if let Credential::Key(key) = credential {
                    self.authority.shared.time.refused(key.rights.expires_at);
                }
            });
            decided.map(|decided| (decided, holds))
        })?;
        let ((value, proof, write), holds) = decided.map_err(|refusal| Error::refused(refusal, action))?;
        if !holds {
            // An external id that the request names has moved since it was read.
            return Err(Error::Contended);
        }
        let write = match self.permitted.take() {
            Some(earlier) => earlier.write.and(write),
            None => write,
        };
        self.permitted = Some(Permitted { actor: proof.actor(), key: proof.key(), write });
        Ok(value)
    }

    /// What the caller may do to Claviger's own records.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) fn permit(&mut self, action: Action<'_>, target: Target<'_>) -> Result<()> {
        let request = Request { place: self.caller.place(), ..Request::new(action, target) };
        let (policy, now) = (self.authority.policy(), self.authority.now());
        let mut reasons = Reasons::default();
        let decided = self.decide(action, |snapshot, credential| {
            let verdict = decide(snapshot, policy, credential, &request, now);
            reasons = verdict.reasons;
            Ok(((), verdict.outcome?.manage().ok_or(Refusal::CredentialsRequired)?))
        });
        decided.map_err(|error| error.because(reasons))
    }

    /// What the caller may do with a key of these rights.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) fn key(&mut self, action: KeyAction, id: Option<KeyId>, rights: &Rights) -> Result<()> {
        let (policy, now, place) = (self.authority.policy(), self.authority.now(), self.caller.place());
        self.decide(action.action(), |snapshot, credential| {
            let target = (id, rights);
            Ok(((), decide_key(snapshot, policy, credential, place, action, target, now)?))
        })
    }

    /// Whether the caller may change somebody's role so.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) fn role(&mut self, change: RoleChange) -> Result<()> {
        let (policy, now, place) = (self.authority.policy(), self.authority.now(), self.caller.place());
        self.decide(change.action(), |snapshot, credential| {
            Ok(((), decide_role(snapshot, policy, credential, place, change, now)?))
        })
    }

    /// Whether the caller's credential is accepted at all.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) fn accepted(&mut self, action: Action<'_>) -> Result<()> {
        self.look(action, |_, _| ())
    }

    /// Looks something up that the use case depends on, for a caller that is accepted.
    ///
    /// # Errors
    /// The refusal of the caller's credential.
    pub(crate) fn look<T>(
        &mut self,
        action: Action<'_>,
        look: impl FnOnce(&Recorder<'_, View<'_>>, Credential<'_>) -> T,
    ) -> Result<T> {
        let (now, place) = (self.authority.now(), self.caller.place());
        self.decide(action, |snapshot, credential| {
            let proof = accept(snapshot, credential, place, now)?;
            Ok((look(snapshot, credential), proof))
        })
    }

    /// Refuses what a key cannot stand for: it does not exist, or it is closed.
    ///
    /// # Errors
    /// Not found.
    pub(crate) fn exists(&mut self, action: Action<'_>, subject: &Subject) -> Result<()> {
        let exists = self.look(action, |snapshot, _| match subject {
            Subject::Account(id) => snapshot.account(*id).is_some_and(|account| !account.closed),
            Subject::Team(id) => snapshot.team(*id).is_some_and(|team| !team.closed),
            Subject::Project(id) => snapshot.project(*id).is_some_and(|project| !project.closed),
            Subject::Resource(resource) => snapshot.resource(resource.reference.name()).is_some(),
            Subject::Operator => true,
        })?;
        if exists { Ok(()) } else { Err(Error::not_found()) }
    }

    /// What the host application means by an external id, for a caller that is accepted. The permit rests on it.
    ///
    /// # Errors
    /// The refusal of the caller's credential.
    pub(crate) fn by_external_id(
        &mut self,
        action: Action<'_>,
        container: Container,
        external_id: &str,
    ) -> Result<ContainerId> {
        let found = self.look(action, |snapshot, _| snapshot.by_external_id(container, external_id))?;
        Ok(found.unwrap_or(container.unknown()))
    }

    /// Whether the caller has an operator key.
    pub(crate) fn is_operator(&self) -> Result<bool, NotFresh> {
        self.authority.is_operator(self.caller)
    }

    /// Who acts, and the permit to write.
    ///
    /// # Errors
    /// Credentials are required, if nothing was decided.
    pub(crate) fn permitted(&self) -> Result<&Permitted> {
        self.permitted.as_ref().ok_or_else(|| Error::refused(Refusal::CredentialsRequired, ""))
    }

    /// The permit to write.
    ///
    /// # Errors
    /// Credentials are required, if nothing was decided.
    pub(crate) fn write(&self) -> Result<WritePermit> {
        Ok(self.permitted()?.write.clone())
    }

    /// Goes on where another thread was.
    pub(crate) fn resume(&mut self, permitted: Permitted) {
        self.permitted = Some(permitted);
    }

    /// What goes with a mutation: the permit, and the history row of the action.
    ///
    /// # Errors
    /// Credentials are required, if nothing was decided.
    pub(crate) fn audit(&self, what: Action<'_>, on: On, detail: String) -> Result<Audit> {
        Ok(Audit::new(self.write()?, self.entry(what, on, detail)?))
    }

    /// The history row of an action.
    ///
    /// # Errors
    /// Credentials are required, if nothing was decided.
    pub(crate) fn entry(&self, what: Action<'_>, on: On, detail: String) -> Result<HistoryEntry> {
        Ok(self.authority.entry(self.caller, self.permitted()?, what, on, detail))
    }

    /// The request as the store remembers it.
    ///
    /// # Errors
    /// Credentials are required, if nothing was decided.
    pub(crate) fn once(
        &self,
        request: Option<&Idempotency>,
        reference: impl ToString,
    ) -> Result<Option<Once>> {
        Ok(self.authority.once(self.permitted()?.actor, request, reference))
    }

    /// What to answer where there was nothing to change: once the store has confirmed the permit in the order of
    /// the writes, so that the change which left nothing to do is in force.
    ///
    /// # Errors
    /// A stale permit, which [`Authority::attempts`] takes back.
    pub(crate) async fn unchanged<T>(&self, value: T, since: Timestamp, revokes: bool) -> Result<Changed<T>> {
        self.authority.shared.store.confirm(self.write()?).await?;
        Ok(Changed { value, change: self.authority.change_made(None, since, revokes) })
    }
}

impl Authority {
    /// Begins the decisions of a use case.
    pub(crate) fn deciding<'a>(&'a self, caller: &'a Caller) -> Deciding<'a> {
        let policy_version = self.shared.settings.policy_version();
        Deciding { authority: self, caller, permitted: None, policy_version }
    }

    /// What a caller may do, for use cases that write nothing.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) fn permit(&self, caller: &Caller, action: Action<'_>, target: Target<'_>) -> Result<()> {
        self.deciding(caller).permit(action, target)
    }

    /// Whether the caller's credential is accepted at all.
    ///
    /// # Errors
    /// The refusal.
    pub fn accepts(&self, caller: &Caller, action: Action<'_>) -> Result<()> {
        self.deciding(caller).accepted(action)
    }

    /// Runs the read-decide-write of a use case that changes these records, until nobody else was quicker.
    /// A record at another revision than the one that was read is read again, unless the condition fails for it.
    ///
    /// # Errors
    /// Those of the step; [`Error::Contended`] if others were quicker each time.
    pub(crate) async fn attempts<'a, T, F>(
        &'a self,
        caller: &'a Caller,
        targets: &[RecordRef],
        condition: &Condition,
        step: impl Fn(Deciding<'a>) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let locks = &self.locks;
        let applicant = self.read(|view| Applicant::of(caller.credential(view)))?;
        let _place = locks.place(&applicant, targets).await?;
        let mut records = targets.to_vec();
        for _ in 0..ATTEMPTS_MAX {
            let held = locks.hold(&records).await;
            let result = step(self.deciding(caller)).await;
            drop(held);
            match result {
                Err(Error::Overtaken { records: lost }) => {
                    records.extend(lost.iter().cloned());
                    records.sort_unstable();
                    records.dedup();
                }
                Err(Error::Stale { current }) if condition.holds(current) => {}
                Err(error) => return Err(self.in_force(error).await?),
                Ok(value) => return Ok(value),
            }
        }
        Err(Error::Contended)
    }

    /// An answer that others may rely on: "not found" waits until whatever was committed is in force, the keys of
    /// a deleted resource included.
    pub(crate) async fn in_force(&self, error: Error) -> Result<Error> {
        if matches!(error, Error::Refused { refusal: Refusal::NotFound, .. }) {
            self.settle().await?;
        }
        Ok(error)
    }

    /// Waits until the index knows whatever the store had committed when this was called.
    pub(crate) async fn settle(&self) -> Result<()> {
        // What a read returns, the index knows.
        self.shared.store.sequence().await?;
        Ok(self.check_freshness()?)
    }

    /// Starts a task that [`Authority::close`] waits for.
    pub fn carry_on<F>(&self, task: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.shared.tasks.spawn(task)
    }

    /// Carries a use case of several steps on to its end, also if its caller goes away.
    pub(crate) async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let done = self.carry_on(work).await;
        done.map_err(|error| {
            Error::Store(claviger_store::StoreError::Unavailable(std::sync::Arc::new(error)))
        })?
    }
}
