//! Reads settings one by one, and remembers everything that is wrong on the way.

use std::ffi::{OsStr, OsString};

use super::environment::{Environment, nearest};
use super::mistake::Mistakes;
use super::setting::{Form, Section, Setting};
use super::source::{Node, Place, Value};

/// Settings that had another name once.
const RENAMED: &[(&str, &str)] = &[("keys_per_authority_max", "keys_per_subject_max")];

/// Values of flags, by the name of the flag.
pub(super) type Flags = Vec<(&'static str, Option<OsString>)>;

/// One table of the file, or its top with the variables and flags that override it.
pub(super) struct Reader<'r> {
    /// What stands before the name of a setting: `leaks.`, `routes[2].`, or nothing.
    path: String,
    table: Vec<(String, Node)>,
    overrides: Option<(&'r Environment, &'r Flags)>,
    /// Every name that was asked for.
    known: Vec<&'static str>,
    pub(super) mistakes: &'r mut Mistakes,
}

impl<'r> Reader<'r> {
    /// The top of the file.
    pub(super) fn top(
        table: Vec<(String, Node)>,
        environment: &'r Environment,
        flags: &'r Flags,
        mistakes: &'r mut Mistakes,
    ) -> Self {
        Self {
            path: String::new(),
            table,
            overrides: Some((environment, flags)),
            known: Vec::new(),
            mistakes,
        }
    }

    /// A table of the file.
    pub(super) fn of(path: impl Into<String>, node: Node, mistakes: &'r mut Mistakes) -> Self {
        let path = path.into();
        let table = match node.value {
            Value::Table(table) => table,
            other => {
                let name = path.trim_end_matches('.');
                mistakes.add(node.place.of(name), format_args!("this is {other}; write a section, [{name}]"));
                Vec::new()
            }
        };
        Self { path, table, overrides: None, known: Vec::new(), mistakes }
    }

    /// The tables of a section, with their names: `[formats.acme]` is `acme`.
    pub(super) fn named_tables(&mut self, section: &Section) -> Vec<(String, Node)> {
        let Some((name, node)) = self.take(section.name) else { return Vec::new() };
        match node.value {
            Value::Table(tables) => tables,
            other => {
                let complaint = format!("this is {other}; write a section, such as {}", section.header);
                self.mistakes.add(node.place.of(&name), complaint);
                Vec::new()
            }
        }
    }

    /// The one table of a section.
    pub(super) fn table(&mut self, section: &Section) -> Option<Node> {
        self.take(section.name).map(|(_, node)| node)
    }

    /// The tables of a list, `[[routes]]`, with their numbers from 1.
    pub(super) fn tables(&mut self, section: &Section) -> Vec<Node> {
        let Some((name, node)) = self.take(section.name) else { return Vec::new() };
        let is_table = |node: &Node| matches!(node.value, Value::Table(_));
        match node.value {
            Value::List(tables) if tables.iter().all(is_table) => tables,
            _ => {
                let complaint =
                    format!("write each one under a line of its own with two brackets, {}", section.header);
                self.mistakes.add(node.place.of(&name), complaint);
                Vec::new()
            }
        }
    }

    fn take(&mut self, name: &'static str) -> Option<(String, Node)> {
        self.known.push(name);
        let at = self.table.iter().position(|(known, _)| known == name)?;
        let (_, node) = self.table.remove(at);
        Some((format!("{}{name}", self.path), node))
    }

    /// What is set, the strongest first: flag, variable, file. Text of a list in a variable is separated by commas.
    fn set(&mut self, setting: &Setting) -> Option<Node> {
        let in_file = self.take(setting.name).map(|(_, node)| node);
        let Some((environment, flags)) = self.overrides else { return in_file };
        let flag = setting.flag.and_then(|flag| {
            let (_, value) = flags.iter().find(|(known, _)| *known == flag)?;
            Some((Place::Flag(flag), value.as_deref()?))
        });
        let variable =
            setting.variable.and_then(|name| Some((Place::Variable(name), environment.get(name)?)));
        match flag.or(variable) {
            Some((place, value)) => self.outside(setting, place, value),
            None => in_file,
        }
    }

