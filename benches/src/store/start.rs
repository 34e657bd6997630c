//! From nothing to ready, and the parts of it.

#![expect(clippy::expect_used, reason = "nothing can be measured without")]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use claviger_authority::index::{Index, Loader};
use claviger_authority::ports::Ports;
use claviger_authority::settings::Settings;
use claviger_authority::{Authority, SqliteOptions};
use claviger_core::change::Change;
use claviger_core::key::{Digest, KeyEntry};
use claviger_core::principal::{Account, Project, Team};
use claviger_core::resource::Resource;
use claviger_store::{ChangeSink, LoadVisitor, NotApplied, Store};
use tokio::runtime::Runtime;

use crate::measure::print_millis;

const ROUNDS: usize = 5;

/// Looks at everything and keeps nothing.
#[derive(Default)]
struct Count(u64);

impl LoadVisitor for Count {
    fn account(&mut self, _: Account) {}
    fn team(&mut self, _: Team) {}
    fn project(&mut self, _: Project) {}
    fn resource(&mut self, _: Resource) {}
    fn key(&mut self, digest: Digest, entry: KeyEntry) {
        self.0 += 1;
        drop(std::hint::black_box((digest, entry)));
    }
}

struct Nobody;

impl ChangeSink for Nobody {
    fn apply(&mut self, _: &Change) -> Result<(), NotApplied> {
        Ok(())
    }
}

/// Starts several times.
pub fn run(path: &Path, runtime: &Runtime) {
    let [mut opened, mut read, mut filled, mut whole] = [const { Vec::new() }; 4];
    let mut keys = 0;
    for _ in 0..ROUNDS {
        runtime.block_on(async {
            let started = Instant::now();
            let options = SqliteOptions::at(path);
            let ports = Ports::system();
            let random = Box::new(move |buffer: &mut [u8]| ports.random.fill(buffer));
            let store = Store::open(options, random, Box::new(Nobody)).await.expect("a store");
            opened.push(started.elapsed());
            let started = Instant::now();
            keys = store.load(Count::default()).await.expect("keys").0.0;
            read.push(started.elapsed());
            let started = Instant::now();
            let (loader, sequence) = store.load(Loader::new(Arc::new(Index::default()))).await.expect("keys");
            loader.finish(sequence).expect("distinct digests");
            filled.push(started.elapsed());
            store.close().await.expect("an end");
            let started = Instant::now();
            let authority =
                Authority::open(SqliteOptions::at(path), Settings::default(), Ports::system()).await;
            let authority = authority.expect("an subject");
            whole.push(started.elapsed());
            authority.close().await.expect("an end");
        });
    }
    println!("{:<44}{:>9} {:>9} {:>9}", format!("{keys} keys"), "min", "median", "max");
    print_millis("opening the store", &opened);
    print_millis("reading and decoding everything", &read);
    print_millis("the same into the index", &filled);
    print_millis("start to ready", &whole);
}
