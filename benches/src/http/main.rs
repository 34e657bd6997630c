//! Verification and the gateway over HTTP, against the limit and against what people would use instead.
//!
//! ```sh
//! cargo xtask bench        # builds everything that this needs, then runs it
//! ```
//!
//! Servers run on one processor, the load (wrk, 64 connections) on another. Every contender is measured in
//! turn, round after round, so that what else the machine does falls on all of them alike. Only the ratios
//! mean something on another machine.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(clippy::expect_used, reason = "a measurement that cannot go on ends")]

mod house;
mod load;
mod postgres;

use house::House;
use load::Table;

const ROUNDS: usize = 5;

fn main() {
    let house = House::build();
    let contenders = house.contenders();
    let mut table = Table::new(&contenders);
    for round in 0..ROUNDS {
        for (n, contender) in contenders.iter().enumerate() {
            table.add(n, contender.measure());
        }
        eprintln!("round {} of {ROUNDS}", round + 1);
    }
    print!("{table}");
    for (what, one, other) in house::RATIOS {
        if let Some(ratio) = table.ratio(one, other) {
            println!("{what:58} {ratio}");
        }
    }
}
