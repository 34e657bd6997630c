//! The tables of the file: formats, defaults, leaks and routes.

use std::net::SocketAddr;

use claviger_authority::settings::{KindDefaults, Settings};
use claviger_core::Kind;
use claviger_core::key::KeyFormat;
use claviger_core::scope::ScopeSet;
use claviger_http::api::GithubKey;
use claviger_http::gate::{RouteConfig, Routes};

use super::mistake::Mistakes;
use super::reader::Reader;
use super::setting::{self as is, Form};
use super::source::{Node, Place, Value};
use super::values;

/// Characters of a format's name at most: it is stored with every key.
const FORMAT_NAME_MAX: usize = 32;
const KINDS: &str = "account, team, project, resource or operator";

/// `[formats.NAME]`
pub(super) fn formats(tables: Vec<(String, Node)>, settings: &mut Settings, mistakes: &mut Mistakes) {
    for (name, node) in tables {
        let path = format!("formats.{name}");
        let place = node.place.clone();
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if name.is_empty() || name.len() > FORMAT_NAME_MAX || !name.bytes().all(fits) {
            let complaint =
                format!("a name has 1 to {FORMAT_NAME_MAX} of A-Z, a-z, 0-9, _ and -, such as acme");
            mistakes.add(place.of(&path), complaint);
        }
        let before = mistakes.count();
        let mut reader = Reader::of(format!("{path}."), node, mistakes);
        let prefix = reader.text(&is::FORMAT_PREFIX).map(|(_, prefix)| prefix).unwrap_or_default();
        let length = reader.whole(&is::FORMAT_LENGTH);
        let checksum = reader.yes_no(&is::FORMAT_CHECKSUM).unwrap_or(true);
        reader.end();
        match length {
            None if mistakes.count() == before => {
                mistakes.add(place.of(&path), "length is missing; write length = 43");
            }
            None => {}
            Some(length) => {
                match KeyFormat::new(&prefix, usize::try_from(length).unwrap_or(usize::MAX), checksum) {
                    Ok(format) => {
                        settings.formats.retain(|(known, _)| **known != *name);
                        settings.formats.push((name.as_str().into(), format));
                    }
                    Err(error) => mistakes.add(place.of(&path), error),
                }
            }
        }
    }
}

/// `[defaults.KIND]`
pub(super) fn defaults(
    tables: Vec<(String, Node)>,
    names: &[String],
    settings: &mut Settings,
    mistakes: &mut Mistakes,
) {
    for (word, node) in tables {
        let path = format!("defaults.{word}");
        let Some(kind) = Kind::from_word(&word) else {
            mistakes.add(node.place.of(&path), format_args!("unknown kind of key; use {KINDS}"));
            continue;
        };
        let known = settings.defaults_of(kind).cloned();
        let mut reader = Reader::of(format!("{path}."), node, mistakes);
        let format = reader.parsed(&is::DEFAULT_FORMAT, |name| {
            let listed = || names.join(", ");
            let known = names.iter().any(|known| known == name);
            if known {
                Ok(name.to_owned())
            } else {
                Err(format!("there is no format \"{name}\"; use {}", listed()))
            }
        });
        let scopes = reader.texts(&is::DEFAULT_SCOPES).and_then(|texts| {
            let place = texts.first().map(|(place, _)| place.clone());
            match ScopeSet::parse(texts.iter().map(|(_, text)| text.as_str())) {
                Ok(scopes) => Some(scopes),
                Err(error) => {
                    if let Some(place) = place {
                        reader.wrong(&is::DEFAULT_SCOPES, &place, error);
                    }
                    None
                }
            }
        });
        reader.end();
        let built_in = || known.as_ref().map_or_else(|| kind.as_str().into(), |known| known.format.clone());
        let format = format.map_or_else(built_in, |(_, name)| name.as_str().into());
        let scopes = scopes.or_else(|| known.as_ref().and_then(|known| known.scopes.clone()));
        settings.defaults.retain(|defaults| defaults.kind != kind);
        settings.defaults.push(KindDefaults { kind, format, scopes });
    }
}

