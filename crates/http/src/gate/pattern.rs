//! Route patterns: how a path names a resource.
//!
//! A pattern is a path with named captures, `/d/{notebook}@{version}.{format}`. A capture takes one
//! character or more of a single segment; a last segment `{rest..}` takes whatever is left. Matching works
//! on the bytes of the path exactly as they were received: nothing is decoded and nothing is normalised, so
//! that the decision and the upstream see the same target. What an upstream could nevertheless read
//! differently is found by [`super::spelling`].

use std::cmp::Reverse;
use std::ops::Range;

/// Most captures in one pattern, so that a match needs no heap: a resource needs three at most (container,
/// id, version), and a format and a rest beside them leave room.
pub const CAPTURES_MAX: usize = 8;

/// Longest pattern in bytes. Patterns are written by hand in the configuration file.
pub const PATTERN_BYTES_MAX: usize = 1024;

/// A parsed route pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    source: Box<str>,
    segments: Vec<Segment>,
    names: Vec<Box<str>>,
    /// Whether the last name is a `{rest..}`.
    rest: bool,
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The pattern is longer than [`PATTERN_BYTES_MAX`].
    #[error("the pattern is longer than {PATTERN_BYTES_MAX} bytes")]
    TooLong,
    /// The pattern does not begin with a slash.
    #[error("a path begins with a slash, such as /api/{{rest..}}")]
    NoLeadingSlash,
    /// A segment other than the last is empty (`//`).
    #[error("`//` in a pattern would match nothing that the gateway lets through")]
    EmptySegment,
    /// A segment is `.` or `..`.
    #[error("a `.` or `..` segment would match nothing that the gateway lets through")]
    DotSegment,
    /// A character that has no meaning in patterns.
    #[error(
        "`{0}` has no meaning in a pattern; write captures as {{name}} and a trailing rest as {{name..}}"
    )]
    UnknownSyntax(char),
    /// A `{` without its `}`, or the other way round.
    #[error("a brace has no partner")]
    UnbalancedBrace,
    /// A capture's name is not `[a-z_][a-z0-9_]*`.
    #[error("`{0}` is not a name; names are lower-case letters, digits and `_`, not beginning with a digit")]
    BadName(String),
    /// A name is used twice.
    #[error("the name `{0}` is used twice")]
    DuplicateName(String),
    /// Two captures touch, so that nothing says where the first ends.
    #[error("two captures need something between them")]
    AdjacentCaptures,
    /// `{name..}` stands elsewhere than alone in the last segment.
    #[error("`{{{0}..}}` has to be the whole last segment")]
    MisplacedRest(String),
    /// More than [`CAPTURES_MAX`] captures.
    #[error("a pattern has at most {CAPTURES_MAX} captures")]
    TooManyCaptures,
}

/// How narrow a pattern is: of two that match, the greater one is the better match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Specificity {
    literal_bytes: usize,
    whole: bool,
    captures: Reverse<usize>,
}

/// What a pattern found in a path.
#[derive(Clone, Copy, Debug)]
pub struct Captures<'p, 't> {
    pattern: &'p Pattern,
    path: &'t str,
    /// Ranges into `path`, in the order of `pattern.names`.
    ranges: [(usize, usize); CAPTURES_MAX],
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// Has to be equal; may be empty at the end (`/a/`).
    Literal(Box<str>),
    /// `prefix {0} middle[0] {1} middle[1] … {n} suffix`
    Captures { prefix: Box<str>, middle: Vec<Box<str>>, suffix: Box<str> },
    /// Everything that is left, slashes and all.
    Rest,
}

impl Pattern {
    /// Parses a pattern such as `/api/v1/samples/{sample}` or `/files/{rest..}`.
    ///
    /// # Errors
    /// [`PatternError`] says which rule the text breaks.
    pub fn parse(source: &str) -> Result<Self, PatternError> {
        if source.len() > PATTERN_BYTES_MAX {
            return Err(PatternError::TooLong);
        }
        let body = source.strip_prefix('/').ok_or(PatternError::NoLeadingSlash)?;
        let mut pattern =
            Self { source: source.into(), segments: Vec::new(), names: Vec::new(), rest: false };
        let mut texts = body.split('/').peekable();
        while let Some(text) = texts.next() {
            let last = texts.peek().is_none();
            if text.is_empty() && !last {
                return Err(PatternError::EmptySegment);
            }
            let segment = pattern.parse_segment(text, last)?;
            pattern.segments.push(segment);
        }
        Ok(pattern)
    }

