//! An authority on a real file, and accounts for its keys.

#![expect(clippy::expect_used, reason = "nothing can be measured without")]

use std::path::PathBuf;

use claviger_authority::accounts::NewAccount;
use claviger_authority::keys::NewKey;
use claviger_authority::ports::Ports;
use claviger_authority::settings::Settings;
use claviger_authority::{Authority, Caller, CallerCredential, SqliteOptions};
use claviger_core::AccountId;
use claviger_core::history::Origin;
use claviger_core::key::{CreatedVia, Metadata, PresentedKey};
use claviger_core::name::{ExternalId, Name};
use claviger_core::restriction::Restrictions;
use claviger_core::scope::ScopeSet;

pub const OPERATOR: &str = "operator-key-0123456789abcdefghijklmnop";
/// Enough that none of them comes near the limit of its keys.
const ACCOUNTS: usize = 1_000;

pub struct House {
    pub authority: Authority,
    pub accounts: Vec<AccountId>,
    pub operator: Caller,
}

impl House {
    pub async fn open(path: PathBuf) -> Self {
        let folder = path.parent().expect("a folder").to_owned();
        let opened = Authority::open(SqliteOptions::at(path), Settings::default(), Ports::system()).await;
        let authority = opened.expect("a store");
        authority.first_start(&folder, Some(OPERATOR.to_owned())).await.expect("an operator");
        let operator = Caller {
            credential: authority.identify(PresentedKey::parse(OPERATOR).ok()),
            address: "192.0.2.1".parse().ok(),
            web_origin: None,
            origin: Origin::Api,
            request_id: Some("req_0123456789abcdef0123456789".into()),
            named: claviger_authority::NamedByCaller::default(),
        };
        let mut accounts = Vec::with_capacity(ACCOUNTS);
        for n in 0..ACCOUNTS {
            let external_id = ExternalId::parse(&n.to_string()).ok();
            let new = NewAccount { external_id, ..NewAccount::default() };
            let made = authority.create_account(&operator, new).await;
            accounts.push(made.expect("an account").value.account.id);
        }
        Self { authority, accounts, operator }
    }

    /// Somebody who is signed in.
    pub fn account(&self, n: usize) -> Caller {
        Caller { credential: CallerCredential::Account(self.accounts[n]), ..self.operator.clone() }
    }

    pub async fn close(self) {
        self.authority.close().await.expect("an end");
    }
}

/// A key of an account.
pub fn new_key(account: AccountId) -> NewKey {
    NewKey {
        name: Name::parse("CI runner").expect("a name"),
        subject: claviger_core::Subject::Account(account),
        scopes: Some(ScopeSet::parse(["notebook:read", "run:create"]).expect("scopes")),
        expires_at: None,
        format: None,
        restrictions: Restrictions::default(),
        metadata: Metadata::default(),
        via: CreatedVia::Api,
    }
}
