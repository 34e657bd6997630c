//! A real browser on other people's pages: what its scripts may call and read, and what it keeps from them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use claviger_testkit::{Process, folder};
use serde_json::{Value, json};

use crate::guarded::{Guarded, secret};
use crate::upstream::Upstream;

const ROUTES: &str = r#"
[[routes]]
path = "/d/{notebook}.js"
target = "notebook:{notebook}"
action = "notebook:read"
origins = ["PAGE"]
upstream = "UPSTREAM"

[[routes]]
path = "/any/{rest..}"
methods = ["GET", "POST"]
origins = ["*"]
upstream = "UPSTREAM"

[[routes]]
path = "/down"
origins = ["PAGE"]
upstream = "http://127.0.0.1:1"

[[routes]]
path = "/events"
origins = ["PAGE"]
upstream = "UPSTREAM"

[[routes]]
path = "/silent"
upstream = "UPSTREAM"

[[routes]]
path = "/ws"
upstream = "UPSTREAM"
"#;

/// Asks for everything and tells its own server what it was allowed to see.
const PAGE: &str = r#"<!doctype html><title>A page of somebody else's</title><script type="module">
const { gateway, keys } = SETUP;
const result = {};
async function ask(name, path, key, init = {}) {
  const headers = key ? { authorization: `Bearer ${key}`, ...init.headers } : { ...init.headers };
  try {
    const answer = await fetch(gateway + path, { ...init, headers });
    const read = (header) => answer.headers.get(header);
    const body = await answer.json();
    result[name] = {
      status: answer.status, code: body.code ?? null, id: read("x-request-id") !== null,
      version: read("x-claviger-version"), challenge: read("www-authenticate"),
      rate: read("ratelimit"), retry: read("retry-after"),
    };
  } catch (error) {
    result[name] = { error: error.name };
  }
}
await ask("allowed", "/d/n1.js", keys.good);
await ask("in the address", `/d/n1.js?api_key=${keys.good}`);
await ask("no key", "/d/n1.js");
await ask("unknown key", "/d/n1.js", "sk_0000000000000000000000000000000000000");
await ask("narrow key", "/d/n1.js", keys.narrow);
await ask("hidden", "/d/n2.js", keys.good);
await ask("down", "/down", keys.good);
await ask("rate", "/d/n1.js", keys.rated);
await ask("over the rate", "/d/n1.js", keys.rated);
await ask("any", "/any/thing", keys.good);
const post = { method: "POST", body: "{}", headers: { "content-type": "application/json" } };
await ask("posted", "/any/thing", undefined, { ...post, headers: { ...post.headers, "x-api-key": keys.good } });
await ask("other method", "/d/n1.js", keys.good, post);
await ask("with cookies", "/d/n1.js", keys.good, { credentials: "include" });
await ask("with cookies to any", "/any/thing", keys.good, { credentials: "include" });
await ask("silent", "/silent", keys.good);
result.events = await new Promise((done) => {
  const source = new EventSource(`${gateway}/events?api_key=${keys.good}`);
  const seen = [];
  source.onmessage = (event) => {
    seen.push(event.data);
    if (seen.length === 3) { source.close(); done(seen); }
  };
  source.onerror = () => done("error");
});
function socket(then) {
  const socket = new WebSocket(`${gateway.replace("http", "ws")}/ws?api_key=${keys.good}`);
  return new Promise((done) => {
    const seen = [];
    socket.onmessage = ({ data }) => { seen.push(data); then(socket, seen); };
    socket.onclose = ({ code, reason, wasClean }) => done({ seen, code, reason, wasClean });
  });
}
result.socket = await socket((socket, seen) => {
  if (seen.length < 3) socket.send(`word ${seen.length}`);
  else socket.close(3001, "bye");
});
const tell = (what) => fetch("/result", { method: "POST", body: JSON.stringify(what) });
await tell(result);
if (SETUP.stay) await tell(await socket((_, seen) => { if (seen.length === 1) tell("open"); }));
</script>"#;

/// A web server with one page, and what that page tells it.
struct Pages {
    port: u16,
    page: Sender<String>,
    told: Receiver<Value>,
}

impl Pages {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (page, pages) = channel::<String>();
        let (tell, told) = channel();
        std::thread::spawn(move || {
            let mut page = String::new();
            for stream in listener.incoming() {
                page = pages.try_iter().last().unwrap_or(page);
                // A browser opens connections that it does not use.
                let _ = answer(stream.unwrap(), &page, &tell);
            }
        });
        Self { port, page, told }
    }

    fn next(&self) -> Value {
        self.told.recv_timeout(Duration::from_secs(120)).unwrap()
    }
}

