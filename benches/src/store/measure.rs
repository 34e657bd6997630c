//! Readings that are taken in turn, and memory.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a reading takes: long enough for hundreds of syncs of a slow disk.
const READING: Duration = Duration::from_millis(800);

/// Readings by the name of what was measured: how many things a second.
#[derive(Default)]
pub struct Bench {
    names: Vec<String>,
    readings: BTreeMap<String, Vec<f64>>,
}

impl Bench {
    /// Takes a reading of something that goes on until the instant that it is told, and says how many things
    /// it has done.
    pub fn time(&mut self, name: &str, act: impl FnOnce(Instant) -> usize) {
        let started = Instant::now();
        let done = act(started + READING);
        let reading = done as f64 / started.elapsed().as_secs_f64();
        if !self.readings.contains_key(name) {
            self.names.push(name.to_owned());
        }
        self.readings.entry(name.to_owned()).or_default().push(reading);
    }

    pub fn print(&self) {
        println!("{:<44}{:>9} {:>9} {:>9}  a second", "", "min", "median", "max");
        for name in &self.names {
            let (min, median, max) = spread(&self.readings[name]);
            println!("{name:<44}{min:9.0} {median:9.0} {max:9.0}");
        }
    }

    /// Prints the ratio of two rows, round by round.
    pub fn print_ratio(&self, one: &str, other: &str) {
        let ratios = self.readings[one].iter().zip(&self.readings[other]).map(|(one, other)| one / other);
        let (min, median, max) = spread(&ratios.collect::<Vec<_>>());
        let name = format!("{one} / {other}");
        println!("{name:<84}{min:6.2} {median:6.2} {max:6.2}");
    }
}

/// Least, median and greatest.
pub fn spread(readings: &[f64]) -> (f64, f64, f64) {
    let mut sorted = readings.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[0], sorted[sorted.len() / 2], sorted[sorted.len() - 1])
}

/// Prints durations of the same thing.
pub fn print_millis(name: &str, all: &[Duration]) {
    let millis = all.iter().map(|one| one.as_secs_f64() * 1e3).collect::<Vec<_>>();
    let (min, median, max) = spread(&millis);
    println!("{name:<44}{min:9.1} {median:9.1} {max:9.1}  ms");
}

/// Lets the memory at its highest be counted from now on, where the system can.
pub fn forget_peak() {
    let _without = std::fs::write("/proc/self/clear_refs", "5");
}

/// Resident memory of this process in MB, now and at its highest; 0 where the system does not tell.
pub fn resident_mb() -> (f64, f64) {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse::<f64>().ok()
    };
    let mb = |name| field(name).unwrap_or_default() / 1_024.0;
    (mb("VmRSS:"), mb("VmHWM:"))
}
