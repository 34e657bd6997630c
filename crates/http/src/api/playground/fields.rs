//! What a schema of the description says, as rows of a table: each field with its type, its bounds and its
//! words.

use serde_json::Value;

/// How deep fields of fields are listed; deeper ones are named by their type alone.
const DEPTH_MAX: usize = 3;

/// One field.
pub(super) struct Field {
    /// Its name, with those that it stands in: `rows[].restrictions.rate`.
    pub(super) name: String,
    /// Its type in words.
    pub(super) kind: String,
    pub(super) required: bool,
    pub(super) text: String,
}

/// The schema that a reference leads to, or the schema itself.
pub(super) fn resolve<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    let pointer = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(schema)
}

/// All fields of a schema, those that are required first.
pub(super) fn of(document: &Value, schema: &Value) -> Vec<Field> {
    let mut fields = Vec::new();
    collect(document, schema, "", DEPTH_MAX, &mut fields);
    fields
}

fn collect(document: &Value, schema: &Value, before: &str, depth: usize, fields: &mut Vec<Field>) {
    let schema = without_null(document, schema);
    for part in schema["allOf"].as_array().into_iter().flatten() {
        collect(document, part, before, depth, fields);
    }
    if schema["items"].is_object() {
        collect(document, &schema["items"], &format!("{before}[]"), depth, fields);
    }
    let required =
        |name: &str| schema["required"].as_array().into_iter().flatten().any(|required| required == name);
    let properties = schema["properties"].as_object();
    let mut properties = properties.into_iter().flatten().collect::<Vec<_>>();
    properties.sort_by_key(|(name, _)| !required(name));
    for (name, property) in properties {
        let whole = if before.is_empty() { name.clone() } else { format!("{before}.{name}") };
        fields.push(Field {
            name: whole.clone(),
            kind: kind(document, property),
            required: required(name),
            text: text(document, property),
        });
        if depth > 1 {
            collect(document, property, &whole, depth - 1, fields);
        }
    }
}

/// The schema of a value that is not null.
fn without_null<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    let choice = schema["oneOf"].as_array().into_iter().flatten().find(|choice| choice["type"] != "null");
    resolve(document, choice.unwrap_or(schema))
}

/// The type in words, with its bounds.
pub(super) fn kind(document: &Value, schema: &Value) -> String {
    let nullable = schema["oneOf"].as_array().into_iter().flatten().any(|choice| choice["type"] == "null")
        || schema["type"].as_array().into_iter().flatten().any(|word| word == "null");
    let schema = without_null(document, schema);
    let word = match &schema["type"] {
        Value::Array(words) => words.iter().find(|word| *word != "null").and_then(Value::as_str),
        word => word.as_str(),
    };
    let mut kind = match word {
        Some("array") => format!("list of {}", kind(document, &schema["items"])),
        Some("string") if schema["format"] == "date-time" => "time".to_owned(),
        Some(word) => word.to_owned(),
        None => "object".to_owned(),
    };
    let bound = |low: &str, high: &str| match (&schema[low], &schema[high]) {
        (Value::Null, Value::Null) => None,
        (Value::Null, high) => Some(format!("up to {high}")),
        (low, Value::Null) => Some(format!("from {low}")),
        (low, high) => Some(format!("{low} to {high}")),
    };
    if let Some(bounds) = bound("minimum", "maximum") {
        kind.push_str(&format!(", {bounds}"));
    }
    if let Some(bounds) = bound("minLength", "maxLength") {
        kind.push_str(&format!(", {bounds} characters"));
    }
    if nullable {
        kind.push_str(" or null");
    }
    kind
}

/// What is said of a field: by itself, else by the schema it refers to.
fn text(document: &Value, schema: &Value) -> String {
    let of_choice = || {
        let choices = schema["oneOf"].as_array().into_iter().flatten();
        choices.filter_map(|choice| choice["description"].as_str()).next()
    };
    let own = schema["description"].as_str().or_else(of_choice);
    own.or_else(|| without_null(document, schema)["description"].as_str()).unwrap_or_default().to_owned()
}
