//! A notebook as an ES module of the Observable runtime's third module shape: a default export that defines each
//! cell as a variable of a runtime's module (<https://github.com/observablehq/runtime>).

use std::fmt::Write as _;

use crate::content::notebook::{Edition, Formula};

/// The module's source text. Whoever imports it gets the cells' definitions, and no secret or database: those
/// are for embeds only.
pub(crate) fn source(id: &str, version: u32, edition: &Edition) -> String {
    let mut text = format!("// {}\n// {id}@{version}\n\n", edition.title);
    for cell in edition.cells {
        let inputs = cell.formula.inputs().join(", ");
        let _ = writeln!(text, "function _{}({inputs}) {{", cell.name);
        let _ = writeln!(text, "  return {};\n}}\n", expression(&cell.formula, version));
    }
    text.push_str("export default function define(runtime, observer) {\n  const main = runtime.module();\n");
    for cell in edition.cells {
        let (name, inputs) = (cell.name, cell.formula.inputs());
        let inputs = if inputs.is_empty() { String::new() } else { format!("{}, ", array(&inputs)) };
        let _ = writeln!(text, "  main.variable(observer(\"{name}\")).define(\"{name}\", {inputs}_{name});");
    }
    text.push_str("  return main;\n}\n");
    text
}

fn expression(formula: &Formula, version: u32) -> String {
    match formula {
        Formula::Text(text) => serde_json::Value::from(*text).to_string(),
        Formula::Numbers(numbers) => {
            let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
            format!("[{}]", numbers.join(", "))
        }
        Formula::Version => version.to_string(),
        Formula::Sum(series) => format!("{series}.reduce((sum, number) => sum + number, 0)"),
        Formula::Largest(series) => format!("Math.max(...{series})"),
        Formula::Count(series) => format!("{series}.length"),
        Formula::Product(left, right) => format!("{left} * {right}"),
    }
}

fn array(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    format!("[{}]", names.join(", "))
}
