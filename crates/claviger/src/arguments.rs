//! What clap reports about a command line, without what could be a key: people do write keys there, and messages end
//! in logs.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::output::SHOWN_BYTES_MAX;

/// Stands for an argument that is not repeated.
const HIDDEN: &str = "…";
/// Words for what is called `delete` here.
const DELETE_ELSEWHERE: [&str; 3] = ["revoke", "remove", "rm"];

/// The error, its arguments repeated only if they are too short for a key, or plainly a flag.
#[must_use]
pub fn without_secrets(mut error: clap::Error) -> clap::Error {
    let given = match error.kind() {
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        _ => ContextKind::InvalidValue,
    };
    if let Some(ContextValue::String(text)) = error.get(given).cloned() {
        if !is_shown(&text) {
            error.insert(given, ContextValue::String(HIDDEN.to_owned()));
            // These may repeat it: `to pass '…' as a value, use '-- …'`.
            error.insert(ContextKind::Suggested, ContextValue::None);
        } else if given == ContextKind::InvalidSubcommand && DELETE_ELSEWHERE.contains(&text.as_str()) {
            let hint =
                "'claviger keys delete' revokes a key for good, 'claviger keys disable' until it is enabled";
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(hint)]));
        }
    }
    error
}

fn is_shown(text: &str) -> bool {
    let is_flag = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    text.len() <= SHOWN_BYTES_MAX || text.strip_prefix("--").is_some_and(is_flag)
}
