//! Instants as people read and write them.

use claviger_client::Timestamp;
use jiff::SignedDuration;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// An instant to the minute, in UTC: `2027-01-31 12:00`.
#[must_use]
pub fn short(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M").to_string()
}

const FORMS: &str =
    "write a date (`2027-01-31`), an instant (`2027-01-31T12:00:00Z`) or a time from now (`90d`, `12h`)";

/// When a key expires: a date (its start, in UTC), an instant, a time from now, or `never`.
///
/// # Errors
/// Says which forms there are.
pub fn parse_expiry(text: &str, now: Timestamp) -> Result<Option<Timestamp>, String> {
    if text == "never" {
        return Ok(None);
    }
    let at = parse_instant(text).or_else(|| now.checked_add(duration(text)?).ok());
    let at = at.ok_or_else(|| format!("{FORMS}, or `never`"))?;
    // Keys expire at whole seconds.
    Timestamp::from_second(at.as_second()).map(Some).map_err(|error| error.to_string())
}

/// An instant in the past: a date, an instant, or a time before now.
///
/// # Errors
/// Says which forms there are.
pub fn parse_past(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let at = parse_instant(text).or_else(|| now.checked_sub(duration(text)?).ok());
    at.ok_or_else(|| FORMS.replace("from now", "before now"))
}

/// A date (its start, in UTC) or an instant.
fn parse_instant(text: &str) -> Option<Timestamp> {
    let date = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
    // As the authority reads it, which knows a day more than `Timestamp`.
    let instant = claviger_core::Timestamp::parse(text).ok();
    let instant = instant.map(|at| Timestamp::from_millisecond(at.millis()).unwrap_or(Timestamp::MAX));
    instant.or_else(|| if text.len() == 10 { date() } else { None })
}

/// A length of time, in seconds: `45s`, `30m`, `12h`, `90d`.
///
/// # Errors
/// Says which forms there are.
pub fn parse_seconds(text: &str) -> Result<u64, String> {
    let seconds = duration(text).and_then(|duration| u64::try_from(duration.as_secs()).ok());
    seconds.ok_or_else(|| "write a number and a unit: `45s`, `30m`, `12h`, `90d`".to_owned())
}

/// `90d`, `12h`, `30m`, `45s`.
fn duration(text: &str) -> Option<SignedDuration> {
    let at = text.len().checked_sub(1)?;
    let (number, unit) = text.split_at_checked(at)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let number = number.parse::<u32>().ok()?;
    Some(SignedDuration::from_secs(i64::from(number) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_as_people_write_them() {
        let now: Timestamp = "2027-01-31T12:00:00.5Z".parse().unwrap();
        let check = |text: &str, expect: &str| {
            let told = parse_expiry(text, now)
                .map_or_else(|_| "wrong".to_owned(), |at| at.map_or("never".to_owned(), |at| at.to_string()));
            assert_eq!(told, expect, "{text}");
        };
        check("never", "never");
        check("2027-03-01", "2027-03-01T00:00:00Z");
        check("2027-03-01T08:00:00+01:00", "2027-03-01T07:00:00Z");
        check("90d", "2027-05-01T12:00:00Z");
        check("12h", "2027-02-01T00:00:00Z");
        check("30m", "2027-01-31T12:30:00Z");
        for wrong in ["", "d", "1w", "-1d", "tomorrow", "20270301", "99999999999d", "é"] {
            check(wrong, "wrong");
        }
        assert_eq!(parse_past("1d", now).unwrap().to_string(), "2027-01-30T12:00:00.5Z");
        assert_eq!(short(now), "2027-01-31 12:00");
    }
}
