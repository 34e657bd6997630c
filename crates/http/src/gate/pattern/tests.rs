use proptest::prelude::*;

use super::*;

fn check(pattern: &str, path: &str, expect: Option<&[(&str, &str)]>) {
    let pattern = Pattern::parse(pattern).unwrap();
    let found = pattern.matches(path);
    let found: Option<Vec<_>> = found.as_ref().map(|captures| captures.iter().collect());
    assert_eq!(found.as_deref(), expect, "{} on {path}", pattern.as_str());
}

fn refused(pattern: &str, expect: &PatternError) {
    assert_eq!(Pattern::parse(pattern).as_ref(), Err(expect), "{pattern}");
}

#[test]
fn literals_and_single_captures() {
    check("/", "/", Some(&[]));
    check("/", "", None);
    check("/", "/a", None);
    check("/a", "/a/", None);
    check("/a/", "/a", None);
    check("/a/", "/a/", Some(&[]));
    let sample = "/api/v1/samples/{sample}";
    check(sample, "/api/v1/samples/s-1", Some(&[("sample", "s-1")]));
    check(sample, "/api/v1/samples/", None);
    check(sample, "/api/v1/samples", None);
    check(sample, "/api/v1/samples/s-1/", None);
    check(sample, "/api/v1/samples/s-1/x", None);
    check(sample, "/API/v1/samples/s-1", None);
}

#[test]
fn several_captures_in_a_segment() {
    let pattern = "/d/{notebook}@{version}.{format}";
    check(pattern, "/d/n1@3.html", Some(&[("notebook", "n1"), ("version", "3"), ("format", "html")]));
    check(pattern, "/d/a@b@c.d", Some(&[("notebook", "a"), ("version", "b@c"), ("format", "d")]));
    check(pattern, "/d/a@b.c.d", Some(&[("notebook", "a"), ("version", "b"), ("format", "c.d")]));
    check(pattern, "/d/n1@3", None);
    check(pattern, "/d/n1.html", None);
    check(pattern, "/d/@3.html", None);
    check(pattern, "/d/n1@.html", None);
    check(pattern, "/d/n1@3.", None);
    // The literal may have to be found at a later place, for a capture is never empty.
    check(pattern, "/d/@@1.x", Some(&[("notebook", "@"), ("version", "1"), ("format", "x")]));
    check(pattern, "/d/a@..x", Some(&[("notebook", "a"), ("version", "."), ("format", "x")]));
    check("/{id}.{format}", "/a.b.c", Some(&[("id", "a"), ("format", "b.c")]));
    check("/{id}.tar.gz", "/a.tar.gz.tar.gz", Some(&[("id", "a.tar.gz")]));
    check("/v{major}-{minor}!", "/v1-2!", Some(&[("major", "1"), ("minor", "2")]));
    // Prefix and suffix may not share bytes.
    check("/a{x}a", "/a", None);
    check("/a{x}a", "/aa", None);
    check("/a{x}a", "/aba", Some(&[("x", "b")]));
}

#[test]
fn bytes_are_taken_as_they_are() {
    check("/n/{id}", "/n/a%2Fb", Some(&[("id", "a%2Fb")]));
    check("/n/{id}", "/n/a%2Fb/c", None);
    check("/n/{id}.{f}", "/n/é.ü", Some(&[("id", "é"), ("f", "ü")]));
    check("/n/{id}", "/n//", None);
    check("/n/{id}", "//n/a", None);
}

#[test]
fn a_rest_takes_everything() {
    let pattern = "/p/{id}/{rest..}";
    check(pattern, "/p/1/", Some(&[("id", "1"), ("rest", "")]));
    check(pattern, "/p/1/a/b//c%2f", Some(&[("id", "1"), ("rest", "a/b//c%2f")]));
    check(pattern, "/p/1", None);
    check("/{rest..}", "/", Some(&[("rest", "")]));
}

#[test]
fn a_hostile_path_costs_linear_time() {
    let pattern = Pattern::parse("/{a}-{b}-{c}-{d}-{e}-{f}-{g}.x").unwrap();
    let path = format!("/{}", "-".repeat(60_000));
    let start = std::time::Instant::now();
    for _ in 0..20 {
        assert!(pattern.matches(&path).is_none());
    }
    assert!(start.elapsed().as_secs() < 5, "a match takes time beyond the length of the path");
}

