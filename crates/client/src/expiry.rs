//! Reading the second in which something expires. The authority knows every second up to the end of the year 9999,
//! which some programs write for "never"; [`Timestamp`] ends a day before.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

/// What an authority writes that lies beyond the last timestamp.
const BEYOND: [&str; 2] = ["9999-12-30T", "9999-12-31T"];

/// Reads it, or nothing for never.
pub(crate) fn read<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(source)? else { return Ok(None) };
    match text.parse() {
        Ok(at) => Ok(Some(at)),
        Err(_) if BEYOND.iter().any(|day| text.starts_with(day)) => Ok(Some(Timestamp::MAX)),
        Err(error) => Err(serde::de::Error::custom(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_second_of_9999_is_read() {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default, deserialize_with = "read")]
            at: Option<Timestamp>,
        }
        let read = |text: &str| serde_json::from_str::<Answer>(text).map(|answer| answer.at).ok();
        assert_eq!(read(r#"{"at": "9999-12-31T23:59:59Z"}"#), Some(Some(Timestamp::MAX)));
        assert_eq!(read(r#"{"at": "1970-01-01T00:00:00Z"}"#), Some(Some(Timestamp::UNIX_EPOCH)));
        assert_eq!((read(r#"{"at": null}"#), read("{}")), (Some(None), Some(None)));
        assert_eq!(read(r#"{"at": "tomorrow"}"#), None);
    }
}