    /// Matches a path (without its query) as it was received.
    pub fn matches<'p, 't>(&'p self, path: &'t str) -> Option<Captures<'p, 't>> {
        let mut captures = Captures { pattern: self, path, ranges: [(0, 0); CAPTURES_MAX] };
        let mut at = 1;
        let mut found = 0;
        let mut left = Some(path.strip_prefix('/')?);
        for segment in &self.segments {
            let text = left?;
            if matches!(segment, Segment::Rest) {
                captures.ranges[found] = (at, path.len());
                return Some(captures);
            }
            let (text, after) = match text.split_once('/') {
                Some((text, after)) => (text, Some(after)),
                None => (text, None),
            };
            found += segment.matches(text, at, &mut captures.ranges[found..])?;
            at += text.len() + 1;
            left = after;
        }
        left.is_none().then_some(captures)
    }

    /// How narrow the pattern is. Routes are tried from the greatest to the least: more literal bytes
    /// first, then patterns without a rest, then fewer captures.
    pub fn specificity(&self) -> Specificity {
        let literal_bytes = self.segments.iter().map(|segment| segment.literal_bytes() + 1).sum();
        Specificity { literal_bytes, whole: !self.rest, captures: Reverse(self.names.len()) }
    }

    /// Whether both match the very same paths, however their captures are called. Two other patterns never do
    /// unless one is narrower, and then the narrower is tried first.
    pub fn same_paths(&self, other: &Self) -> bool {
        self.segments == other.segments
    }

    /// Whether a segment is one that some servers take for `.` or `..`.
    pub fn has_dot_segment(&self) -> bool {
        let dots = |segment: &Segment| matches!(segment, Segment::Literal(literal) if super::spelling::ambiguous_path(literal));
        self.segments.iter().any(dots)
    }

    /// The same pattern with its literals in lower case, for paths that [`super::spelling`] has folded.
    pub(super) fn folded(&self) -> Self {
        let fold = |text: &str| Box::from(text.to_ascii_lowercase());
        let segment = |segment: &Segment| match segment {
            Segment::Literal(literal) => Segment::Literal(fold(literal)),
            Segment::Rest => Segment::Rest,
            Segment::Captures { prefix, middle, suffix } => Segment::Captures {
                prefix: fold(prefix),
                middle: middle.iter().map(|literal| fold(literal)).collect(),
                suffix: fold(suffix),
            },
        };
        Self { segments: self.segments.iter().map(segment).collect(), ..self.clone() }
    }

    /// For a pattern that ends in a slash or in `/{rest..}`: the same without that end, as an application has it
    /// that takes `/a` for `/a/`.
    pub(super) fn without_end(&self) -> Option<Self> {
        let ends = match self.segments.last()? {
            Segment::Rest => true,
            Segment::Literal(literal) => literal.is_empty(),
            Segment::Captures { .. } => false,
        };
        if !ends || self.segments.len() < 2 {
            return None;
        }
        let mut bare = self.clone();
        if let Some(Segment::Rest) = bare.segments.pop() {
            bare.names.pop();
        }
        bare.rest = false;
        Some(bare)
    }

