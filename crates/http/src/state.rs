//! What the HTTP edge shares between requests.

use std::net::IpAddr;
use std::sync::Arc;

use claviger_authority::Authority;
use ipnet::IpNet;

use crate::api::GithubKey;
use crate::metrics::Metrics;

/// What every handler is given. Clones are the same state.
#[derive(Clone)]
pub struct AppState {
    /// The authority.
    pub authority: Authority,
    /// Settings of the edge.
    pub edge: Arc<EdgeSettings>,
    /// Counters.
    pub metrics: Metrics,
}

/// Settings of the edge.
#[derive(Debug, Clone, Default)]
pub struct EdgeSettings {
    /// Proxies whose `X-Forwarded-*` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The address under which people reach the API, without a slash at its end. Problem types lead there.
    pub public_url: String,
    /// Public keys with which GitHub signs its reports of leaked keys.
    pub github_keys: Vec<GithubKey>,
}

impl EdgeSettings {
    /// Whether this peer is a proxy that ends TLS for us.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_proxies.iter().any(|block| block.contains(&peer))
    }
}
