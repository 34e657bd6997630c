//! The one thread that writes. It commits in groups: what is queued runs in one transaction, each operation
//! in a savepoint of its own, so that a hundred callers cost one sync of the disk and none of them pays for
//! another's failure.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use claviger_core::change::{Change, ChangeId, ChangeItem, Sequence};
use claviger_core::clock;
use claviger_core::permit::{RecordRef, WritePermit};
use claviger_core::time::Timestamp;
use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot, watch};

use super::error::is_unwritten;
use super::journal::Journal;
use super::rooms::Rooms;
use super::schema::Lock;
use super::staleness::Losses;
use super::{Result, changes, history, once, pointer, schema};
use crate::commit::{Audit, ChangeSink, Committed, NotApplied, Random};
use crate::disk::{Disk, DiskOperation, InPlace};
use crate::error::StoreError;
use crate::health::WriterHealth;
use crate::state::{Obstacle, WriterState};

/// Operations of one group at most: the first of them waits for the last.
const GROUP_JOBS_MAX: usize = 256;
/// How long a group waits for those who were in the one before and have just been answered: each turn takes about as
/// long as they need to come back, and a commit several times that. Without it the first to come back is
/// committed alone, while all others wait for the disk twice.
const GATHER_TURN: Duration = Duration::from_micros(25);
const GATHER_TURNS_MAX: u32 = 3;

/// The parts that changes are written to.
const DATABASE: &str = "database";
const JOURNAL: &str = "journal";

const BEGIN: &str = "BEGIN IMMEDIATE";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";
const SAVE: &str = "SAVEPOINT operation";
const KEEP: &str = "RELEASE operation";
const UNDO: &str = "ROLLBACK TO operation";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[BEGIN, COMMIT, ROLLBACK, SAVE, KEEP, UNDO];

/// What a mutation writes through: the connection, and the list of what it touched.
pub(crate) struct Write<'c> {
    /// The connection, inside the operation's savepoint.
    pub(super) conn: &'c Connection,
    /// How many more keys each authority may have.
    pub(super) rooms: &'c mut Rooms,
    items: Vec<ChangeItem>,
    /// What the change row says in place of naming each item.
    row: Option<Vec<String>>,
    /// Whether something existed before, so that something may be taken away.
    urgent: bool,
    /// The records that authority was taken away from.
    took: Vec<RecordRef>,
    unchanged: bool,
}

impl<'c> Write<'c> {
    /// Writes through this connection.
    pub(super) fn on(conn: &'c Connection, rooms: &'c mut Rooms) -> Self {
        Self { conn, rooms, items: Vec::new(), row: None, urgent: false, took: Vec::new(), unchanged: false }
    }

    /// Adds to the change something that existed before, and names the record if authority was taken away
    /// from it.
    pub(super) fn touch(&mut self, item: ChangeItem, took: Option<RecordRef>) {
        self.items.push(item);
        self.took.extend(took);
        self.urgent = true;
    }

    /// Adds to the change something that did not exist before.
    pub(super) fn touch_new(&mut self, item: ChangeItem) {
        self.items.push(item);
    }

    /// Makes the change that of an import, whose row points to all its keys at once.
    pub(super) fn touch_import(&mut self, import: u64, items: Vec<ChangeItem>) {
        self.items = items;
        self.row = Some(vec![pointer::import_text(import)]);
    }

    /// There was nothing to do: no change, no history.
    pub(super) fn unchanged(&mut self) {
        self.unchanged = true;
    }
}

/// What the writer has at hand beside the connection.
pub(super) struct Desk {
    random: Random,
    rooms: Rooms,
    losses: Losses,
    /// The latest change, those of the group under way included.
    latest: Sequence,
    /// The latest time that was acted on, by the group under way included.
    at: Option<Timestamp>,
    /// The number of the latest transaction that was tried.
    turn: u64,
    files: Option<Files>,
    state: WriterState,
    health: WriterHealth,
    /// A transaction of which it is unknown whether it was committed.
    undecided: Option<Undecided>,
}

/// What the writer has on the disk beside the database. Absent in tests of the writer alone.
pub(super) struct Files {
    pub(super) disk: Disk,
    pub(super) path: PathBuf,
    pub(super) journal: Journal,
    /// What has to stay where it is.
    pub(super) in_place: Vec<InPlace>,
}

/// A transaction whose COMMIT failed, until the database tells what became of it.
struct Undecided {
    turn: u64,
    changes: Vec<Made>,
}

