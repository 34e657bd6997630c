//! Reads a row of an import. Whatever is wrong with it is its own outcome, and never that of the rows beside it.

use std::fmt;

use claviger_authority::imports::{ImportKey, ImportRow};
use claviger_core::lifecycle::Status;
use claviger_core::restriction::Restrictions;
use claviger_core::{Timestamp, UnixSeconds};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::api::keys::wire::RestrictionsWire;

/// The fields of a row.
const FIELDS: [&str; 13] = [
    "key",
    "sha256",
    "name",
    "subject",
    "versions",
    "grants",
    "scopes",
    "expires_at",
    "created_at",
    "preview",
    "metadata",
    "restrictions",
    "status",
];

/// The year of [`UnixSeconds::MAX`].
const LAST_YEAR: i16 = 2514;

/// A row as it came in: its fields, or nothing where it is no object.
pub struct RawRow(Option<Vec<(String, Value)>>);

impl<'de> Deserialize<'de> for RawRow {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(AnyRow).map(Self)
    }
}

struct AnyRow;

impl<'de> Visitor<'de> for AnyRow {
    type Value = Option<Vec<(String, Value)>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Some(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Reads rows, each by itself.
pub(super) fn read_rows(rows: Vec<RawRow>) -> Vec<Result<ImportRow, String>> {
    rows.into_iter().map(read).collect()
}

fn read(row: RawRow) -> Result<ImportRow, String> {
    let fields = row.0.ok_or("a row is a JSON object: `{…}`")?;
    let mut fields = Fields(fields);
    fields.check()?;
    let key = match (fields.text("key")?, fields.text("sha256")?) {
        (Some(text), None) => ImportKey::Text(Zeroizing::new(text)),
        (None, Some(digest)) => ImportKey::Sha256(digest),
        (None, None) => return Err("key: it is missing; give `key`, or its digest in `sha256`".to_owned()),
        (Some(_), Some(_)) => return Err("key: give either `key` or `sha256`, and not both".to_owned()),
    };
    let needed = |field: &str, text: Option<String>| text.ok_or_else(|| format!("{field}: it is missing"));
    let restrictions = fields.take("restrictions").map(restrictions).transpose()?;
    Ok(ImportRow {
        key,
        name: needed("name", fields.text("name")?)?,
        subject: needed("subject", fields.text("subject")?)?,
        versions: fields.text("versions")?,
        grants: fields.texts("grants")?,
        scopes: fields.texts("scopes")?,
        expires_at: fields.text("expires_at")?.map(|text| second("expires_at", &text)).transpose()?,
        created_at: fields.text("created_at")?.map(|text| time("created_at", &text)).transpose()?,
        preview: fields.text("preview")?,
        metadata: fields.pairs("metadata")?,
        restrictions: restrictions.unwrap_or_default(),
        status: fields.text("status")?.map(|text| status(&text)).transpose()?,
    })
}

struct Fields(Vec<(String, Value)>);

impl Fields {
    /// Every field is known, and stands once.
    fn check(&self) -> Result<(), String> {
        for (n, (name, _)) in self.0.iter().enumerate() {
            if !FIELDS.contains(&name.as_str()) {
                // The name is not repeated: it came from outside, and may be a key in the wrong place.
                return Err(format!("unknown field; known are {}", FIELDS.join(", ")));
            }
            if self.0[..n].iter().any(|(earlier, _)| earlier == name) {
                return Err(format!("{name}: it stands twice"));
            }
        }
        Ok(())
    }

    /// The value of a field; null and an empty text are none.
    fn take(&mut self, field: &str) -> Option<Value> {
        let at = self.0.iter().position(|(name, _)| name == field)?;
        match self.0.swap_remove(at).1 {
            Value::Null => None,
            Value::String(text) if text.trim().is_empty() => None,
            value => Some(value),
        }
    }

    fn text(&mut self, field: &str) -> Result<Option<String>, String> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("{field}: it must be text, in quotes")),
        }
    }

    fn texts(&mut self, field: &str) -> Result<Option<Vec<String>>, String> {
        let wrong = || format!("{field}: it must be a list of texts, such as [\"{}\"]", example(field));
        let Some(value) = self.take(field) else { return Ok(None) };
        let Value::Array(items) = value else { return Err(wrong()) };
        let text = |item| match item {
            Value::String(text) => Ok(text),
            _ => Err(wrong()),
        };
        items.into_iter().map(text).collect::<Result<_, _>>().map(Some)
    }

    fn pairs(&mut self, field: &str) -> Result<Vec<(String, String)>, String> {
        let wrong = || format!("{field}: it must be an object of texts, such as {{\"team\": \"billing\"}}");
        let Some(value) = self.take(field) else { return Ok(Vec::new()) };
        let Value::Object(pairs) = value else { return Err(wrong()) };
        let pair = |(name, value)| match value {
            Value::String(text) => Ok((name, text)),
            _ => Err(wrong()),
        };
        pairs.into_iter().map(pair).collect()
    }
}

