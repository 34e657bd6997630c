//! The one way in: what counts, what does not, what is recorded, and what happens when the node may lack a change.

use claviger_authority::{
    Answer, Arriving, CallerCredential, Counting, Denial, Error, HistoryFilter, NotFresh, Page, Question,
    RequestRecord, UsageStep,
};
use claviger_core::decide::{Place, Reason, Refusal, Request, Target};
use claviger_core::history::Origin;
use claviger_core::key::PresentedKey;
use claviger_core::restriction::{Quota, QuotaPeriod, Rate, Restrictions};
use claviger_core::scope::Action;

use super::support::*;

const READ: Action<'static> = Action::literal("notebook", "read");

fn record(name: &'static str) -> RequestRecord<'static> {
    RequestRecord {
        action: Some(READ),
        method: "GET",
        target: Some("notebook:a"),
        origin: Origin::Api,
        request_id: Box::leak(Box::new(name)),
        entrance: "through the gateway",
        if_allowed: false,
    }
}

impl House {
    fn credential(&self, text: &str) -> CallerCredential {
        self.authority.identify(PresentedKey::parse(text).ok())
    }

    /// Asks about an action without a target; the code and the codes of the reasons.
    fn ask(
        &self,
        text: &str,
        counting: Counting,
        record: Option<&RequestRecord<'_>>,
    ) -> Result<(&'static str, Vec<&'static str>), NotFresh> {
        let request = Request::new(READ, Target::Nothing);
        let question = Question { credential: self.credential(text), request, counting, record };
        self.authority.admit(&question, |answer| {
            (outcome_of(&answer), answer.reasons.iter().map(Reason::code).collect())
        })
    }
}

fn outcome_of<P>(answer: &Answer<'_, P>) -> &'static str {
    answer.outcome.as_ref().map_or_else(Denial::code, |_| "ok")
}

async fn limited(house: &House) -> claviger_authority::keys::CreatedKey {
    let mut new = house.new_key(house.of_ada(), "notebook:read");
    new.restrictions = Restrictions {
        rate: Some(Rate { limit: 2, period_seconds: 60 }),
        quota: Some(Quota { limit: 3, period: QuotaPeriod::Day }),
        ..Restrictions::default()
    };
    house.authority.create_key(&house.ada(), new).await.unwrap().value
}

#[tokio::test]
async fn a_diagnosis_uses_up_nothing_and_is_no_use() {
    let house = House::build().await;
    let made = limited(&house).await;
    let (text, id) = (made.secret.expose(), made.key.record.entry.id);
    let steps = ["key_active", "reaches", "scope_covers", "within_rate", "within_quota"];
    for _ in 0..9 {
        assert_eq!(house.ask(text, Counting::Ask, None).unwrap(), ("ok", steps.to_vec()));
    }
    house.authority.flush_usage().await.unwrap();
    let stored = house.authority.key(&house.ada(), id).await.unwrap();
    assert_eq!(stored.last_used_at, None, "it was never used");
    for expect in ["ok", "ok", "rate_limited"] {
        assert_eq!(house.ask(text, Counting::Count, None).unwrap().0, expect);
    }
    let steps = ["key_active", "reaches", "scope_covers", "rate_exceeded", "within_quota"];
    assert_eq!(house.ask(text, Counting::Ask, None).unwrap(), ("rate_limited", steps.to_vec()));
    house.pass(60_000);
    assert_eq!(house.ask(text, Counting::Count, None).unwrap().0, "ok");
    let (code, steps) = house.ask(text, Counting::Ask, None).unwrap();
    assert_eq!((code, steps.last()), ("quota_exceeded", Some(&"quota_exceeded")));
    house.authority.flush_usage().await.unwrap();
    let from = house.authority.now().seconds();
    let usage = house.authority.usage(&house.ada(), id, from, from.plus(1), UsageStep::Day).await.unwrap();
    assert_eq!(usage.iter().map(|bucket| (bucket.allowed, bucket.refused)).collect::<Vec<_>>(), [(3, 1)]);
}

#[tokio::test]
async fn many_questions_are_answered_like_one_after_the_other() {
    let house = House::build().await;
    let (good, bare) = (house.key(house.of_ada(), "*:*").await, house.key(house.of_ada(), "").await);
    let texts = [
        good.secret.expose(),
        "sk_nobody_ever_issued_this_one_here",
        bare.secret.expose(),
        good.secret.expose(),
    ];
    let question = |text: &&str| Question {
        credential: house.credential(text),
        request: Request::new(READ, Target::Nothing),
        counting: Counting::Count,
        record: None,
    };
    let questions = texts.iter().map(question).collect::<Vec<_>>();
    let mut codes = Vec::new();
    house.authority.admit_all(&questions, |answer| codes.push(outcome_of(&answer))).unwrap();
    assert_eq!(codes, ["ok", "invalid_key", "forbidden", "ok"]);
    let alone = questions.iter().map(|q| house.authority.admit(q, |answer| outcome_of(&answer)).unwrap());
    assert_eq!(alone.collect::<Vec<_>>(), codes);
}

#[tokio::test]
async fn rates_go_on_while_the_clock_is_set_back() {
    let house = House::build().await;
    let mut new = house.new_key(house.of_ada(), "notebook:read");
    new.restrictions.rate = Some(Rate { limit: 2, period_seconds: 60 });
    let key = house.authority.create_key(&house.ada(), new).await.unwrap().value;
    let ask = || house.ask(key.secret.expose(), Counting::Count, None).unwrap().0;
    assert_eq!([ask(), ask(), ask()], ["ok", "ok", "rate_limited"]);
    house.set_clock(START - 86_400_000);
    assert_eq!(ask(), "rate_limited", "nor does it give back what was used");
    for _ in 0..3 {
        house.pass(30_000);
        assert_eq!([ask(), ask()], ["ok", "rate_limited"]);
    }
    // A clock that is set ahead gives nothing back either.
    house.set_clock(START + 86_400_000);
    assert_eq!(ask(), "rate_limited");
}

#[tokio::test]
async fn refusals_are_recorded_while_the_clock_is_set_back() {
    let house = House::build().await;
    let key = house.key(house.of_ada(), "").await;
    let refuse = |times: usize| {
        for _ in 0..times {
            house.ask(key.secret.expose(), Counting::Count, Some(&record("req_1"))).unwrap();
        }
    };
    refuse(100);
    assert_eq!(house.authority.flush_notes().await.unwrap(), 60);
    house.set_clock(START - 86_400_000);
    house.pass(10_000);
    refuse(100);
    assert_eq!(house.authority.flush_notes().await.unwrap(), 5);
}

#[tokio::test]
async fn a_node_that_may_lack_a_change_decides_nothing() {
    let house = House::build().await;
    let made = house.key(house.of_ada(), "notebook:read").await;
    let (text, id) = (made.secret.expose(), made.key.record.entry.id);
    assert_eq!(house.ask(text, Counting::Count, None).unwrap().0, "ok");
    house.authority.lose_freshness("a test");
    assert_eq!(house.authority.failed().await, "a test");
    let refused = record("req_1");
    for text in [text, "sk_nobody_ever_issued_this_one_here"] {
        assert_eq!(
            house.ask(text, Counting::Count, Some(&refused)),
            Err(NotFresh),
            "never that the key is invalid"
        );
        let place = Place::default();
        let arriving =
            Arriving { credential: house.credential(text), place, also: None, counting: Counting::Count };
        assert_eq!(house.authority.accept(&arriving, |_| ()), Err(NotFresh));
        let asked = house.authority.when_fresh(|| house.authority.accept(&arriving, |_| ())).await;
        assert_eq!(asked, Err(NotFresh), "there is nothing to wait for");
    }
    assert!(matches!(house.authority.ready(), Err(Error::NotFresh)));
    for caller in [house.operator(), house.ada(), house.with_key(text)] {
        assert_eq!(code(house.authority.key(&caller, id).await), "not_fresh");
        assert_eq!(code(house.authority.whoami(&caller).await), "not_fresh");
        assert_eq!(code(house.authority.delete_key(&caller, id, None).await), "not_fresh");
        let filter = HistoryFilter::default();
        assert_eq!(code(house.authority.history(&caller, filter, Page::first(1)).await), "not_fresh");
    }
    assert_eq!(house.authority.flush_notes().await.unwrap(), 0, "nothing was recorded");
    let house = house.reopened().await;
    assert_eq!(house.ask(text, Counting::Count, None).unwrap().0, "ok", "a new start loads everything");
    let from = house.authority.now().seconds();
    let usage = house.authority.usage(&house.ada(), id, from, from.plus(1), UsageStep::Day).await.unwrap();
    assert_eq!(usage, [], "the writer took nothing any more");
}

#[tokio::test]
async fn a_closed_store_answers_nothing() {
    let house = House::build().await;
    let made = house.key(house.of_ada(), "notebook:read").await;
    house.authority.close().await.unwrap();
    // Another process may change what this one has in memory.
    assert_eq!(house.ask(made.secret.expose(), Counting::Count, None), Err(NotFresh));
}

#[tokio::test]
async fn a_refusal_with_a_known_key_is_found_by_its_request() {
    let house = House::build().await;
    let bare = house.key(house.of_ada(), "").await;
    let text = bare.secret.expose();
    assert_eq!(house.ask(text, Counting::Count, Some(&record("req_1"))).unwrap().0, "forbidden");
    let unknown = "sk_nobody_ever_issued_this_one_here";
    assert_eq!(house.ask(unknown, Counting::Count, Some(&record("req_2"))).unwrap().0, "invalid_key");
    house.authority.flush_notes().await.unwrap();
    let rows = async |caller: claviger_authority::Caller, request: &str| {
        let filter = HistoryFilter { request_id: Some(request.to_owned()), ..HistoryFilter::default() };
        let rows = house.authority.history(&caller, filter, Page::first(9)).await.unwrap();
        rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>()
    };
    let found = rows(house.ada(), "req_1").await;
    assert_eq!(found.len(), 1);
    assert_eq!((&*found[0].outcome, found[0].key), ("forbidden", Some(bare.key.record.entry.id)));
    let codes = found[0].reasons.iter().map(Reason::code).collect::<Vec<_>>();
    assert_eq!(codes, ["key_active", "reaches", "scope_missing"]);
    assert_eq!(rows(house.bob(), "req_1").await, [], "others learn nothing of it");
    assert_eq!(rows(house.operator(), "req_2").await, [], "a request without a known key leaves no row");
}

#[tokio::test]
async fn what_is_hidden_stays_hidden_in_the_reasons_of_its_row() {
    let house = House::build().await;
    let key = house.key(claviger_core::Subject::Account(house.bob), "*:*").await;
    let ask = |target: &str, request: &'static str| {
        let name = claviger_core::resource::ResourceName::parse(target).unwrap();
        let request_record = RequestRecord { target: None, ..record(request) };
        let question = Question {
            credential: house.credential(key.secret.expose()),
            request: Request::new(READ, Target::Resource(name, None)),
            counting: Counting::Count,
            record: Some(&request_record),
        };
        house.authority.admit(&question, |answer| {
            assert_eq!(answer.outcome.unwrap_err(), Denial::Refused(Refusal::NotFound));
        })
    };
    ask("notebook:a", "req_1").unwrap();
    ask("notebook:z", "req_2").unwrap();
    house.authority.flush_notes().await.unwrap();
    let reasons = async |caller: claviger_authority::Caller, request: &str| {
        let filter = HistoryFilter { request_id: Some(request.to_owned()), ..HistoryFilter::default() };
        let rows = house.authority.history(&caller, filter, Page::first(9)).await.unwrap();
        rows[0].1.reasons.iter().map(Reason::code).collect::<Vec<_>>()
    };
    assert_eq!(reasons(house.bob(), "req_1").await, ["not_found"]);
    assert_eq!(reasons(house.bob(), "req_2").await, ["not_found"]);
    assert_eq!(reasons(house.operator(), "req_1").await, ["key_active", "latest", "not_reached"]);
    assert_eq!(reasons(house.operator(), "req_2").await, ["key_active", "unknown"]);
}

#[tokio::test]
async fn refusals_cannot_fill_the_store() {
    let house = House::build().await;
    let (one, other) = (house.key(house.of_ada(), "").await, house.key(house.of_ada(), "").await);
    let refuse = |text: &str, times: usize| {
        for _ in 0..times {
            house.ask(text, Counting::Count, Some(&record("req_1"))).unwrap();
        }
    };
    refuse(one.secret.expose(), 1_000);
    assert_eq!(house.authority.flush_notes().await.unwrap(), 60);
    assert_eq!(house.authority.refusals_dropped(), 940);
    refuse(other.secret.expose(), 5);
    assert_eq!(house.authority.flush_notes().await.unwrap(), 5, "each key has its own share");
    house.pass(10_000);
    refuse(one.secret.expose(), 100);
    assert_eq!(house.authority.flush_notes().await.unwrap(), 5, "which comes back evenly");
    // However many keys somebody makes.
    for _ in 0..60 {
        let key = house.key(house.of_ada(), "").await;
        refuse(key.secret.expose(), 60);
    }
    assert!(house.authority.flush_notes().await.unwrap() <= 3_000);
}
