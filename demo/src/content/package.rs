//! A notebook as a package that `npm install URL` accepts.

use std::io;

use flate2::{Compression, GzBuilder};
use serde_json::json;
use tar::{Builder, Header};

use crate::content::module;
use crate::content::notebook::Edition;

/// The time of every file, in seconds since 1970: the one that npm itself writes, so that the same version always
/// gives the same bytes, and a lock file's integrity hash stays true.
const FILE_TIME_SECONDS: u64 = 499_162_500;
/// "Unknown" (RFC 1952, section 2.3.1), so that the bytes do not depend on where they were made.
const GZIP_SYSTEM_UNKNOWN: u8 = 255;
/// Readable by everybody, as npm expects.
const FILE_MODE: u32 = 0o644;

/// The gzip-compressed tarball, the same for the same version each time.
pub(crate) fn tarball(id: &str, version: u32, edition: &Edition) -> io::Result<Vec<u8>> {
    let main = format!("{id}@{version}.js");
    let gzip = GzBuilder::new().mtime(0).operating_system(GZIP_SYSTEM_UNKNOWN);
    let mut tar = Builder::new(gzip.write(Vec::new(), Compression::default()));
    add(&mut tar, "package.json", &manifest(id, version, edition))?;
    add(&mut tar, "index.js", &format!("export {{default}} from \"./{main}\";\n"))?;
    add(&mut tar, &main, &module::source(id, version, edition))?;
    add(&mut tar, "README.md", &readme(id, version, edition))?;
    tar.into_inner()?.finish()
}

fn add(tar: &mut Builder<impl io::Write>, name: &str, text: &str) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_size(text.len() as u64);
    header.set_mode(FILE_MODE);
    header.set_mtime(FILE_TIME_SECONDS);
    // Sets the path and the checksum, too.
    tar.append_data(&mut header, format!("package/{name}"), text.as_bytes())
}

fn manifest(id: &str, version: u32, edition: &Edition) -> String {
    let manifest = json!({
        "name": format!("@notebooks/{id}"),
        "version": format!("{version}.0.0"),
        "description": edition.title,
        "type": "module",
        "main": "index.js",
        "exports": { ".": "./index.js", "./package.json": "./package.json" },
        "files": ["*.js", "README.md"],
        // Optional, so that npm leaves the choice of a runtime to whoever installs the notebook.
        "peerDependencies": { "@observablehq/runtime": ">=4" },
        "peerDependenciesMeta": { "@observablehq/runtime": { "optional": true } },
    });
    format!("{manifest:#}\n")
}

fn readme(id: &str, version: u32, edition: &Edition) -> String {
    let title = edition.title.replace('<', "&lt;");
    format!(
        "# {title}\n\nVersion {version} of the notebook {id}. To run it:\n\n```js\n\
         import {{Runtime}} from \"@observablehq/runtime\";\n\
         import define from \"@notebooks/{id}\";\n\n\
         const main = new Runtime().module(define);\n\
         console.log(await main.value(\"answer\"));\n```\n"
    )
}
