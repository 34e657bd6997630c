//! `GET /embed/{id}[@{version}]`: a notebook as a page to put into another.

use std::fmt::Write as _;

use axum::extract::RawQuery;
use axum::response::Response;
use percent_encoding::percent_decode_str;

use crate::content::notebook::{Edition, Value};
use crate::content::references::{Database, database, secret};
use crate::html::{Escaped, Framing, page as html_page};
use crate::identity::Identity;
use crate::problem::Problem;
use crate::routes::notebooks::{resolve, split_version};
use crate::routes::{Segment, segment};

/// How many cells `?cells=` may pick out; no notebook has more.
const CELLS_MAX: usize = 32;
/// The size of a drawn series, in the units of its own view box.
const CHART_WIDTH: usize = 320;
const CHART_HEIGHT: i64 = 56;

/// The page. `?cells=a,b` shows only these cells.
pub(crate) async fn page(
    name: Segment,
    RawQuery(query): RawQuery,
    identity: Identity,
) -> Result<Response, Problem> {
    let name = segment(name)?;
    let (id, version) = split_version(&name).ok_or_else(Problem::not_found)?;
    let (version, edition) = resolve(&identity, id, version)?;
    let picked = picked_cells(query.as_deref().unwrap_or_default())?;

    let title = Escaped(edition.title);
    let mut body =
        format!("<h1>{title}</h1>\n<p class=\"meta\">Version {version} of <code>{id}</code></p>\n");
    write_cells(&mut body, edition, version, picked.as_deref())?;
    write_secrets(&mut body, edition, &identity);
    write_databases(&mut body, edition, &identity);
    Ok(html_page(edition.title, &body, Framing::Anyone))
}

/// The names in `cells=`, or nothing where the query has none.
fn picked_cells(query: &str) -> Result<Option<Vec<String>>, Problem> {
    let mut picked: Option<Vec<String>> = None;
    for value in query.split('&').filter_map(|pair| pair.strip_prefix("cells=")) {
        let value = value.replace('+', " ");
        let value = percent_decode_str(&value).decode_utf8_lossy();
        let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
        picked.get_or_insert_default().extend(names.map(str::to_owned));
    }
    match &picked {
        Some(names) if names.len() > CELLS_MAX => {
            Err(Problem::bad_request(format!("`cells` names more than {CELLS_MAX} cells.")))
        }
        _ => Ok(picked),
    }
}

fn write_cells(
    body: &mut String,
    edition: &Edition,
    version: u32,
    picked: Option<&[String]>,
) -> Result<(), Problem> {
    let mut values =
        edition.evaluate(version).ok_or_else(|| Problem::internal(&"a cell reads what is not there"))?;
    if let Some(picked) = picked {
        for name in picked.iter().filter(|name| !values.iter().any(|(known, _)| known == name)) {
            let _ =
                writeln!(body, "<p class=\"refused\">No cell is named <code>{}</code>.</p>", Escaped(name));
        }
        values.retain(|(known, _)| picked.iter().any(|name| name == known));
    }
    if values.is_empty() {
        return Ok(());
    }
    body.push_str("<dl class=\"cells\">\n");
    for (name, value) in &values {
        let _ = write!(body, "<div><dt>{}</dt>", Escaped(name));
        match value {
            Value::Text(text) => {
                let _ = write!(body, "<dd>{}</dd>", Escaped(text));
            }
            Value::Number(number) => {
                let _ = write!(body, "<dd class=\"number\">{number}</dd>");
            }
            Value::Numbers(numbers) => {
                let _ = write!(body, "<dd>{}<small>{value}</small></dd>", chart(numbers));
            }
        }
        body.push_str("</div>\n");
    }
    body.push_str("</dl>\n");
    Ok(())
}

/// A series as bars. The numbers stand below it as text, so a screen reader needs nothing of it.
fn chart(numbers: &[i64]) -> String {
    let step = CHART_WIDTH / numbers.len().max(1);
    let highest = numbers.iter().copied().max().unwrap_or(0).max(1);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {CHART_WIDTH} {CHART_HEIGHT}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
    );
    for (position, number) in numbers.iter().enumerate() {
        // A zero is drawn as well, as the thinnest bar.
        let height = (number.max(&0) * CHART_HEIGHT / highest).max(1);
        let (x, y, width) = (position * step, CHART_HEIGHT - height, step.saturating_sub(4).max(1));
        let _ = write!(svg, "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"2\"/>");
    }
    svg.push_str("</svg>");
    svg
}

/// Each secret that this version references, used only where the gateway grants it.
fn write_secrets(body: &mut String, edition: &Edition, identity: &Identity) {
    if edition.secrets.is_empty() {
        return;
    }
    body.push_str("<h2>Secrets</h2>\n");
    for name in edition.secrets {
        match secret(name).filter(|secret| identity.grants_secret(secret.name)) {
            Some(secret) => {
                let _ =
                    writeln!(body, "<p><code>{} = {}</code></p>", Escaped(name), Escaped(secret.masked()));
            }
            None => refuse(body, "secret", name),
        }
    }
}

/// Each database that this version references, queried only where the gateway grants it.
fn write_databases(body: &mut String, edition: &Edition, identity: &Identity) {
    if edition.databases.is_empty() {
        return;
    }
    body.push_str("<h2>Databases</h2>\n");
    for name in edition.databases {
        match database(name).filter(|database| identity.grants_database(database.name)) {
            Some(database) => write_table(body, database),
            None => refuse(body, "database", name),
        }
    }
}

fn refuse(body: &mut String, what: &str, name: &str) {
    let name = Escaped(name);
    let _ = writeln!(
        body,
        "<p class=\"refused\">This embed has no access to the {what} <code>{name}</code>.</p>"
    );
}

fn write_table(body: &mut String, database: &Database) {
    let row = |tag: &str, cells: &[&str]| {
        let cells = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", Escaped(cell)));
        format!("<tr>{}</tr>", cells.collect::<String>())
    };
    let _ = writeln!(body, "<p><code>{}</code>: {}</p>", Escaped(database.name), Escaped(database.query));
    let _ = writeln!(
        body,
        "<div class=\"table\"><table>\n<thead>{}</thead>\n<tbody>",
        row("th", database.columns)
    );
    for cells in database.rows {
        let _ = writeln!(body, "{}", row("td", cells));
    }
    body.push_str("</tbody></table></div>\n");
}
