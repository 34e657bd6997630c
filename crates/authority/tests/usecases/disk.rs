//! A disk that fails: what the answers say, and what goes on.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use claviger_authority::DiskOperation::{Commit, Committed, Rename, Write};
use claviger_authority::groups::GroupPatch;
use claviger_authority::settings::Settings;
use claviger_authority::{Disk, DiskFaults, DiskOperation, Error, UsageStep};
use claviger_core::decide::Policy;
use claviger_core::name::Name;

use super::support::*;

const DAY: i64 = 86_400_000;

async fn house(settings: Settings) -> (House, Breakable) {
    let disk = Breakable::default();
    (House::on(Disk::with_faults(disk.clone()), settings).await, disk)
}

#[tokio::test]
async fn a_key_whose_journal_line_cannot_be_written_is_returned_and_works() {
    let (house, disk) = house(Settings::default()).await;
    disk.breaks(&[Write]);
    let created = house.key(house.of_ada(), "a:read").await;
    assert_eq!(house.whoami(created.secret.expose()).await, "ok");
    let new = house.new_key(house.of_ada(), "a:read");
    assert_eq!(code(house.authority.create_key(&house.operator(), new.clone()).await), "store");
    assert_eq!(house.whoami(created.secret.expose()).await, "ok", "verification goes on");
    assert_eq!(house.authority.try_changes().await.unwrap().part, "journal");
    // The attempt holds for a few seconds.
    disk.breaks(&[]);
    assert!(house.authority.try_changes().await.is_some());
    house.pass(5_000);
    assert_eq!(house.authority.try_changes().await, None);
    house.authority.create_key(&house.operator(), new).await.unwrap();
}

#[tokio::test]
async fn a_change_that_certainly_failed_and_one_that_may_have_happened_are_answered_apart() {
    let (house, disk) = house(Settings::default()).await;
    let new = house.new_key(house.of_ada(), "a:read");
    disk.breaks(&[Commit]);
    assert_eq!(code(house.authority.create_key(&house.operator(), new.clone()).await), "store");
    disk.breaks(&[Committed]);
    let made = house.authority.create_key(&house.operator(), new.clone()).await;
    let made = made.unwrap().value.secret;
    assert_eq!(house.whoami(made.expose()).await, "ok", "looked up at once, and it had happened");

    let before = house.authority.ready().unwrap();
    disk.breaks(&[Committed, Commit]);
    // COMMIT takes place, its answer is lost, and the disk does not tell what became of it. The first Commit is
    // let through by breaking it only afterwards.
    let unknown = house.authority.create_key(&house.operator(), new.clone()).await;
    assert_eq!(code(unknown), "store", "COMMIT was not even reached");
    assert_eq!(house.authority.ready().unwrap(), before);
    disk.breaks(&[]);
    house.authority.create_key(&house.operator(), new).await.unwrap();
}

#[tokio::test]
async fn usage_is_counted_once_where_the_disk_fails() {
    let (house, disk) = house(Settings::default()).await;
    let id = house.key(house.of_ada(), "a:read").await.key.record.entry.id;
    let mut expect = 0;
    for broken in [&[Write][..], &[Commit], &[Committed], &[Write, Committed], &[]] {
        house.authority.record_use(id, None, house.authority.now(), true, None);
        expect += 1;
        disk.breaks(broken);
        // A change in the same transaction, whose line cannot be written.
        let new = house.new_key(house.of_ada(), "a:read");
        let by = house.operator();
        let (_, _) = tokio::join!(house.authority.flush_usage(), house.authority.create_key(&by, new));
    }
    disk.breaks(&[]);
    house.authority.flush_usage().await.unwrap();
    let from = house.authority.now().seconds();
    let used = house.authority.usage(&house.ada(), id, from, from.plus(60), UsageStep::Hour).await.unwrap();
    assert_eq!(used.iter().map(|bucket| bucket.allowed).sum::<u64>(), expect);
}

