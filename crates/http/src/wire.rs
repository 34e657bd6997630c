//! How values look on the wire: times, pages, revocations. Wire types live at the edge and are converted there.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use claviger_authority::ChangeMade;
use claviger_core::name::ExternalId;
use claviger_core::{Timestamp, UnixSeconds};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use crate::problem::Problem;

/// Rows of a page unless said otherwise.
pub const PAGE_DEFAULT: u32 = 50;
/// Rows of a page at most: a page is built in memory.
pub const PAGE_MAX: u32 = 200;

/// An instant as RFC 3339 in UTC, to the millisecond where there is a fraction.
#[must_use]
pub fn time(at: Timestamp) -> String {
    at.to_string()
}

/// A whole second as RFC 3339 in UTC.
#[must_use]
pub fn second(at: UnixSeconds) -> String {
    time(at.start())
}

/// Reads an instant: RFC 3339 with any offset.
///
/// # Errors
/// A problem that names the field.
pub fn parse_time(field: &str, text: &str) -> Result<Timestamp, Problem> {
    Timestamp::parse(text).map_err(|error| invalid(field, error))
}

/// Reads an instant as a whole second: a fraction is cut.
///
/// # Errors
/// A problem that names the field.
pub fn parse_second(field: &str, text: &str) -> Result<UnixSeconds, Problem> {
    Ok(parse_time(field, text)?.seconds())
}

/// Texts by name, such as `metadata`. A name that is given twice is refused, as in every other object.
#[derive(Debug, Clone, Default)]
pub struct Texts(pub BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_map(TextsOnly)
    }
}

struct TextsOnly;

impl<'de> Visitor<'de> for TextsOnly {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
        let mut texts = BTreeMap::new();
        while let Some((name, text)) = map.next_entry()? {
            if texts.insert(name, text).is_some() {
                // The name came from outside, so it is not repeated.
                return Err(serde::de::Error::custom("a name is given twice"));
            }
        }
        Ok(Texts(texts))
    }
}

/// A value that is absent, null, or there: PATCH tells the three apart.
///
/// # Errors
/// What the value's own type refuses.
pub fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    source: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(source).map(Some)
}

/// A field of a PATCH that may be absent and may not be null.
///
/// # Errors
/// A problem that names the field.
pub fn given<T>(field: &str, value: Option<Option<T>>) -> Result<Option<T>, Problem> {
    match value {
        Some(None) => Err(invalid(field, "it cannot be null; leave it out to keep it as it is")),
        Some(some) => Ok(some),
        None => Ok(None),
    }
}

/// A field of a PATCH that may be absent, and null to take the value away.
///
/// # Errors
/// What the value is refused for.
pub(crate) fn or_none<T>(
    value: Option<Option<String>>,
    read: impl Fn(&str) -> Result<T, Problem>,
) -> Result<Option<Option<T>>, Problem> {
    value.map(|value| value.as_deref().map(read).transpose()).transpose()
}

/// The host's own identifier.
pub(crate) fn external_id_of(text: &str) -> Result<ExternalId, Problem> {
    ExternalId::parse(text).map_err(|e| invalid("external_id", e))
}

/// A problem with a field.
pub(crate) fn invalid(field: &str, detail: impl ToString) -> Problem {
    Problem::bad_request("invalid_request", format!("`{field}`: {}.", detail.to_string()))
}

/// An object and nothing else, wherever one stands inside another value: serde would take an array for a
/// struct, too, field by field, and nobody means that.
#[derive(Debug, Clone)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_map(MapOnly(PhantomData)).map(Self)
    }
}

struct MapOnly<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for MapOnly<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// An [`Object`] that may be absent or null, for `deserialize_with`.
///
/// # Errors
/// Anything but an object of that form.
pub fn optional_object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    source: D,
) -> Result<Option<T>, D::Error> {
    Ok(Option::<Object<T>>::deserialize(source)?.map(|Object(value)| value))
}

/// Writes a value as the text that it displays, without making a string of it first.
#[derive(Debug, Clone, Copy)]
pub struct Shown<T>(pub T);

impl<T: fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, target: S) -> Result<S::Ok, S::Error> {
        target.collect_str(&self.0)
    }
}

/// Which page of a listing.
#[derive(Debug, Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// Items of the page, 1 to 200; 50 if absent.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// Reads which page is wanted: how many rows, and after which.
///
/// # Errors
/// A limit out of bounds, or a cursor that no page gave.
pub fn page_of<K: std::str::FromStr>(
    limit: Option<u32>,
    cursor: Option<&str>,
) -> Result<(u32, Option<K>), Problem> {
    let limit = limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Problem::bad_request("invalid_request", format!("`limit`: 1 to {PAGE_MAX}.")));
    }
    let parse = |text: &str| {
        let detail = "`cursor`: use the `next_cursor` of an earlier page.";
        text.parse().map_err(|_| Problem::bad_request("invalid_request", detail))
    };
    Ok((limit, cursor.map(parse).transpose()?))
}

/// One page of a listing.
#[derive(Debug, Serialize, ToSchema)]
pub struct Listing<T> {
    /// The items, in the order that the listing has.
    pub items: Vec<T>,
    /// What to ask for the next page with; null on the last.
    pub next_cursor: Option<String>,
}

