//! What the demo prints: one JSON object for programs, or addresses and lines to try for people.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use claviger_demo::{CATALOG, Observer};
use serde_json::json;

use super::seed::Seeds;
use crate::server::Server;

/// One line of JSON that says where everything is.
pub(super) fn json(
    server: &Server,
    app: SocketAddr,
    operator_key: &str,
    seeds: &Seeds,
) -> anyhow::Result<()> {
    let line = json!({
        "api": format!("http://{}", server.api),
        "gateway": format!("http://{}", server.gateway),
        "admin": format!("http://{}", server.admin),
        "playground": format!("http://{}/playground", server.api),
        "application": format!("http://{app}"),
        "operator_key": operator_key,
        "accounts": seeds.accounts,
        "teams": seeds.teams,
        "projects": seeds.projects,
        "resources": CATALOG,
        "keys": seeds.keys,
    });
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Something to try: what it shows, the status to expect, and the line.
struct Try {
    what: &'static str,
    status: u16,
    line: String,
}

fn tries(server: &Server, app: SocketAddr, data: &Path, seeds: &Seeds) -> Vec<Try> {
    let (gateway, api) = (server.gateway, server.api);
    let keys = &seeds.keys;
    let notebook = CATALOG.private_notebook;
    let (team, open) = (CATALOG.team_notebook, CATALOG.public_notebook);
    let atlas = &seeds.projects.atlas.id;
    let operator = data.join(claviger_authority::first_start::OPERATOR_KEY_FILE);
    let operator = format!("$(cat {})", operator.display());
    let get = |what, status, rest: String| Try { what, status, line: format!("curl -i {rest}") };
    vec![
        get(
            "A private notebook without a key: nobody learns that it exists",
            404,
            format!("http://{gateway}/d/{notebook}.js"),
        ),
        get(
            "With its owner's key: the latest version, as an ES module",
            200,
            format!("-H 'Authorization: Bearer {}' http://{gateway}/d/{notebook}.js", keys.owner_account),
        ),
        get(
            "The first version, the key in another header",
            200,
            format!("-H 'X-API-Key: {}' 'http://{gateway}/d/{notebook}@1.js?v=3'", keys.owner_account),
        ),
        get(
            "The key as a user name, with an empty password",
            200,
            format!("-u {}: http://{gateway}/d/{notebook}@2.js", keys.thirty_two),
        ),
        get(
            "A key of that notebook, pinned to version 2",
            200,
            format!("-H 'Authorization: ApiKey {}' http://{gateway}/d/{notebook}@2.js", keys.pinned_notebook),
        ),
        get(
            "The same key at version 3",
            403,
            format!("-H 'Authorization: ApiKey {}' http://{gateway}/d/{notebook}@3.js", keys.pinned_notebook),
        ),
        get(
            "In an embed it carries the notebook's secret and database",
            200,
            format!("'http://{gateway}/embed/{notebook}@2?api_key={}'", keys.pinned_notebook),
        ),
        get(
            "A team's shared notebook with the team's key",
            200,
            format!("-H 'Authorization: Bearer {}' http://{gateway}/d/{team}.js", keys.lab_team),
        ),
        get("A public notebook needs no key", 200, format!("http://{gateway}/d/{open}.js")),
        get(
            "Who am I? The answer to an expired key says that it has expired",
            401,
            format!("-H 'Authorization: Bearer {}' http://{gateway}/api/v1/account", keys.expired),
        ),
        get(
            "Start a run in a project, with the project's key",
            201,
            format!(
                "-H 'Authorization: Bearer {}' --json '{{\"name\": \"nightly\"}}' http://{gateway}/api/v1/projects/{atlas}/runs",
                keys.atlas_project
            ),
        ),
        get(
            "All runs, from the application itself: without a gateway in front, it asks about the key itself",
            200,
            format!("-H 'Authorization: Bearer {}' http://{app}/internal/runs", keys.lab_team),
        ),
        get(
            "A run that the site starts by itself, as those who operate it ask",
            201,
            format!(
                "-H 'Authorization: Bearer {}' --json '{{\"project\": \"{atlas}\", \"name\": \"weekly\"}}' http://{app}/internal/runs",
                keys.lab_operations
            ),
        ),
        get(
            "The same with a key that may only read",
            403,
            format!(
                "-H 'Authorization: Bearer {}' --json '{{\"project\": \"{atlas}\", \"name\": \"weekly\"}}' http://{app}/internal/runs",
                keys.lab_team
            ),
        ),
        get(
            "The two runs in the history: one has the origin `api`, the other `site`",
            200,
            format!(
                "-H \"Authorization: Bearer {operator}\" 'http://{api}/v1/history?action=run:create&subject=project:{atlas}'"
            ),
        ),
        get(
            "Create a key: the answer shows it once",
            201,
            format!(
                "-H \"Authorization: Bearer {operator}\" --json '{{\"name\": \"My first key\", \"subject\": \"account:{}\"}}' http://{api}/v1/keys",
                seeds.accounts.owner.id
            ),
        ),
        get(
            "Ask the authority about a key",
            200,
            format!(
                "-H \"Authorization: Bearer {operator}\" --json '{{\"key\": \"{}\", \"action\": \"notebook:read\", \"target\": \"notebook:{notebook}\", \"explain\": true}}' http://{api}/v1/verify",
                keys.member_account
            ),
        ),
    ]
}

/// Addresses, and lines that work when pasted.
pub(super) fn people(server: &Server, app: SocketAddr, data: &Path, seeds: &Seeds) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "Claviger is running, with a sample application behind its gateway.\n")?;
    writeln!(
        out,
        "  API       http://{}   operator key in {}",
        server.api,
        data.join("operator-key").display()
    )?;
    writeln!(out, "            http://{}/playground to try it in a browser", server.api)?;
    writeln!(out, "  Gateway   http://{}", server.gateway)?;
    writeln!(out, "  Admin     http://{}/metrics", server.admin)?;
    writeln!(out, "  Sample    http://{app}   the application itself, past the gateway\n")?;
    writeln!(out, "Try it; each line says which status to expect:\n")?;
    for (n, Try { what, status, line }) in tries(server, app, data, seeds).into_iter().enumerate() {
        writeln!(out, "  # {}. {what}: {status}\n  {line}\n", n + 1)?;
    }
    writeln!(out, "With a key in its address, npm installs the notebook as a package:\n")?;
    let (gateway, key) = (server.gateway, &seeds.keys.owner_account);
    writeln!(out, "  npm install 'http://{gateway}/d/{}@2.tgz?api_key={key}'\n", CATALOG.private_notebook)?;
    writeln!(out, "Ctrl-C ends it.")?;
    Ok(out.flush()?)
}

/// Writes the head of each request that reaches the sample application to a file.
pub(super) fn recorder(path: &Path) -> anyhow::Result<Observer> {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    let file = Mutex::new(file);
    Ok(Arc::new(move |parts| {
        let mut text = format!("{} {}\n", parts.method, parts.uri);
        for (name, value) in &parts.headers {
            text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
        }
        text.push('\n');
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        // The record is for looking at; the application does not depend on it.
        let _ = file.write_all(text.as_bytes());
    }))
}
