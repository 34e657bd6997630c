//! Readers while the writer writes as fast as it can: a look-up answers what was true at some time during it.

use std::sync::Barrier;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use super::*;

/// Keys that change all the time.
const KEYS: u64 = 24;
/// Each version that this divides is the key's absence.
const GONE_EVERY: u64 = 7;
const DURATION: Duration = Duration::from_millis(600);

/// A key's history: the version that is being written, and the last one that was acknowledged.
#[derive(Default)]
struct History {
    begun: AtomicU64,
    done: AtomicU64,
}

struct World {
    index: Index,
    histories: Vec<History>,
    stop: AtomicBool,
}

fn digest(key: u64) -> Digest {
    if key.is_multiple_of(2) { spread(key) } else { crowded(key) }
}

impl World {
    /// Changes every key in turn, and adds keys beside them so that shards are copied.
    fn write(&self) -> u64 {
        let started = Instant::now();
        let mut version = 0;
        while started.elapsed() < DURATION {
            version += 1;
            for (key, history) in (0..).zip(&self.histories) {
                history.begun.store(version, Ordering::SeqCst);
                self.index.put(if version.is_multiple_of(GONE_EVERY) {
                    ChangeItem::KeyGone(digest(key))
                } else {
                    ChangeItem::Key(digest(key), entry(key, version))
                });
                history.done.store(version, Ordering::SeqCst);
            }
            let passing = crowded(1_000 + version);
            self.index.put(ChangeItem::Key(passing, entry(1_000 + version, 1)));
            if version.is_multiple_of(3) {
                self.index.put(ChangeItem::KeyGone(passing));
            }
        }
        self.stop.store(true, Ordering::SeqCst);
        version
    }

    fn read(&self, batch: bool) -> u64 {
        let mut reads = 0;
        let digests = (0..KEYS).map(digest).collect::<Vec<_>>();
        while !self.stop.load(Ordering::SeqCst) {
            let low = self.histories.iter().map(|h| h.done.load(Ordering::SeqCst)).collect::<Vec<_>>();
            let view = self.index.view();
            let mut found = Vec::new();
            if batch {
                view.keys(&digests, &mut found);
            } else {
                found.extend(digests.iter().map(|digest| view.key(digest)));
            }
            for (key, found) in (0..).zip(found) {
                let low = low[key as usize];
                let high = self.histories[key as usize].begun.load(Ordering::SeqCst);
                match found {
                    None => assert!((low..=high).any(|v| v.is_multiple_of(GONE_EVERY)), "{low} {high}"),
                    Some(seen) => {
                        let version = seen.rights.expires_at.unwrap().get();
                        assert!((low..=high).contains(&version), "{version} is not in {low}..={high}");
                        assert_eq!(seen, (&entry(key, version)).into(), "all of one version");
                    }
                }
                reads += 1;
            }
        }
        reads
    }
}

#[test]
fn a_look_up_answers_what_was_true_during_it() {
    let histories = (0..KEYS).map(|_| History::default()).collect();
    let world = World { index: Index::default(), histories, stop: AtomicBool::new(false) };
    let start = Barrier::new(4);
    thread::scope(|scope| {
        let reader = |batch| {
            let (world, start) = (&world, &start);
            scope.spawn(move || {
                start.wait();
                world.read(batch)
            })
        };
        let readers = [reader(false), reader(true), reader(false)];
        start.wait();
        let versions = world.write();
        let reads = readers.into_iter().map(|reader| reader.join().unwrap()).sum::<u64>();
        assert!(versions > 100 && reads > 10_000, "{versions} versions, {reads} reads");
    });
    assert!(world.index.keys.retired() <= 1);
}