impl<T> Listing<T> {
    /// The page from one row more than it shows, which tells whether there is another.
    #[must_use]
    pub fn of<R>(mut rows: Vec<R>, limit: u32, cursor: impl Fn(&R) -> String, item: impl Fn(R) -> T) -> Self {
        let shown = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > shown;
        rows.truncate(shown);
        let next_cursor = if more { rows.last().map(cursor) } else { None };
        Self { items: rows.into_iter().map(item).collect(), next_cursor }
    }
}

/// What became of a change that takes authority away.
#[derive(Debug, Serialize, ToSchema)]
pub struct Revocation {
    /// `complete`: no node accepts any more what was revoked. `revoking`: some node may, for a bounded time.
    #[schema(example = "complete")]
    pub state: &'static str,
    /// The change, for `GET /v1/changes/{change}`; null where there was nothing left to revoke.
    pub change: Option<String>,
    /// The nodes that said so.
    pub acknowledged_by: Vec<String>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
}

impl Revocation {
    /// What became of the change, if it took authority away.
    #[must_use]
    pub fn of(change: &ChangeMade) -> Option<Self> {
        change.revokes.then(|| Self::state_of(change))
    }

    /// What became of the change, whatever it did.
    #[must_use]
    pub fn state_of(change: &ChangeMade) -> Self {
        Self {
            state: "complete",
            change: change.id.map(|id| id.to_string()),
            acknowledged_by: change.acknowledged_by.clone(),
            elapsed_ms: change.elapsed_millis,
        }
    }
}

/// A record after a change, and what became of the authority that the change took away.
#[derive(Debug, Serialize, ToSchema)]
pub struct AfterChange<T> {
    /// The record.
    #[serde(flatten)]
    pub record: T,
    /// Present where the change took authority away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation: Option<Revocation>,
}

/// Something that is gone.
#[derive(Debug, Serialize, ToSchema)]
pub struct Deleted {
    /// What it was called: an identifier or a reference.
    pub id: String,
    /// Always true.
    #[schema(example = true)]
    pub deleted: bool,
    /// What became of the authority that went with it.
    pub revocation: Option<Revocation>,
}

impl Deleted {
    /// The answer to a deletion.
    #[must_use]
    pub fn of(id: impl ToString, change: &ChangeMade) -> Self {
        Self { id: id.to_string(), deleted: true, revocation: Revocation::of(change) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(parse_second("expires_at", text).ok().map(UnixSeconds::get), expect, "{text}");
        };
        check("1970-01-01T00:00:00Z", Some(0));
        check("2027-01-15T08:00:00Z", Some(1_800_000_000));
        check("2027-01-15T09:00:00+01:00", Some(1_800_000_000));
        check("2027-01-15T08:00:00.999Z", Some(1_800_000_000));
        check("1969-12-31T23:59:59Z", None);
        check("2600-01-01T00:00:00Z", Some(19_880_899_200));
        check("9999-12-31T23:59:59.999Z", Some(253_402_300_799));
        check("2027-01-15", None);
        check("tomorrow", None);
        assert_eq!(second(UnixSeconds::new(1_800_000_000).unwrap()), "2027-01-15T08:00:00Z");
        assert_eq!(time(Timestamp::from_millis(1_800_000_000_250)), "2027-01-15T08:00:00.25Z");
    }

    #[test]
    fn an_object_is_no_array_and_names_each_field_once() {
        #[derive(Debug, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Pair {
            a: u8,
            b: u8,
        }
        let read = |text: &str| serde_json::from_str::<Vec<Object<Pair>>>(text).map(|list| list.len());
        assert_eq!(read(r#"[{"a": 1, "b": 2}, {"b": 2, "a": 1}]"#).ok(), Some(2));
        for text in
            [r#"[[1, 2]]"#, r#"[{"a": 1, "a": 1, "b": 2}]"#, r#"[{"a": 1, "b": 2, "c": 3}]"#, "[null]", "[1]"]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn texts_have_each_name_once() {
        let read = |text: &str| serde_json::from_str::<Texts>(text).map(|texts| texts.0.len());
        assert_eq!(read(r#"{"a": "1", "b": ""}"#).ok(), Some(2));
        for text in [
            r#"{"a": "1", "a": "1"}"#,
            r#"{"a": "1", "\u0061": "2"}"#,
            r#"{"a": 1}"#,
            r#"[["a", "1"]]"#,
            "null",
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(!error.contains("`a`"), "{text}: {error}");
        }
    }

    #[test]
    fn pages() {
        let page = |limit| Listing::of(vec![1, 2, 3], limit, ToString::to_string, |row| row);
        assert_eq!((page(3).items.len(), page(3).next_cursor), (3, None));
        assert_eq!((page(2).items, page(2).next_cursor), (vec![1, 2], Some("2".to_owned())));
        assert!(page_of::<u32>(Some(0), None).is_err() && page_of::<u32>(Some(201), None).is_err());
        assert!(page_of::<u32>(None, Some("x")).is_err());
        assert_eq!(page_of::<u32>(None, Some("7")).unwrap(), (50, Some(7)));
    }
}
