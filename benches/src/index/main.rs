//! The verification index against its parts: format check, SHA-256, one look-up.
//!
//! ```sh
//! cargo run --release -p benches --bin bench-index            # 1 million keys
//! cargo run --release -p benches --bin bench-index -- 10000000
//! ```
//!
//! Every measurement is taken in turn, round after round, so that what else the machine does falls on all of
//! them alike; each round reads other keys. Each look-up waits for the one before, as the requests of one
//! connection do. Only the ratios mean something on another machine.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

mod measure;
mod world;

use std::hint::black_box;
use std::time::Instant;

use claviger_authority::index::View;
use claviger_authority::ports::{Clock, SystemClock};
use claviger_core::change::ChangeItem;
use claviger_core::decide::{Credential, Policy, Request, Target, decide};
use claviger_core::key::{Digest, KeyView, PresentedKey};
use claviger_core::lifecycle::Standing;
use claviger_core::resource::ResourceName;
use claviger_core::scope::Action;
use claviger_core::{Timestamp, UnixSeconds};
use measure::{Bench, resident_bytes};
use world::World;

const KEYS: u64 = 1_000_000;
const ROUNDS: usize = 41;
/// Texts that one measurement reads in a round.
const ROUND_TEXTS: usize = 20_000;
const BATCH: usize = 16;
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn main() {
    let keys = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(KEYS);
    let (world, built) = World::new(keys);
    println!("{keys} keys, {} accounts, {} texts to look up\n", world.accounts, world.texts());
    let per_key = |bytes: usize| bytes as f64 / keys as f64;
    println!("build from sorted digests   {:8.1} ms", built.elapsed.as_secs_f64() * 1e3);
    println!("bytes per key, own account  {:8.1}", per_key(world.index.key_bytes()));
    println!("bytes per key, resident     {:8.1}\n", per_key(built.resident));
    look_ups(&world);
    decisions(&world);
    writes(&world, keys);
}

/// The parts, the whole, and the whole in batches.
fn look_ups(world: &World) {
    let mut bench = Bench::new(ROUNDS, ROUND_TEXTS, world.texts());
    let format = bench.case("format check", |at| u64::from(PresentedKey::parse(world.text(at)).is_err()));
    let checksum = bench.case("CRC-32", |at| u64::from(world.formats.refuse(world.text(at))));
    let digest = bench.case("SHA-256", |at| u64::from(Digest::of(world.text(at)).words() == [0, 0]));
    let look_up = bench.case("look-up", |at| found(world.index.view_to_measure().key(world.digest(at))));
    let status = bench.case("look-up of the status alone", |at| {
        world
            .index
            .view_to_measure()
            .key(world.digest(at))
            .map_or(1, |key| u64::from(key.standing(NOW) != Standing::Active))
    });
    let clock = bench.case("clock", |_| (SystemClock.now().millis() >> 62).cast_unsigned());
    let whole = bench.case("verify", |at| verify(world, &world.index.view_to_measure(), world.text(at), NOW));
    let timed = bench.case("verify, clock read", |at| {
        verify(world, &world.index.view_to_measure(), world.text(at), SystemClock.now())
    });
    let batch_look_up = bench.batch("look-up in batches of 16", BATCH, |from| {
        let mut keys = Vec::with_capacity(BATCH);
        let view = world.index.view_to_measure();
        view.keys(world.digests(from, BATCH), &mut keys);
        keys.into_iter().map(found).sum()
    });
    let batch = bench.batch("verify in batches of 16", BATCH, |from| verify_batch(world, from, NOW));
    let told = bench.run();
    let parts = told[format] + told[digest] + told[look_up];
    println!();
    println!("verify / (format + SHA-256 + look-up)            {:.2}", told[whole] / parts);
    println!(
        "verify / (the same + CRC-32)                     {:.2}",
        told[whole] / (parts + told[checksum])
    );
    println!(
        "verify with clock / (the same + clock)           {:.2}",
        told[timed] / (parts + told[checksum] + told[clock])
    );
    println!("look-up / look-up of the status alone            {:.2}", told[look_up] / told[status]);
    println!("batch of 16 / verify, per key                    {:.2}", told[batch] / told[whole]);
    println!("look-up in a batch of 16 / look-up, per key      {:.2}\n", told[batch_look_up] / told[look_up]);
}

