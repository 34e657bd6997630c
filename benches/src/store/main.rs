//! The store against the disk below it: changes of keys, an import, a start.
//!
//! ```sh
//! cargo run --release -p benches --bin bench-store             # 1 million keys
//! cargo run --release -p benches --bin bench-store -- 100000
//! ```
//!
//! Everything is written to real files: in a folder of its own below `target`, or below `BENCH_FOLDER`. What a
//! disk needs for a sync differs a hundredfold between machines, so it is measured in the same run, and the
//! ratios to it and to plain SQLite are what can be compared.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

mod batch;
mod changes;
mod house;
mod import;
mod measure;
mod raw;
mod start;

use std::path::PathBuf;

use house::House;
use measure::Bench;
use tokio::runtime::Runtime;

const KEYS: u64 = 1_000_000;
const ROUNDS: usize = 5;

fn main() {
    let keys = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(KEYS);
    let below = std::env::var_os("BENCH_FOLDER").map_or_else(|| "target".into(), PathBuf::from);
    #[expect(clippy::expect_used, reason = "nothing can be measured without")]
    let (folder, runtime) = (
        tempfile::Builder::new().prefix("bench-store-").tempdir_in(below).expect("a folder"),
        Runtime::new().expect("a runtime"),
    );
    let mut disk = raw::Disk::new(folder.path());
    let path = folder.path().join("claviger.sqlite");
    let house = runtime.block_on(House::open(path.clone()));
    println!("changes to a store with few keys, one and all durable before their answer\n");
    measure_changes(&mut disk, &house, &runtime);
    println!("\nimport of {keys} keys, handed in 5,000 at a time\n");
    import::run(&house, &runtime, keys);
    println!("\nchanges to that store\n");
    measure_changes(&mut disk, &house, &runtime);
    println!("\nverifying those keys, in the process and with all of HTTP but the network\n");
    batch::run(&house, &runtime, keys);
    println!("\na revocation of many keys at once\n");
    import::revoke(&house, &runtime);
    runtime.block_on(house.close());
    println!("\na start with them\n");
    start::run(&path, &runtime);
}

/// Changes and what the disk allows, in turn.
fn measure_changes(disk: &mut raw::Disk, house: &House, runtime: &Runtime) {
    let mut bench = Bench::default();
    for _ in 0..ROUNDS {
        disk.round(&mut bench);
        changes::round(&mut bench, house, runtime);
    }
    bench.print();
    println!();
    for clients in changes::CLIENTS {
        let (create, disable) = (changes::create(clients), changes::disable(clients));
        let limit = raw::group(clients);
        bench.print_ratio(&create, &limit);
        bench.print_ratio(&disable, &limit);
        bench.print_ratio(&disable, &create);
    }
    bench.print_ratio(&raw::with_line(8), &raw::group(8));
}
