//! Reports of leaked keys.

use claviger_authority::leaks::{LeakOutcome, LeakReport, LeakSource};
use claviger_authority::settings::Settings;
use claviger_authority::{Caller, CallerCredential, Disk, DiskOperation};
use claviger_core::Subject;
use claviger_core::key::{Actor, Digest};

use super::support::*;

async fn report(house: &House, by: &Caller, text: &str, source: LeakSource, place: &str) -> LeakOutcome {
    let report = LeakReport { digest: Digest::of(text), source, place: place.to_owned() };
    house.authority.report_leaks(by, vec![report]).await.unwrap().remove(0)
}

fn anonymous() -> Caller {
    caller(CallerCredential::Anonymous)
}

fn claimed(source: &str) -> LeakSource {
    LeakSource::Unconfirmed(Some(source.to_owned()))
}

#[tokio::test]
async fn a_false_report_says_that_it_is_unconfirmed_and_silences_nobody() {
    let house = House::build().await;
    let key = house.key(house.notebook(), "notebook:read").await;
    let text = key.secret.expose();
    let false_one = claimed("GitHub (content)");
    for _ in 0..3 {
        let outcome = report(&house, &anonymous(), text, false_one.clone(), "https://victim.example").await;
        assert_eq!(outcome, LeakOutcome::Told);
    }
    let genuine = LeakSource::GitHub(Some("content".to_owned()));
    report(&house, &anonymous(), text, genuine, "https://github.com/x/y").await;
    report(&house, &house.bob(), text, claimed("a crawler"), "https://example.org").await;
    let rows = house.history("key:leaked").await;
    let told = rows.iter().map(|row| (row.actor, &*row.detail)).collect::<Vec<_>>();
    assert_eq!(
        told,
        [
            (
                Actor::Account(house.bob),
                "unconfirmed report; source, as stated: a crawler; place, as stated: https://example.org"
            ),
            (Actor::Anonymous, "reported by GitHub (content), signature checked: https://github.com/x/y"),
            (
                Actor::Anonymous,
                "unconfirmed report; source, as stated: GitHub (content); place, as stated: https://victim.example"
            ),
        ]
    );
    assert_eq!(house.whoami(text).await, "ok", "a key of a resource stands in pages");
}

#[tokio::test]
async fn a_report_that_could_not_be_recorded_is_recorded_when_it_is_repeated() {
    let disk = Breakable::default();
    let house = House::on(Disk::with_faults(disk.clone()), Settings::default()).await;
    let key = house.key(house.notebook(), "notebook:read").await;
    let text = key.secret.expose();
    disk.breaks(&[DiskOperation::Commit]);
    let leak = LeakReport {
        digest: Digest::of(text),
        source: claimed("a crawler"),
        place: "https://example.org".to_owned(),
    };
    assert_eq!(code(house.authority.report_leaks(&anonymous(), vec![leak]).await), "store");
    disk.breaks(&[]);
    for _ in 0..2 {
        let outcome = report(&house, &anonymous(), text, claimed("a crawler"), "https://example.org").await;
        assert_eq!(outcome, LeakOutcome::Told);
        assert_eq!(house.history("key:leaked").await.len(), 1);
    }
}

#[tokio::test]
async fn strangers_use_up_nobody_elses_share() {
    let house = House::build().await;
    let key = house.key(house.notebook(), "notebook:read").await;
    let text = key.secret.expose();
    let reports = async |by: &Caller, n: usize| {
        report(&house, by, text, claimed("a crawler"), &format!("https://example.org/{n}")).await
    };
    // The key itself stands in a page, so presenting it makes nobody known.
    for n in 0..20 {
        let by = if n % 2 == 0 { anonymous() } else { house.with_key(text) };
        assert_eq!(reports(&by, n).await, LeakOutcome::Told);
    }
    for by in [anonymous(), house.with_key(text)] {
        assert_eq!(reports(&by, 20).await, LeakOutcome::AlreadyReported);
        assert_eq!(reports(&by, 0).await, LeakOutcome::Told, "the history has that one");
    }
    assert_eq!(house.authority.leak_reports_dropped(), 2);
    assert_eq!(house.history("key:leaked").await.len(), 20);
    let hers = house.key(Subject::Project(house.project), "a:read").await;
    for by in [house.bob(), house.ada(), house.operator()] {
        assert_eq!(reports(&by, 20).await, LeakOutcome::Told);
    }
    assert_eq!(house.history("key:leaked").await.len(), 23);
    for n in 21..40 {
        assert_eq!(reports(&house.with_key(hers.secret.expose()), n).await, LeakOutcome::Told);
        assert_eq!(reports(&house.operator(), n).await, LeakOutcome::Told);
    }
    assert_eq!(reports(&house.ada(), 40).await, LeakOutcome::AlreadyReported, "she has had her share");
    assert_eq!(reports(&house.operator(), 40).await, LeakOutcome::Told);
    house.pass(86_400_000);
    assert_eq!(reports(&anonymous(), 20).await, LeakOutcome::Told, "the next day");
}

#[tokio::test]
async fn a_report_reads_as_it_was_written() {
    let house = House::build().await;
    let key = house.key(house.notebook(), "notebook:read").await;
    let place = "https://example.org/\u{202e}gpj.\u{2028}exe\n";
    report(&house, &anonymous(), key.secret.expose(), claimed("a\u{2066}b"), place).await;
    let row = house.history("key:leaked").await.remove(0);
    assert_eq!(
        &*row.detail,
        "unconfirmed report; source, as stated: ab; place, as stated: https://example.org/gpj.exe"
    );
}

#[tokio::test]
async fn a_report_names_the_key_that_it_was_made_with() {
    let house = House::build().await;
    let reporter = house.key(house.of_ada(), "a:read").await;
    let leaked = house.key(house.of_ada(), "a:read").await;
    let by = house.with_key(reporter.secret.expose());
    let source = LeakSource::Unconfirmed(None);
    assert_eq!(report(&house, &by, leaked.secret.expose(), source, "a log").await, LeakOutcome::Disabled);
    let row = house.history("key:leaked").await.remove(0);
    let id = reporter.key.record.entry.id;
    assert_eq!((row.actor, row.key), (Actor::Key(id), Some(id)));
    assert_eq!(&*row.detail, "unconfirmed report; place, as stated: a log");
    assert_eq!(house.whoami(leaked.secret.expose()).await, "key_disabled");
}
