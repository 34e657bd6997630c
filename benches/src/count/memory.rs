//! What needs no server: a digest, a verification, a decision.

#[path = "../index/world.rs"]
#[expect(dead_code, reason = "the other bench looks at more of it")]
mod world;

use std::hint::black_box;

use claviger_core::Timestamp;
use claviger_core::decide::{Credential, Policy, Request, Target, decide};
use claviger_core::key::{Digest, PresentedKey};
use claviger_core::lifecycle::Standing;
use claviger_core::resource::ResourceName;
use claviger_core::scope::Action;
use world::World;

use crate::{counted, measure};

/// Few, since making them takes time: how many keys there are changes how long a look-up waits, and hardly how many
/// instructions it takes.
const KEYS: u64 = 4_000;
/// In a round: every key has its turn, since where an account stands in its map is by chance.
const OPERATIONS: usize = 80;
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// How long it took to build the index, in the other bench; here nobody asks.
pub(crate) struct Built;

impl Built {
    pub(crate) fn of(make: impl FnOnce()) -> Self {
        make();
        Self
    }
}

/// Measures all of them.
pub(crate) fn measure_all() {
    let (world, _) = World::new(KEYS);
    let each = |name: &str, operation: &mut dyn FnMut(usize) -> bool| {
        let mut next = 0..;
        measure(name, || {
            for at in next.by_ref().take(OPERATIONS) {
                assert!(counted(|| operation(at % world.texts())), "{name}: refused");
            }
            OPERATIONS
        });
    };
    each("digest of a key, in the process", &mut |at| {
        black_box(Digest::of(world.text(at))).words() != [0, 0]
    });
    each("verify, in the process", &mut |at| verified(&world, world.text(at)));
    each("decision about a resource, in the process", &mut |at| {
        ResourceName::parse(world.notebook(at))
            .is_ok_and(|name| decided(&world, world.text(at), Target::Resource(name, None)))
    });
}

fn presented<'t>(world: &World, text: &'t str) -> Option<PresentedKey<'t>> {
    let presented = PresentedKey::parse(text).ok()?;
    (!world.formats.refuse(presented.expose())).then_some(presented)
}

/// Whether the key is known and active.
fn verified(world: &World, text: &str) -> bool {
    let Some(presented) = presented(world, text) else { return false };
    let view = world.index.view_to_measure();
    let key = view.key(&presented.digest());
    key.is_some_and(|key| key.standing(NOW) == Standing::Active && black_box(key.id.bits()) != 0)
}

/// Whether the key may read this target.
fn decided(world: &World, text: &str, target: Target<'_>) -> bool {
    let Some(presented) = presented(world, text) else { return false };
    let view = world.index.view_to_measure();
    let credential = view.key(&presented.digest()).map_or(Credential::Unknown, Credential::Key);
    let request = Request::new(Action::literal("notebook", "read"), target);
    black_box(decide(&view, Policy::default(), credential, &request, NOW).outcome).is_ok()
}
