//! Keys as people see them.

use claviger_client::{Key, Restrictions, Revocation, Status, Timestamp};

use super::style::{Colour, Styled};
use super::table::{Fields, Table};
use super::when::short;

/// A table of keys.
#[must_use]
pub fn key_table(keys: &[Key]) -> Table {
    let mut table =
        Table::new(&["ID", "NAME", "KEY", "FOR", "STATUS", "CREATED (UTC)", "LAST USED", "EXPIRES"]);
    for key in keys {
        table.row(key_row(key));
    }
    table
}

fn key_row(key: &Key) -> Vec<Styled> {
    vec![
        key.id.as_str().into(),
        key.name.as_str().into(),
        key.preview.as_str().into(),
        stands_for(key).into(),
        status(&key.status),
        short(key.created_at).into(),
        or_never(key.last_used_at),
        or_never(key.expires_at),
    ]
}

/// A key with everything that is known of it.
#[must_use]
pub fn key_fields(key: &Key) -> Fields {
    let mut fields = Fields::default();
    fields.add("Id", &key.id);
    fields.add("Name", &key.name);
    fields.add("Key", &key.preview);
    fields.add("For", stands_for(key));
    fields.add("Scopes", or_dim(&key.scopes.join(" "), "none: it may do nothing"));
    if let Some(grants) = &key.grants {
        fields.add("Grants", or_dim(&grants.join(" "), "none"));
    }
    fields.add("Status", status(&key.status));
    fields.add("Expires", or_never(key.expires_at));
    fields.add("Created", format!("{} by {} via {}", short(key.created_at), key.created_by, key.created_via));
    let from = key.last_used_from.as_ref().map(|from| format!(" from {from}")).unwrap_or_default();
    let used = key.last_used_at.map(|at| Styled::from(format!("{}{from}", short(at))));
    fields.add("Last used", used.unwrap_or_else(|| or_never(None)));
    if let Some(replaces) = &key.replaces {
        fields.add("Replaces", replaces);
    }
    for (name, value) in restrictions(&key.restrictions) {
        fields.add(name, value);
    }
    if !key.metadata.is_empty() {
        let pairs = key.metadata.iter().map(|(name, value)| format!("{name}={value}"));
        fields.add("Metadata", pairs.collect::<Vec<_>>().join(", "));
    }
    fields
}

/// What became of a change that took authority away.
#[must_use]
pub fn revoked(revocation: &Revocation) -> String {
    match revocation.state.as_str() {
        "complete" => format!("Refused everywhere from now on (took {} ms).", revocation.elapsed_ms),
        state => {
            format!("Not refused everywhere yet ({state}); {} knows how it goes on.", change(revocation))
        }
    }
}

fn change(revocation: &Revocation) -> String {
    revocation.change.as_ref().map_or("the subject".to_owned(), |id| format!("GET /v1/changes/{id}"))
}

fn stands_for(key: &Key) -> String {
    format!("{}{}", key.subject, key.versions.as_deref().unwrap_or_default())
}

fn status(status: &Status) -> Styled {
    match status {
        Status::Active => Styled::new("active", Colour::Green),
        Status::Disabled => Styled::new("disabled", Colour::Yellow),
        Status::Retired => Styled::new("retired", Colour::Red),
        Status::Expired => Styled::new("expired", Colour::Red),
        Status::Other(other) => other.as_str().into(),
        other => format!("{other:?}").into(),
    }
}

fn or_never(at: Option<Timestamp>) -> Styled {
    at.map_or_else(|| Styled::new("never", Colour::Dim), |at| short(at).into())
}

fn or_dim(text: &str, otherwise: &str) -> Styled {
    if text.is_empty() { Styled::new(otherwise, Colour::Dim) } else { text.into() }
}

fn restrictions(restrictions: &Restrictions) -> Vec<(&'static str, String)> {
    let list =
        |texts: &Vec<String>| if texts.is_empty() { "none at all".to_owned() } else { texts.join(", ") };
    let rate = restrictions
        .rate
        .map(|rate| format!("at most {} requests in {} seconds", rate.limit, rate.period_seconds));
    let quota = restrictions
        .quota
        .as_ref()
        .map(|quota| format!("at most {} requests in a {}", quota.limit, quota.period));
    let lines = [
        ("Addresses", restrictions.addresses.as_ref().map(list)),
        ("Origins", restrictions.origins.as_ref().map(list)),
        ("Rate", rate),
        ("Quota", quota),
    ];
    lines.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}
