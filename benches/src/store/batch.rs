//! Verifications of keys that no cache of the processor holds, many in a request and one by one.

#![expect(clippy::expect_used, reason = "nothing can be measured without")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use claviger_http::api::ApiService;
use claviger_http::metrics::Metrics;
use claviger_http::serve::Peer;
use claviger_http::state::{AppState, EdgeSettings};
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use tokio::runtime::Runtime;

use crate::ROUNDS;
use crate::house::{House, OPERATOR};
use crate::import::text;
use crate::measure::Bench;

/// As many as a batch may have.
const BATCH: usize = 1_000;
/// From one key to the next, so that each comes up again only after all others. It is prime.
const STRIDE: u64 = 618_041;
const BATCHES: &str = "verify/batch of 1,000, keys";
const SINGLE: &str = "POST /v1/verify, keys";

/// Verifies imported keys, of which there are so many, without a network in between.
pub fn run(house: &House, runtime: &Runtime, keys: u64) {
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let state = AppState {
        authority: house.authority.clone(),
        edge: Arc::new(EdgeSettings::default()),
        metrics: Metrics::default(),
    };
    let service = ApiService::new(state).at(Peer { address, local: address, tls: true });
    let mut at = 0;
    let mut question = || {
        at = (at + STRIDE) % keys;
        format!(r#"{{"key":"{}"}}"#, text(at))
    };
    let ask = |path: &'static str, body: String, expect: usize| {
        let request = Request::post(path).header("content-type", "application/json");
        let request =
            request.header("x-api-key", OPERATOR).body(Full::new(Bytes::from(body))).expect("a request");
        runtime.block_on(async {
            let body =
                service.answer(request).await.into_body().collect().await.expect("an answer").to_bytes();
            let valid = body.windows(12).filter(|window| window == b"\"valid\":true").count();
            assert_eq!(valid, expect, "keys that were found");
        });
    };
    let mut bench = Bench::default();
    for _ in 0..ROUNDS {
        let mut until = |deadline: Instant, path, size: usize| {
            let mut done = 0;
            while Instant::now() < deadline {
                let questions = (0..size).map(|_| question()).collect::<Vec<_>>().join(",");
                let body = if size == 1 { questions } else { format!(r#"{{"requests":[{questions}]}}"#) };
                ask(path, body, size);
                done += size;
            }
            done
        };
        bench.time(BATCHES, |deadline| until(deadline, "/v1/verify/batch", BATCH));
        bench.time(SINGLE, |deadline| until(deadline, "/v1/verify", 1));
    }
    bench.print();
    bench.print_ratio(BATCHES, SINGLE);
}
