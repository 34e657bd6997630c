//! Keys, accounts and notebooks to look up.

use std::sync::Arc;

use claviger_authority::index::{Index, Loader};
use claviger_core::Subject;
use claviger_core::change::{ChangeItem, Sequence};
use claviger_core::id::{AccountId, KeyId};
use claviger_core::key::{Digest, Formats, KeyEntry, KeyFormat, Rights};
use claviger_core::lifecycle::Status;
use claviger_core::principal::Account;
use claviger_core::resource::{Owner, Resource, ResourceRef, Visibility};
use claviger_core::restriction::Restrictions;
use claviger_core::scope::ScopeSet;
use claviger_core::selector::Version;
use claviger_store::LoadVisitor;

use crate::Built;

const PREFIX: &str = "sk_";
const TEXT_BYTES: usize = 41;
/// Texts kept to look up, at most: among more keys a random part of them.
const TEXTS_MAX: u64 = 1_000_000;
const KEYS_PER_ACCOUNT: u64 = 4;
const ACCOUNTS_MAX: u64 = 1_000_000;
const SCOPES: [&str; 4] = ["notebook:read", "notebook:read run:read", "*:read run:create", "notebook:*"];

/// The index and what is looked up in it.
pub struct World {
    pub index: Arc<Index>,
    pub formats: Formats,
    pub accounts: u64,
    /// The first keys made; digests are random, so these lie all over the index.
    texts: Vec<u8>,
    digests: Vec<Digest>,
    notebooks: Vec<u8>,
    notebook_bytes: usize,
}

impl World {
    /// An index of so many keys, and what it took to build it.
    #[expect(clippy::expect_used, reason = "nothing can be measured without")]
    pub fn new(keys: u64) -> (Self, Built) {
        let formats = Formats::new(vec![("account".into(), format())], []);
        let accounts = (keys / KEYS_PER_ACCOUNT).clamp(1, ACCOUNTS_MAX);
        let mut world = Self {
            index: Arc::new(Index::default()),
            formats,
            accounts,
            texts: Vec::new(),
            digests: Vec::new(),
            notebooks: Vec::new(),
            notebook_bytes: notebook(0).len(),
        };
        let mut all = Vec::with_capacity(keys as usize);
        for n in 0..keys {
            let text = text(n);
            let digest = Digest::of(&text);
            if n < TEXTS_MAX {
                world.texts.extend(text.bytes());
                world.digests.push(digest);
                world.notebooks.extend(notebook(n % accounts).bytes());
            }
            all.push((digest, n));
        }
        all.sort_unstable_by_key(|(digest, _)| *digest);
        let scopes = SCOPES.map(set);
        let built = Built::of(|| {
            let mut loader = Loader::new(world.index.clone());
            loader.key_count(keys);
            for (digest, n) in &all {
                loader.key(*digest, entry(*n, accounts, &scopes));
            }
            loader.finish(Sequence(1)).expect("distinct digests");
        });
        world.fill();
        (world, built)
    }

    fn fill(&self) {
        for n in 0..self.accounts {
            let id = AccountId::from_bits(mixed(n).into());
            self.index.put(ChangeItem::Account(Account { id, external_id: None, closed: false }));
            let Ok(reference) = ResourceRef::parse(&notebook(n)) else { continue };
            self.index.put(ChangeItem::Resource(Resource {
                reference,
                owner: Owner::Account(id),
                creator: Some(id),
                visibility: Visibility::Private,
                latest: Version::FIRST,
                references: Box::default(),
            }));
        }
    }

    pub fn texts(&self) -> usize {
        self.digests.len()
    }

    pub fn text(&self, at: usize) -> &str {
        str::from_utf8(&self.texts[at * TEXT_BYTES..][..TEXT_BYTES]).unwrap_or_default()
    }

    pub fn digest(&self, at: usize) -> &Digest {
        &self.digests[at]
    }

    pub fn digests(&self, from: usize, count: usize) -> &[Digest] {
        &self.digests[from..from + count]
    }

    /// The notebook of the account that the key stands for.
    pub fn notebook(&self, at: usize) -> &str {
        str::from_utf8(&self.notebooks[at * self.notebook_bytes..][..self.notebook_bytes]).unwrap_or_default()
    }

    pub fn scopes(&self, n: u64) -> ScopeSet {
        set(SCOPES[(n % 4) as usize])
    }

    pub fn new_key(&self, n: u64) -> ChangeItem {
        ChangeItem::Key(Digest::of(&text(n)), entry(n, self.accounts, &SCOPES.map(set)))
    }
}

fn format() -> KeyFormat {
    #[expect(clippy::expect_used, reason = "a constant")]
    KeyFormat::new(PREFIX, TEXT_BYTES, true).expect("a good format")
}

fn set(text: &str) -> ScopeSet {
    ScopeSet::parse(text.split(' ')).unwrap_or_default()
}

/// The text of a key, the same each time.
fn text(n: u64) -> String {
    let mut seed = n << 20;
    let secret = format().mint(|buffer| {
        for chunk in buffer.chunks_mut(8) {
            seed += 1;
            chunk.copy_from_slice(&mixed(seed).to_le_bytes()[..chunk.len()]);
        }
    });
    secret.expose().to_owned()
}

fn notebook(account: u64) -> String {
    format!("notebook:{:016x}", mixed(account))
}

fn entry(n: u64, accounts: u64, scopes: &[ScopeSet; 4]) -> KeyEntry {
    KeyEntry {
        id: KeyId::from_bits(u128::from(mixed(n)) + 1),
        status: Status::Active,
        rights: Rights {
            subject: Subject::Account(AccountId::from_bits(mixed(n % accounts).into())),
            scopes: scopes[(n % 4) as usize].clone(),
            expires_at: None,
            restrictions: Restrictions::default(),
        },
    }
}

/// SplitMix64's output: different for different numbers.
fn mixed(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