#[tokio::test]
async fn a_step_of_the_jobs_that_fails_starves_no_other() {
    let settings = Settings { history_retention_days: Some(400), ..Settings::default() };
    let (house, disk) = house(settings).await;
    let mut new = house.new_key(house.of_ada(), "a:read");
    new.expires_at = Some(house.seconds_from_now(10));
    house.authority.create_key(&house.ada(), new).await.unwrap();
    house.pass(401 * DAY);
    // The journal cannot be written, so nothing can be changed, while the rest could be done.
    disk.breaks(&[Write]);
    assert!(house.authority.try_changes().await.is_some());
    let failed = house.authority.run_jobs_once(house.authority.now()).await;
    assert!(matches!(failed, Err(Error::Store(_))), "{failed:?}");
    disk.breaks(&[]);
    let done = house.authority.run_jobs_once(house.authority.now()).await.unwrap();
    assert_eq!(done.keys_purged, 1, "what failed is done now");
    assert_eq!(done.history_pruned, 0, "the others were done before");
}

#[tokio::test]
async fn a_compaction_that_fails_is_tried_again_the_same_day() {
    let (house, disk) = house(Settings { journal_retention_days: Some(7), ..Settings::default() }).await;
    house.pass(8 * DAY);
    house.key(house.of_ada(), "a:read").await;
    disk.breaks(&[Rename]);
    assert!(house.authority.run_jobs_once(house.authority.now()).await.is_err());
    disk.breaks(&[]);
    let done = house.authority.run_jobs_once(house.authority.now()).await.unwrap();
    assert!(done.journal_compacted > 3, "{done:?}");
    assert_eq!(house.authority.run_jobs_once(house.authority.now()).await.unwrap().journal_compacted, 0);
}

/// A disk that is slow to commit, for as long as somebody holds it up.
#[derive(Clone, Default)]
struct HeldUp(Arc<Mutex<()>>);

impl DiskFaults for HeldUp {
    fn before(&self, operation: DiskOperation, _: &Path) -> std::io::Result<()> {
        if operation == Commit {
            let _held_up = self.0.lock().unwrap();
        }
        Ok(())
    }
}

#[tokio::test]
async fn what_was_decided_under_an_earlier_policy_is_not_written() {
    let reaching = Settings { policy: Policy { account_keys_reach_teams: true }, ..Settings::default() };
    let disk = HeldUp::default();
    let house = House::on(Disk::with_faults(disk.clone()), reaching).await;
    let key = house.key(house.of_ada(), "team:update").await;
    let (by, operator) = (house.with_key(key.secret.expose()), house.operator());
    let renames = |text| GroupPatch { name: Name::parse(text).ok(), ..GroupPatch::default() };
    let authority = house.authority.clone();
    authority.update_group(&by, house.team, renames("One"), None).await.unwrap();

    // One change holds the disk up, another waits behind it with its permit.
    let disk = disk.0.clone();
    let (held, holding) = tokio::sync::oneshot::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let holder = std::thread::spawn(move || {
        let _held = disk.lock().unwrap();
        held.send(()).unwrap();
        released.recv().unwrap();
    });
    holding.await.unwrap();
    let moment = || tokio::time::sleep(Duration::from_millis(100));
    let (first, second, replaced, ()) = tokio::join!(
        authority.update_group(&operator, house.project, renames("First"), None),
        async {
            moment().await;
            authority.update_group(&by, house.team, renames("Two"), None).await
        },
        async {
            moment().await;
            moment().await;
            authority.replace_settings(Settings::default()).await
        },
        async {
            moment().await;
            moment().await;
            moment().await;
            release.send(()).unwrap();
        },
    );
    holder.join().unwrap();
    assert_eq!(code(first), "ok");
    assert_eq!(replaced.unwrap(), ["account_keys_reach_teams"]);
    assert_eq!(code(second), "not_found", "decided again");
    assert_eq!(authority.group(&operator, house.team).await.unwrap().name.as_str(), "One");
}
