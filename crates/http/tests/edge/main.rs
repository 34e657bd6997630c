//! The edge driven over real sockets: raw clients before it, raw upstreams that misbehave behind it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bodies;
mod events;
mod framing;
mod harness;
mod headers;
mod http2;
mod old_clients;
mod pool;
mod server;
mod timeouts;
mod tunnels;
