//! The one thread that writes. It commits in groups: what is queued runs in one transaction, each operation
//! in a savepoint of its own, so that a hundred callers cost one sync of the disk and none of them pays for
//! another's failure.

mod job;
#[cfg(test)]
mod panics;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use claviger_core::change::{Change, ChangeId, ChangeItem, Sequence};
use claviger_core::permit::RecordRef;
use claviger_core::time::Timestamp;
use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot, watch};

pub(super) use self::job::{ChangeName, Confirmation, Mutation, Plain, Trial, Upkeep, WriteJob};
use self::job::{End, Made, Outcome};
use super::error::is_unwritten;
use super::journal::Journal;
use super::rooms::Rooms;
use super::schema::Lock;
use super::staleness::Losses;
use super::{Result, changes, pointer, schema};
use crate::commit::{ChangeSink, NotApplied, Permit, Random};
use crate::disk::{Disk, DiskOperation, InPlace};
use crate::error::StoreError;
use crate::health::{Lost, WriterHealth};
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
    /// How many more keys each subject may have.
    pub(super) rooms: &'c mut Rooms,
    items: Vec<ChangeItem>,
    /// What the change row says in place of naming each item.
    row: Option<Vec<String>>,
    /// Whether something existed before, so that something may be taken away.
    urgent: bool,
    /// The records that subject was taken away from.
    took: Vec<RecordRef>,
    unchanged: bool,
}

impl<'c> Write<'c> {
    /// Writes through this connection.
    pub(super) fn on(conn: &'c Connection, rooms: &'c mut Rooms) -> Self {
        Self { conn, rooms, items: Vec::new(), row: None, urgent: false, took: Vec::new(), unchanged: false }
    }

    /// Adds to the change something that existed before, and names the record if subject was taken away
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

    /// Refuses a permit that is stale: what it rests on was taken away, or another policy was put in force.
    fn check(&self, permit: &Permit) -> Result<()> {
        let Permit::Decided(permit) = permit else { return Ok(()) };
        if permit.rests_on().is_some_and(|(known, _)| known.policy < self.state.policy()) {
            return Err(StoreError::PermitStale { records: Arc::default() });
        }
        self.losses.check(permit)
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
                    if health.lost().is_some_and(|lost| lost != Lost::Closed) {
                        // What was committed is not what readers see: nothing may be added to that.
                        break;
                    }
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
        match run_job(job, conn, desk) {
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

/// Runs one operation. A panic fails that operation alone: all that it wrote is in its savepoint, which is undone
/// as for any other failure, and what is kept in memory beside the database is put back or forgotten. What
/// works on the journal has no savepoint, so there a panic is the end of the writer.
fn run_job(job: &mut WriteJob, conn: &Connection, desk: &mut Desk) -> Outcome {
    let before = (desk.latest, desk.at);
    let ran = catch_unwind(AssertUnwindSafe(|| job.run(conn, desk)));
    ran.unwrap_or_else(|panic| {
        if !job.has_savepoint() {
            resume_unwind(panic);
        }
        (desk.latest, desk.at) = before;
        desk.rooms.forget_all();
        Outcome::Undo
    })
}

fn execute(conn: &Connection, sql: &str) -> Result<()> {
    conn.prepare_cached(sql)?.execute(params![])?;
    Ok(())
}

/// The state of a store without changes.
pub(super) const NO_CHANGE: (Sequence, ChangeId) = (Sequence(0), ChangeId([0; 16]));
