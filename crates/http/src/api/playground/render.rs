//! The page in HTML.

use std::fmt::Write;

use serde_json::Value;

use super::fields::{self, resolve};
use crate::api::html::{escape, prose};

/// The methods, in the order in which they are listed below a path.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// One operation of the description.
struct Operation<'d> {
    id: &'d str,
    method: &'static str,
    path: &'d str,
    value: &'d Value,
}

/// Renders the page.
pub(super) fn page(document: &Value) -> String {
    let mut html = String::from(HEAD);
    let operations = operations(document);
    let (mut list, mut articles) = (String::new(), String::new());
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = tag["name"].as_str().unwrap_or_default();
        let of_tag = || {
            operations.iter().filter(|operation| {
                operation.value["tags"].as_array().is_some_and(|tags| tags.contains(&tag["name"]))
            })
        };
        let title = escape(name);
        let text = prose(tag["description"].as_str().unwrap_or_default());
        put(&mut list, format_args!("<section>\n<h2>{title}</h2>\n<p>{text}</p>\n<ul>\n"));
        for operation in of_tag() {
            entry(&mut list, operation);
            article(&mut articles, document, operation);
        }
        list.push_str("</ul>\n</section>\n");
    }
    put(
        &mut html,
        format_args!(
            "{list}</nav>\n<main id=\"operations\" tabindex=\"-1\">\n{START}{articles}</main>\n</div>\n{DIALOG}</body>\n</html>\n"
        ),
    );
    html
}

/// Writing to a String does not fail.
fn put(html: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = html.write_fmt(text);
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for method in METHODS {
            let value = &item[method];
            if let Some(id) = value["operationId"].as_str() {
                operations.push(Operation { id, method, path, value });
            }
        }
    }
    operations
}

/// Its line in the list.
fn entry(html: &mut String, operation: &Operation<'_>) {
    let Operation { id, method, path, value } = operation;
    let summary = escape(value["summary"].as_str().unwrap_or_default());
    put(
        html,
        format_args!(
            "<li><a href=\"#{id}\" title=\"{path}\"><b class=\"{method}\">{}</b> <span>{summary}</span></a></li>\n",
            method.to_uppercase()
        ),
    );
}

fn article(html: &mut String, document: &Value, operation: &Operation<'_>) {
    let Operation { id, method, path, value } = operation;
    let upper = method.to_uppercase();
    let open = if takes_no_key(value) { " data-open" } else { "" };
    let summary = escape(value["summary"].as_str().unwrap_or_default());
    put(
        html,
        format_args!(
            "<article id=\"{id}\" data-method=\"{upper}\" data-path=\"{path}\"{open} aria-labelledby=\"{id}.title\">\n\
         <h2 id=\"{id}.title\" tabindex=\"-1\">{summary}</h2>\n\
         <p class=\"address\"><b class=\"{method}\">{upper}</b> <code>{}</code></p>\n",
            escape(path)
        ),
    );
    if let Some(text) = value["description"].as_str() {
        put(html, format_args!("<p>{}</p>\n", prose(text)));
    }
    form(html, document, operation);
    body_fields(html, document, value);
    answers(html, document, value);
    html.push_str("</article>\n");
}

/// Whether it is written that none of the schemes is needed.
fn takes_no_key(operation: &Value) -> bool {
    operation["security"]
        .as_array()
        .is_some_and(|schemes| schemes.iter().any(|scheme| *scheme == serde_json::json!({})))
}

fn form(html: &mut String, document: &Value, operation: &Operation<'_>) {
    html.push_str("<form autocomplete=\"off\">\n");
    for parameter in operation.value["parameters"].as_array().into_iter().flatten() {
        control(html, document, operation.id, parameter);
    }
    let content = &operation.value["requestBody"]["content"]["application/json"];
    if content.is_object() {
        let example = &resolve(document, &content["schema"])["example"];
        let text = escape(&format!("{example:#}"));
        let (id, rows) = (operation.id, text.lines().count() + 1);
        put(
            html,
            format_args!(
                "<div class=\"control body\"><label for=\"{id}.body\">Body <em>JSON</em></label>\n\
             <textarea id=\"{id}.body\" rows=\"{rows}\" spellcheck=\"false\" aria-describedby=\"{id}.body.hint\">{text}</textarea>\n\
             <small id=\"{id}.body.hint\"></small></div>\n"
            ),
        );
    }
    let again = if content.is_object() {
        "<button type=\"reset\" disabled>Back to the example</button>\n"
    } else {
        ""
    };
    put(
        html,
        format_args!(
            "<div class=\"actions\"><button type=\"submit\" class=\"send\" disabled>Send</button>\n{again}\
         <button type=\"button\" class=\"curl\" disabled>Copy as curl</button></div>\n\
         </form>\n<section class=\"answer\" aria-label=\"Answer\" hidden></section>\n"
        ),
    );
}

