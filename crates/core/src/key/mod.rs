//! Keys: their text and its formats, their digest and preview, and their record.

mod accept;
mod format;
mod record;
mod text;
mod view;

pub use accept::{UnacceptableKey, is_digest_of_nothing};
pub use format::{FormatError, FormatName, Formats, KeyFormat};
pub use record::{
    Actor, CreatedVia, Effect, KeyEntry, KeyPatch, KeyRecord, Metadata, MetadataError, PatchError, Rights,
};
pub use text::{Digest, KeySecret, MalformedKey, PresentedKey, Preview};
pub use view::{KeyView, RightsView};
