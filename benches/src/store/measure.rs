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
    /// Processor time that the store's writer took for each of them, in microseconds.
    writer: BTreeMap<String, Vec<f64>>,
}

impl Bench {
    /// Takes a reading of something that goes on until the instant that it is told, and says how many things
    /// it has done.
    pub fn time(&mut self, name: &str, act: impl FnOnce(Instant) -> usize) {
        let (started, busy) = (Instant::now(), writer_seconds());
        let done = act(started + READING) as f64;
        let reading = done / started.elapsed().as_secs_f64();
        let busy = (writer_seconds() - busy) * 1e6 / done;
        self.writer.entry(name.to_owned()).or_default().push(busy);
        if !self.readings.contains_key(name) {
            self.names.push(name.to_owned());
        }
        self.readings.entry(name.to_owned()).or_default().push(reading);
    }

    pub fn print(&self) {
        println!("{:<44}{:>9} {:>9} {:>9}  a second; writer busy", "", "min", "median", "max");
        for name in &self.names {
            let (min, median, max) = spread(&self.readings[name]);
            print!("{name:<44}{min:9.0} {median:9.0} {max:9.0}");
            match spread(&self.writer[name]) {
                (_, 0.0, _) => println!(),
                (_, busy, _) => println!("  {busy:6.1} us each"),
            }
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

/// Processor time of the store's writer thread so far; 0 where the system does not tell. Unlike the time on the
/// wall it hardly depends on what else the machine does.
pub fn writer_seconds() -> f64 {
    let mut nanos = 0.0;
    for thread in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |file: &str| std::fs::read_to_string(thread.path().join(file)).unwrap_or_default();
        if read("comm").trim() == "store-writer" {
            let text = read("schedstat");
            nanos += text.split(' ').next().and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
        }
    }
    nanos / 1e9
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
