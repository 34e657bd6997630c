//! The history, the formats and the settings.

use claviger_core::decide::{Access, Reason};
use claviger_core::history::{HistoryEntry, Origin};
use claviger_core::id::{AccountId, KeyId};
use claviger_core::key::{Actor, KeyFormat};
use claviger_core::time::Timestamp;
use claviger_store::{HistoryFilter, Page};

use super::support::*;

#[tokio::test]
async fn a_mutation_leaves_its_rows_and_a_refusal_none() {
    let fresh = furnished().await;
    let store = &fresh.store;
    let full = HistoryEntry {
        actor: Actor::Key(KeyId::from_bits(5)),
        key: Some(KeyId::from_bits(5)),
        address: None,
        request_id: None,
        detail: "status: active -> disabled".into(),
        reasons: [Reason::KeyActive, Reason::Reaches(Access::Read), Reason::Needs(Access::Write)]
            .into_iter()
            .collect(),
        ..entry("key:update")
    };
    let both = audit("key:create").and(full.clone());
    store.create_key(key(1), LIMIT, both.clone()).await.unwrap();
    store.create_key(key(1), LIMIT, both).await.unwrap_err();
    let rows = store.history(HistoryFilter::default(), Page::first(9)).await.unwrap();
    let actions = rows.iter().map(|(_, row)| &*row.action).collect::<Vec<_>>();
    let furnishing = ["resource:create", "project:create", "team:create", "account:create"];
    assert_eq!(actions[..2], ["key:update", "key:create"]);
    assert_eq!(actions[2..], furnishing);
    assert_eq!((&rows[0].1, &rows[1].1), (&full, &entry("key:create")));
}

#[tokio::test]
async fn listing() {
    let fresh = fresh().await;
    let store = &fresh.store;
    let at = |n: i64| Timestamp::from_millis(NOW.millis() + n);
    let account = Actor::Account(AccountId::from_bits(1));
    let rows = vec![
        HistoryEntry { at: at(0), ..entry("a:read") },
        HistoryEntry { at: at(1), actor: account, request_id: Some("req_1".into()), ..entry("a:write") },
        HistoryEntry {
            at: at(2),
            key: Some(KeyId::from_bits(1)),
            target: "notebook:a".into(),
            ..entry("a:read")
        },
        HistoryEntry { at: at(3), subject: "team:x".into(), origin: Origin::Embed, ..entry("b:read") },
    ];
    store.append_history(rows, PERMIT).await.unwrap();
    assert!(fresh.seen.changes().is_empty());
    let all = HistoryFilter::default;
    let check = async |filter: HistoryFilter, expect: &[i64]| {
        let shown = format!("{filter:?}");
        let rows = store.history(filter, Page::first(9)).await.unwrap();
        let offsets = rows.iter().map(|(_, row)| row.at.millis() - NOW.millis()).collect::<Vec<_>>();
        assert_eq!(offsets, expect, "{shown}");
    };
    check(all(), &[3, 2, 1, 0]).await;
    check(HistoryFilter { subject: Some("team:x".into()), ..all() }, &[3]).await;
    check(HistoryFilter { actor: Some(account), ..all() }, &[1]).await;
    check(HistoryFilter { key: Some(KeyId::from_bits(1)), ..all() }, &[2]).await;
    check(HistoryFilter { request_id: Some("req_1".into()), ..all() }, &[1]).await;
    let foreign = HistoryFilter { subject: Some("team:x".into()), request_id: Some("req_1".into()), ..all() };
    check(foreign, &[]).await;
    check(HistoryFilter { target: Some("notebook:a".into()), ..all() }, &[2]).await;
    check(HistoryFilter { action: Some("a:read".into()), ..all() }, &[2, 0]).await;
    check(HistoryFilter { since: Some(at(1)), until: Some(at(3)), ..all() }, &[2, 1]).await;
    check(HistoryFilter { origin: Some(Origin::Embed), ..all() }, &[3]).await;
    let first = store.history(all(), Page::first(3)).await.unwrap();
    let rest = store.history(all(), Page::after(first[2].0, 3)).await.unwrap();
    assert_eq!((first.len(), rest.len(), rest[0].1.at), (3, 1, at(0)));
}

#[tokio::test]
async fn formats_and_settings_are_kept() {
    let fresh = fresh().await;
    let format = |prefix| KeyFormat::new(prefix, 48, true).unwrap();
    let first = fresh.store.remember_formats(vec![format("sk_"), format("old_")], TASK).await.unwrap();
    assert_eq!(first.len(), 2);
    assert_eq!(fresh.store.setting("installation").await.unwrap(), None);
    fresh.store.put_setting("installation", "1".to_owned(), PERMIT).await.unwrap();
    fresh.store.put_setting("installation", "2".to_owned(), PERMIT).await.unwrap();
    let fresh = fresh.reopened().await;
    let all = fresh.store.remember_formats(vec![format("sk_"), format("new_")], TASK).await.unwrap();
    assert_eq!(all, [format("new_"), format("old_"), format("sk_")]);
    assert_eq!(fresh.store.setting("installation").await.unwrap().as_deref(), Some("2"));
}
