//! Imports.

use std::path::Path;
use std::sync::{Arc, Mutex};

use claviger_authority::groups::GroupPatch;
use claviger_authority::imports::{ImportKey, ImportOptions, ImportOutcome, ImportRow};
use claviger_authority::keys::KeyQuery;
use claviger_authority::settings::Settings;
use claviger_authority::{Caller, Disk, DiskFaults, DiskOperation, Error, Page};
use claviger_core::key::{CreatedVia, Digest, KeyPatch};
use claviger_core::lifecycle::Status;
use claviger_core::restriction::Restrictions;
use claviger_core::{Subject, Timestamp, UnixSeconds};

use super::support::*;

/// A text with the number in it, as another system may have made it.
fn text(n: u32) -> String {
    format!("live_Zr8vQ2mWx7Lk4TnB9cHd3F{n:08}")
}

fn hex(digest: Digest) -> String {
    digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn row(key: ImportKey, subject: &str) -> ImportRow {
    ImportRow {
        key,
        name: "Old CI".into(),
        subject: subject.into(),
        versions: None,
        grants: None,
        scopes: Some(vec!["notebook:read".into()]),
        expires_at: None,
        created_at: None,
        preview: None,
        metadata: Vec::new(),
        restrictions: Restrictions::default(),
        status: None,
    }
}

fn by_text(n: u32, subject: &str) -> ImportRow {
    row(ImportKey::Text(text(n).into()), subject)
}

fn ada(house: &House) -> String {
    house.of_ada().to_string()
}

async fn words(
    house: &House,
    caller: &Caller,
    options: ImportOptions,
    rows: Vec<ImportRow>,
) -> Vec<&'static str> {
    let import = house.authority.begin_import(caller, options).await.unwrap();
    let outcomes = house.authority.stage_rows(caller, import, rows).await.unwrap();
    house.authority.abandon_import(caller, import).await.unwrap();
    outcomes.iter().map(ImportOutcome::as_str).collect()
}

#[tokio::test]
async fn texts_and_digests_work_after_the_commit_and_not_before() {
    let house = House::build().await;
    let by = house.ada();
    let options = ImportOptions { digests_are_strong: true, ..ImportOptions::default() };
    let import = house.authority.begin_import(&by, options).await.unwrap();
    let made = Timestamp::from_millis(START - 86_400_000);
    let rich = ImportRow {
        created_at: Some(made),
        preview: Some("live_...0001".into()),
        metadata: vec![("tier".into(), "gold".into())],
        ..by_text(1, &ada(&house))
    };
    let digest = row(ImportKey::Sha256(hex(Digest::of(&text(2)))), &ada(&house));
    let disabled = ImportRow { status: Some(Status::Disabled), ..by_text(3, &ada(&house)) };
    let outcomes = house.authority.stage_rows(&by, import, vec![rich, digest, disabled]).await.unwrap();
    assert!(outcomes.iter().all(|outcome| outcome.as_str() == "imported"), "{outcomes:?}");
    assert_eq!(house.whoami(&text(1)).await, "invalid_key");
    assert_eq!(house.authority.import_progress(&by, import).unwrap().staged, 3);
    let again = house.authority.stage_rows(&by, import, vec![by_text(1, &ada(&house))]).await.unwrap();
    assert_eq!(again, [ImportOutcome::Duplicate]);

    let changed = house.authority.commit_import(&by, import).await.unwrap();
    assert_eq!((changed.value.staged, changed.value.duplicate), (3, 1));
    assert!(changed.change.id.is_some() && !changed.change.revokes);
    assert_eq!(house.whoami(&text(1)).await, "ok");
    assert_eq!(house.whoami(&text(2)).await, "ok");
    assert_eq!(house.whoami(&text(3)).await, "key_disabled");
    let ImportOutcome::Imported(id) = outcomes[0] else { panic!() };
    let key = house.authority.key(&by, id).await.unwrap().record;
    assert_eq!(
        (key.created_at, key.preview.as_str(), key.created_via),
        (made, "live_...0001", CreatedVia::Import)
    );
    assert_eq!(key.metadata.iter().collect::<Vec<_>>(), [("tier", "gold")]);
    let rows = house.history("key:import").await;
    assert_eq!((rows.len(), &*rows[0].subject, &*rows[0].detail), (1, &*ada(&house), "keys: 3"));
    assert_eq!(code(house.authority.commit_import(&by, import).await), "import_closed");
    assert_eq!(code(house.authority.stage_rows(&by, import, vec![]).await), "import_closed");
}