impl Desk {
    pub(super) fn new(random: Random, turn: u64, files: Option<Files>, reports: Reports) -> Self {
        let Reports { state, health } = reports;
        Self {
            random,
            rooms: Rooms::default(),
            losses: Losses::default(),
            latest: Sequence(0),
            at: None,
            turn,
            files,
            state,
            health,
            undecided: None,
        }
    }

    pub(super) fn journal(&mut self) -> Option<&mut Journal> {
        self.files.as_mut().map(|files| &mut files.journal)
    }

    fn before(&self, operation: DiskOperation) -> Result<()> {
        let Some(files) = &self.files else { return Ok(()) };
        files.disk.before(operation, &files.path).map_err(StoreError::unavailable)
    }

    /// Everything is still where it was when it was opened.
    fn check_in_place(&self) -> Result<()> {
        let mut files = self.files.iter().flat_map(|files| &files.in_place);
        files.try_for_each(InPlace::check).map_err(StoreError::unavailable)
    }
}

/// An operation with the one who waits for it.
pub(super) trait Job: Send {
    /// Whether it is a change, which needs the journal.
    fn is_change(&self) -> bool;
    /// Runs it inside its savepoint. An error, or a change that is not made, has the savepoint undone.
    fn run(&mut self, conn: &Connection, desk: &mut Desk) -> Outcome;
    /// Answers at the end of the transaction.
    fn answer(self: Box<Self>, end: End<'_>);
}

/// How a transaction ended.
#[derive(Clone, Copy)]
pub(super) enum End<'e> {
    /// It is committed.
    Committed,
    /// It is certain that it was not, or it was not begun.
    Failed(&'e StoreError),
    /// It may have been.
    Unknown(&'e StoreError),
}

/// What to do with an operation's savepoint.
pub(super) enum Outcome {
    /// Keep what it wrote, and tell of the change.
    Keep(Option<Made>),
    /// Undo it.
    Undo,
}

/// A change that was made, and how it stands in the journal.
pub(super) struct Made {
    change: Change,
    at: Option<Timestamp>,
    import: bool,
    urgent: bool,
}

/// A queued operation.
pub(super) type WriteJob = Box<dyn Job>;

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
            (None, End::Committed) => Err(super::stopped()),
            (Some(Ok(_)), End::Unknown(error)) => Err(error.clone().unknown(made)),
            // An operation that found something in its way may have found it in what was undone.
            (_, End::Failed(error) | End::Unknown(error)) => Err(error.clone()),
        };
        // The caller may have gone away; the operation stands all the same.
        let _gone = self.reply.send(result);
    }
}

/// The name of a change, for a caller that gets no answer because the writer died.
pub(super) type ChangeName = Arc<OnceLock<ChangeId>>;

/// An operation with a change row and history rows.
pub(super) struct Mutation<T, F> {
    operation: Option<F>,
    audit: Audit,
    name: ChangeName,
    waiter: Waiter<Committed<T>>,
}

