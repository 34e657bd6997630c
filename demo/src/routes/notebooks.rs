//! `GET /d/{id}[@{version}].{js|tgz}`: a notebook to download.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};

use crate::config::is_id;
use crate::content::notebook::Edition;
use crate::content::notebooks::notebook;
use crate::content::{module, package};
use crate::identity::Identity;
use crate::problem::Problem;
use crate::routes::{Segment, segment};

/// What a notebook can be downloaded as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Module,
    Package,
}

/// Serves the version that the gateway named. The query (`?v=3`: the only module shape there is) changes nothing.
pub(crate) async fn download(file: Segment, identity: Identity) -> Result<Response, Problem> {
    let file = segment(file)?;
    let (name, format) = split_format(&file).ok_or_else(Problem::not_found)?;
    let (id, version) = split_version(name).ok_or_else(Problem::not_found)?;
    let (version, edition) = resolve(&identity, id, version)?;
    let (kind, disposition, body) = match format {
        Format::Module => {
            let text = module::source(id, version, edition);
            ("text/javascript; charset=utf-8", "inline", text.into_bytes())
        }
        Format::Package => {
            let tarball = package::tarball(id, version, edition);
            let tarball = tarball.map_err(|error| Problem::internal(&error))?;
            ("application/gzip", "attachment", tarball)
        }
    };
    let extension = format.extension();
    let disposition = format!("{disposition}; filename=\"{id}@{version}.{extension}\"");
    let disposition = HeaderValue::try_from(disposition).map_err(|error| Problem::internal(&error))?;
    let kind = HeaderValue::from_static(kind);
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, disposition)], body).into_response())
}

/// `id` or `id@version`; versions are counted from 1 and written without leading zeros.
pub(crate) fn split_version(name: &str) -> Option<(&str, Option<u32>)> {
    let (id, version) = match name.split_once('@') {
        None => (name, None),
        Some((id, text)) => {
            let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
            (id, Some(plain.then(|| text.parse().ok()).flatten()?))
        }
    };
    is_id(id).then_some((id, version))
}

/// The version that the gateway named, once it is certain that it means the notebook in the path.
pub(crate) fn resolve(
    identity: &Identity,
    id: &str,
    in_path: Option<u32>,
) -> Result<(u32, &'static Edition), Problem> {
    identity.names("notebook", id)?;
    let version = identity.version(in_path)?;
    let edition = notebook(id).and_then(|notebook| notebook.edition(version));
    Ok((version, edition.ok_or_else(Problem::not_found)?))
}

fn split_format(file: &str) -> Option<(&str, Format)> {
    let (name, extension) = file.rsplit_once('.')?;
    let format =
        [Format::Module, Format::Package].into_iter().find(|format| format.extension() == extension)?;
    Some((name, format))
}

impl Format {
    fn extension(self) -> &'static str {
        match self {
            Self::Module => "js",
            Self::Package => "tgz",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::split_version;

    #[test]
    fn a_version_is_a_plain_number() {
        let check = |name, expect| assert_eq!(split_version(name), expect, "{name}");
        check("5e1f", Some(("5e1f", None)));
        check("5e1f@12", Some(("5e1f", Some(12))));
        for name in
            ["", "@1", "5e1f@", "5e1f@0", "5e1f@01", "5e1f@+1", "5e1f@-1", "5e1f@1@2", "5e1f@x", "5 e"]
        {
            check(name, None);
        }
        check("5e1f@4294967295", Some(("5e1f", Some(u32::MAX))));
        check("5e1f@4294967296", None);
    }
}
