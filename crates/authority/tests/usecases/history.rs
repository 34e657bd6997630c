//! What hosts report, and traffic that nobody waits for.

use claviger_authority::reports::HostEntry;
use claviger_core::Subject;
use claviger_core::history::Origin;
use claviger_core::key::Actor;
use claviger_core::resource::Owner;

use super::support::*;

fn entry(target: String, action: &str) -> HostEntry {
    HostEntry { target, action: action.to_owned(), detail: "from the site".to_owned(), actor: None }
}

#[tokio::test]
async fn hosts_report_about_what_is_theirs() {
    let house = House::build().await;
    house.put_notebook("notebook:p", Owner::Project(house.project)).await;
    let project = format!("project:{}", house.project);
    let key = house.key(Subject::Project(house.project), "history:create").await;
    let mute = house.key(Subject::Project(house.project), "run:create").await;
    let account = house.key(house.of_ada(), "history:create").await;
    let record = async |text: &str, entry: HostEntry| {
        code(house.authority.record_history(&house.with_key(text), vec![entry]).await)
    };
    let (key, mute, account) = (key.secret.expose(), mute.secret.expose(), account.secret.expose());
    assert_eq!(
        record(OPERATOR, HostEntry { actor: Some(house.ada), ..entry(project.clone(), "run:create") }).await,
        "ok"
    );
    assert_eq!(record(key, entry("notebook:p".into(), "notebook:read")).await, "ok");
    assert_eq!(record(key, entry("sample:host-only".into(), "sample:read")).await, "ok");
    // Hidden from the project: recorded like one that does not exist, under the project itself.
    assert_eq!(record(key, entry("notebook:a".into(), "notebook:list")).await, "ok");
    assert_eq!(record(key, entry("notebook:none".into(), "notebook:list")).await, "ok");
    let listed = house.history("notebook:list").await;
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|row| *row.subject == *project), "{listed:?}");
    assert_eq!(record(key, entry(format!("team:{}", house.team), "a:read")).await, "not_found");
    assert_eq!(
        record(account, entry(project.clone(), "run:create")).await,
        "forbidden",
        "of the project's own"
    );
    assert_eq!(record(mute, entry(project.clone(), "run:create")).await, "forbidden");
    assert_eq!(record(key, entry(project.clone(), "key:create")).await, "action");
    assert_eq!(record(key, entry(project.clone(), "run")).await, "action");
    assert_eq!(
        record(key, HostEntry { detail: "x".repeat(513), ..entry(project.clone(), "a:b") }).await,
        "detail"
    );
    assert_eq!(
        record(key, HostEntry { actor: Some(house.bob), ..entry(project.clone(), "a:b") }).await,
        "actor"
    );
    // Nor of its members: nobody is asked before becoming one.
    assert_eq!(
        record(key, HostEntry { actor: Some(house.ada), ..entry(project.clone(), "a:b") }).await,
        "actor"
    );
    let own = HostEntry { actor: Some(house.ada), ..entry(format!("account:{}", house.ada), "a:b") };
    assert_eq!(record(account, own).await, "ok", "an account speaks for itself");
    assert_eq!(
        record(OPERATOR, HostEntry { actor: Some(house.bob), ..entry(project.clone(), "a:b") }).await,
        "ok"
    );
    let by_session = house.authority.record_history(&house.ada(), vec![entry(project.clone(), "a:b")]).await;
    assert_eq!(code(by_session), "forbidden");

    let row = house.history("run:create").await.remove(0);
    assert_eq!((row.origin, row.actor, &*row.subject), (Origin::Site, Actor::Account(house.ada), &*project));
    assert!(row.key.is_some());
    assert_eq!(&*house.history("sample:read").await[0].subject, project);
    let two = vec![entry(project.clone(), "c:d"), entry(format!("team:{}", house.team), "c:d")];
    assert_eq!(code(house.authority.record_history(&house.with_key(key), two).await), "not_found");
    assert!(house.history("c:d").await.is_empty(), "all or nothing");
}

#[tokio::test]
async fn notes_are_written_in_batches_and_at_the_latest_when_closing() {
    let house = House::build().await;
    let note = house.history("account:create").await.remove(0);
    let note = claviger_core::history::HistoryEntry { action: "notebook:read".into(), ..note };
    for _ in 0..700 {
        assert!(house.authority.note(note.clone()));
    }
    assert_eq!(house.authority.flush_notes().await.unwrap(), 700);
    assert_eq!(house.history("notebook:read").await.len(), 700);
    assert!(house.authority.note(note.clone()));
    let house = house.reopened().await;
    assert_eq!(house.history("notebook:read").await.len(), 701);
    let lost = (0..40_000).filter(|_| !house.authority.note(note.clone())).count() as u64;
    assert!(lost > 0 && lost == house.authority.notes_dropped());
}
