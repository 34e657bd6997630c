//! What callgrind counts: operations, each done a few times and then three times as often.
//!
//! ```sh
//! cargo xtask bench --instructions        # builds this, runs it and compares with docs/PERFORMANCE.md
//! ```
//!
//! Everything runs on one thread, with loopback sockets: no job, no other thread and no timing comes between, so
//! that two runs differ by less than one in a thousand. Callgrind writes a profile each time that [`end_of_part`]
//! returns. The reader of those takes what [`counted`] cost in each: clients and upstream are outside of it.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(clippy::expect_used, reason = "a measurement that cannot go on ends")]

mod connection;
mod memory;
mod servers;

use std::hint::black_box;

use memory::Built;
use servers::Servers;

/// The allocator of the program that is installed.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rounds that are not counted: connections open, buffers grow to their size.
const ROUNDS_WARM_UP: usize = 20;
/// Rounds of the two parts whose difference is the count.
const ROUNDS: [usize; 2] = [50, 150];

fn main() {
    // Whatever ran until here belongs to no operation.
    end_of_part("start", 0);
    memory::measure_all();
    let mut servers = Servers::start();
    servers.measure();
}

/// Does an operation round by round. `round` says how many operations it did.
fn measure(name: &str, mut round: impl FnMut() -> usize) {
    for _ in 0..ROUNDS_WARM_UP {
        round();
    }
    end_of_part("warm-up", 0);
    for rounds in ROUNDS {
        let operations = (0..rounds).map(|_| round()).sum();
        end_of_part(name, operations);
    }
}

/// What is counted.
#[inline(never)]
fn counted<T>(work: impl FnOnce() -> T) -> T {
    // It returns here and nowhere else: a jump into `work` would be counted for the caller.
    black_box(work())
}

/// Ends a part of the profile.
#[inline(never)]
fn end_of_part(name: &str, operations: usize) {
    println!("part {operations} {name}");
}
