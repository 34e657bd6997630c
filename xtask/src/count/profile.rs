//! A profile as callgrind writes it.
//!
//! <https://valgrind.org/docs/manual/cl-format.html>

use std::collections::HashMap;

/// What each function cost, what it called included.
pub(super) struct Profile(HashMap<String, u64>);

impl Profile {
    /// Reads a profile with one kind of event, instructions.
    pub(super) fn read(text: &str) -> Self {
        let mut names = HashMap::new();
        let mut costs = HashMap::new();
        let mut current = None;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("fn=") {
                current = Some(resolve(&mut names, name));
            } else if let Some(name) = line.strip_prefix("cfn=") {
                // What is called is a function that a later line may name by its number alone.
                resolve(&mut names, name);
            } else if let (Some(name), Some(cost)) = (&current, cost(line)) {
                // The line after `calls=` has the cost of what was called, every other one that of the function itself.
                *costs.entry(name.clone()).or_default() += cost;
            }
        }
        Self(costs)
    }

    /// The cost of the functions of such a name. Of those that call one another, only the outermost counts.
    pub(super) fn cost(&self, is_meant: impl Fn(&str) -> bool) -> u64 {
        let meant = self.0.iter().filter(|(name, _)| is_meant(name));
        meant.map(|(_, cost)| *cost).max().unwrap_or_default()
    }
}

/// The name of a function: `(12) name` where it stands first, `(12)` from then on.
fn resolve(names: &mut HashMap<String, String>, text: &str) -> String {
    let Some((number, name)) = text.strip_prefix('(').and_then(|rest| rest.split_once(')')) else {
        return text.to_owned();
    };
    match name.trim_start() {
        "" => names.get(number).cloned().unwrap_or_default(),
        name => {
            names.insert(number.to_owned(), name.to_owned());
            name.to_owned()
        }
    }
}

/// The cost in a line such as `+3 118`: a place, then a number.
fn cost(line: &str) -> Option<u64> {
    let (place, cost) = line.split_once(' ')?;
    let is_place = place.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first));
    is_place.then(|| cost.trim().parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::Profile;

    const TEXT: &str = "\
version: 1
events: Ir
summary: 999

fl=(1) ???
fn=(1) main
0 10
cfn=(2) outer
calls=2 0
0 700

fn=(2)
0 100
+3 20
cfn=(3) inner
calls=4 0
* 580

fn=(3)
0 580
";

    #[test]
    fn a_function_costs_what_it_does_and_what_it_calls() {
        let profile = Profile::read(TEXT);
        assert_eq!(profile.cost(|name| name == "main"), 710);
        assert_eq!(profile.cost(|name| name == "outer"), 700);
        assert_eq!(profile.cost(|name| name == "inner"), 580);
    }

    #[test]
    fn functions_that_call_one_another_are_counted_once() {
        let profile = Profile::read(TEXT);
        assert_eq!(profile.cost(|name| name == "outer" || name == "inner"), 700);
        assert_eq!(profile.cost(|name| name == "absent"), 0);
    }
}
