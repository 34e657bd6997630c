//! The load, and what it showed.

use std::fmt;
use std::process::Command;

/// Long enough to be past the start, short enough for many rounds.
const SECONDS: u32 = 3;
const CONNECTIONS: u32 = 64;
/// The processor of the load; the servers have the other.
const LOAD_PROCESSOR: &str = "1";

/// One thing that is measured.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    pub(crate) headers: Vec<String>,
    /// A script of wrk's, for requests with a body.
    pub(crate) script: Option<String>,
}

impl Contender {
    pub(crate) fn get(name: &'static str, url: String, key: Option<&str>) -> Self {
        let headers = key.map(|key| format!("Authorization: Bearer {key}")).into_iter().collect();
        Self { name, url, headers, script: None }
    }

    /// Requests per second.
    pub(crate) fn measure(&self) -> f64 {
        let mut command = Command::new("taskset");
        command
            .args(["-c", LOAD_PROCESSOR, "wrk", "-t1"])
            .arg(format!("-c{CONNECTIONS}"))
            .arg(format!("-d{SECONDS}s"));
        for header in &self.headers {
            command.arg("-H").arg(header);
        }
        if let Some(script) = &self.script {
            command.arg("-s").arg(script);
        }
        let output = command.arg(&self.url).output().expect("wrk and taskset are installed");
        let text = String::from_utf8_lossy(&output.stdout);
        let refused = text.lines().find(|line| line.contains("Non-2xx"));
        assert!(refused.is_none(), "{}: {}", self.name, refused.unwrap_or_default());
        let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
        rate.and_then(|rate| rate.trim().parse().ok()).unwrap_or_else(|| panic!("{}: {text}", self.name))
    }
}

/// Requests per second of each contender, round by round.
pub(crate) struct Table {
    rows: Vec<(&'static str, Vec<f64>)>,
}

impl Table {
    pub(crate) fn new(contenders: &[Contender]) -> Self {
        Self { rows: contenders.iter().map(|contender| (contender.name, Vec::new())).collect() }
    }

    pub(crate) fn add(&mut self, n: usize, rate: f64) {
        self.rows[n].1.push(rate);
    }

    fn rates(&self, name: &str) -> Option<&[f64]> {
        self.rows.iter().find(|(known, _)| *known == name).map(|(_, rates)| rates.as_slice())
    }

    /// One against another, round by round: minimum, median, maximum.
    pub(crate) fn ratio(&self, one: &str, other: &str) -> Option<String> {
        let (one, other) = (self.rates(one)?, self.rates(other)?);
        let ratios = one.iter().zip(other).map(|(one, other)| one / other).collect::<Vec<_>>();
        let (low, middle, high) = spread(&ratios);
        Some(format!("{low:7.2} {middle:7.2} {high:7.2}"))
    }
}

fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[0], sorted[sorted.len() / 2], sorted[sorted.len() - 1])
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nrequests per second ({CONNECTIONS} connections){:24}     min     median        max",
            ""
        )?;
        for (name, rates) in &self.rows {
            let (low, middle, high) = spread(rates);
            writeln!(f, "{name:54} {low:10.0} {middle:10.0} {high:10.0}")?;
        }
        writeln!(f, "\nratios{:52}     min  median     max", "")
    }
}
