//! The one way from a question about a credential to an answer: look up, decide, check freshness, meter,
//! count, record. The API, the gateway, forward-auth and the embedded client only translate what comes out.
//!
//! Nothing is counted and nothing is recorded before the check of freshness, so a caller that waits for a
//! renewal and asks again is counted once.

use claviger_core::Timestamp;
use claviger_core::decide::{self, Credential, Permit, Place, Reasons, Refusal, Request, Verdict};
use claviger_core::quota::Metered;

use crate::authority::Authority;
use crate::caller::CallerCredential;
use crate::index::View;
use crate::read::NotFresh;
use crate::refusals::RequestRecord;

/// Whether a question is a use of the key. There is no default: the caller has to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// It is: it uses up rate and quota, and moves counters and "last used".
    Count,
    /// It is not: a diagnosis. The answer says what rate and quota would say, and uses up nothing.
    Ask,
}

/// A question about what a credential may do.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// The credential.
    pub credential: CallerCredential,
    /// What it wants to do, and from where.
    pub request: Request<'q>,
    /// Whether this is a use of it.
    pub counting: Counting,
    /// What the history says of it; none for questions that others ask about a key.
    pub record: Option<&'q RequestRecord<'q>>,
}

/// A request to the API, before it is known what it may do.
#[derive(Debug, Clone, Copy)]
pub struct Arriving<'q> {
    /// With what.
    pub credential: CallerCredential,
    /// From where.
    pub place: Place<'q>,
    /// What else is decided in the same view. It does not matter to whether the credential is accepted.
    pub also: Option<Request<'q>>,
    /// Whether this is a use of the key.
    pub counting: Counting,
}

/// What came of a question. There is none whose rate and quota were not looked at.
#[derive(Debug)]
pub struct Answer<'v, P> {
    /// The credential as it was found.
    pub credential: Credential<'v>,
    /// What may be gone on with, or why not.
    pub outcome: Result<P, Denial>,
    /// What rate and quota of the key say, if it has any and got that far.
    pub metered: Option<Metered>,
    /// What led to the outcome. Show it to those who may know what exists; to others
    /// [`Reasons::without_existence`].
    pub reasons: Reasons,
}

/// Why a question is answered with no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// It is not allowed.
    Refused(Refusal),
    /// It is allowed, but the key was used as often as it may be.
    Limited(Metered),
}

impl Denial {
    /// The stable code of the answer.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Limited(metered) => metered.code(),
        }
    }

    /// Whether the answer must not tell a hidden target from a missing one.
    #[must_use]
    pub fn hides(&self) -> bool {
        matches!(self, Self::Refused(Refusal::NotFound))
    }
}

impl<P> Answer<'_, P> {
    /// The findings for someone who may not know more than the key itself.
    #[must_use]
    pub fn reasons_for_the_key(&self) -> Reasons {
        self.reasons.without_existence(self.outcome.as_ref().is_err_and(Denial::hides))
    }
}

/// What was decided before rate and quota were asked.
struct Judged<'v, P> {
    credential: Credential<'v>,
    outcome: Result<P, Refusal>,
    reasons: Reasons,
}

impl Authority {
    /// Decides about a question, counts the use and records it. The cost is that of the decision: one view,
    /// nothing allocated unless a row of the history is asked for.
    ///
    /// # Errors
    /// [`NotFresh`]: nothing was decided, counted or recorded.
    pub fn admit<R>(
        &self,
        question: &Question<'_>,
        translate: impl FnOnce(Answer<'_, Permit<'_>>) -> R,
    ) -> Result<R, NotFresh> {
        let view = self.shared.index.view();
        let now = self.now();
        let judged = self.judge(&view, question.credential.look_up(&view), question, now);
        self.check_freshness()?;
        Ok(translate(self.conclude(judged, question, now)))
    }

