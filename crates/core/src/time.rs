//! Instants, and how they are written. They are arguments everywhere: this crate never reads a clock.

use std::fmt;

const SECONDS_PER_DAY: i64 = 86_400;
/// The 400 years after which the calendar repeats itself, in days.
const DAYS_PER_ERA: i64 = 146_097;
/// From 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;
/// Digits of a fraction that are read: more than any clock has, so that a text has an end.
const FRACTION_DIGITS_MAX: usize = 32;

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why a text is not an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not of this form.
    #[error("must be a time as RFC 3339 writes it, with `Z` or an offset, such as \"2027-01-31T12:00:00Z\"")]
    Form,
    /// No such day or time.
    #[error("must be a day and a time that exist, such as \"2027-01-31T12:00:00Z\"")]
    Calendar,
    /// Before 1970 or after the last second of 9999.
    #[error("must be from \"1970-01-01T00:00:00Z\" to \"9999-12-31T23:59:59Z\", in UTC")]
    Range,
}

impl Timestamp {
    /// The instant this many milliseconds after 1970.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down; 0 for anything earlier.
    #[must_use]
    pub fn seconds(self) -> UnixSeconds {
        UnixSeconds(self.0.max(0).cast_unsigned() / 1000).min(UnixSeconds::MAX)
    }

    /// Reads an instant as RFC 3339, section 5.6, writes it: with any offset, in either case, and with a fraction of
    /// a second, of which what is beyond the millisecond is cut. A leap second (`23:59:60` in UTC) is the second
    /// that follows it, as in POSIX. The only reader of times that people and programs send.
    ///
    /// # Errors
    /// [`TimeError`] if it is none, or lies before 1970 or after 9999.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let bytes = text.as_bytes();
        let number = |from: usize, to: usize| digits(bytes.get(from..to)?);
        let mark =
            |at: usize, expected: &[u8]| bytes.get(at).filter(|byte| expected.contains(byte)).map(|_| ());
        let fields = || {
            mark(4, b"-").and(mark(7, b"-")).and(mark(10, b"Tt "))?;
            mark(13, b":").and(mark(16, b":"))?;
            let date = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
            Some((date, (number(11, 13)?, number(14, 16)?, number(17, 19)?)))
        };
        let ((year, month, day), (hour, minute, second)) = fields().ok_or(TimeError::Form)?;
        let (millis, rest) = fraction(&bytes[19..]).ok_or(TimeError::Form)?;
        let offset = offset_seconds(rest).ok_or(TimeError::Form)??;
        let exists = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
        if !exists || hour > 23 || minute > 59 || second > 60 {
            return Err(TimeError::Calendar);
        }
        let minutes = days_from_civil(year, month, day) * 1_440 + hour * 60 + minute;
        let seconds = minutes * 60 + second - offset;
        // Leap seconds end a day of UTC and nothing else.
        if second == 60 && seconds % SECONDS_PER_DAY != 0 {
            return Err(TimeError::Calendar);
        }
        // At its very end, where there is no next second, a leap second is the last one.
        let last = UnixSeconds::MAX.0.cast_signed();
        let seconds = if second == 60 { seconds.min(last) } else { seconds };
        if !(0..=last).contains(&seconds) {
            return Err(TimeError::Range);
        }
        Ok(Self(seconds * 1_000 + millis))
    }
}

/// RFC 3339 in UTC, to the millisecond where there is a fraction.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.0.div_euclid(1_000), self.0.rem_euclid(1_000));
        let (day, second) = (seconds.div_euclid(SECONDS_PER_DAY), seconds.rem_euclid(SECONDS_PER_DAY));
        let (year, month, day) = civil_from_days(day);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        match millis {
            0 => {}
            whole if whole % 100 == 0 => write!(f, ".{}", whole / 100)?,
            whole if whole % 10 == 0 => write!(f, ".{:02}", whole / 10)?,
            whole => write!(f, ".{whole:03}")?,
        }
        f.write_str("Z")
    }
}

/// The number that these digits write.
fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

/// The milliseconds of a fraction, if there is one, and what follows it.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(rest) = text.strip_prefix(b".") else { return Some((0, text)) };
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 || length > FRACTION_DIGITS_MAX {
        return None;
    }
    let millis = (0..3).fold(0, |sum, at| {
        sum * 10 + rest.get(at).filter(|_| at < length).map_or(0, |byte| i64::from(byte - b'0'))
    });
    Some((millis, &rest[length..]))
}

