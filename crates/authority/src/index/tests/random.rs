//! Random histories: the index always answers what a plain map does.

use std::collections::HashMap;

use claviger_core::UnixSeconds;
use claviger_core::lifecycle::Status;
use proptest::prelude::*;

use super::*;

/// One step of a history.
#[derive(Debug, Clone)]
enum Step {
    /// A key of this digest and this identifier, at a version.
    Put(usize, u64, u64),
    /// Another status or date, with the same rights.
    Touch(usize, Option<u64>),
    /// It is gone.
    Remove(usize),
}

/// Digests of all sorts: spread over all shards, all in one shard, all in one place at the end of one.
fn digests() -> Vec<Digest> {
    let one_shard = |n| {
        let mut bytes = *spread(n).as_bytes();
        bytes[..2].copy_from_slice(&[0x42, 0]);
        Digest::from_bytes(bytes)
    };
    (0..40).map(spread).chain((0..200).map(one_shard)).chain((0..100).map(crowded)).collect()
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let digest = 0_usize..340;
    let step = prop_oneof![
        6 => (digest.clone(), 0_u64..8, 0_u64..12).prop_map(|(digest, other, version)| {
            // Now and then another key claims the digest.
            Step::Put(digest, digest as u64 * 2 + u64::from(other == 0), version)
        }),
        2 => (digest.clone(), proptest::option::of(0_u64..5)).prop_map(|(d, at)| Step::Touch(d, at)),
        2 => digest.prop_map(Step::Remove),
    ];
    proptest::collection::vec(step, 0..1_500)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_index_answers_like_a_map(steps in steps()) {
        let (index, digests) = (Index::default(), digests());
        let mut model = HashMap::new();
        for step in steps {
            match step {
                Step::Put(at, id, version) => {
                    let key = entry(id, version);
                    let known = model.entry(at).or_insert_with(|| key.clone());
                    if known.id == key.id {
                        *known = key.clone();
                    }
                    index.put(ChangeItem::Key(digests[at], key));
                }
                Step::Touch(at, expires_at) => {
                    let Some(known) = model.get_mut(&at) else { continue };
                    known.status = if expires_at.is_some() { Status::Active } else { Status::Disabled };
                    known.rights.expires_at = expires_at.and_then(UnixSeconds::new);
                    index.put(ChangeItem::Key(digests[at], known.clone()));
                }
                Step::Remove(at) => {
                    model.remove(&at);
                    index.put(ChangeItem::KeyGone(digests[at]));
                }
            }
            prop_assert_eq!(index.key_count(), model.len());
        }
        let view = index.view();
        for (at, digest) in digests.iter().enumerate() {
            prop_assert_eq!(view.key(digest), model.get(&at).map(Into::into));
        }
    }
}