    /// The same for many questions, in their order. Their keys are looked up together, so that memory is
    /// waited for once and not for each.
    ///
    /// # Errors
    /// [`NotFresh`]: nothing was decided about any of them.
    pub fn admit_all(
        &self,
        questions: &[Question<'_>],
        mut translate: impl FnMut(Answer<'_, Permit<'_>>),
    ) -> Result<(), NotFresh> {
        let view = self.shared.index.view();
        let now = self.now();
        let digests = questions.iter().filter_map(|question| question.credential.digest()).copied();
        let digests = digests.collect::<Vec<_>>();
        let mut keys = Vec::with_capacity(digests.len());
        view.keys(&digests, &mut keys);
        let mut keys = keys.into_iter();
        let judged = questions.iter().map(|question| {
            let credential = match question.credential.digest() {
                Some(_) => keys.next().flatten().map_or(Credential::Unknown, Credential::Key),
                None => question.credential.look_up(&view),
            };
            self.judge(&view, credential, question, now)
        });
        let judged = judged.collect::<Vec<_>>();
        self.check_freshness()?;
        for (judged, question) in judged.into_iter().zip(questions) {
            translate(self.conclude(judged, question, now));
        }
        Ok(())
    }

    /// Decides whether a request to the API is accepted at all, and counts it as a use of the key. Nobody
    /// without a credential is turned away here: that is left to the code that answers.
    ///
    /// # Errors
    /// [`NotFresh`]: nothing was decided or counted.
    pub fn accept<R>(
        &self,
        arriving: &Arriving<'_>,
        translate: impl FnOnce(Answer<'_, Option<Verdict<'_>>>) -> R,
    ) -> Result<R, NotFresh> {
        let view = self.shared.index.view();
        let now = self.now();
        let credential = arriving.credential.look_up(&view);
        let mut reasons = Reasons::default();
        let accepted = decide::authenticate(&view, credential, arriving.place, now, &mut reasons);
        let outcome = accepted.map(|()| {
            let also = arriving.also.as_ref();
            also.map(|request| decide::decide(&view, self.policy(), credential, request, now))
        });
        // Where nothing was looked up there is nothing to trust: pages for everybody are served in any state.
        if arriving.also.is_some() || !matches!(arriving.credential, CallerCredential::Anonymous) {
            self.check_freshness()?;
        }
        let judged = Judged { credential, outcome, reasons };
        Ok(translate(self.metered(judged, arriving.place, arriving.counting, now)))
    }

    fn judge<'v>(
        &self,
        view: &'v View<'_>,
        credential: Credential<'v>,
        question: &Question<'_>,
        now: Timestamp,
    ) -> Judged<'v, Permit<'v>> {
        let Verdict { outcome, reasons } =
            decide::decide(view, self.policy(), credential, &question.request, now);
        Judged { credential, outcome, reasons }
    }

    fn conclude<'v>(
        &self,
        judged: Judged<'v, Permit<'v>>,
        question: &Question<'_>,
        now: Timestamp,
    ) -> Answer<'v, Permit<'v>> {
        let answer = self.metered(judged, question.request.place, question.counting, now);
        if let Some(record) = question.record {
            self.record_request(&answer, record, question.request.place.address, now);
        }
        answer
    }

    /// Looks at rate and quota of a known key that is let through otherwise, and counts the use.
    fn metered<'v, P>(
        &self,
        judged: Judged<'v, P>,
        place: Place<'_>,
        counting: Counting,
        now: Timestamp,
    ) -> Answer<'v, P> {
        let Judged { credential, outcome, mut reasons } = judged;
        let mut outcome = outcome.map_err(Denial::Refused);
        let mut metered = None;
        if let Credential::Key(key) = credential {
            if outcome.is_ok() {
                // A clock that is wrong for a moment begins no new period of a quota.
                let settled = self.settled(now);
                let uptime = || self.shared.ports.clock.uptime();
                metered = match counting {
                    Counting::Count => self.shared.limiter.admit(key, settled, uptime),
                    Counting::Ask => self.shared.limiter.ask(key, settled, uptime),
                };
            } else {
                self.shared.time.refused(key.rights.expires_at);
            }
            if let Some(metered) = &metered {
                reasons.meter(metered);
                if !metered.allowed() {
                    outcome = Err(Denial::Limited(*metered));
                }
            }
            if counting == Counting::Count {
                self.count_use(key.id, place.address, now, outcome.is_ok(), metered.as_ref());
            }
        }
        Answer { credential, outcome, metered, reasons }
    }
}