    fn outside(&mut self, setting: &Setting, place: Place, value: &OsStr) -> Option<Node> {
        let Some(text) = value.to_str() else {
            self.mistakes.add(place.of(setting.name), "this is not text in UTF-8");
            return None;
        };
        let text = text.trim();
        let value = match setting.form {
            Form::Text => Value::Text(text.to_owned()),
            Form::Whole(..) => Value::Number(text.to_owned()),
            Form::YesNo => match text {
                "true" => Value::YesNo(true),
                "false" => Value::YesNo(false),
                _ => Value::Text(text.to_owned()),
            },
            Form::Texts => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                let node = |item: &str| Node { place: place.clone(), value: Value::Text(item.to_owned()) };
                Value::List(items.map(node).collect())
            }
        };
        Some(Node { place, value })
    }

    /// Says what is wrong with a setting, at its place.
    pub(super) fn wrong(&mut self, setting: &Setting, place: &Place, complaint: impl std::fmt::Display) {
        self.mistakes.add(place.of(&format!("{}{}", self.path, setting.name)), complaint);
    }

    fn of_another_form(&mut self, setting: &Setting, node: &Node) {
        let complaint = match (&node.value, &node.place) {
            (Value::Number(_), _) if matches!(setting.form, Form::Whole(..)) => setting.wanted(),
            (Value::Text(_) | Value::Number(_), Place::Variable(_) | Place::Flag(_)) => setting.wanted(),
            (value, _) => format!("this is {value}; {}", setting.wanted()),
        };
        self.wrong(setting, &node.place, complaint);
    }

    /// A text.
    pub(super) fn text(&mut self, setting: &Setting) -> Option<(Place, String)> {
        let node = self.set(setting)?;
        match node.value {
            Value::Text(text) if text.trim().is_empty() && setting.name != "prefix" => {
                self.wrong(setting, &node.place, format_args!("this is empty; {}", setting.wanted()));
                None
            }
            Value::Text(text) if text.contains('\0') => {
                self.wrong(
                    setting,
                    &node.place,
                    format_args!("this has a zero byte in it; {}", setting.wanted()),
                );
                None
            }
            Value::Text(text) => Some((node.place, text)),
            _ => {
                self.of_another_form(setting, &node);
                None
            }
        }
    }

    /// A text that has to be read.
    pub(super) fn parsed<T>(
        &mut self,
        setting: &Setting,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<(Place, T)> {
        let (place, text) = self.text(setting)?;
        match read(&text) {
            Ok(value) => Some((place, value)),
            Err(complaint) => {
                self.wrong(setting, &place, complaint);
                None
            }
        }
    }

    /// A list of texts, each with its place.
    pub(super) fn texts(&mut self, setting: &Setting) -> Option<Vec<(Place, String)>> {
        let node = self.set(setting)?;
        let Value::List(items) = &node.value else {
            self.of_another_form(setting, &node);
            return None;
        };
        let mut texts = Vec::new();
        for item in items {
            match &item.value {
                Value::Text(text) => texts.push((item.place.clone(), text.clone())),
                other => {
                    let complaint = format!("{other} in the list; {}", setting.wanted());
                    self.wrong(setting, &item.place, complaint);
                }
            }
        }
        Some(texts)
    }

    /// A list of texts that have to be read. What is wrong is left out.
    pub(super) fn parsed_texts<T>(
        &mut self,
        setting: &Setting,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let texts = self.texts(setting)?;
        let mut values = Vec::with_capacity(texts.len());
        for (place, text) in texts {
            match read(&text) {
                Ok(value) => values.push(value),
                Err(complaint) => self.wrong(setting, &place, complaint),
            }
        }
        Some(values)
    }

    /// Yes or no.
    pub(super) fn yes_no(&mut self, setting: &Setting) -> Option<bool> {
        let node = self.set(setting)?;
        if let Value::YesNo(yes) = node.value {
            return Some(yes);
        }
        self.of_another_form(setting, &node);
        None
    }

    /// A whole number within the bounds of its setting.
    pub(super) fn whole(&mut self, setting: &Setting) -> Option<u64> {
        let node = self.set(setting)?;
        let number = match &node.value {
            Value::Number(digits) => digits.parse::<u64>().ok(),
            _ => None,
        };
        let within = |number: &u64| matches!(setting.form, Form::Whole(least, most) if (least..=most).contains(number));
        let number = number.filter(within);
        if number.is_none() {
            self.of_another_form(setting, &node);
        }
        number
    }

    /// What was never asked for is no setting. Returns the mistakes, for the next to add to.
    pub(super) fn end(mut self) -> &'r mut Mistakes {
        for (name, node) in std::mem::take(&mut self.table) {
            let known = self.known.join(", ");
            let renamed = RENAMED.iter().find(|(old, _)| *old == name).map(|(_, new)| *new);
            if let Some(new) = renamed {
                let complaint = format!("this setting was renamed; write {new}");
                self.mistakes.add(node.place.of(&format!("{}{name}", self.path)), complaint);
                continue;
            }
            let complaint = match nearest(&name, self.known.iter().copied()) {
                Some(near) => format!("unknown setting; did you mean {near}?"),
                None => format!("unknown setting. Known here: {known}"),
            };
            self.mistakes.add(node.place.of(&format!("{}{name}", self.path)), complaint);
        }
        self.mistakes
    }
}