/// `[leaks]`
pub(super) fn leaks(node: Option<Node>, settings: &mut Settings, mistakes: &mut Mistakes) -> Vec<GithubKey> {
    let Some(node) = node else { return Vec::new() };
    let mut reader = Reader::of("leaks.", node, mistakes);
    let kinds = reader.parsed_texts(&is::LEAKS_ONLY_TOLD, |word| {
        Kind::from_word(word).ok_or_else(|| format!("\"{word}\" is not a kind of key; use {KINDS}"))
    });
    settings.leaks_only_told = kinds.unwrap_or_default();
    let tables = reader.tables(&is::GITHUB_KEYS);
    reader.end();
    let mut keys = Vec::new();
    let mut identifiers = Vec::new();
    for (n, node) in tables.into_iter().enumerate() {
        let path = format!("leaks.github_keys[{}]", n + 1);
        let place = node.place.clone();
        let mut reader = Reader::of(format!("{path}."), node, mistakes);
        let identifier = reader.parsed(&is::GITHUB_IDENTIFIER, |text| {
            if identifiers.iter().any(|known| known == text) {
                return Err("this identifier stands twice; keep one of the two".to_owned());
            }
            Ok(text.to_owned())
        });
        let pem = reader.parsed(&is::GITHUB_PEM, |text| {
            GithubKey::new("", text).map(|_| text.to_owned()).map_err(|_| {
                "not a public key (P-256) in PEM; copy the whole of it, from -----BEGIN PUBLIC KEY----- to the end"
                    .to_owned()
            })
        });
        let before = reader.mistakes.count();
        reader.end();
        match (identifier, pem) {
            (Some((_, identifier)), Some((_, pem))) => {
                keys.extend(GithubKey::new(identifier.as_str(), &pem));
                identifiers.push(identifier);
            }
            _ if mistakes.count() == before => {
                mistakes.add(place.of(&path), "identifier or pem is missing; give both");
            }
            _ => {}
        }
    }
    keys
}

/// `[[routes]]`
pub(super) fn routes(tables: Vec<Node>, gateway: SocketAddr, mistakes: &mut Mistakes) -> Vec<RouteConfig> {
    let mut routes = Vec::new();
    let mut places = Vec::new();
    for (n, node) in tables.into_iter().enumerate() {
        let number = n + 1;
        let places_of = Places::of(&node);
        let before = mistakes.count();
        let table = fields(number, node, mistakes);
        if mistakes.count() > before {
            continue;
        }
        match table.try_into::<RouteConfig>() {
            Ok(route) => {
                routes.push(route);
                places.push((number, places_of));
            }
            Err(_) => {
                let complaint = "a route needs a path, such as path = \"/api/{rest..}\"";
                mistakes.add(places_of.table.of(&format!("routes[{number}]")), complaint);
            }
        }
    }
    for mistake in Routes::mistakes(&routes) {
        let Some((number, places)) = places.get(mistake.number - 1) else { continue };
        let field = mistake.reason.field();
        let name = format!("routes[{number}].{field}");
        mistakes.add(places.field(field).of(&name), &mistake.reason);
    }
    for (route, (number, places)) in routes.iter().zip(&places) {
        if route.upstream.as_deref().is_some_and(|upstream| leads_to(upstream, gateway)) {
            let complaint = "this leads back to the gateway itself; name the address of your application, such as http://127.0.0.1:3000";
            mistakes.add(places.field("upstream").of(&format!("routes[{number}].upstream")), complaint);
        }
    }
    routes
}

/// Whether an upstream is this listener.
fn leads_to(upstream: &str, listener: SocketAddr) -> bool {
    let host = upstream.strip_prefix("http://").unwrap_or_default().trim_end_matches('/');
    let address = host.replace("localhost", "127.0.0.1").parse::<SocketAddr>();
    address.is_ok_and(|address| values::collide(address, listener))
}

/// The fields of a route, each of the form that it takes.
fn fields(number: usize, node: Node, mistakes: &mut Mistakes) -> toml::Table {
    let mut table = toml::Table::new();
    let mut reader = Reader::of(format!("routes[{number}]."), node, mistakes);
    for setting in is::ROUTES.settings {
        let value = match setting.form {
            Form::Text => reader.text(setting).map(|(_, text)| text.into()),
            Form::Texts => reader.texts(setting).map(|texts| {
                texts.into_iter().map(|(_, text)| toml::Value::from(text)).collect::<Vec<_>>().into()
            }),
            Form::YesNo => reader.yes_no(setting).map(toml::Value::from),
            Form::Whole(..) => {
                reader.whole(setting).and_then(|number| i64::try_from(number).ok()).map(toml::Value::from)
            }
        };
        if let Some(value) = value {
            table.insert(setting.name.to_owned(), value);
        }
    }
    reader.end();
    table
}

/// Where a route and its fields stand in the file.
struct Places {
    table: Place,
    fields: Vec<(String, Place)>,
}

impl Places {
    fn of(node: &Node) -> Self {
        let fields = match &node.value {
            Value::Table(fields) => {
                fields.iter().map(|(name, field)| (name.clone(), field.place.clone())).collect()
            }
            _ => Vec::new(),
        };
        Self { table: node.place.clone(), fields }
    }

    fn field(&self, name: &str) -> &Place {
        self.fields.iter().find(|(known, _)| known == name).map_or(&self.table, |(_, place)| place)
    }
}
