//! An authority for a test, and stand-ins.

use std::sync::Arc;
use std::time::Duration;

use claviger_authority::ports::Ports;
use claviger_authority::settings::Settings;
use claviger_authority::{Authority, SqliteOptions};
use claviger_client::{Client, NewAccount};
use claviger_http::api::ApiService;
use claviger_http::metrics::Metrics;
use claviger_http::serve::{ServeLimits, serve};
use claviger_http::state::{AppState, EdgeSettings};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(crate) const OPERATOR_KEY: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCD";

/// An authority with its API on a free port. It ends with the test.
pub(crate) struct Running {
    pub(crate) authority: Authority,
    pub(crate) url: String,
    pub(crate) state: AppState,
    /// The description of its API.
    pub(crate) description: serde_json::Value,
    stop: CancellationToken,
    _folder: TempDir,
}

impl Running {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteOptions::at(folder.path().join("claviger.sqlite"));
        let authority = Authority::open(options, Settings::default(), Ports::system()).await.unwrap();
        authority.first_start(folder.path(), Some(OPERATOR_KEY.to_owned())).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let edge = EdgeSettings { public_url: url.clone(), ..EdgeSettings::default() };
        let state =
            AppState { authority: authority.clone(), edge: Arc::new(edge), metrics: Metrics::default() };
        let description = serde_json::to_value(claviger_http::api::router(state.clone()).1).unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(serve(
            listener,
            ServeLimits::default(),
            ApiService::new(state.clone()),
            stop.clone(),
            Duration::from_secs(1),
        ));
        Self { authority, url, state, description, stop, _folder: folder }
    }

    pub(crate) fn operator(&self) -> Client {
        Client::builder(&self.url).key(OPERATOR_KEY).build().unwrap()
    }

    pub(crate) async fn account(&self) -> String {
        self.another_account("ada").await
    }

    pub(crate) async fn another_account(&self, external_id: &str) -> String {
        let new = NewAccount { external_id: Some(external_id.to_owned()), ..NewAccount::default() };
        self.operator().accounts().create(&new).await.unwrap().id
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