fn answer(stream: TcpStream, page: &str, tell: &Sender<Value>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut reading = BufReader::new(stream.try_clone()?);
    let mut head = String::new();
    while reading.read_line(&mut head)? > 2 {}
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reading.read_exact(&mut body)?;
    let (status, content) = match head.split(' ').take(2).collect::<Vec<_>>()[..] {
        ["GET", "/"] => ("200 OK", page),
        ["POST", "/result"] => ("200 OK", ""),
        _ => ("404 Not Found", ""),
    };
    if let Ok(told) = serde_json::from_slice(&body) {
        let _ = tell.send(told);
    }
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        content.len()
    );
    (&stream).write_all(format!("{head}{content}").as_bytes())
}

fn browser(data: &Path, url: &str) -> Process {
    let profile = tempfile::tempdir_in(data).unwrap().keep();
    // Tests run as root, too, where the sandbox does not; and what a browser asks its maker is not asked here.
    let flags = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
    ];
    let profile = format!("--user-data-dir={}", profile.display());
    Process::start(Command::new("chromium").args(flags).arg("--disable-dev-shm-usage").arg(profile).arg(url))
}

#[test]
fn scripts_of_an_allowed_origin_and_of_another() {
    let data = folder();
    let (pages, upstream) = (Pages::start(), Upstream::start());
    let origin = format!("http://127.0.0.1:{}", pages.port);
    let config = ROUTES.replace("PAGE", &origin).replace("UPSTREAM", &upstream.url);
    let mut house = Guarded::start(data.path(), &config);
    let narrow = house.new_key(json!({"scopes": []}));
    let rated = || house.new_key(json!({"restrictions": {"rate": {"limit": 1, "period_seconds": 3600}}}));
    let page = |stay: bool| {
        let setup = json!({
            "gateway": format!("http://{}", house.serve.gateway.address()), "stay": stay,
            "keys": {"good": house.secret(), "narrow": secret(&narrow), "rated": secret(&rated())},
        });
        PAGE.replacen("SETUP", &setup.to_string(), 1)
            .replace("SETUP.stay", if stay { "true" } else { "false" })
    };

    pages.page.send(page(false)).unwrap();
    // The same server under another name is another origin.
    let mut other = browser(data.path(), &format!("http://localhost:{}/", pages.port));
    let seen = pages.next();
    other.terminate();
    let refused = json!({"error": "TypeError"});
    for name in ["allowed", "in the address", "no key", "hidden", "down", "silent", "with cookies"] {
        assert_eq!(seen[name], refused, "{name}");
    }
    assert_eq!((&seen["any"]["status"], &seen["posted"]["status"]), (&json!(200), &json!(200)));
    assert_eq!(seen["events"], "error");

    pages.page.send(page(true)).unwrap();
    let mut allowed = browser(data.path(), &format!("{origin}/"));
    let seen = pages.next();
    let account = house.account.clone();
    let check = |name: &str, status: u16, code: Option<&str>| {
        let answer = &seen[name];
        assert_eq!((&answer["status"], &answer["code"]), (&json!(status), &json!(code)), "{name}: {answer}");
        assert_eq!(answer["id"], true, "{name}: a script has to be able to tell us the request");
        assert_eq!(answer["challenge"].is_string(), status == 401, "{name}: {answer}");
    };
    check("allowed", 200, None);
    check("in the address", 200, None);
    assert_eq!(seen["allowed"]["version"], "7");
    check("no key", 401, Some("credentials_required"));
    check("unknown key", 401, Some("invalid_key"));
    check("narrow key", 403, Some("forbidden"));
    check("hidden", 404, Some("not_found"));
    check("down", 502, Some("upstream_unreachable"));
    check("rate", 200, None);
    assert!(seen["rate"]["rate"].as_str().unwrap().contains("r=0"), "{}", seen["rate"]);
    check("over the rate", 429, Some("rate_limited"));
    assert!(seen["over the rate"]["retry"].is_string());
    check("any", 200, None);
    check("posted", 200, None);
    // What no route takes, what asks for cookies, and routes that say nothing of origins.
    for name in ["other method", "with cookies", "with cookies to any", "silent"] {
        assert_eq!(seen[name], refused, "{name}");
    }
    assert_eq!(seen["events"], json!(["0", "1", "2"]));
    let socket =
        json!({"seen": [account, "word 1", "word 2"], "code": 3001, "reason": "bye", "wasClean": true});
    assert_eq!(seen["socket"], socket);

    // A socket that is open when the gateway stops is ended, and does not hold it up.
    assert_eq!(pages.next(), "open");
    let (status, took) = house.serve.process.terminate();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(10), "the drain waited for a tunnel: {took:?}");
    let ended = pages.next();
    assert_eq!((&ended["code"], &ended["wasClean"]), (&json!(1006), &json!(false)));
    allowed.terminate();
}