/// One parameter.
fn control(html: &mut String, document: &Value, operation: &str, parameter: &Value) {
    let name = escape(parameter["name"].as_str().unwrap_or_default());
    let place = parameter["in"].as_str().unwrap_or_default();
    let required = parameter["required"] == true;
    let id = format!("{operation}.{name}");
    let example = match &parameter["example"] {
        Value::String(text) => escape(text),
        Value::Null => String::new(),
        other => escape(&other.to_string()),
    };
    let schema = &parameter["schema"];
    // One that may be null is one that may be left out: there is no null in an address.
    let kind = escape(fields::kind(document, schema).trim_end_matches(" or null"));
    let note = if required { "required" } else { "may be left out" };
    put(
        html,
        format_args!(
            "<div class=\"control\"><label for=\"{id}\">{name} <em>{place} · {kind} · {note}</em></label>\n"
        ),
    );
    let mut attributes =
        format!("id=\"{id}\" name=\"{name}\" data-in=\"{place}\" aria-describedby=\"{id}.text\"");
    if required {
        attributes.push_str(" required");
    }
    let words = match (&schema["enum"], schema["type"] == "boolean") {
        (Value::Array(words), _) => words.iter().filter_map(Value::as_str).collect(),
        (_, true) => vec!["true", "false"],
        _ => Vec::new(),
    };
    if words.is_empty() {
        put(html, format_args!("<input {attributes} placeholder=\"{example}\" spellcheck=\"false\">\n"));
    } else {
        put(html, format_args!("<select {attributes}><option value=\"\">–</option>"));
        for word in words {
            put(html, format_args!("<option>{}</option>", escape(word)));
        }
        html.push_str("</select>\n");
    }
    let text = prose(parameter["description"].as_str().unwrap_or_default());
    put(html, format_args!("<small id=\"{id}.text\">{text}</small></div>\n"));
}

fn body_fields(html: &mut String, document: &Value, operation: &Value) {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    if schema.is_object() {
        html.push_str("<details><summary>Fields of the body</summary>\n");
        table(html, document, schema);
        html.push_str("</details>\n");
    }
}

fn answers(html: &mut String, document: &Value, operation: &Value) {
    html.push_str("<details><summary>Answers</summary>\n<dl>\n");
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        let response = resolve(document, response);
        let text = prose(response["description"].as_str().unwrap_or_default());
        put(html, format_args!("<div><dt>{}</dt><dd>{text}\n", escape(status)));
        let schema = &response["content"]["application/json"]["schema"];
        if schema.is_object() && status.starts_with('2') {
            table(html, document, schema);
        }
        html.push_str("</dd></div>\n");
    }
    html.push_str("</dl>\n</details>\n");
}

fn table(html: &mut String, document: &Value, schema: &Value) {
    let fields = fields::of(document, resolve(document, schema));
    if fields.is_empty() {
        return;
    }
    html.push_str("<div class=\"wide\"><table><thead><tr><th>Field</th><th>Type</th><th>Meaning</th></tr></thead><tbody>\n");
    for field in fields {
        let required = if field.required { " <em>required</em>" } else { "" };
        put(
            html,
            format_args!(
                "<tr><td><code>{}</code>{required}</td><td>{}</td><td>{}</td></tr>\n",
                escape(&field.name),
                escape(&field.kind),
                prose(&field.text)
            ),
        );
    }
    html.push_str("</tbody></table></div>\n");
}

const HEAD: &str = r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Playground · Claviger</title>
<link rel="icon" href="playground/key.svg">
<link rel="stylesheet" href="playground/page.css">
<script src="playground/page.js" defer></script>
</head>
<body>
<a class="skip" href="#operations">Skip to the operation</a>
<header>
<a class="mark" href="#start"><img src="playground/key.svg" alt="" width="28" height="28"> Claviger <span>playground</span></a>
<p id="who" role="status">No key yet</p>
<button type="button" id="authorize" disabled>Authorize</button>
</header>
<div class="frame">
<nav aria-label="Operations">
<div class="filter"><input type="search" id="filter" aria-label="Filter the operations" placeholder="Filter, such as rotate" disabled></div>
<p id="none" hidden>Nothing is called that.</p>
"##;

const START: &str = r##"<a class="back" href="#start">All operations</a>
<section id="start" tabindex="-1">
<h1>Try the API</h1>
<noscript><p class="note">Sending requests needs scripts; without them this page is a reference.</p></noscript>
<ol>
<li><b>Authorize</b> with a key. It is sent as <code>X-API-Key</code>, to this server and nowhere else. It stays in
the memory of this page: reload the page, and it is forgotten.</li>
<li>Choose an operation. Its form starts with an example; identifiers that answers have shown are suggested.</li>
<li><b>Send</b>. You see the status, the time, the headers and the body of the answer.</li>
</ol>
<p>These are real requests: what you change here is changed. The first operator key is in the file
<code>operator-key</code> of the data folder.</p>
<p class="links"><a href="openapi.json">openapi.json</a> <a href="problems/">Problems and what to do</a></p>
</section>
"##;

const DIALOG: &str = r##"<dialog id="dialog" aria-labelledby="dialog.title">
<form autocomplete="off">
<h2 id="dialog.title">Authorize</h2>
<label for="key">API key</label>
<input id="key" type="password" autocomplete="off" spellcheck="false" aria-describedby="key.text" required>
<small id="key.text">Sent as <code>X-API-Key</code> with each request, kept in the memory of this page alone.</small>
<p id="refused" role="alert" hidden></p>
<div class="actions"><button type="submit" class="send">Authorize</button>
<button type="button" id="forget" hidden>Forget the key</button>
<button type="button" id="cancel">Cancel</button></div>
</form>
</dialog>
"##;
