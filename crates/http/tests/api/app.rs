//! A Claviger for one test: a real authority on a real store in a folder of its own, with a clock that
//! stands still and randomness that repeats itself.

use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use claviger_authority::ports::{Clock, Ports, Random};
use claviger_authority::settings::Settings;
use claviger_authority::{Authority, Disk, DiskFaults, DiskOperation, SqliteOptions};
use claviger_core::Timestamp;
use claviger_http::api::ApiService;
use claviger_http::metrics::Metrics;
use claviger_http::serve::Peer;
use claviger_http::state::{AppState, EdgeSettings};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tempfile::TempDir;

use crate::described;

/// The operator key of every test.
pub const OPERATOR: &str = "operator-0123456789-abcdefghijklmnop";
/// 2027-01-15T08:00:00Z
pub const START: i64 = 1_800_000_000_000;

pub struct TestApp {
    pub service: ApiService,
    pub state: AppState,
    clock: Arc<StillClock>,
    _folder: TempDir,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

struct StillClock(AtomicI64);

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn uptime(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed).unsigned_abs())
    }
}

/// A disk on which operations of some kinds fail, for as long as they are named here: so many of each.
#[derive(Clone, Default)]
pub struct Breakable(Arc<Mutex<Vec<(DiskOperation, u32)>>>);

impl Breakable {
    /// Lets so many operations of each kind succeed, and has those that follow fail.
    pub fn breaks(&self, operations: &[(DiskOperation, u32)]) {
        *self.0.lock().unwrap() = operations.to_vec();
    }
}

impl DiskFaults for Breakable {
    fn before(&self, operation: DiskOperation, _: &Path) -> std::io::Result<()> {
        let mut broken = self.0.lock().unwrap();
        let Some((_, left)) = broken.iter_mut().find(|(kind, _)| *kind == operation) else { return Ok(()) };
        match *left {
            0 => Err(std::io::Error::other("the simulated disk fails")),
            _ => {
                *left -= 1;
                Ok(())
            }
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): every test sees the same bytes.
struct Seeded(AtomicU64);

impl Random for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let mut word = self
                .0
                .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
                .wrapping_add(0x9e37_79b9_7f4a_7c15);
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(word ^ (word >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

impl TestApp {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// One whose edge is set differently.
    pub async fn with(set: impl FnOnce(&mut EdgeSettings)) -> Self {
        Self::build(Disk::default(), set).await
    }

    /// One on a disk that may fail.
    pub async fn on(disk: &Breakable) -> Self {
        Self::build(Disk::with_faults(disk.clone()), |_| {}).await
    }

    /// One on a disk that a test watches.
    pub async fn on_disk(disk: Disk) -> Self {
        Self::build(disk, |_| {}).await
    }

    async fn build(disk: Disk, set: impl FnOnce(&mut EdgeSettings)) -> Self {
        let folder = TempDir::new().unwrap();
        let clock = Arc::new(StillClock(AtomicI64::new(START)));
        let ports = Ports { clock: clock.clone(), random: Arc::new(Seeded(AtomicU64::new(1))) };
        let options = SqliteOptions { disk, ..SqliteOptions::at(folder.path().join("claviger.db")) };
        let authority = Authority::open(options, Settings::default(), ports).await.unwrap();
        authority.first_start(folder.path(), Some(OPERATOR.to_owned())).await.unwrap();
        let mut edge =
            EdgeSettings { public_url: "https://keys.example".to_owned(), ..EdgeSettings::default() };
        set(&mut edge);
        let state = AppState { authority, edge: Arc::new(edge), metrics: Metrics::default() };
        let service = ApiService::new(state.clone());
        described::read(&service).await;
        Self { service, state, clock, _folder: folder }
    }

    /// Lets time pass.
    pub fn advance(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    /// The store's latest change: what was denied has not moved it.
    pub async fn sequence(&self) -> u64 {
        self.state.authority.ready().unwrap().0
    }

    /// Sends a request from this machine, and looks at what every answer has to have.
    pub async fn send(&self, mut request: Request<Body>) -> Answer {
        let local = "127.0.0.1:8080".parse().unwrap();
        let peer = Peer { address: "127.0.0.1:50000".parse().unwrap(), local, tls: false };
        request.extensions_mut().insert(peer);
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let (parts, body) = self.service.answer(request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let answer = Answer { status: parts.status, headers: parts.headers, body };
        answer.is_as_all_are();
        described::check(method.as_str(), &path, answer.status.as_u16());
        answer
    }

    /// Sends a request with a key in `X-API-Key` and a JSON body.
    pub async fn call(&self, method: &str, path: &str, key: Option<&str>, body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        let request = match body {
            None => request.body(Body::empty()),
            Some(body) => {
                request.header("content-type", "application/json").body(Body::from(body.to_string()))
            }
        };
        self.send(request.unwrap()).await
    }

    pub async fn get(&self, key: &str, path: &str) -> Answer {
        self.call("GET", path, Some(key), None).await
    }

    pub async fn post(&self, key: &str, path: &str, body: Value) -> Answer {
        self.call("POST", path, Some(key), Some(body)).await
    }

    pub async fn patch(&self, key: &str, path: &str, body: Value) -> Answer {
        self.call("PATCH", path, Some(key), Some(body)).await
    }

    pub async fn put(&self, key: &str, path: &str, body: Value) -> Answer {
        self.call("PUT", path, Some(key), Some(body)).await
    }

    pub async fn delete(&self, key: &str, path: &str) -> Answer {
        self.call("DELETE", path, Some(key), None).await
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The JSON of an answer with this status.
    #[track_caller]
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// Checks that it is a problem with this status and code.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) {
        let body = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{body}");
        assert_eq!(self.json()["code"], code, "{body}");
    }

    /// Everything that a client can tell this answer from another by, but for the request id.
    pub fn fingerprint(&self) -> (u16, Vec<(String, Vec<u8>)>, Bytes) {
        let mut headers = self
            .headers
            .iter()
            .filter(|(name, _)| *name != "x-request-id")
            .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
            .collect::<Vec<_>>();
        headers.sort();
        (self.status.as_u16(), headers, self.body.clone())
    }

    fn is_as_all_are(&self) {
        assert_eq!(self.header("cache-control"), "no-store");
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        assert_eq!(self.header("referrer-policy"), "no-referrer");
        assert!(self.header("x-request-id").starts_with("req_"));
        let challenged = self.headers.contains_key("www-authenticate");
        assert_eq!(challenged, self.status == 401, "a 401 names the schemes, and nothing else does");
        if self.status.is_client_error() || self.status.is_server_error() {
            assert_eq!(self.header("content-type"), "application/problem+json");
            let problem = self.json();
            assert_eq!(problem["status"], self.status.as_u16());
            assert_eq!(problem["message"], problem["detail"]);
            let code = problem["code"].as_str().unwrap();
            assert_eq!(problem["type"], format!("https://keys.example/problems/{code}"));
            let known = claviger_http::problem::CODES.iter().any(|(known, _, _)| *known == code);
            assert!(known, "{code} has a page");
        }
    }
}
