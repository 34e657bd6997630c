//! `GET /api/v1/account`: who the caller is.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::app::Shared;
use crate::identity::Identity;

/// What the gateway says about the caller, and what the application knows of the account.
#[derive(Serialize)]
pub(crate) struct Account {
    account: Option<String>,
    /// Clients compare it with the address that their user typed.
    email: Option<&'static str>,
    subject: String,
    key_id: Option<String>,
    scopes: Vec<String>,
}

pub(crate) async fn show(State(shared): State<Arc<Shared>>, identity: Identity) -> Json<Account> {
    let Identity { account, subject, key_id, scopes, .. } = identity;
    let email = account.as_deref().and_then(|account| shared.people.email(account));
    Json(Account { account, email, subject, key_id, scopes })
}
