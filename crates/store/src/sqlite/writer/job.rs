//! What waits in the writer's queue: an operation with its caller, and how each is answered.

use std::sync::{Arc, OnceLock};

use claviger_core::change::{Change, ChangeId, Sequence};
use claviger_core::clock;
use claviger_core::time::Timestamp;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::super::journal::Journal;
use super::super::{Result, changes, history, once, pointer, stopped};
use super::{DATABASE, Desk, JOURNAL, Write, obstacle};
use crate::commit::{Audit, Committed, Permit};
use crate::error::StoreError;

/// An operation with the one who waits for it.
pub(in crate::sqlite) trait Job: Send {
    /// Whether it is a change, which needs the journal.
    fn is_change(&self) -> bool;
    /// Runs it inside its savepoint. An error, or a change that is not made, has the savepoint undone.
    fn run(&mut self, conn: &Connection, desk: &mut Desk) -> Outcome;
    /// Whether all that it does is undone with its savepoint.
    fn has_savepoint(&self) -> bool {
        true
    }
    /// Answers at the end of the transaction.
    fn answer(self: Box<Self>, end: End<'_>);
}

/// How a transaction ended.
#[derive(Clone, Copy)]
pub(in crate::sqlite) enum End<'e> {
    /// It is committed.
    Committed,
    /// It is certain that it was not, or it was not begun.
    Failed(&'e StoreError),
    /// It may have been.
    Unknown(&'e StoreError),
}

/// What to do with an operation's savepoint.
pub(in crate::sqlite) enum Outcome {
    /// Keep what it wrote, and tell of the change.
    Keep(Option<Made>),
    /// Undo it.
    Undo,
}

/// A change that was made, and how it stands in the journal.
pub(in crate::sqlite) struct Made {
    pub(super) change: Change,
    pub(super) at: Option<Timestamp>,
    pub(super) import: bool,
    pub(super) urgent: bool,
}

/// A queued operation.
pub(in crate::sqlite) type WriteJob = Box<dyn Job>;

/// Keeps an operation's result until the end of the transaction; none if the group failed before its turn.
struct Waiter<T> {
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T> Waiter<T> {
    fn new(reply: oneshot::Sender<Result<T>>) -> Self {
        Self { result: None, reply }
    }

    /// `made` names the change, if the operation made one.
    fn answer(self, end: End<'_>, made: Option<ChangeId>) {
        let result = match (self.result, end) {
            (Some(result), End::Committed) => result,
            (None, End::Committed) => Err(stopped()),
            (Some(Ok(_)), End::Unknown(error)) => Err(error.clone().unknown(made)),
            // An operation that found something in its way may have found it in what was undone.
            (_, End::Failed(error) | End::Unknown(error)) => Err(error.clone()),
        };
        // The caller may have gone away; the operation stands all the same.
        let _gone = self.reply.send(result);
    }
}

/// The name of a change, for a caller that gets no answer because the writer died.
pub(in crate::sqlite) type ChangeName = Arc<OnceLock<ChangeId>>;

/// An operation with a change row and history rows.
pub(in crate::sqlite) struct Mutation<T, F> {
    operation: Option<F>,
    audit: Audit,
    name: ChangeName,
    waiter: Waiter<Committed<T>>,
}

impl<T, F: FnOnce(&mut Write<'_>) -> Result<T>> Mutation<T, F> {
    pub(in crate::sqlite) fn new(
        operation: F,
        audit: Audit,
        name: ChangeName,
        reply: oneshot::Sender<Result<Committed<T>>>,
    ) -> Self {
        Self { operation: Some(operation), audit, name, waiter: Waiter::new(reply) }
    }

    fn mutate(&mut self, conn: &Connection, desk: &mut Desk) -> Result<(Committed<T>, Option<Made>)> {
        let operation = self.operation.take().ok_or_else(stopped)?;
        // First of all: who lost its rights meanwhile is not even told that this is a repeat.
        desk.check(self.audit.permit())?;
        // Before anything else could be in the way: a repeat is told that it is one.
        if let Some(once) = self.audit.request() {
            once::check(conn, once)?;
        }
        // There is one writer, so it knows its place in the order without asking.
        let sequence = Sequence(desk.latest.0 + 1);
        let mut write = Write::on(conn, &mut desk.rooms);
        let value = operation(&mut write)?;
        let Write { items, row, urgent, took, unchanged, .. } = write;
        if unchanged {
            let (sequence, id) = changes::head(conn)?;
            return Ok((Committed { sequence, id, value }, None));
        }
        let mut id = ChangeId([0; 16]);
        (desk.random)(&mut id.0);
        let import = row.is_some();
        let change = Change { sequence, id, items };
        let row = row.unwrap_or_else(|| change.items.iter().map(pointer::text).collect());
        let at = self.audit.at();
        changes::insert(conn, &change, &row, Some(&took), at)?;
        if let Some(once) = self.audit.request() {
            once::remember(conn, once)?;
        }
        history::append(conn, self.audit.entries())?;
        let _first = self.name.set(id);
        desk.latest = sequence;
        desk.losses.note(sequence, took);
        // A clock that is implausibly far ahead is not remembered.
        if let Some(at) = at.filter(|at| clock::is_plausible(desk.at, *at)) {
            desk.at = desk.at.max(Some(at));
        }
        Ok((Committed { sequence, id, value }, Some(Made { change, at, import, urgent })))
    }
}

impl<T: Send, F: FnOnce(&mut Write<'_>) -> Result<T> + Send> Job for Mutation<T, F> {
    fn is_change(&self) -> bool {
        true
    }

    fn run(&mut self, conn: &Connection, desk: &mut Desk) -> Outcome {
        let (result, outcome) = match self.mutate(conn, desk) {
            Ok((committed, Some(made))) => (Ok(committed), Outcome::Keep(Some(made))),
            Ok((committed, None)) => (Ok(committed), Outcome::Undo),
            Err(error) => (Err(error), Outcome::Undo),
        };
        self.waiter.result = Some(result);
        outcome
    }

    fn answer(self: Box<Self>, end: End<'_>) {
        match (self.name.get(), end) {
            // There was nothing to do, which rests on what may have been undone; that nothing was done is certain.
            (None, End::Unknown(error)) => self.waiter.answer(End::Failed(error), None),
            (name, end) => self.waiter.answer(end, name.copied()),
        }
    }
}

/// An operation without a change row.
pub(in crate::sqlite) struct Plain<T, F> {
    operation: Option<F>,
    permit: Permit,
    waiter: Waiter<T>,
}

impl<T, F: FnOnce(&Connection) -> Result<T>> Plain<T, F> {
    pub(in crate::sqlite) fn new(operation: F, permit: Permit, reply: oneshot::Sender<Result<T>>) -> Self {
        Self { operation: Some(operation), permit, waiter: Waiter::new(reply) }
    }
}

impl<T: Send, F: FnOnce(&Connection) -> Result<T> + Send> Job for Plain<T, F> {
    fn is_change(&self) -> bool {
        false
    }

    fn run(&mut self, conn: &Connection, desk: &mut Desk) -> Outcome {
        // It may have staged keys, which count like others.
        desk.rooms.forget_all();
        let result = desk.check(&self.permit).and_then(|()| match self.operation.take() {
            Some(operation) => operation(conn),
            None => Err(stopped()),
        });
        let outcome = if result.is_ok() { Outcome::Keep(None) } else { Outcome::Undo };
        self.waiter.result = Some(result);
        outcome
    }

    fn answer(self: Box<Self>, end: End<'_>) {
        self.waiter.answer(end, None);
    }
}

/// The check of a permit where there is nothing to write.
pub(in crate::sqlite) struct Confirmation {
    /// None to learn only that every write before it is done.
    permit: Option<Permit>,
    waiter: Waiter<()>,
}

impl Confirmation {
    pub(in crate::sqlite) fn new(permit: Option<Permit>, reply: oneshot::Sender<Result<()>>) -> Self {
        Self { permit, waiter: Waiter::new(reply) }
    }
}

impl Job for Confirmation {
    fn is_change(&self) -> bool {
        false
    }

    fn run(&mut self, _conn: &Connection, desk: &mut Desk) -> Outcome {
        self.waiter.result = Some(self.permit.as_ref().map_or(Ok(()), |permit| desk.check(permit)));
        // There is nothing to keep, and so nothing to wait for the disk for.
        Outcome::Undo
    }

    fn answer(self: Box<Self>, end: End<'_>) {
        self.waiter.answer(end, None);
    }
}

/// Something that is done to the journal, between the changes.
pub(in crate::sqlite) struct Upkeep<T, F> {
    operation: Option<F>,
    waiter: Waiter<T>,
}

impl<T, F: FnOnce(&mut Journal) -> Result<T>> Upkeep<T, F> {
    pub(in crate::sqlite) fn new(operation: F, reply: oneshot::Sender<Result<T>>) -> Self {
        Self { operation: Some(operation), waiter: Waiter::new(reply) }
    }
}

impl<T: Send, F: FnOnce(&mut Journal) -> Result<T> + Send> Job for Upkeep<T, F> {
    fn is_change(&self) -> bool {
        false
    }

    fn run(&mut self, _conn: &Connection, desk: &mut Desk) -> Outcome {
        let operation = self.operation.take().zip(desk.journal());
        self.waiter.result = operation.map(|(operation, journal)| operation(journal));
        Outcome::Keep(None)
    }

    fn has_savepoint(&self) -> bool {
        false
    }

    fn answer(self: Box<Self>, end: End<'_>) {
        // What was done to the journal does not depend on the transaction.
        let end = if self.waiter.result.is_some() { End::Committed } else { end };
        self.waiter.answer(end, None);
    }
}

/// A trial: whether the journal can be written, and the transaction that it is in.
pub(in crate::sqlite) struct Trial(Waiter<()>);

impl Trial {
    pub(in crate::sqlite) fn new(reply: oneshot::Sender<Result<()>>) -> Self {
        Self(Waiter::new(reply))
    }
}

impl Job for Trial {
    fn is_change(&self) -> bool {
        false
    }

    fn run(&mut self, conn: &Connection, desk: &mut Desk) -> Outcome {
        let tried = desk.journal().map_or(Ok(()), Journal::try_writing);
        match &tried {
            Ok(()) => desk.state.works(JOURNAL),
            Err(error) => desk.state.fails(obstacle(JOURNAL, error)),
        }
        let written = changes::try_writing(conn, desk.turn.to_le_bytes()[0]);
        if let Err(error) = &written {
            desk.state.fails(obstacle(DATABASE, error));
        }
        let outcome = if written.is_ok() { Outcome::Keep(None) } else { Outcome::Undo };
        self.0.result = Some(tried.and(written));
        outcome
    }

    fn has_savepoint(&self) -> bool {
        false
    }

    fn answer(self: Box<Self>, end: End<'_>) {
        self.0.answer(end, None);
    }
}
