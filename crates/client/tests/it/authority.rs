//! Against a real authority.

use claviger_client::{Error, KeyFilter, KeyPatch, Kind, NewKey, Status, Verify};

use crate::support::Running;

#[tokio::test]
async fn a_key_through_its_life() {
    let running = Running::start().await;
    let account = running.account().await;
    let operator = running.operator();
    let keys = operator.keys();
    let created = keys.create(&NewKey::new("CI", format!("account:{account}"))).await.unwrap();
    assert_eq!((&created.key.kind, created.key.other.len()), (&Kind::Account, 0));
    assert!(!format!("{created:?}").contains(created.secret.expose()));
    let id = created.key.id.as_str();

    let question = || Verify { explain: true, ..Verify::new(created.secret.clone()).action("notebook:read") };
    let verdict = operator.verify(&question()).await.unwrap();
    assert_eq!((verdict.valid, verdict.key_id.as_deref()), (true, Some(id)));
    assert!(verdict.reasons.is_some_and(|reasons| !reasons.is_empty()) && verdict.other.is_empty());

    let disabled = keys.disable(id).await.unwrap();
    assert_eq!(disabled.value.status, Status::Disabled);
    assert_eq!(disabled.revocation.unwrap().state, "complete");
    assert_eq!(operator.verify(&question()).await.unwrap().code, "key_disabled");
    assert!(keys.enable(id).await.unwrap().revocation.is_none());
    assert_eq!(keys.rename(id, "CI runner").await.unwrap().value.name, "CI runner");

    let gone = keys.delete(id).await.unwrap();
    assert_eq!(gone.revocation.unwrap().state, "complete");
    let problem = keys.get(id).await.unwrap_err();
    let problem = problem.problem().unwrap();
    assert_eq!((problem.status.as_u16(), problem.code.as_str()), (404, "not_found"));
    assert!(problem.request_id.is_some());
    assert_eq!(operator.verify(&question()).await.unwrap().code, "invalid_key");
}

#[tokio::test]
async fn listings_go_on_over_pages() {
    let running = Running::start().await;
    let subject = format!("account:{}", running.account().await);
    let operator = running.operator();
    for n in 0..5 {
        operator.keys().create(&NewKey::new(format!("key {n}"), &subject)).await.unwrap();
    }
    let filter = KeyFilter { subject: Some(subject), ..KeyFilter::default() };
    let mut pages = operator.keys().list(&filter).page_size(2);
    let names = pages.collect(100).await.unwrap().into_iter().map(|key| key.name).collect::<Vec<_>>();
    assert_eq!(names, ["key 4", "key 3", "key 2", "key 1", "key 0"]);
    assert!(pages.next().await.unwrap().is_none());
    assert_eq!(operator.keys().list(&filter).collect(3).await.unwrap().len(), 3);
    let mut pages = operator.keys().list(&filter).page_size(2);
    let first = pages.next_page().await.unwrap().unwrap();
    let rest = operator.keys().list(&filter).after(first.next_cursor.unwrap()).collect(9).await.unwrap();
    assert_eq!((first.items.len(), rest.len()), (2, 3));
}

#[tokio::test]
async fn a_change_of_what_somebody_else_changed_is_refused() {
    let running = Running::start().await;
    let account = running.account().await;
    let operator = running.operator();
    let keys = operator.keys();
    let created = keys.create(&NewKey::new("CI", format!("account:{account}"))).await.unwrap();
    let (_, tag) = keys.get_tagged(&created.key.id).await.unwrap();
    keys.rename(&created.key.id, "mine").await.unwrap();
    let patch = KeyPatch { name: Some("theirs".to_owned()), ..KeyPatch::default() };
    let refused = keys.update(&created.key.id, &patch, tag).await.unwrap_err();
    assert_eq!(refused.problem().unwrap().status.as_u16(), 412);
    assert!(!refused.is_unavailable());
}

#[tokio::test]
async fn whoami_and_a_batch() {
    let running = Running::start().await;
    let account = running.account().await;
    let operator = running.operator();
    let me = operator.whoami().await.unwrap();
    assert_eq!((me.kind.as_str(), me.key.unwrap().kind), ("key", Kind::Operator));
    let key = operator.keys().create(&NewKey::new("CI", format!("account:{account}"))).await.unwrap();
    let questions = [Verify::new(key.secret), Verify::new("sk_nothing_that_was_ever_issued_here")];
    let verdicts = operator.verify_batch(&questions).await.unwrap();
    assert_eq!(verdicts.iter().map(|verdict| verdict.valid).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test]
async fn a_key_that_is_not_known_is_told_so() {
    let running = Running::start().await;
    let stranger = claviger_client::Client::builder(&running.url).key("x".repeat(40)).build().unwrap();
    match stranger.whoami().await {
        Err(Error::Problem(problem)) => {
            assert_eq!((problem.status.as_u16(), problem.code.as_str()), (401, "invalid_key"));
        }
        other => panic!("{other:?}"),
    }
}