#[tokio::test]
async fn when_a_key_was_created_as_its_importer_states_gives_its_successor_no_long_life() {
    const QUARTER: u64 = 90 * 86_400;
    let house = House::build().await;
    let import = house.authority.begin_import(&house.ada(), ImportOptions::default()).await.unwrap();
    let expires = |n, created: i64| ImportRow {
        created_at: Some(Timestamp::from_millis(START - created * 1_000)),
        expires_at: Some(house.seconds_from_now(60)),
        ..by_text(n, &ada(&house))
    };
    let rows = vec![expires(1, 20 * 365 * 86_400), expires(2, 3_540)];
    let outcomes = house.authority.stage_rows(&house.ada(), import, rows).await.unwrap();
    house.authority.commit_import(&house.ada(), import).await.unwrap();
    house.pass(60_000);
    for (outcome, lives) in outcomes.iter().zip([QUARTER, 3_600]) {
        let ImportOutcome::Imported(id) = *outcome else { panic!("{outcome:?}") };
        let rotated = house.authority.rotate_key(&house.ada(), id, 0, None, None).await.unwrap().value;
        let expires_at = rotated.key.record.entry.rights.expires_at.unwrap();
        assert_eq!(expires_at, house.seconds_from_now(lives));
    }
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_does_nothing() {
    let house = House::build().await;
    let taken = house.authority.begin_import(&house.ada(), ImportOptions::default()).await.unwrap();
    house.authority.stage_rows(&house.ada(), taken, vec![by_text(1, &ada(&house))]).await.unwrap();
    house.authority.commit_import(&house.ada(), taken).await.unwrap();
    let rows = || vec![by_text(1, &ada(&house)), by_text(2, &ada(&house)), by_text(2, &ada(&house))];
    let dry = ImportOptions { dry_run: true, ..ImportOptions::default() };
    assert_eq!(words(&house, &house.ada(), dry, rows()).await, ["duplicate", "would_import", "duplicate"]);
    let import = house.authority.begin_import(&house.ada(), dry).await.unwrap();
    house.authority.stage_rows(&house.ada(), import, rows()).await.unwrap();
    assert_eq!(house.authority.commit_import(&house.ada(), import).await.unwrap().value.staged, 1);
    assert_eq!(house.whoami(&text(2)).await, "invalid_key");
    let wet = words(&house, &house.ada(), ImportOptions::default(), rows()).await;
    assert_eq!(wet, ["duplicate", "imported", "duplicate"]);
    assert_eq!(house.whoami(&text(2)).await, "invalid_key", "abandoned");
}

#[tokio::test]
async fn each_row_that_cannot_be_says_why() {
    let house = House::build().await;
    let own = ada(&house);
    let check = async |row: ImportRow, expect: &str| {
        let by = house.ada();
        let import = house.authority.begin_import(&by, ImportOptions::default()).await.unwrap();
        let outcome = house.authority.stage_rows(&by, import, vec![row]).await.unwrap().remove(0);
        house.authority.abandon_import(&by, import).await.unwrap();
        match outcome {
            ImportOutcome::Invalid(why) => assert!(why.starts_with(expect), "{why}"),
            other => panic!("{expect}: {other:?}"),
        }
    };
    let of_text = |text: &str| row(ImportKey::Text(text.to_owned().into()), &own);
    check(of_text(""), "key").await;
    check(of_text("password-password"), "key").await;
    check(of_text(&"a".repeat(64)), "key").await;
    // It fits a format of ours with a checksum, which it has not.
    check(of_text(&format!("sk_{}", &text(0)[..26].repeat(2)[..38])), "key: prefix and length are those of")
        .await;
    check(
        of_text("$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW"),
        "key: this is a password hash",
    )
    .await;
    check(of_text(&hex(Digest::of(&text(1)))), "key: this looks like a digest").await;
    check(of_text("sk_live_****abcd"), "key: this is a masked key").await;
    check(row(ImportKey::Sha256("0123".into()), &own), "sha256: a SHA-256 digest is").await;
    check(row(ImportKey::Sha256(hex(Digest::of(""))), &own), "sha256: this is the digest of an empty text")
        .await;
    check(ImportRow { name: String::new(), ..by_text(1, &own) }, "name").await;
    check(by_text(1, "account:nobody"), "subject").await;
    check(ImportRow { versions: Some("@1".into()), ..by_text(1, &own) }, "versions").await;
    check(ImportRow { versions: Some("1".into()), ..by_text(1, "notebook:a") }, "versions").await;
    check(ImportRow { scopes: Some(vec!["x".into()]), ..by_text(1, &own) }, "scopes").await;
    check(ImportRow { preview: Some(text(1)), ..by_text(1, &own) }, "preview").await;
    check(ImportRow { metadata: vec![(String::new(), String::new())], ..by_text(1, &own) }, "metadata").await;
    let late = Timestamp::from_millis(START + 1);
    check(ImportRow { created_at: Some(late), ..by_text(1, &own) }, "created_at").await;
}

#[tokio::test]
async fn digests_without_the_statement_are_named_apart_from_what_else_is_wrong() {
    let house = House::build().await;
    let own = ada(&house);
    let by_digest = || row(ImportKey::Sha256(hex(Digest::of(&text(1)))), &own);
    let wrong = ImportRow { name: String::new(), ..by_digest() };
    let by = house.ada();
    let import = house.authority.begin_import(&by, ImportOptions::default()).await.unwrap();
    let unread = Err("status: use active or disabled".to_owned());
    let rows = vec![Ok(by_digest()), Ok(wrong), unread, Ok(by_text(2, &own))];
    let outcomes = house.authority.stage_read_rows(&by, import, rows).await.unwrap();
    assert_eq!(outcomes[0], ImportOutcome::Unvouched);
    assert!(matches!(&outcomes[1], ImportOutcome::Invalid(why) if why.starts_with("name")), "{outcomes:?}");
    assert_eq!(outcomes[2], ImportOutcome::Invalid("status: use active or disabled".into()));
    assert_eq!(outcomes[3].as_str(), "imported");
    let progress = house.authority.import_progress(&by, import).unwrap();
    assert_eq!((progress.staged, progress.invalid), (1, 3));
}

/// Whoever makes keys valid must hold at least their rights.
#[tokio::test]
async fn nobody_imports_more_than_it_could_create() {
    let house = House::build().await;
    let own = ada(&house);
    let strong = ImportOptions { digests_are_strong: true, ..ImportOptions::default() };
    let wide = || ImportRow { scopes: Some(vec!["*:*".into()]), ..by_text(1, &own) };
    let rows =
        || vec![by_text(1, &own), by_text(2, &format!("account:{}", house.bob)), by_text(3, "operator")];
    assert_eq!(words(&house, &house.ada(), strong, rows()).await, ["imported", "refused", "refused"]);
    let narrow = house.key(house.of_ada(), "notebook:read key:create").await;
    let narrow = house.with_key(narrow.secret.expose());
    assert_eq!(words(&house, &narrow, strong, vec![wide(), by_text(2, &own)]).await, ["refused", "imported"]);
    // An operator includes everybody's rights, but not those of an operator that it has not.
    assert_eq!(words(&house, &house.operator(), strong, rows()).await, ["imported", "imported", "refused"]);
    let like_itself = ImportRow { scopes: Some(vec!["key:read".into()]), ..by_text(3, "operator") };
    assert_eq!(words(&house, &house.operator(), strong, vec![like_itself]).await, ["imported"]);
    let gone = words(&house, &house.operator(), strong, vec![by_text(1, "notebook:none")]).await;
    assert_eq!(gone, ["invalid"], "an operator may know that it is not there");
    let reader = house.key(house.of_ada(), "notebook:read").await;
    let reader = house.with_key(reader.secret.expose());
    assert_eq!(code(house.authority.begin_import(&reader, strong).await), "forbidden");
}

#[tokio::test]
async fn an_import_belongs_to_whoever_began_it_and_needs_its_rights_to_the_end() {
    let house = House::build().await;
    let key = house.key(house.of_ada(), "notebook:read run:create key:create").await;
    let by = house.with_key(key.secret.expose());
    let import = house.authority.begin_import(&by, ImportOptions::default()).await.unwrap();
    house.authority.stage_rows(&by, import, vec![by_text(1, &ada(&house))]).await.unwrap();
    for other in [house.bob(), house.operator()] {
        assert_eq!(code(house.authority.commit_import(&other, import).await), "import_closed");
        assert_eq!(code(house.authority.import_progress(&other, import)), "import_closed");
    }
    let fewer = KeyPatch { scopes: Some(scopes("key:create")), ..KeyPatch::default() };
    house.authority.update_key(&house.ada(), key.key.record.entry.id, fewer, None).await.unwrap();
    assert_eq!(code(house.authority.commit_import(&by, import).await), "import_rights_changed");
    assert_eq!(house.whoami(&text(1)).await, "invalid_key");
}

#[tokio::test]
async fn what_is_left_lying_is_cleared_away() {
    let house = House::build().await;
    let by = house.ada();
    let import = house.authority.begin_import(&by, ImportOptions::default()).await.unwrap();
    house.authority.stage_rows(&by, import, vec![by_text(1, &ada(&house))]).await.unwrap();
    house.pass(3_600_001);
    assert_eq!(house.authority.run_jobs_once(house.authority.now()).await.unwrap().imports_abandoned, 1);
    assert_eq!(code(house.authority.commit_import(&by, import).await), "import_closed");
    let import = house.authority.begin_import(&by, ImportOptions::default()).await.unwrap();
    house.authority.stage_rows(&by, import, vec![by_text(1, &ada(&house))]).await.unwrap();
    let house = house.reopened().await;
    assert_eq!(code(house.authority.commit_import(&by, import).await), "import_closed");
    let one = vec![by_text(1, &ada(&house))];
    assert_eq!(words(&house, &by, ImportOptions::default(), one).await, ["imported"]);
}

#[tokio::test]
async fn limits() {
    let house = House::with(Settings { keys_per_subject_max: 2, ..Settings::default() }).await;
    let rows = || (0..3).map(|n| by_text(n, &ada(&house))).collect::<Vec<_>>();
    let options = ImportOptions::default();
    assert_eq!(words(&house, &house.ada(), options, rows()).await, ["imported", "imported", "refused"]);
    assert_eq!(words(&house, &house.operator(), options, rows()).await, ["imported"; 3]);
    let by = house.ada();
    let import = house.authority.begin_import(&by, options).await.unwrap();
    let many = (0..5_001).map(|n| by_text(n, "x")).collect();
    assert_eq!(code(house.authority.stage_rows(&by, import, many).await), "rows");
    house.authority.begin_import(&by, options).await.unwrap();
    assert_eq!(code(house.authority.begin_import(&by, options).await), "too_many_imports");
}

/// What each remembers of its rows is bounded, too.
#[tokio::test]
async fn rows_of_one_import_in_all() {
    let house = House::build().await;
    let dry = ImportOptions { dry_run: true, ..ImportOptions::default() };
    let rows = || (0..5_000).map(|n| by_text(n, "x")).collect::<Vec<_>>();
    for (by, expect) in [(house.ada(), "import_too_large"), (house.operator(), "ok")] {
        let import = house.authority.begin_import(&by, dry).await.unwrap();
        for _ in 0..20 {
            house.authority.stage_rows(&by, import, rows()).await.unwrap();
        }
        let more = house.authority.stage_rows(&by, import, vec![by_text(1, "x")]).await;
        assert_eq!(code(more), expect);
    }
}

#[tokio::test]
async fn only_operators_import_what_has_expired() {
    let house = House::build().await;
    let row = || ImportRow { expires_at: UnixSeconds::new(1), ..by_text(1, &ada(&house)) };
    let options = ImportOptions::default();
    assert_eq!(words(&house, &house.ada(), options, vec![row()]).await, ["invalid"]);
    let by = house.operator();
    let import = house.authority.begin_import(&by, options).await.unwrap();
    house.authority.stage_rows(&by, import, vec![row()]).await.unwrap();
    house.authority.commit_import(&by, import).await.unwrap();
    assert_eq!(house.whoami(&text(1)).await, "key_expired");
}

/// Whatever a file may hold: each row has its own outcome, and none keeps another from being imported.
#[tokio::test]
async fn odd_rows_of_every_kind_beside_good_ones() {
    let house = House::build().await;
    let own = ada(&house);
    let strong = ImportOptions { digests_are_strong: true, ..ImportOptions::default() };
    let there = house.key(house.of_ada(), "notebook:read").await;
    let of_text = |text: String| row(ImportKey::Text(text.into()), &own);
    let of_digest = |text: String| row(ImportKey::Sha256(text), &own);
    let broken = {
        // A key of ours with one character changed: its checksum is wrong.
        let mut text = there.secret.expose().to_owned();
        let other = if text.ends_with('A') { 'B' } else { 'A' };
        text.pop();
        text.push(other);
        text
    };
    let past = UnixSeconds::new(1).unwrap();
    let check = [
        (by_text(1, &own), "imported"),
        // The same text again; its digest; the digest in capitals.
        (by_text(1, &own), "duplicate"),
        (of_digest(hex(Digest::of(&text(1)))), "duplicate"),
        (of_digest(hex(Digest::of(&text(1))).to_uppercase()), "duplicate"),
        // A key that there is already, by its text and by its digest.
        (of_text(there.secret.expose().to_owned()), "duplicate"),
        (of_digest(hex(Digest::of(there.secret.expose()))), "duplicate"),
        (of_text(broken.clone()), "invalid"),
        // By its digest nobody can tell; it would never be accepted, and harms nobody.
        (of_digest(hex(Digest::of(&broken))), "imported"),
        (ImportRow { expires_at: Some(past), ..by_text(2, &own) }, "invalid"),
        (ImportRow { preview: Some("other_...0015".into()), ..by_text(15, &own) }, "invalid"),
        (by_text(3, &format!("account:{}", house.bob)), "refused"),
        (by_text(4, "notebook:none"), "refused"),
        (by_text(5, ""), "invalid"),
        (by_text(6, "account:acct_"), "invalid"),
        (of_text("x".repeat(257)), "invalid"),
        (of_text("x".repeat(10_000_000)), "invalid"),
        (of_text(format!("{}\u{e9}", text(7))), "invalid"),
        (of_text(format!("{} ", text(8))), "invalid"),
        (of_text(format!("{}\0", text(9))), "invalid"),
        (of_digest("0".repeat(63)), "invalid"),
        (of_digest("\u{e9}".repeat(32)), "invalid"),
        (ImportRow { name: "x".repeat(129), ..by_text(10, &own) }, "invalid"),
        (ImportRow { name: "two\nlines".into(), ..by_text(11, &own) }, "invalid"),
        (ImportRow { scopes: Some(Vec::new()), ..by_text(12, &own) }, "imported"),
        (ImportRow { scopes: Some(vec!["a:b".into(); 10_000]), ..by_text(13, &own) }, "imported"),
        (by_text(14, &own), "imported"),
    ];
    let (rows, expect): (Vec<_>, Vec<_>) = check.into_iter().unzip();
    let import = house.authority.begin_import(&house.ada(), strong).await.unwrap();
    let outcomes = house.authority.stage_rows(&house.ada(), import, rows).await.unwrap();
    let told = outcomes.iter().map(ImportOutcome::as_str).collect::<Vec<_>>();
    assert_eq!(told, expect, "{outcomes:?}");
    let printed = format!("{outcomes:?}");
    assert!(!printed.contains(&broken) && !printed.contains(&text(7)), "no outcome repeats a text");
    let done = house.authority.commit_import(&house.ada(), import).await.unwrap().value;
    assert_eq!((done.staged, done.duplicate, done.invalid, done.refused), (5, 5, 14, 2));
    assert_eq!(house.whoami(&text(1)).await, "ok");
    assert_eq!(house.whoami(&text(2)).await, "invalid_key");
    assert_eq!(house.whoami(&broken).await, "invalid_key");
    assert_eq!(house.whoami(there.secret.expose()).await, "ok");
}

#[tokio::test]
async fn nothing_at_all_is_imported_as_well() {
    let house = House::build().await;
    let import = house.authority.begin_import(&house.ada(), ImportOptions::default()).await.unwrap();
    assert_eq!(house.authority.stage_rows(&house.ada(), import, Vec::new()).await.unwrap(), []);
    assert_eq!(house.authority.commit_import(&house.ada(), import).await.unwrap().value.staged, 0);
}

/// Two imports of the same file at once: a key is imported by one of them, and lost by none.
#[tokio::test]
async fn two_imports_of_one_file_share_it() {
    let house = House::build().await;
    let (by, options) = (house.ada(), ImportOptions::default());
    let one = house.authority.begin_import(&by, options).await.unwrap();
    let two = house.authority.begin_import(&by, options).await.unwrap();
    let first = house.authority.stage_rows(&by, one, vec![by_text(1, &ada(&house))]).await.unwrap();
    let rows = vec![by_text(1, &ada(&house)), by_text(2, &ada(&house))];
    let second = house.authority.stage_rows(&by, two, rows).await.unwrap();
    assert_eq!(
        (first[0].as_str(), second[0].as_str(), second[1].as_str()),
        ("imported", "duplicate", "imported")
    );
    house.authority.commit_import(&by, two).await.unwrap();
    assert_eq!((house.whoami(&text(1)).await, house.whoami(&text(2)).await), ("invalid_key", "ok"));
    house.authority.commit_import(&by, one).await.unwrap();
    assert_eq!(house.whoami(&text(1)).await, "ok");
}

/// Others go on while rows are staged, and the commit is over at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_hardly_wait_for_a_large_import() {
    const ROWS: u32 = 20_000;
    let house = std::sync::Arc::new(House::build().await);
    let by = house.operator();
    let import = house.authority.begin_import(&by, ImportOptions::default()).await.unwrap();
    let others = tokio::spawn({
        let house = std::sync::Arc::clone(&house);
        async move {
            let mut made = 0;
            while house.whoami(&text(0)).await != "ok" {
                let new = house.new_key(Subject::Account(house.bob), "a:read");
                house.authority.create_key(&house.bob(), new).await.unwrap();
                made += 1;
            }
            made
        }
    });
    for start in (0..ROWS).step_by(5_000) {
        let rows = (start..start + 5_000).map(|n| by_text(n, &ada(&house))).collect();
        let outcomes = house.authority.stage_rows(&by, import, rows).await.unwrap();
        assert!(outcomes.iter().all(|outcome| outcome.as_str() == "imported"));
    }
    assert_eq!(
        house.authority.keys(&house.ada(), KeyQuery::default(), Page::first(9)).await.unwrap().len(),
        0
    );
    let changed = house.authority.commit_import(&by, import).await.unwrap();
    assert_eq!(changed.value.staged, u64::from(ROWS));
    assert_eq!(house.whoami(&text(ROWS - 1)).await, "ok");
    assert!(others.await.unwrap() > 20, "others were held up");
    let result: Result<_, Error> =
        house.authority.keys(&house.ada(), KeyQuery::default(), Page::first(9)).await;
    assert_eq!(result.unwrap().len(), 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints how long a million rows take, and how long others wait; run it with --release"]
async fn a_million_rows() {
    use std::time::Instant;
    let rows = std::env::var("ROWS").map_or(1_000_000, |rows| rows.parse::<u32>().unwrap());
    let house = std::sync::Arc::new(House::build().await);
    let by = house.operator();
    let import = house.authority.begin_import(&by, ImportOptions::default()).await.unwrap();
    let others = tokio::spawn({
        let house = std::sync::Arc::clone(&house);
        async move {
            let (mut waits, mut key) = (Vec::new(), house.key(Subject::Account(house.bob), "a:read").await);
            while house.whoami(&text(0)).await != "ok" {
                let start = Instant::now();
                let id = key.key.record.entry.id;
                key = house.authority.rotate_key(&house.operator(), id, 0, None, None).await.unwrap().value;
                waits.push(start.elapsed());
            }
            waits.sort();
            (waits.len(), waits[waits.len() / 2], waits[waits.len() * 99 / 100], waits[waits.len() - 1])
        }
    });
    let start = Instant::now();
    for from in (0..rows).step_by(5_000) {
        let rows = (from..from + 5_000).map(|n| by_text(n, &ada(&house))).collect();
        house.authority.stage_rows(&by, import, rows).await.unwrap();
    }
    let staged = start.elapsed();
    let start = Instant::now();
    house.authority.commit_import(&by, import).await.unwrap();
    eprintln!("staged in {staged:?}, committed in {:?}", start.elapsed());
    eprintln!("others: count, median, 99 %, longest: {:?}", others.await.unwrap());
}

/// A disk whose COMMIT takes place without an answer, and that cannot be asked what became of it, while it is broken.
#[derive(Clone, Default)]
struct LosesAnswers(Arc<Mutex<Answers>>);

#[derive(Clone, Copy, Default, PartialEq)]
enum Answers {
    #[default]
    Arrive,
    NextIsLost,
    AreLost,
}

impl DiskFaults for LosesAnswers {
    fn before(&self, operation: DiskOperation, _: &Path) -> std::io::Result<()> {
        let mut answers = self.0.lock().unwrap();
        let fails = match (*answers, operation) {
            (Answers::NextIsLost, DiskOperation::Committed) => {
                *answers = Answers::AreLost;
                true
            }
            (Answers::AreLost, DiskOperation::Commit) => true,
            _ => false,
        };
        if fails { Err(std::io::Error::other("the simulated disk fails")) } else { Ok(()) }
    }
}

#[tokio::test]
async fn the_rights_of_a_batch_of_unknown_outcome_are_decided_again_at_the_commit() {
    let disk = LosesAnswers::default();
    let house = House::on(Disk::with_faults(disk.clone()), Settings::default()).await;
    let by = house.ada();
    let (team, project) = (format!("team:{}", house.team), format!("project:{}", house.project));
    let import = house.authority.begin_import(&by, ImportOptions::default()).await.unwrap();
    house.authority.stage_rows(&by, import, vec![by_text(1, &project)]).await.unwrap();
    *disk.0.lock().unwrap() = Answers::NextIsLost;
    let staged = house.authority.stage_rows(&by, import, vec![by_text(2, &team)]).await;
    assert_eq!(code(staged), "outcome_unknown");
    *disk.0.lock().unwrap() = Answers::Arrive;
    let closed = GroupPatch { closed: Some(true), ..GroupPatch::default() };
    house.authority.update_group(&house.operator(), house.team, closed, None).await.unwrap();
    assert_eq!(code(house.authority.commit_import(&by, import).await), "import_rights_changed");
    assert_eq!(house.whoami(&text(2)).await, "invalid_key");
}
