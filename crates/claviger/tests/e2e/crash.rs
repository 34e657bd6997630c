//! What was acknowledged survives `kill -9`.
//!
//! Clients create, disable, enable and delete keys as fast as they can; at a random moment the process is
//! killed; after a restart every change whose answer had come has to be there. A change whose answer had not
//! come may have happened or not, but nothing in between.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use claviger_testkit::{Chance, Client, Serve, folder};
use serde_json::{Value, json};

use crate::PROGRAM;

/// 256 random bits once; a test's own key needs no more.
const OPERATOR: &str = "ck-test-9f2c51d07ae84b36c1e05d7f3a6b8294d1c7";
const ROUNDS: u64 = 12;
const CLIENTS: u64 = 8;
/// The process is killed after 50 to 550 ms of load: before, amid and after the first changes of a round.
const LOAD_MILLIS_MIN: u64 = 50;
const LOAD_MILLIS_SPAN: u64 = 500;

/// What a key is known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Active,
    Disabled,
    Deleted,
}

impl State {
    /// What verification says of such a key.
    fn code(self) -> &'static str {
        match self {
            Self::Active => "valid",
            Self::Disabled => "key_disabled",
            Self::Deleted => "invalid_key",
        }
    }
}

/// A key, and what it may be: one state, or two after a change whose answer has not come.
#[derive(Debug, Clone)]
struct Known {
    id: String,
    secret: String,
    states: Vec<State>,
}

/// One client: it changes its own keys only, so it knows what each of them has to be.
struct Load {
    api: Client,
    subject: String,
    chance: Chance,
    keys: Vec<Known>,
    /// Creations whose answer did not come: at most one for each kill.
    lost: u64,
}

impl Load {
    fn run(&mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            // The process is gone: whatever was asked last is known by half only.
            if self.step().is_none() {
                return;
            }
        }
    }

    /// One change. Nothing if there was no answer.
    fn step(&mut self) -> Option<()> {
        let settled: Vec<usize> = (0..self.keys.len())
            .filter(|n| matches!(self.keys[*n].states[..], [State::Active | State::Disabled]))
            .collect();
        if settled.len() < 4 || self.chance.below(3) == 0 {
            return self.create();
        }
        let chosen = settled[usize::try_from(self.chance.below(settled.len() as u64)).unwrap()];
        let (before, target) = (self.keys[chosen].states[0], format!("/v1/keys/{}", self.keys[chosen].id));
        let after = match (self.chance.below(3), before) {
            (0, _) => State::Deleted,
            (_, State::Active) => State::Disabled,
            (_, _) => State::Active,
        };
        let request = match after {
            State::Deleted => self.api.request("DELETE", &target),
            State::Disabled => self.api.patch(&target, &json!({"status": "disabled"})),
            State::Active => self.api.patch(&target, &json!({"status": "active"})),
        };
        // Until the answer is there, it may be either.
        self.keys[chosen].states = vec![before, after];
        let answer = request.bearer(OPERATOR).try_send().ok()?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.keys[chosen].states = vec![after];
        Some(())
    }

    fn create(&mut self) -> Option<()> {
        let body = json!({"name": "crash", "subject": self.subject});
        let Ok(answer) = self.api.post("/v1/keys", &body).bearer(OPERATOR).try_send() else {
            self.lost += 1;
            return None;
        };
        assert_eq!(answer.status, 201, "{}", answer.text());
        let made = answer.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (id, secret) = (text(&made["key"]["id"]), text(&made["secret"]));
        self.keys.push(Known { id, secret, states: vec![State::Active] });
        Some(())
    }
}

fn start(data: &Path) -> Serve {
    Serve::start(PROGRAM, data, &[("CLAVIGER_OPERATOR_KEY", OPERATOR)])
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let mut chance = Chance::told("what_was_acknowledged_survives_a_kill");
    let data = folder();
    let mut server = start(data.path());
    let account = server.api.post("/v1/accounts", &json!({"external_id": "crash"}));
    let account = account.bearer(OPERATOR).send().expect(201).json();
    let subject = format!("account:{}", account["id"].as_str().unwrap());
    let mut loads: Vec<Load> = (0..CLIENTS)
        .map(|_| Load {
            api: server.api,
            subject: subject.clone(),
            chance: chance.split(),
            keys: Vec::new(),
            lost: 0,
        })
        .collect();
    for round in 0..ROUNDS {
        let pause = Duration::from_millis(LOAD_MILLIS_MIN + chance.below(LOAD_MILLIS_SPAN));
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for load in &mut loads {
                scope.spawn(|| load.run(&stop));
            }
            thread::sleep(pause);
            server.process.kill();
            stop.store(true, Ordering::Relaxed);
        });
        server = start(data.path());
        let lost = loads.iter().map(|load| load.lost).sum();
        let mut known: Vec<&mut Known> = loads.iter_mut().flat_map(|load| &mut load.keys).collect();
        compare(server.api, &mut known, round);
        compare_listing(server.api, &subject, &known, lost);
        for load in &mut loads {
            load.api = server.api;
            load.keys.retain(|key| key.states != [State::Deleted]);
        }
    }
    let (status, _) = server.process.terminate();
    assert_eq!(status.code(), Some(0));
}

/// Every key is what it is known to be; what was open is settled by what is found.
fn compare(api: Client, known: &mut [&mut Known], round: u64) {
    assert!(!known.is_empty());
    let mut open = 0;
    for part in known.chunks_mut(500) {
        let requests: Vec<Value> = part.iter().map(|key| json!({"key": key.secret})).collect();
        let answer = api.post("/v1/verify/batch", &json!({"requests": requests})).bearer(OPERATOR).send();
        let answer = answer.expect(200).json();
        for (key, found) in part.iter_mut().zip(answer["results"].as_array().unwrap()) {
            open += usize::from(key.states.len() > 1);
            let code = found["code"].as_str().unwrap_or_default();
            let state = key.states.iter().copied().find(|state| state.code() == code);
            let state = state.unwrap_or_else(|| panic!("round {round}: {key:?} is `{code}`"));
            key.states = vec![state];
        }
    }
    let counted = |state| known.iter().filter(|key| key.states == [state]).count();
    eprintln!(
        "round {round}: {} active, {} disabled, {} deleted; {open} had no answer",
        counted(State::Active),
        counted(State::Disabled),
        counted(State::Deleted)
    );
}

/// What the API lists is what verification accepts, and nothing came from nowhere.
fn compare_listing(api: Client, subject: &str, known: &[&mut Known], lost: u64) {
    let mut listed = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let target = format!("/v1/keys?subject={subject}&limit=200{cursor}");
        let page = api.get(&target).bearer(OPERATOR).send().expect(200).json();
        let ids = page["items"].as_array().unwrap().iter();
        listed.extend(ids.map(|key| key["id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    for key in known {
        assert_eq!(listed.remove(&key.id), key.states != [State::Deleted], "{key:?}");
    }
    let unknown = listed.len() as u64;
    assert!(unknown <= lost, "{unknown} keys that nobody made, after {lost} creations without an answer");
}