/// Seconds that the time is ahead of UTC, from `Z` or `+01:00`.
fn offset_seconds(text: &[u8]) -> Option<Result<i64, TimeError>> {
    let (sign, rest) = match text {
        b"Z" | b"z" => return Some(Ok(0)),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let [h1, h2, b':', m1, m2] = rest else { return None };
    let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
    let exists = hours <= 23 && minutes <= 59;
    Some(if exists { Ok(sign * (hours * 60 + minutes) * 60) } else { Err(TimeError::Calendar) })
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The year, the month (from 1) and the day (from 1) of a day since 1970, in the Gregorian calendar
/// (`civil_from_days` of Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms"). Its years begin in March,
/// so that a leap day ends one.
pub(crate) fn civil_from_days(day: i64) -> (i64, i64, i64) {
    let shifted = day + DAYS_TO_1970;
    let (era, of_era) = (shifted.div_euclid(DAYS_PER_ERA), shifted.rem_euclid(DAYS_PER_ERA));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

/// The day since 1970 (`days_from_civil`, from the same source).
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * DAYS_PER_ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - DAYS_TO_1970
}

/// A whole UTC second since 1970: the unit in which keys expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(u64);

impl UnixSeconds {
    /// 9999-12-31T23:59:59Z, the last second that RFC 3339 can write. The index keeps expiries in 38 bits, all
    /// ones meaning never, and this lies below.
    pub const MAX: Self = Self(253_402_300_799);

    /// The second this many after 1970, if it is at most [`UnixSeconds::MAX`].
    #[must_use]
    pub const fn new(seconds: u64) -> Option<Self> {
        if seconds > Self::MAX.0 { None } else { Some(Self(seconds)) }
    }

    /// Seconds since 1970.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The instant at which this second begins.
    #[must_use]
    pub const fn start(self) -> Timestamp {
        Timestamp(self.0.cast_signed() * 1000)
    }

    /// This many seconds later, or [`UnixSeconds::MAX`].
    #[must_use]
    pub fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds).min(Self::MAX.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_read_as_rfc_3339_writes_them() {
        let check = |text: &str, expect: Result<i64, TimeError>| {
            assert_eq!(Timestamp::parse(text).map(Timestamp::millis), expect, "{text:?}");
        };
        check("1970-01-01T00:00:00Z", Ok(0));
        check("2027-01-15T08:00:00Z", Ok(1_800_000_000_000));
        check("2027-01-15t08:00:00z", Ok(1_800_000_000_000));
        check("2027-01-15 08:00:00Z", Ok(1_800_000_000_000));
        check("2027-01-15T09:00:00+01:00", Ok(1_800_000_000_000));
        check("2027-01-15T08:00:00-00:00", Ok(1_800_000_000_000));
        check("2027-01-14T20:30:00-11:30", Ok(1_800_000_000_000));
        check("2027-01-15T08:00:00.123Z", Ok(1_800_000_000_123));
        check("2027-01-15T08:00:00.5+00:00", Ok(1_800_000_000_500));
        check("2027-01-15T08:00:00.9999999999999Z", Ok(1_800_000_000_999));
        check("9999-12-31T23:59:59Z", Ok(253_402_300_799_000));
        check("9999-12-31T23:59:59.999Z", Ok(253_402_300_799_999));
        check("9999-12-31T23:59:59-00:01", Err(TimeError::Range));
        check("1969-12-31T23:59:59Z", Err(TimeError::Range));
        check("1970-01-01T00:00:00+00:01", Err(TimeError::Range));
        check("0000-01-01T00:00:00Z", Err(TimeError::Range));
        // The leap second of 2016, in two zones; there is none in the middle of a day.
        check("2016-12-31T23:59:60Z", Ok(1_483_228_800_000));
        check("2017-01-01T00:59:60+01:00", Ok(1_483_228_800_000));
        check("9999-12-31T23:59:60Z", Ok(253_402_300_799_000));
        check("2016-12-31T12:59:60Z", Err(TimeError::Calendar));
        check("2024-02-29T00:00:00Z", Ok(1_709_164_800_000));
        for text in [
            "2027-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2027-13-01T00:00:00Z",
            "2027-00-01T00:00:00Z",
            "2027-01-00T00:00:00Z",
            "2027-04-31T00:00:00Z",
            "2027-01-15T24:00:00Z",
            "2027-01-15T00:60:00Z",
            "2027-01-15T00:00:61Z",
            "2027-01-15T00:00:00+24:00",
            "2027-01-15T00:00:00+00:60",
        ] {
            check(text, Err(TimeError::Calendar));
        }
        for text in [
            "",
            "tomorrow",
            "2027-01-15",
            "2027-01-15T08:00Z",
            "2027-01-15T08:00:00",
            "2027-1-15T08:00:00Z",
            "2027-01-15T08:00:00.Z",
            "2027-01-15T08:00:00,5Z",
            "2027-01-15T08:00:00+1:00",
            "2027-01-15T08:00:00+0100",
            "2027-01-15T08:00:00ZZ",
            " 2027-01-15T08:00:00Z",
            "12027-01-15T08:00:00Z",
            "+2027-01-15T08:00:00Z",
            "2027-01-15T08:00:00Z\n",
            "२०२७-01-15T08:00:00Z",
            "2027-01-15T08:00:0\u{e9}Z",
            "-001-01-01T00:00:00Z",
            &format!("2027-01-15T08:00:00.{}Z", "0".repeat(33)),
        ] {
            check(text, Err(TimeError::Form));
        }
    }

    #[test]
    fn times_are_written_in_utc() {
        let check = |millis, expect: &str| assert_eq!(Timestamp::from_millis(millis).to_string(), expect);
        check(0, "1970-01-01T00:00:00Z");
        check(1_800_000_000_250, "2027-01-15T08:00:00.25Z");
        check(1_800_000_000_007, "2027-01-15T08:00:00.007Z");
        check(1_800_000_000_100, "2027-01-15T08:00:00.1Z");
        check(UnixSeconds::MAX.start().millis(), "9999-12-31T23:59:59Z");
        assert_eq!(UnixSeconds::new(253_402_300_800), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(millis in 0..253_402_300_800_000_i64) {
            let at = Timestamp::from_millis(millis);
            prop_assert_eq!(Timestamp::parse(&at.to_string()), Ok(at));
        }

        #[test]
        fn no_text_is_a_panic(text in "\\PC{0,40}", near in "[0-9TtZz:+. -]{0,40}") {
            let _ = (Timestamp::parse(&text), Timestamp::parse(&near));
        }
    }
}