    /// The names of the captures, in the order in which they stand.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(AsRef::as_ref)
    }

    /// The text that was parsed.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    fn parse_segment(&mut self, text: &str, last: bool) -> Result<Segment, PatternError> {
        if text == "." || text == ".." {
            return Err(PatternError::DotSegment);
        }
        if text.starts_with(':') {
            // Other routers write captures so; taken as a literal it would silently match nothing.
            return Err(PatternError::UnknownSyntax(':'));
        }
        let mut literals = Vec::new();
        let mut left = text;
        while let Some((literal, after)) = left.split_once('{') {
            check_literal(literal)?;
            let (name, after) = after.split_once('}').ok_or(PatternError::UnbalancedBrace)?;
            if let Some(name) = name.strip_suffix("..") {
                self.add_name(name)?;
                if !(last && literals.is_empty() && literal.is_empty() && after.is_empty()) {
                    return Err(PatternError::MisplacedRest(name.to_owned()));
                }
                self.rest = true;
                return Ok(Segment::Rest);
            }
            self.add_name(name)?;
            if literal.is_empty() && !literals.is_empty() {
                return Err(PatternError::AdjacentCaptures);
            }
            literals.push(Box::from(literal));
            left = after;
        }
        check_literal(left)?;
        if literals.is_empty() {
            return Ok(Segment::Literal(left.into()));
        }
        let prefix = literals.remove(0);
        Ok(Segment::Captures { prefix, middle: literals, suffix: left.into() })
    }

    fn add_name(&mut self, name: &str) -> Result<(), PatternError> {
        let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        if !begins || !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
            return Err(PatternError::BadName(name.to_owned()));
        }
        if self.names.iter().any(|known| **known == *name) {
            return Err(PatternError::DuplicateName(name.to_owned()));
        }
        if self.names.len() == CAPTURES_MAX {
            return Err(PatternError::TooManyCaptures);
        }
        self.names.push(name.into());
        Ok(())
    }
}

impl Segment {
    /// Matches one segment that begins at offset `at` of the path; writes the ranges and says how many.
    ///
    /// Leftmost and shortest. This needs no backtracking: a capture takes any character of its segment, so
    /// if a literal can be matched at a later place and the rest still fits, then it can be matched at its
    /// first place too and the next capture takes what lies between. Only the suffix is bound to the end.
    /// So the cost stays linear whatever a client sends.
    fn matches(&self, text: &str, at: usize, ranges: &mut [(usize, usize)]) -> Option<usize> {
        let (prefix, middle, suffix) = match self {
            Self::Literal(literal) => return (**literal == *text).then_some(0),
            Self::Rest => return None,
            Self::Captures { prefix, middle, suffix } => (prefix, middle, suffix),
        };
        let mut from = prefix.len();
        let inner = text.strip_prefix(&**prefix)?.strip_suffix(&**suffix)?;
        let end = from + inner.len();
        for (literal, range) in middle.iter().zip(&mut *ranges) {
            // The capture needs one character at least, so the literal begins after it.
            let first = text[from..end].chars().next()?.len_utf8();
            let found = from + first + text[from + first..end].find(&**literal)?;
            *range = (at + from, at + found);
            from = found + literal.len();
        }
        if from == end {
            return None;
        }
        ranges[middle.len()] = (at + from, at + end);
        Some(middle.len() + 1)
    }

    fn literal_bytes(&self) -> usize {
        match self {
            Self::Literal(literal) => literal.len(),
            Self::Rest => 0,
            Self::Captures { prefix, middle, suffix } => {
                prefix.len() + suffix.len() + middle.iter().map(|literal| literal.len()).sum::<usize>()
            }
        }
    }
}

impl<'t> Captures<'_, 't> {
    /// The bytes that the capture of this name took, undecoded; `None` if the pattern has no such name.
    pub fn get(&self, name: &str) -> Option<&'t str> {
        let index = self.pattern.names.iter().position(|known| **known == *name)?;
        Some(&self.path[self.range(index)])
    }

    /// All captures, in the order in which they stand in the pattern.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'t str)> {
        self.pattern.names().enumerate().map(|(index, name)| (name, &self.path[self.range(index)]))
    }

    /// Whether a capture begins or ends in the middle of a percent-encoding (`{a}0` on `/x%40`), so that it takes
    /// something else once the path is decoded.
    pub(super) fn split_an_encoding(&self) -> bool {
        let bytes = self.path.as_bytes();
        let within = |at: usize| (1..=2).any(|back| at >= back && bytes.get(at - back) == Some(&b'%'));
        (0..self.pattern.names.len())
            .map(|index| self.ranges[index])
            .any(|(from, to)| within(from) || within(to))
    }

    fn range(&self, index: usize) -> Range<usize> {
        let (from, to) = self.ranges[index];
        from..to
    }
}

fn check_literal(literal: &str) -> Result<(), PatternError> {
    match literal.chars().find(|c| !c.is_ascii_alphanumeric() && !"-._~!$&'()+,;=:@".contains(*c)) {
        None => Ok(()),
        Some('{' | '}') => Err(PatternError::UnbalancedBrace),
        Some(other) => Err(PatternError::UnknownSyntax(other)),
    }
}

#[cfg(test)]
mod tests;
