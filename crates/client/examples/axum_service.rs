//! A service of one's own, guarded by an authority. In one terminal:
//!
//! ```text
//! claviger serve
//! ```
//!
//! In another, with the operator key of that authority (or, better, a key with the scope `key:verify` alone):
//!
//! ```text
//! CLAVIGER_KEY=$(cat claviger-data/operator-key) cargo run -p claviger-client --example axum_service
//! curl -i http://127.0.0.1:8410/hello
//! curl -i -H "Authorization: Bearer $SOME_KEY" http://127.0.0.1:8410/hello
//! ```

use axum::routing::get;
use axum::{Extension, Router};
use claviger_client::{Client, Secret, Verified, VerifyLayer};
use tokio::net::TcpListener;

async fn hello(Extension(caller): Extension<Verified>) -> String {
    format!(
        "Hello, {}. Your key is {}, with the scopes {:?}.\n",
        caller.subject, caller.key_id, caller.scopes
    )
}

async fn health() -> &'static str {
    "ok\n"
}

/// Serves until the listener fails.
pub(crate) async fn serve(listener: TcpListener, authority: Client) -> std::io::Result<()> {
    let app = Router::new()
        .route("/hello", get(hello))
        .layer(VerifyLayer::new(authority))
        // Routes that are added after the layer are not guarded by it.
        .route("/health", get(health));
    axum::serve(listener, app).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("CLAVIGER_URL").unwrap_or_else(|_| "http://127.0.0.1:8400".to_owned());
    let key = Secret::new(std::env::var("CLAVIGER_KEY").unwrap_or_default());
    let authority = Client::builder(url).key(key).build()?;
    let listener = TcpListener::bind("127.0.0.1:8410").await?;
    eprintln!("listening on http://{}", listener.local_addr()?);
    Ok(serve(listener, authority).await?)
}
