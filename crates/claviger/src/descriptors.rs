//! File descriptors: every connection takes one, and a process that has none left answers nobody. Each listener
//! gets its own share, so that slow connections on one of them never silence the others.

use anyhow::Context as _;
use claviger_http::gate::proxy::ProxyLimits;
use claviger_http::serve::ServeLimits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are open without any connection: the database with its log for each thread that reads it, the
/// journal, listeners, the runtime's own, standard streams, and what a backup or a compaction opens meanwhile.
const OWN: u64 = 64;
/// What the API leaves to the gateway and the admin listener, however few there are.
const KEPT_FROM_API: u64 = 64;
/// For health and metrics: a probe, a scraper, and somebody who looks.
const ADMIN: u64 = 16;
/// Below this, there would be next to nothing for connections.
const OPEN_FILES_MIN: u64 = 192;
/// Connections of one listener at most, whatever the limit.
const CONNECTIONS_MAX: u64 = 16_384;

/// How many connections each listener may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// Of the API.
    pub api: usize,
    /// Of the admin listener.
    pub admin: usize,
    /// Of the gateway, from clients.
    pub gateway: usize,
    /// Of the gateway, to applications, for requests under way.
    pub upstream: usize,
    /// Of the gateway, to applications, unused; all applications together.
    pub upstream_idle: usize,
}

impl Shares {
    /// The shares of a process that may have so many files open.
    fn of(open_files: u64) -> Self {
        let available = open_files.saturating_sub(OWN);
        let api = (available.saturating_sub(KEPT_FROM_API) / 2).min(CONNECTIONS_MAX);
        let gateway = available.saturating_sub(ADMIN + api) / 3;
        let connections = |number: u64| usize::try_from(number.clamp(1, CONNECTIONS_MAX)).unwrap_or(1);
        Self {
            api: connections(api),
            admin: connections(ADMIN),
            gateway: connections(gateway),
            upstream: connections(gateway),
            upstream_idle: connections(gateway),
        }
    }

    /// The limits of a listener with a share.
    #[must_use]
    pub fn listener(connections_max: usize) -> ServeLimits {
        ServeLimits { connections_max, ..ServeLimits::default() }
    }

    /// The limits of the proxy in front of so many applications.
    #[must_use]
    pub fn proxy(&self, upstreams: usize) -> ProxyLimits {
        let limits = ProxyLimits::default();
        let idle = (self.upstream_idle / upstreams.max(1)).max(1);
        ProxyLimits {
            requests_in_all_max: self.upstream,
            idle_connections_max: limits.idle_connections_max.min(idle),
            ..limits
        }
    }
}

/// Raises the soft limit of open files to the hard one, and divides what there is.
///
/// # Errors
/// There are too few to serve anybody.
pub fn shares() -> anyhow::Result<Shares> {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Where it cannot be raised, what there is has to do.
    let raised = limit.current == limit.maximum || setrlimit(Resource::Nofile, wanted).is_ok();
    let open_files = if raised { limit.maximum } else { limit.current }.unwrap_or(u64::MAX);
    if open_files < OPEN_FILES_MIN {
        return Err(anyhow::anyhow!(
            "this process may open {open_files} files, and needs at least {OPEN_FILES_MIN}; set `LimitNOFILE=65536` in the unit, `--ulimit nofile=65536` for a container, or `ulimit -Hn 65536`"
        ))
        .context("the limit of open files");
    }
    let shares = Shares::of(open_files);
    tracing::debug!(open_files, ?shares, "connections of each listener");
    Ok(shares)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_never_exceed_the_limit_and_keep_some_for_each() {
        for open_files in [192, 256, 1_024, 4_096, 65_536, 1_048_576, u64::MAX] {
            let shares = Shares::of(open_files);
            let Shares { api, admin, gateway, upstream, upstream_idle } = shares;
            let others = (admin + gateway + upstream + upstream_idle) as u64;
            assert!(OWN + api as u64 + others <= open_files, "{open_files}: {shares:?}");
            assert!(others + 3 >= KEPT_FROM_API, "{open_files}: {shares:?}");
            assert!(api >= 16 && gateway >= 16, "{open_files}: {shares:?}");
        }
        assert_eq!(Shares::of(1_048_576).api, 16_384);
        let two = Shares::of(256).proxy(2);
        assert_eq!((two.requests_in_all_max, two.idle_connections_max), (37, 18));
    }
}
