//! Taking measurements in turn.

use std::hint::black_box;
use std::time::Instant;

/// One measurement: does so many things, from this one on, and says what came of them.
type Run<'w> = Box<dyn FnMut(usize, usize) -> u64 + 'w>;

/// Measurements that are taken in turn.
pub struct Bench<'w> {
    rounds: usize,
    each: usize,
    texts: usize,
    cases: Vec<(&'static str, Run<'w>, Vec<f64>)>,
}

impl<'w> Bench<'w> {
    /// So many rounds, in each of which every measurement reads so many of the texts that there are.
    pub fn new(rounds: usize, each: usize, texts: usize) -> Self {
        Self { rounds, each: each.min(texts), texts, cases: Vec::new() }
    }

    /// Something that is done for one text after the other and returns 0. Returns where its median will be.
    pub fn case(&mut self, name: &'static str, act: impl FnMut(usize) -> u64 + 'w) -> usize {
        self.batch(name, 1, act)
    }

    /// Something that is done for so many texts at once.
    pub fn batch(
        &mut self,
        name: &'static str,
        size: usize,
        mut act: impl FnMut(usize) -> u64 + 'w,
    ) -> usize {
        let run = move |from: usize, count: usize| {
            let mut last = 0;
            for step in (0..count).step_by(size) {
                // The next one waits for what came of the last: that is 0.
                last = black_box(act(from + step + last as usize));
            }
            last
        };
        self.cases.push((name, Box::new(run), Vec::new()));
        self.cases.len() - 1
    }

    /// Takes all measurements and prints them. Returns the medians, in nanoseconds for one text.
    pub fn run(mut self) -> Vec<f64> {
        let windows = self.texts / self.each;
        let mut window = 0;
        for _ in 0..=self.rounds {
            for (name, run, readings) in &mut self.cases {
                let from = (window % windows) * self.each;
                window += 1;
                // Leaves room for a whole batch at the end.
                let count = self.each / 16 * 16;
                let started = Instant::now();
                let wrong = run(from, count);
                readings.push(started.elapsed().as_nanos() as f64 / count as f64);
                assert_eq!(wrong, 0, "{name} did not find what it should");
            }
        }
        println!("{:<28}{:>8} {:>8} {:>8}  ns", "", "min", "median", "max");
        self.cases.into_iter().map(|(name, _, readings)| report(name, readings)).collect()
    }
}

/// Prints a line and returns the median. The first reading warms up.
fn report(name: &str, mut readings: Vec<f64>) -> f64 {
    readings.remove(0);
    readings.sort_by(f64::total_cmp);
    let (min, median) = (readings[0], readings[readings.len() / 2]);
    println!("{name:<28}{min:8.1} {median:8.1} {:8.1}", readings[readings.len() - 1]);
    median
}

/// Resident memory of this process, in bytes; 0 where the system does not tell.
pub fn resident_bytes() -> usize {
    const PAGE_BYTES: usize = 4_096;
    let told = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    told.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * PAGE_BYTES
}
