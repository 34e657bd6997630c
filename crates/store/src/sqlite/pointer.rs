//! What a change row says of what it touched: a JSON list of `kind:name`. It points to records rather than
//! repeating them; only what is gone is named in full.

use claviger_core::change::ChangeItem;
use claviger_core::id::{AccountId, KeyId, ProjectId, TeamId};
use claviger_core::key::Digest;
use claviger_core::resource::ResourceRef;

use super::row::hex;

/// One thing that a change touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pointer {
    Key(KeyId),
    KeyGone(Digest),
    Account(AccountId),
    Team(TeamId),
    Project(ProjectId),
    Resource(ResourceRef),
    ResourceGone(ResourceRef),
    /// Every key of this import.
    Import(u64),
}

/// The text of an item.
pub(super) fn text(item: &ChangeItem) -> String {
    match item {
        ChangeItem::Key(_, entry) => format!("key:{}", entry.id),
        ChangeItem::KeyGone(digest) => format!("key-gone:{}", hex(digest.as_bytes())),
        ChangeItem::Account(account) => format!("account:{}", account.id),
        ChangeItem::Team(team) => format!("team:{}", team.id),
        ChangeItem::Project(project) => format!("project:{}", project.id),
        ChangeItem::Resource(resource) => format!("resource:{}", resource.reference),
        ChangeItem::ResourceGone(reference) => format!("resource-gone:{reference}"),
    }
}

/// The text of everything that an import made.
pub(super) fn import_text(import: u64) -> String {
    format!("import:{import}")
}

/// Reads it back.
pub(super) fn parse(text: &str) -> Option<Pointer> {
    let (kind, name) = text.split_once(':')?;
    Some(match kind {
        "key" => Pointer::Key(name.parse().ok()?),
        "key-gone" => Pointer::KeyGone(digest(name)?),
        "account" => Pointer::Account(name.parse().ok()?),
        "team" => Pointer::Team(name.parse().ok()?),
        "project" => Pointer::Project(name.parse().ok()?),
        "resource" => Pointer::Resource(ResourceRef::parse(name).ok()?),
        "resource-gone" => Pointer::ResourceGone(ResourceRef::parse(name).ok()?),
        "import" => Pointer::Import(name.parse().ok()?),
        _ => return None,
    })
}

/// Reads the digits of a digest.
pub(super) fn digest(text: &str) -> Option<Digest> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(Digest::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_back() {
        let reference = ResourceRef::parse("notebook:a").unwrap();
        let digest = Digest::of("x");
        assert_eq!(parse(&text(&ChangeItem::KeyGone(digest))), Some(Pointer::KeyGone(digest)));
        let gone = text(&ChangeItem::ResourceGone(reference.clone()));
        assert_eq!(parse(&gone), Some(Pointer::ResourceGone(reference)));
        assert_eq!(parse(&import_text(7)), Some(Pointer::Import(7)));
        for wrong in ["", "import:-1", "key", "key:", "key:1", "key-gone:00", "resource:team:1", "else:1"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