impl<T, F: FnOnce(&mut Write<'_>) -> Result<T>> Mutation<T, F> {
    pub(super) fn new(
        operation: F,
        audit: Audit,
        name: ChangeName,
        reply: oneshot::Sender<Result<Committed<T>>>,
    ) -> Self {
        Self { operation: Some(operation), audit, name, waiter: Waiter::new(reply) }
    }

    fn mutate(&mut self, conn: &Connection, desk: &mut Desk) -> Result<(Committed<T>, Option<Made>)> {
        let operation = self.operation.take().ok_or_else(super::stopped)?;
        // First of all: who lost its rights meanwhile is not even told that this is a repeat.
        desk.losses.check(self.audit.permit())?;
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
pub(super) struct Plain<T, F> {
    operation: Option<F>,
    permit: WritePermit,
    waiter: Waiter<T>,
}

impl<T, F: FnOnce(&Connection) -> Result<T>> Plain<T, F> {
    pub(super) fn new(operation: F, permit: WritePermit, reply: oneshot::Sender<Result<T>>) -> Self {
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
        let result = desk.losses.check(&self.permit).and_then(|()| match self.operation.take() {
            Some(operation) => operation(conn),
            None => Err(super::stopped()),
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
pub(super) struct Confirmation {
    permit: WritePermit,
    waiter: Waiter<()>,
}

impl Confirmation {
    pub(super) fn new(permit: WritePermit, reply: oneshot::Sender<Result<()>>) -> Self {
        Self { permit, waiter: Waiter::new(reply) }
    }
}

impl Job for Confirmation {
    fn is_change(&self) -> bool {
        false
    }

    fn run(&mut self, _conn: &Connection, desk: &mut Desk) -> Outcome {
        self.waiter.result = Some(desk.losses.check(&self.permit));
        // There is nothing to keep, and so nothing to wait for the disk for.
        Outcome::Undo
    }

    fn answer(self: Box<Self>, end: End<'_>) {
        self.waiter.answer(end, None);
    }
}

/// Something that is done to the journal, between the changes.
pub(super) struct Upkeep<T, F> {
    operation: Option<F>,
    waiter: Waiter<T>,
}

impl<T, F: FnOnce(&mut Journal) -> Result<T>> Upkeep<T, F> {
    pub(super) fn new(operation: F, reply: oneshot::Sender<Result<T>>) -> Self {
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

    fn answer(self: Box<Self>, end: End<'_>) {
        // What was done to the journal does not depend on the transaction.
        let end = if self.waiter.result.is_some() { End::Committed } else { end };
        self.waiter.answer(end, None);
    }
}

/// A trial: whether the journal can be written, and the transaction that it is in.
pub(super) struct Trial(Waiter<()>);

impl Trial {
    pub(super) fn new(reply: oneshot::Sender<Result<()>>) -> Self {
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

    fn answer(self: Box<Self>, end: End<'_>) {
        self.0.answer(end, None);
    }
}

/// Starts the writer; returns when the database is open, migrated and locked, with the lock.
pub(super) async fn start(
    disk: Disk,
    path: PathBuf,
    mut jobs: mpsc::Receiver<WriteJob>,
    random: Random,
    sink: Box<dyn ChangeSink>,
    reports: Reports,
) -> Result<Started> {
    let (ready, opened) = oneshot::channel();
    let (done, ended) = oneshot::channel();
    let (sender, applied) = watch::channel(Sequence(0));
    let body = move || {
        let health = reports.health.clone();
        let _guard = health.guard("writing");
        match open(&disk, &path) {
            Ok(Opened { conn, lock, files, head }) => {
                let mut desk = Desk::new(random, head.turn, Some(files), reports);
                sender.send_replace(head.sequence);
                let mut sink = Applied { sink, latest: Some(sender) };
                let _gone = ready.send(Ok(lock.clone()));
                let mut before = 0;
                while let Some(group) = next_group(&mut jobs, before) {
                    before = group.len();
                    commit_group(&conn, &mut desk, &mut sink, group);
                }
                // Another process may change what the index is taken for, as soon as the lock is gone.
                health.close();
                schema::close_writer(conn);
                // Only now may another process open it, unless there is more in this one that reads it.
                drop(lock);
            }
            Err(error) => drop(ready.send(Err(error))),
        }
        drop(done);
    };
    std::thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(body)
        .map_err(StoreError::unavailable)?;
    let lock = opened.await.map_err(|_| super::stopped())??;
    Ok(Started { ended, applied, lock })
}

/// Where the writer says how it is.
pub(super) struct Reports {
    pub(super) state: WriterState,
    pub(super) health: WriterHealth,
}

/// A writer that runs.
pub(super) struct Started {
    /// It drops the other end when it is done.
    pub(super) ended: oneshot::Receiver<()>,
    /// The latest change that the sink knows of.
    pub(super) applied: watch::Receiver<Sequence>,
    pub(super) lock: Lock,
}

/// What the writer begins with.
struct Opened {
    conn: Connection,
    lock: Lock,
    files: Files,
    head: changes::Head,
}

fn open(disk: &Disk, path: &Path) -> Result<Opened> {
    let (conn, lock) = schema::open_writer(disk, path)?;
    let journal = Journal::open(disk, path, &conn)?;
    let in_place = schema::in_place(path, &lock)?;
    let head = changes::read_head(&conn)?;
    let files = Files { disk: disk.clone(), path: path.to_owned(), journal, in_place };
    Ok(Opened { conn, lock, files, head })
}

/// Passes changes on, and says up to which one that was done. The sender goes with the writer and with the first
/// change that could not be passed on, so nobody waits for what will never come.
struct Applied {
    sink: Box<dyn ChangeSink>,
    latest: Option<watch::Sender<Sequence>>,
}

impl ChangeSink for Applied {
    fn apply(&mut self, change: &Change) -> std::result::Result<(), NotApplied> {
        let applied = self.sink.apply(change);
        match &self.latest {
            Some(latest) if applied.is_ok() => drop(latest.send_replace(change.sequence)),
            Some(_) | None => self.latest = None,
        }
        applied
    }
}

/// Waits for a job and takes what else is queued; none once the queue is closed and empty. Where the group before
/// had more, it gives them a moment to come back: a single caller never waits.
fn next_group(jobs: &mut mpsc::Receiver<WriteJob>, before: usize) -> Option<Vec<WriteJob>> {
    let mut group = vec![jobs.blocking_recv()?];
    for _ in 0..GATHER_TURNS_MAX {
        if group.len() + jobs.len() >= before {
            break;
        }
        std::thread::sleep(GATHER_TURN);
    }
    while group.len() < GROUP_JOBS_MAX
        && let Ok(job) = jobs.try_recv()
    {
        group.push(job);
    }
    Some(group)
}

fn commit_group(conn: &Connection, desk: &mut Desk, sink: &mut dyn ChangeSink, mut group: Vec<WriteJob>) {
    let health = desk.health.clone();
    // It is dropped before the group is, so nobody gets an answer before the node is known to be out of step.
    let _guard = health.guard("committing");
    match carry_out(conn, desk, sink, &mut group) {
        Ended::Committed => answer(group, End::Committed),
        Ended::Failed(error) => answer(group, End::Failed(&error)),
        Ended::Unknown(error) => answer(group, End::Unknown(&error)),
    }
}

/// How a group ended.
enum Ended {
    Committed,
    Failed(StoreError),
    Unknown(StoreError),
}

fn carry_out(
    conn: &Connection,
    desk: &mut Desk,
    sink: &mut dyn ChangeSink,
    group: &mut Vec<WriteJob>,
) -> Ended {
    // What is refused here was not begun.
    if let Err(error) = prepare(conn, desk, sink) {
        desk.state.fails(obstacle(DATABASE, &error));
        return Ended::Failed(error);
    }
    if let Some(Err(error)) = desk.journal().map(|journal| journal.recover(conn)) {
        desk.state.fails(obstacle(JOURNAL, &error));
        let (refused, others) = std::mem::take(group).into_iter().partition(|job| job.is_change());
        answer(refused, End::Failed(&error));
        *group = others;
    }
    let (changes, error) = match run_group(conn, desk, group) {
        Ok(changes) => {
            desk.losses.commit(desk.latest);
            take_note(desk, sink, &changes);
            return Ended::Committed;
        }
        Err(Failure::Certain(error)) => {
            // It may have been undone already, by the very failure; then this fails and nothing is lost.
            let _undone = conn.execute_batch(ROLLBACK);
            desk.state.fails(obstacle(DATABASE, &error));
            return Ended::Failed(error);
        }
        Err(Failure::AtCommit(changes, error)) => (changes, error),
    };
    let undecided = Undecided { turn: desk.turn, changes };
    match decide(conn, desk, &undecided) {
        Ok(true) => {
            desk.losses.commit(desk.latest);
            take_note(desk, sink, &undecided.changes);
            Ended::Committed
        }
        Ok(false) => {
            desk.state.fails(obstacle(DATABASE, &error));
            Ended::Failed(error)
        }
        Err(_) => {
            desk.state.fails(obstacle(DATABASE, &error));
            desk.state.set_undecided(undecided.changes.iter().map(|made| made.change.id));
            desk.undecided = Some(undecided);
            Ended::Unknown(error)
        }
    }
}

fn answer(group: Vec<WriteJob>, end: End<'_>) {
    for job in group {
        job.answer(end);
    }
}

fn obstacle(part: &'static str, error: &StoreError) -> Obstacle {
    let reason = match error {
        StoreError::Unavailable(source) => source.to_string(),
        other => other.to_string(),
    };
    Obstacle { part, reason }
}

/// Everything is where it was, and nothing is undecided.
fn prepare(conn: &Connection, desk: &mut Desk, sink: &mut dyn ChangeSink) -> Result<()> {
    desk.check_in_place()?;
    if let Some(undecided) = desk.undecided.take() {
        match decide(conn, desk, &undecided) {
            Ok(happened) => {
                desk.state.set_undecided([]);
                if happened {
                    take_note(desk, sink, &undecided.changes);
                }
            }
            Err(error) => {
                desk.undecided = Some(undecided);
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Finds out whether a transaction happened whose COMMIT failed. What SQLite has rolled back may still stand in the
/// write-ahead log, and would be found there after a crash; so the answer is certain only once something else was
/// committed in its place.
fn decide(conn: &Connection, desk: &Desk, undecided: &Undecided) -> Result<bool> {
    if !conn.is_autocommit() {
        conn.execute_batch(ROLLBACK)?;
    }
    let fenced = execute(conn, BEGIN)
        .and_then(|()| changes::read_head(conn))
        .and_then(|head| changes::fence(conn).map(|()| head.turn == undecided.turn))
        .and_then(|happened| desk.before(DiskOperation::Commit).map(|()| happened))
        .and_then(|happened| execute(conn, COMMIT).map(|()| happened));
    if fenced.is_err() {
        let _undone = conn.execute_batch(ROLLBACK);
    }
    fenced
}

/// Puts changes in force that were committed, and notes them in the journal. They stay in force if it cannot be
/// written; then no further ones are begun until it has caught up.
fn take_note(desk: &mut Desk, sink: &mut dyn ChangeSink, changes: &[Made]) {
    for made in changes {
        if let Err(error) = sink.apply(&made.change) {
            desk.health.fail(error.to_string());
        }
    }
    desk.state.works(DATABASE);
    match desk.journal().map_or(Ok(()), |journal| note(journal, changes)) {
        Ok(()) if changes.is_empty() => {}
        Ok(()) => desk.state.works(JOURNAL),
        Err(error) => desk.state.fails(obstacle(JOURNAL, &error)),
    }
}

fn note(journal: &mut Journal, changes: &[Made]) -> Result<()> {
    for made in changes {
        journal.note(&made.change, made.at, made.import, made.urgent)?;
    }
    journal.write()
}

/// Why a group was not committed.
enum Failure {
    /// It is certain that it was not.
    Certain(StoreError),
    /// COMMIT itself failed.
    AtCommit(Vec<Made>, StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Certain(error)
    }
}

fn run_group(
    conn: &Connection,
    desk: &mut Desk,
    group: &mut [WriteJob],
) -> std::result::Result<Vec<Made>, Failure> {
    execute(conn, BEGIN)?;
    let before = changes::read_head(conn)?;
    (desk.latest, desk.at) = (before.sequence, before.at);
    desk.losses.begin(before.sequence);
    let mut changes = Vec::with_capacity(group.len());
    let mut writes = false;
    for job in group {
        execute(conn, SAVE)?;
        match job.run(conn, desk) {
            Outcome::Keep(change) => {
                writes = true;
                changes.extend(change);
            }
            Outcome::Undo => {
                // A full disk and the like make SQLite undo the whole transaction, the others' work included.
                if conn.is_autocommit() {
                    return Err(Failure::Certain(StoreError::unavailable_because(
                        "the database undid the transaction: is the disk full?",
                    )));
                }
                execute(conn, UNDO)?;
            }
        }
        execute(conn, KEEP)?;
    }
    // Also where there is no change: each transaction has a number of its own, by which it is recognised.
    if writes {
        desk.turn += 1;
        changes::advance(conn, desk.latest, desk.turn, desk.at)?;
    }
    desk.before(DiskOperation::Commit)?;
    let done = execute(conn, COMMIT).and_then(|()| desk.before(DiskOperation::Committed));
    match done {
        Ok(()) => {}
        Err(error) if is_unwritten(&error) => return Err(Failure::Certain(error)),
        Err(error) => return Err(Failure::AtCommit(changes, error)),
    }
    Ok(changes)
}

fn execute(conn: &Connection, sql: &str) -> Result<()> {
    conn.prepare_cached(sql)?.execute(params![])?;
    Ok(())
}

/// The state of a store without changes.
pub(super) const NO_CHANGE: (Sequence, ChangeId) = (Sequence(0), ChangeId([0; 16]));

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    const PERMIT: WritePermit = WritePermit::system(claviger_core::permit::SystemTask::FirstStart);

    struct Seen(Arc<Mutex<Vec<u64>>>);

    impl ChangeSink for Seen {
        fn apply(&mut self, change: &Change) -> std::result::Result<(), NotApplied> {
            self.0.lock().unwrap().push(change.sequence.0);
            Ok(())
        }
    }

    type Answer<T> = oneshot::Receiver<Result<T>>;

    fn mutation() -> (WriteJob, Answer<Committed<()>>) {
        let entry = claviger_core::history::HistoryEntry {
            at: claviger_core::Timestamp::from_millis(0),
            actor: claviger_core::key::Actor::System,
            key: None,
            action: "a:b".into(),
            target: "operator".into(),
            authority: "operator".into(),
            origin: claviger_core::history::Origin::Cli,
            address: None,
            request_id: None,
            outcome: "done".into(),
            detail: "".into(),
        };
        let (reply, answer) = oneshot::channel();
        let name = ChangeName::default();
        let audit = Audit::new(PERMIT, entry);
        (Box::new(Mutation::new(|_: &mut Write<'_>| Ok(()), audit, name, reply)), answer)
    }

    fn plain(sql: &'static str, succeeds: bool) -> (WriteJob, Answer<()>) {
        let (reply, answer) = oneshot::channel();
        let operation = move |conn: &Connection| {
            conn.execute_batch(sql)?;
            if succeeds { Ok(()) } else { Err(StoreError::NotFound) }
        };
        (Box::new(Plain::new(operation, PERMIT, reply)), answer)
    }

    /// Runs a group of a mutation, an operation and another mutation; whether each succeeded, and what the
    /// sink and the database hold then.
    fn run(sql: &'static str, succeeds: bool) -> ([bool; 3], Vec<u64>, u64) {
        let mut conn = Connection::open_in_memory().unwrap();
        schema::migrate(&mut conn, true).unwrap();
        conn.pragma_update(None, "foreign_keys", true).unwrap();
        let seen = Arc::default();
        let mut sink = Seen(Arc::clone(&seen));
        let mut count = 0;
        let fill = move |buffer: &mut [u8]| {
            count += 1;
            buffer.fill(count);
        };
        let mut desk = Desk::new(
            Box::new(fill),
            0,
            None,
            Reports { state: WriterState::default(), health: WriterHealth::default() },
        );
        let (first, mut first_answer) = mutation();
        let (middle, mut middle_answer) = plain(sql, succeeds);
        let (last, mut last_answer) = mutation();
        commit_group(&conn, &mut desk, &mut sink, vec![first, middle, last]);
        let answers = [
            first_answer.try_recv().unwrap().is_ok(),
            middle_answer.try_recv().unwrap().is_ok(),
            last_answer.try_recv().unwrap().is_ok(),
        ];
        let sequence = changes::sequence(&conn).unwrap().0;
        // Whatever happened, the writer goes on.
        let (next, mut next_answer) = mutation();
        commit_group(&conn, &mut desk, &mut sink, vec![next]);
        assert_eq!(next_answer.try_recv().unwrap().unwrap().sequence.0, sequence + 1);
        let mut seen = seen.lock().unwrap().clone();
        assert_eq!(seen.pop(), Some(sequence + 1));
        (answers, seen, sequence)
    }

    #[test]
    fn one_failure_leaves_the_others() {
        let insert = "INSERT INTO settings VALUES ('a', 'b')";
        assert_eq!(run(insert, true), ([true, true, true], vec![1, 2], 2));
        assert_eq!(run(insert, false), ([true, false, true], vec![1, 2], 2));
    }

    #[test]
    fn a_commit_that_fails_fails_everybody_and_nothing_is_told() {
        let deferred = "PRAGMA defer_foreign_keys = ON;
            INSERT INTO team_members (team, account, role) VALUES (zeroblob(16), zeroblob(16), 'owner')";
        assert_eq!(run(deferred, true), ([false; 3], vec![], 0));
    }

    #[test]
    fn a_transaction_that_was_undone_under_way_fails_everybody() {
        assert_eq!(run("ROLLBACK", false), ([false; 3], vec![], 0));
        assert_eq!(run("ROLLBACK", true), ([false; 3], vec![], 0), "even if the operation took no notice");
    }

    #[test]
    fn a_group_has_an_end() {
        let (sender, mut jobs) = mpsc::channel(GROUP_JOBS_MAX + 5);
        for _ in 0..GROUP_JOBS_MAX + 5 {
            sender.try_send(mutation().0).ok().unwrap();
        }
        drop(sender);
        let mut groups = std::iter::from_fn(|| next_group(&mut jobs, 0).map(|group| group.len()));
        assert_eq!((groups.next(), groups.next(), groups.next()), (Some(GROUP_JOBS_MAX), Some(5), None));
    }
}
