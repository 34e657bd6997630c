//! How often keys were used, and what is forgotten with time.

use claviger_core::id::KeyId;
use claviger_core::time::{Timestamp, UnixSeconds};
use claviger_store::{HistoryFilter, Page, UsageBucket, UsageCount, UsageStep};

use super::support::*;

/// NOW is 22:13:20 of a day; the minute began 20 seconds ago.
fn count(n: u128, after_seconds: i64, allowed: u64, refused: u64) -> UsageCount {
    let at = Timestamp::from_millis(NOW.millis() + after_seconds * 1_000);
    UsageCount { key: KeyId::from_bits(n), at, allowed, refused }
}

#[tokio::test]
async fn counters_add_up() {
    let fresh = furnished().await;
    let store = &fresh.store;
    store.create_key(key(1), LIMIT, audit("key:create")).await.unwrap();
    let latest = store.sequence().await.unwrap();
    let used = vec![(KeyId::from_bits(1), NOW, "192.0.2.1".parse().ok())];
    store.record_usage(vec![count(1, 0, 3, 1), count(9, 0, 1, 0)], used, TASK).await.unwrap();
    store
        .record_usage(vec![count(1, 30, 2, 0), count(1, 60, 1, 1), count(1, 3_600, 5, 0)], vec![], TASK)
        .await
        .unwrap();
    assert_eq!(store.sequence().await.unwrap(), latest, "verification does not read it");
    assert_eq!(store.key(KeyId::from_bits(1)).await.unwrap().unwrap().last_used_at, Some(NOW));
    let list = async |n, from: i64, until: i64, step, max| {
        let id = KeyId::from_bits(n);
        let buckets = store.usage(id, seconds(from), seconds(until), step, max).await.unwrap();
        let of = |b: &UsageBucket| ((b.start.millis() - NOW.millis()) / 1_000, b.allowed, b.refused);
        buckets.iter().map(of).collect::<Vec<_>>()
    };
    let minutes = [(-20, 5, 1), (40, 1, 1), (3_580, 5, 0)];
    assert_eq!(list(1, -20, 9_999, UsageStep::Minute, 9).await, minutes);
    assert_eq!(list(1, -19, 3_580, UsageStep::Minute, 9).await, minutes[1..2]);
    assert_eq!(list(1, -20, 9_999, UsageStep::Minute, 2).await, minutes[..2]);
    assert_eq!(list(1, -3_600, 9_999, UsageStep::Hour, 9).await, [(-800, 6, 2), (2_800, 5, 0)]);
    assert_eq!(list(1, -86_400, 86_400, UsageStep::Day, 9).await, [(-80_000, 11, 2)]);
    assert_eq!(list(9, -86_400, 86_400, UsageStep::Day, 9).await, [], "a key that is not there has none");
    let asked =
        [(1, -3_600), (1, 0), (9, -86_400), (1, 9_999)].map(|(n, from)| (KeyId::from_bits(n), seconds(from)));
    assert_eq!(store.usage_totals(asked.into()).await.unwrap(), [11, 5, 0, 0], "what was let through");
    assert_eq!(store.prune_usage(seconds(0), seconds(-800), 9, TASK).await.unwrap(), 1);
    assert_eq!(store.prune_usage(seconds(100), seconds(9_999), 1, TASK).await.unwrap(), 2, "one of each");
    store.delete_key(KeyId::from_bits(1), None, audit("key:delete")).await.unwrap();
    assert_eq!(
        store.prune_usage(UnixSeconds::MAX, UnixSeconds::MAX, 9, TASK).await.unwrap(),
        0,
        "all went with it"
    );
}

#[tokio::test]
async fn old_history_is_forgotten_from_the_oldest_on() {
    let fresh = fresh().await;
    let at = |n: i64| Timestamp::from_millis(NOW.millis() + n);
    let rows = (0..5).map(|n| claviger_core::history::HistoryEntry { at: at(n), ..entry("a:read") });
    fresh.store.append_history(rows.collect(), PERMIT).await.unwrap();
    assert_eq!(fresh.store.prune_history(at(3), 2, TASK).await.unwrap(), 2);
    assert_eq!(fresh.store.prune_history(at(3), 9, TASK).await.unwrap(), 1);
    assert_eq!(fresh.store.prune_history(at(3), 9, TASK).await.unwrap(), 0);
    let left = fresh.store.history(HistoryFilter::default(), Page::first(9)).await.unwrap();
    assert_eq!(left.iter().map(|(_, row)| row.at).collect::<Vec<_>>(), [at(4), at(3)]);
}
