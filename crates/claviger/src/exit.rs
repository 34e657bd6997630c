//! How the program ends: exit codes, and errors as one clear line and what to do.

use std::process::ExitCode;

use claviger_authority::first_start::FirstStartError;
use claviger_client::{Error, Problem};

use crate::config::ConfigError;

/// Exit codes. They are documented in `claviger --help` and do not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// Everything else that went wrong.
    Failure = 1,
    /// A command line, a configuration or a value that cannot be.
    Usage = 2,
    /// The authority refuses: no key, a wrong one, or one that may not do this.
    Refused = 3,
    /// There is no such thing, or this key may not know of it.
    NotFound = 4,
    /// It cannot be done in the state that things are in.
    Conflict = 5,
    /// The authority cannot be reached or cannot answer at the moment.
    Unavailable = 6,
    /// `verify`: the key is not valid for what was asked.
    NotValid = 7,
}

/// What `claviger --help` says of them.
pub const HELP: &str = "\
Exit codes:
  0  done
  1  something failed
  2  the command line, the configuration or a value cannot be
  3  refused: no key, a wrong one, or one that may not do this
  4  not found, or nothing that this key may know of
  5  conflict: it cannot be done in the state that things are in
  6  the authority cannot be reached, or cannot answer at the moment
  7  verify: the key is not valid for what was asked";

/// An end that is told in words of its own.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: Code,
    /// What is the matter; nothing is printed if it is empty.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Failure {
    /// An end with this code and message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A value on the command line that cannot be.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::Usage, message)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Prints an error and gives its exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if is_broken_pipe(error) {
        // Whoever reads has read enough, as `head` does.
        return ExitCode::SUCCESS;
    }
    let (code, message, hint) = told(error);
    if !message.is_empty() {
        eprintln!("claviger: {message}");
    }
    if let Some(hint) = hint {
        eprintln!("  {hint}");
    }
    ExitCode::from(code as u8)
}

fn told(error: &anyhow::Error) -> (Code, String, Option<String>) {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return (failure.code, failure.message.clone(), failure.hint.clone());
    }
    if let Some(FirstStartError::Unacceptable(_)) = error.downcast_ref::<FirstStartError>() {
        // A service manager that starts the program again would only see it again.
        return (Code::Usage, error.to_string(), None);
    }
    if error.downcast_ref::<ConfigError>().is_some() {
        return (Code::Usage, format!("{error:#}"), None);
    }
    match error.downcast_ref::<Error>() {
        Some(Error::Problem(problem)) => of_problem(problem),
        Some(error @ (Error::Unreachable { .. } | Error::Timeout { .. })) => {
            let hint = "Is `claviger serve` running there? Name another address with --url or CLAVIGER_URL.";
            (Code::Unavailable, error.to_string(), Some(hint.to_owned()))
        }
        Some(error @ (Error::Address { .. } | Error::Key | Error::Request { .. })) => {
            (Code::Usage, error.to_string(), None)
        }
        Some(_) | None => (Code::Failure, in_words(error), None),
    }
}

/// The error and what led to it, each told once: some errors tell their cause themselves.
fn in_words(error: &anyhow::Error) -> String {
    let mut words = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !words.contains(&cause) {
            words.push_str(&format!(": {cause}"));
        }
    }
    without_numbers(&words)
}

/// What the system says, without the number that it has for it: `No such file or directory (os error 2)`.
fn without_numbers(words: &str) -> String {
    let mut text = String::new();
    for (n, part) in words.split(" (os error ").enumerate() {
        let part = if n == 0 { part } else { part.split_once(')').map_or("", |(_, rest)| rest) };
        text.push_str(part);
    }
    text
}

fn of_problem(problem: &Problem) -> (Code, String, Option<String>) {
    let code = match problem.status.as_u16() {
        400 | 413 | 415 | 422 => Code::Usage,
        401 | 403 => Code::Refused,
        404 => Code::NotFound,
        409 | 412 => Code::Conflict,
        429 | 502..=504 => Code::Unavailable,
        _ => Code::Failure,
    };
    let hint = match (problem.code.as_str(), code) {
        ("credentials_required" | "invalid_key" | "key_disabled" | "key_expired" | "key_retired", _) => Some(
            "This is about the key that you call with: look at CLAVIGER_KEY, --key-file or --data."
                .to_owned(),
        ),
        (_, Code::Unavailable) => {
            problem.retry_after.map(|wait| format!("Try again in {}.", seconds(wait.as_secs())))
        }
        (_, Code::Failure) => problem
            .request_id
            .as_ref()
            .map(|id| format!("The authority's log has more under the request id {id}.")),
        _ => None,
    };
    (code, format!("{} ({})", problem.detail, problem.code), hint)
}

fn seconds(count: u64) -> String {
    if count == 1 { "1 second".to_owned() } else { format!("{count} seconds") }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let io = || std::io::Error::from_raw_os_error(2);
        let plain = "No such file or directory";
        let told = |context: String| in_words(&anyhow::Error::from(io()).context(context));
        assert_eq!(told("a".to_owned()), format!("a: {plain}"));
        assert_eq!(told(format!("the store: {}", io())), format!("the store: {plain}"));
        assert_eq!(told(format!("{} twice, {}", io(), io())), format!("{plain} twice, {plain}"));
    }
}