fn example(field: &str) -> &'static str {
    if field == "grants" { "secrets" } else { "notebook:read" }
}

fn restrictions(value: Value) -> Result<Restrictions, String> {
    let form = "restrictions: not of the form; write an object such as {\"addresses\": [\"192.0.2.0/24\"]}";
    if !value.is_object() {
        return Err(form.to_owned());
    }
    let wire = serde_json::from_value::<RestrictionsWire>(value).map_err(|_| form.to_owned())?;
    wire.read().map_err(|problem| problem.detail)
}

fn status(text: &str) -> Result<Status, String> {
    let text = text.trim();
    [Status::Active, Status::Disabled]
        .into_iter()
        .find(|status| status.as_str().eq_ignore_ascii_case(text))
        .ok_or_else(|| "status: use active or disabled".to_owned())
}

/// An instant as exports of databases and programs write it. Without an offset it is in UTC.
fn instant(field: &str, text: &str) -> Result<jiff::Timestamp, String> {
    let text = text.trim();
    let text = text.strip_suffix("UTC").map_or(text, str::trim_end);
    let civil = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
    text.parse::<jiff::Timestamp>().ok().or_else(civil).ok_or_else(|| {
        format!("{field}: write a time such as 2027-01-31T12:00:00Z, 2027-01-31 12:00:00 or 2027-01-31")
    })
}

fn time(field: &str, text: &str) -> Result<Timestamp, String> {
    instant(field, text).map(|at| Timestamp::from_millis(at.as_millisecond()))
}

