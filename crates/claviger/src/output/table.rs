//! Columns that line up, whatever the script.

use unicode_width::UnicodeWidthStr;

use super::style::{Colour, Styled};

/// Between two columns.
const GAP: &str = "  ";

/// A table.
#[derive(Debug, Clone)]
pub struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<Styled>>,
}

impl Table {
    /// A table with these columns.
    #[must_use]
    pub fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<Styled>) {
        self.rows.push(cells);
    }

    /// The text.
    #[must_use]
    pub fn render(&self, colours: bool) -> String {
        let head = self.head.iter().map(|name| Styled::new(name, Colour::Bold)).collect::<Vec<_>>();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.width());
            cells.chain(self.head.get(column).map(|name| name.width())).max().unwrap_or(0)
        };
        let widths = (0..self.head.len()).map(width).collect::<Vec<_>>();
        std::iter::once(&head).chain(&self.rows).map(|row| line(row, &widths, colours)).collect()
    }
}

fn line(row: &[Styled], widths: &[usize], colours: bool) -> String {
    let mut text = String::new();
    for (n, (cell, width)) in row.iter().zip(widths).enumerate() {
        if n > 0 {
            text.push_str(GAP);
        }
        text.push_str(&cell.paint(colours));
        if n + 1 < row.len() {
            text.push_str(&" ".repeat(width.saturating_sub(cell.text.width())));
        }
    }
    format!("{}\n", text.trim_end())
}

/// Names and values, one to a line.
#[derive(Debug, Clone, Default)]
pub struct Fields(Vec<(&'static str, Styled)>);

impl Fields {
    /// Adds a value.
    pub fn add(&mut self, name: &'static str, value: impl Into<Styled>) {
        self.0.push((name, value.into()));
    }

    /// The text.
    #[must_use]
    pub fn render(&self, colours: bool) -> String {
        let width = self.0.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
        let line = |(name, value): &(&'static str, Styled)| {
            let padding = " ".repeat(width - name.width());
            let name = Styled::new(name, Colour::Bold).paint(colours);
            format!("{}\n", format!("{name}{padding}{GAP}{}", value.paint(colours)).trim_end())
        };
        self.0.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_in_every_script() {
        let mut table = Table::new(&["NAME", "STATUS"]);
        table.row(vec!["東京".into(), Styled::new("active", Colour::Green)]);
        table.row(vec!["Zoë".into(), "expired".into()]);
        table.row(vec!["a\x1b[31m\nb".into(), "".into()]);
        assert_eq!(
            table.render(false),
            "NAME      STATUS\n東京      active\nZoë       expired\na\u{fffd}[31m\u{fffd}b\n"
        );
        assert!(table.render(true).contains("東京      \x1b[32mactive\x1b[0m\n"));
    }

    #[test]
    fn fields_line_up() {
        let mut fields = Fields::default();
        fields.add("Id", "key_1");
        fields.add("Last used", "never");
        assert_eq!(fields.render(false), "Id         key_1\nLast used  never\n");
    }
}