#[test]
fn what_is_not_a_pattern() {
    refused("a", &PatternError::NoLeadingSlash);
    refused("", &PatternError::NoLeadingSlash);
    refused("/a//b", &PatternError::EmptySegment);
    refused("/a/../b", &PatternError::DotSegment);
    refused("/a/*", &PatternError::UnknownSyntax('*'));
    refused("/a/:id", &PatternError::UnknownSyntax(':'));
    refused("/a?x", &PatternError::UnknownSyntax('?'));
    refused("/a%2f", &PatternError::UnknownSyntax('%'));
    refused("/a b", &PatternError::UnknownSyntax(' '));
    refused("/{a", &PatternError::UnbalancedBrace);
    refused("/a}", &PatternError::UnbalancedBrace);
    refused("/{}", &PatternError::BadName(String::new()));
    refused("/{A}", &PatternError::BadName("A".into()));
    refused("/{1a}", &PatternError::BadName("1a".into()));
    refused("/{a{b}}", &PatternError::BadName("a{b".into()));
    refused("/{a}/{a}", &PatternError::DuplicateName("a".into()));
    refused("/{a}{b}", &PatternError::AdjacentCaptures);
    refused("/{a..}/b", &PatternError::MisplacedRest("a".into()));
    refused("/x{a..}", &PatternError::MisplacedRest("a".into()));
    refused("/{b}.{a..}", &PatternError::MisplacedRest("a".into()));
    refused("/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}", &PatternError::TooManyCaptures);
    refused(&format!("/{}", "a".repeat(PATTERN_BYTES_MAX)), &PatternError::TooLong);
}

#[test]
fn narrower_patterns_come_first() {
    let mut patterns =
        ["/{rest..}", "/d/{id}", "/d/{id}.{format}", "/d/{id}@{version}.{format}", "/d/{rest..}", "/d/new"]
            .map(|pattern| Pattern::parse(pattern).unwrap());
    patterns.sort_by_key(|pattern| Reverse(pattern.specificity()));
    let order: Vec<_> = patterns.iter().map(Pattern::as_str).collect();
    let expect =
        ["/d/new", "/d/{id}@{version}.{format}", "/d/{id}.{format}", "/d/{id}", "/d/{rest..}", "/{rest..}"];
    assert_eq!(order, expect);
}

#[test]
fn names_that_are_not_there() {
    let pattern = Pattern::parse("/{id}").unwrap();
    let captures = pattern.matches("/x").unwrap();
    assert_eq!(captures.get("id"), Some("x"));
    assert_eq!(captures.get("version"), None);
}

/// The path that a pattern stands for with these captures in it.
fn filled(captures: &Captures<'_, '_>) -> String {
    let source = captures.pattern.as_str();
    captures.iter().fold(source.to_owned(), |path, (name, value)| {
        // A value may hold braces; those of the pattern stand before it.
        let (at, length) = [format!("{{{name}}}"), format!("{{{name}..}}")]
            .iter()
            .find_map(|text| path.find(text.as_str()).map(|at| (at, text.len())))
            .unwrap();
        format!("{}{value}{}", &path[..at], &path[at + length..])
    })
}

proptest! {
    #[test]
    fn any_text_is_a_pattern_or_not(text in "\\PC{0,60}|/[a-z{}.@/-]{0,40}", path in "/\\PC{0,60}|/[a-z.@/%-]{0,40}") {
        if let Ok(pattern) = Pattern::parse(&text) {
            prop_assert_eq!(pattern.as_str(), &text);
            prop_assert_eq!(&Pattern::parse(&text).unwrap(), &pattern);
            pattern.matches(&path);
            pattern.folded().matches(&path);
            pattern.without_end().map(|pattern| pattern.matches(&path).is_some());
        }
    }

    /// What the captures took, put back into the pattern, is the path.
    #[test]
    fn captures_are_the_path(
        pattern in "(/(a|[a-c]?\\{x\\}[.@]?|\\{x\\}[.@-]\\{y\\})){1,3}(/\\{rest\\.\\.\\}|/)?",
        path in "(/[a-c.@-]{1,4}){1,4}/?",
    ) {
        let mut number = 0;
        let pattern: String = pattern
            .split_inclusive('{')
            .map(|part| {
                number += 1;
                if part.ends_with('{') { format!("{part}n{number}_") } else { part.to_owned() }
            })
            .collect();
        let Ok(pattern) = Pattern::parse(&pattern) else { return Ok(()) };
        if let Some(captures) = pattern.matches(&path) {
            prop_assert_eq!(filled(&captures), path);
        }
    }
}