/// The whole second: a fraction is cut, as everywhere.
fn second(field: &str, text: &str) -> Result<UnixSeconds, String> {
    // No clock of ours goes as far, and some of these are beyond what a date may be at all.
    let year = text.trim().get(..10).and_then(|day| day.parse::<Date>().ok()).map_or(0, Date::year);
    if year > LAST_YEAR {
        return Err(format!(
            "{field}: the year {LAST_YEAR} is the last; leave it out for a key that never expires"
        ));
    }
    let at = instant(field, text)?;
    let seconds = u64::try_from(at.as_second()).map_err(|_| format!("{field}: it must be after 1970"))?;
    UnixSeconds::new(seconds).ok_or_else(|| {
        format!("{field}: the year {LAST_YEAR} is the last; leave it out for a key that never expires")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(row: Value) -> Result<ImportRow, String> {
        read(serde_json::from_value(row).unwrap())
    }

    fn with(field: &str, value: Value) -> Value {
        let mut row = json!({"name": "CI", "subject": "operator", "key": "k"});
        row[field] = value;
        row
    }

    #[test]
    fn whatever_is_wrong_is_the_outcome_of_its_row() {
        let check = |row: Value, expect: &str| {
            let why = said(row).map(|_| ()).unwrap_err();
            assert!(why.starts_with(expect) && !why.contains("sk_secret"), "{why}");
        };
        for row in
            [json!(1), json!(-1), json!(1.5), json!(null), json!("sk_secret"), json!([[1]]), json!(true)]
        {
            check(row, "a row is a JSON object");
        }
        check(json!({"sk_secret": 1}), "unknown field; known are key, sha256, name");
        check(with("name", json!(1)), "name: it must be text");
        check(with("name", json!("")), "name: it is missing");
        check(with("subject", json!(null)), "subject: it is missing");
        check(with("key", json!("")), "key: it is missing");
        check(with("sha256", json!("ab")), "key: give either");
        check(
            with("scopes", json!("*:read")),
            "scopes: it must be a list of texts, such as [\"notebook:read\"]",
        );
        check(with("scopes", json!([1])), "scopes: it must be a list of texts");
        check(with("grants", json!({})), "grants: it must be a list of texts, such as [\"secrets\"]");
        check(with("metadata", json!({"a": 1})), "metadata: it must be an object of texts");
        check(with("metadata", json!([])), "metadata: it must be an object of texts");
        check(with("restrictions", json!([1])), "restrictions: not of the form");
        check(with("restrictions", json!({"rate": 1})), "restrictions: not of the form");
        check(with("status", json!("revoked")), "status: use active or disabled");
        check(with("status", json!(true)), "status: it must be text");
        check(with("expires_at", json!(1_800_000_000)), "expires_at: it must be text");
        check(with("expires_at", json!("tomorrow")), "expires_at: write a time such as 2027-01-31T12:00:00Z");
        check(with("expires_at", json!("9999-12-31T23:59:59Z")), "expires_at: the year 2514 is the last");
        check(with("expires_at", json!("1969-12-31T00:00:00Z")), "expires_at: it must be after 1970");
        let twice: RawRow = serde_json::from_str(r#"{"name": "a", "name": "b"}"#).unwrap();
        assert_eq!(read(twice).map(|_| ()).unwrap_err(), "name: it stands twice");
    }

    #[test]
    fn values_as_exports_write_them() {
        for (word, expect) in
            [("active", Status::Active), ("Active", Status::Active), (" DISABLED ", Status::Disabled)]
        {
            assert_eq!(said(with("status", json!(word))).unwrap().status, Some(expect));
        }
        for text in [
            "2023-05-01T10:22:33Z",
            "2023-05-01T10:22:33.123Z",
            "2023-05-01T12:22:33+02:00",
            "2023-05-01 10:22:33",
            "2023-05-01 10:22:33.5",
            "2023-05-01 10:22:33 UTC",
            "2023-05-01 10:22:33+00",
            "2023-05-01T10:22:33",
        ] {
            let row = said(with("expires_at", json!(text))).unwrap();
            assert_eq!(row.expires_at.map(UnixSeconds::get), Some(1_682_936_553), "{text}");
        }
        let day = said(with("expires_at", json!("2027-01-31"))).unwrap();
        assert_eq!(day.expires_at.map(UnixSeconds::get), Some(1_801_353_600));
    }

    /// Every column alike: what is empty is not there.
    #[test]
    fn what_is_empty_is_absent() {
        let mut row = json!({"name": "CI", "subject": "operator", "key": "k"});
        for field in FIELDS.iter().filter(|field| row.get(**field).is_none()).collect::<Vec<_>>() {
            row[*field] = json!("");
        }
        let row = said(row).unwrap();
        assert!(
            row.versions.is_none() && row.grants.is_none() && row.scopes.is_none() && row.status.is_none()
        );
        assert!(row.expires_at.is_none() && row.created_at.is_none() && row.preview.is_none());
        assert!(row.metadata.is_empty() && row.restrictions.is_empty());
        let nothing = said(with("scopes", json!([]))).unwrap();
        assert_eq!(nothing.scopes, Some(Vec::new()), "an empty list is a list");
    }
}
