//! What teams write by hand: axum, a table of hashes, and a SELECT for each request.
//!
//! `select PORT THREADS sqlite PATH | postgres URL`; makes and fills its table with 100,000 keys first, one
//! of which it prints behind its address.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use r2d2_sqlite::SqliteConnectionManager;
use serde::Serialize;
use sha2::{Digest, Sha256};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const KEYS: u32 = 100_000;
const SELECT: &str = "SELECT id, owner, scopes, disabled, expires_at FROM api_keys WHERE hash = $1";

enum Store {
    Sqlite(r2d2::Pool<SqliteConnectionManager>),
    Postgres(deadpool_postgres::Pool),
}

#[derive(Serialize)]
struct Answer {
    valid: bool,
    key_id: i64,
    owner: String,
    scopes: String,
}

fn key(n: u32) -> String {
    format!("sk_bench{n:032}")
}

fn hash(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}

async fn verify(State(store): State<Arc<Store>>, headers: HeaderMap) -> Response {
    let key = headers.get("authorization").and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
    let Some(key) = key else { return StatusCode::UNAUTHORIZED.into_response() };
    let hash = hash(key);
    let row = match &*store {
        Store::Sqlite(pool) => {
            // A read of a few pages in memory: handing it to another thread would cost more than it takes.
            let connection = pool.get().expect("a connection");
            let mut statement = connection.prepare_cached(SELECT).expect("the statement");
            statement.query_row([hash], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, bool>(3)?))).ok()
        }
        Store::Postgres(pool) => {
            let client = pool.get().await.expect("a connection");
            let statement = client.prepare_cached(SELECT).await.expect("the statement");
            let row = client.query_opt(&statement, &[&hash]).await.expect("an answer");
            row.map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
        }
    };
    match row {
        Some((key_id, owner, scopes, false)) => Json(Answer { valid: true, key_id, owner, scopes }).into_response(),
        _ => StatusCode::UNAUTHORIZED.into_response(),
    }
}

fn sqlite(path: &str) -> Store {
    let manager = SqliteConnectionManager::file(path)
        .with_init(|c| c.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-65536;"));
    let pool = r2d2::Pool::builder().max_size(8).build(manager).expect("a pool");
    let mut connection = pool.get().expect("a connection");
    connection
        .execute_batch("CREATE TABLE IF NOT EXISTS api_keys (id INTEGER PRIMARY KEY, hash BLOB UNIQUE, owner TEXT, scopes TEXT, disabled INTEGER, expires_at INTEGER)")
        .expect("a table");
    let transaction = connection.transaction().expect("a transaction");
    for n in 0..KEYS {
        let sql = "INSERT OR IGNORE INTO api_keys (hash, owner, scopes, disabled) VALUES (?1, ?2, '*:read', 0)";
        transaction.prepare_cached(sql).expect("sql").execute((hash(&key(n)), format!("acct_{n}"))).expect("a row");
    }
    transaction.commit().expect("a commit");
    drop(connection);
    Store::Sqlite(pool)
}

async fn postgres(url: &str) -> Store {
    let config = url.parse().expect("a URL");
    let pool = deadpool_postgres::Pool::builder(deadpool_postgres::Manager::new(config, tokio_postgres::NoTls));
    let pool = pool.max_size(16).build().expect("a pool");
    let client = pool.get().await.expect("a connection");
    client
        .batch_execute("CREATE TABLE IF NOT EXISTS api_keys (id BIGSERIAL PRIMARY KEY, hash BYTEA UNIQUE, owner TEXT, scopes TEXT, disabled BOOLEAN, expires_at BIGINT)")
        .await
        .expect("a table");
    let hashes = (0..KEYS).map(|n| hash(&key(n))).collect::<Vec<_>>();
    let sql = "INSERT INTO api_keys (hash, owner, scopes, disabled) SELECT h, 'acct', '*:read', false FROM UNNEST($1::bytea[]) h ON CONFLICT DO NOTHING";
    client.execute(sql, &[&hashes]).await.expect("rows");
    client.batch_execute("ANALYZE api_keys").await.expect("statistics");
    Store::Postgres(pool)
}

fn main() {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let [port, threads, kind, place] = &arguments[..] else { panic!("select PORT THREADS sqlite|postgres PLACE") };
    let threads = threads.parse().expect("a number");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().expect("threads");
    runtime.block_on(async {
        let store = if kind == "sqlite" { sqlite(place) } else { postgres(place).await };
        let router = Router::new().route("/", get(verify)).with_state(Arc::new(store));
        let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await.expect("the port is free");
        println!("http://{} {}", listener.local_addr().expect("an address"), key(4711));
        axum::serve(listener, router).await.expect("serving");
    });
}
