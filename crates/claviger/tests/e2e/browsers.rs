//! What scripts in other people's pages are allowed, on answers of every kind.

use claviger_testkit::{Answer, Demo, folder};

use crate::PROGRAM;

const ORIGIN: &str = "https://blog.example";

fn allowed(answer: &Answer) -> Option<&str> {
    answer.header("access-control-allow-origin")
}

#[test]
fn scripts_of_other_origins() {
    let data = folder();
    let demo = Demo::start(PROGRAM, data.path());
    let (gateway, id) = (demo.gateway(), demo.resource("private_notebook"));
    let download = format!("/d/{id}.js");

    // The question before the question carries no credential, and needs none: not even to hidden things.
    for target in [download.clone(), "/d/ffffffffffffffff.js".to_owned(), format!("/d/{id}@9.tgz")] {
        let preflight = gateway
            .request("OPTIONS", &target)
            .header("Origin", ORIGIN)
            .header("Access-Control-Request-Method", "GET")
            .header("Access-Control-Request-Headers", "authorization")
            .send();
        assert_eq!((preflight.status, allowed(&preflight)), (204, Some("*")), "{target}");
        assert_eq!(preflight.header("access-control-allow-methods"), Some("GET"));
        assert_eq!(preflight.header("access-control-allow-headers"), Some("authorization"));
        assert!(preflight.header("access-control-allow-credentials").is_none());
        assert!(preflight.header("www-authenticate").is_none());
        let vary = preflight.joined("vary").to_ascii_lowercase();
        assert!(vary.contains("access-control-request-headers"), "{vary}");
    }

    // The answer itself, and each kind of refusal: a script has to be able to read why.
    let cases = [
        (demo.key("owner_account"), &*download, 200),
        (demo.key("expired"), &*download, 401),
        (demo.key("pinned_notebook"), &*download, 403),
        (demo.key("member_account"), &*download, 404),
        ("short", &*download, 400),
    ];
    for (key, target, status) in cases {
        let answer = gateway.get(target).header("Origin", ORIGIN).bearer(key).send();
        assert_eq!((answer.status, allowed(&answer)), (status, Some("*")), "{}", answer.text());
        let exposed = answer.joined("access-control-expose-headers");
        for name in ["x-request-id", "x-claviger-version", "www-authenticate"] {
            assert!(exposed.contains(name), "{exposed}");
        }
        assert!(answer.header("access-control-allow-credentials").is_none());
    }
    let anonymous = gateway.get(&download).header("Origin", ORIGIN).send();
    assert_eq!((anonymous.status, allowed(&anonymous)), (404, Some("*")));
    // Caches must tell callers apart where the answer depends on who asks.
    let public = gateway.get(&format!("/d/{}.js", demo.resource("public_notebook"))).send();
    let vary = public.joined("vary").to_ascii_lowercase();
    assert!(vary.contains("authorization") && vary.contains("x-api-key"), "{vary}");

    // Routes that name no origins allow none: neither before nor with the answer.
    let account = "/api/v1/account";
    let preflight = gateway
        .request("OPTIONS", account)
        .header("Origin", ORIGIN)
        .header("Access-Control-Request-Method", "GET")
        .send();
    assert_eq!(allowed(&preflight), None);
    assert!(preflight.status >= 400, "{}", preflight.status);
    let answer = gateway.get(account).header("Origin", ORIGIN).bearer(demo.key("owner_account")).send();
    assert_eq!((answer.status, allowed(&answer)), (200, None));
    // Nor does the API: its keys belong on servers.
    let answer = demo.api().get("/v1/whoami").header("Origin", ORIGIN).bearer(demo.operator()).send();
    assert_eq!((answer.status, allowed(&answer)), (200, None));
}
