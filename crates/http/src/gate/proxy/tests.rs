use super::*;

#[test]
fn what_names_an_upstream() {
    let upstream = Upstream::parse("http://app.internal:8080").unwrap();
    assert_eq!(
        (upstream.authority.as_str(), upstream.host.to_str().unwrap()),
        ("app.internal:8080", "app.internal:8080")
    );
    let upstream = Upstream::parse("http://[::1]/").unwrap();
    assert_eq!((upstream.authority.as_str(), upstream.host.to_str().unwrap()), ("[::1]:80", "[::1]"));
    for (url, expect) in [
        ("app:8080", UpstreamError::NotAnUrl),
        ("/app", UpstreamError::NotAnUrl),
        ("", UpstreamError::NotAnUrl),
        ("https://app", UpstreamError::Scheme),
        ("http://app/base", UpstreamError::Surplus),
        ("http://app/?x", UpstreamError::Surplus),
        ("http://u:p@app/", UpstreamError::Surplus),
    ] {
        assert_eq!(Upstream::parse(url).unwrap_err(), expect, "{url}");
    }
}

#[test]
fn event_streams_are_known_by_their_type() {
    let check = |value: &'static str, expect| {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]);
        assert_eq!(is_event_stream(&headers), expect, "{value}");
    };
    check("text/event-stream", true);
    check("Text/Event-Stream; charset=utf-8", true);
    check("text/html", false);
    check("", false);
}
