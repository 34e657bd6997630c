//! The routes of the sample application, as its operator would write them.

use std::net::SocketAddr;

use claviger_http::gate::RouteConfig;
use serde::Deserialize;

const ROUTES: &str = include_str!("routes.toml");

#[derive(Deserialize)]
struct File {
    routes: Vec<RouteConfig>,
}

/// The routes, leading to the sample application at this address.
///
/// # Errors
/// Never, unless `routes.toml` is wrong.
pub(super) fn routes(app: SocketAddr) -> Result<Vec<RouteConfig>, toml::de::Error> {
    let mut file: File = toml::from_str(ROUTES)?;
    for route in &mut file.routes {
        route.upstream = Some(format!("http://{app}"));
    }
    Ok(file.routes)
}