/// A whole decision: the key of an account reads a notebook that the account holds.
fn decisions(world: &World) {
    let mut bench = Bench::new(ROUNDS, ROUND_TEXTS, world.texts());
    let bare = bench.case("verify", |at| verify(world, &world.index.view_to_measure(), world.text(at), NOW));
    let account = bench.case("verify, account open", |at| decided(world, at, Target::Nothing));
    let whole = bench.case("whole decision", |at| {
        let Ok(name) = ResourceName::parse(world.notebook(at)) else { return 1 };
        decided(world, at, Target::Resource(name, None))
    });
    let told = bench.run();
    println!();
    println!("decision without a target / verify               {:.2}", told[account] / told[bare]);
    println!("whole decision / verify                          {:.2}\n", told[whole] / told[bare]);
}

/// What changes cost: a new date in place, new rights, and keys that are added.
fn writes(world: &World, keys: u64) {
    let time = |name: &str, changes: &mut dyn Iterator<Item = ChangeItem>| {
        let changes = changes.collect::<Vec<_>>();
        let (count, started) = (changes.len(), Instant::now());
        changes.into_iter().for_each(|change| world.index.put(change));
        let each = started.elapsed().as_nanos() as f64 / count as f64;
        println!("{name:<28}{each:8.0} ns each, {count} of them");
    };
    let changed = world.texts().min(100_000);
    let patched = |at: usize, version: u64| {
        let mut key = world.index.view_to_measure().key(world.digest(at)).map(|key| key.to_entry())?;
        if version == 0 {
            key.rights.expires_at = UnixSeconds::new(2_000_000_000);
        } else {
            key.rights.scopes = world.scopes(version);
        }
        Some(ChangeItem::Key(*world.digest(at), key))
    };
    time("another date", &mut (0..changed).filter_map(|at| patched(at, 0)));
    time("other scopes", &mut (0..changed).filter_map(|at| patched(at, at as u64)));
    let count = keys / 2;
    time("a new key", &mut (keys..keys + count).map(|n| world.new_key(n)));
    let bytes = world.index.key_bytes() as f64 / (keys + count) as f64;
    println!("bytes per key, own account  {bytes:8.1} after growing by half");
}

/// A bare verify: 1 if the key would not be accepted.
fn verify(world: &World, view: &View<'_>, text: &str, now: Timestamp) -> u64 {
    let Ok(presented) = PresentedKey::parse(text) else { return 1 };
    if world.formats.refuse(presented.expose()) {
        return 1;
    }
    standing(view.key(&presented.digest()), now)
}

fn verify_batch(world: &World, from: usize, now: Timestamp) -> u64 {
    let mut digests = [Digest::from_bytes([0; 32]); BATCH];
    for (digest, at) in digests.iter_mut().zip(from..) {
        let Ok(presented) = PresentedKey::parse(world.text(at)) else { return 1 };
        if world.formats.refuse(presented.expose()) {
            return 1;
        }
        *digest = presented.digest();
    }
    let view = world.index.view_to_measure();
    let mut keys = Vec::with_capacity(BATCH);
    view.keys(&digests, &mut keys);
    keys.into_iter().map(|key| standing(key, now)).sum()
}

fn decided(world: &World, at: usize, target: Target<'_>) -> u64 {
    let Ok(presented) = PresentedKey::parse(world.text(at)) else { return 1 };
    if world.formats.refuse(presented.expose()) {
        return 1;
    }
    let view = world.index.view_to_measure();
    let credential = view.key(&presented.digest()).map_or(Credential::Unknown, Credential::Key);
    let request = Request::new(Action::literal("notebook", "read"), target);
    let verdict = decide(&view, Policy::default(), credential, &request, NOW);
    u64::from(black_box(verdict.outcome).is_err())
}

/// Whether the key is not accepted; its identifier is read, as any answer does.
fn standing(key: Option<KeyView<'_>>, now: Timestamp) -> u64 {
    match key {
        Some(key) if key.standing(now) == Standing::Active => found(Some(key)),
        Some(_) | None => 1,
    }
}

fn found(key: Option<KeyView<'_>>) -> u64 {
    key.map_or(1, |key| u64::from(black_box(key.id.bits()) == 0))
}

/// Resident memory that something took.
struct Built {
    elapsed: std::time::Duration,
    resident: usize,
}

impl Built {
    fn of(make: impl FnOnce()) -> Self {
        let (before, started) = (resident_bytes(), Instant::now());
        make();
        Self { elapsed: started.elapsed(), resident: resident_bytes().saturating_sub(before) }
    }
}
