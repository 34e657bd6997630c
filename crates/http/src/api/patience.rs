//! The body of a request, which has to get on: a client that stops in the middle would else keep its
//! connection for ever, and some doors take bodies from everybody.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::least_speed::LEAST_SPEED;

/// From one piece of a body to the next. As long as a head may take.
const PIECE_TIMEOUT: Duration = Duration::from_secs(30);

/// A body did not come in time.
#[derive(Debug, thiserror::Error)]
#[error("the body came too slowly, or nothing more of it came for {PIECE_TIMEOUT:?}")]
pub(crate) struct Stalled;

/// A body that is waited for with limited patience: for each piece, and for all of it at [`LEAST_SPEED`].
pub(super) struct Patience<B> {
    body: B,
    /// Made at the first wait; most bodies come with their head.
    timer: Option<Pin<Box<Sleep>>>,
    /// Since when it is waited for the next piece.
    waiting_since: Option<Instant>,
    /// How long it was waited for the pieces before.
    waited: Duration,
    received_bytes: u64,
}

impl<B> Patience<B> {
    pub(super) const fn with(body: B) -> Self {
        Self { body, timer: None, waiting_since: None, waited: Duration::ZERO, received_bytes: 0 }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Patience<B>
where
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            if let Some(since) = this.waiting_since.take() {
                this.waited += since.elapsed();
            }
            if let Some(Ok(data)) = frame.as_ref().map(|frame| frame.as_ref().map(Frame::data_ref)) {
                this.received_bytes += data.map_or(0, |data| data.len() as u64);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(PIECE_TIMEOUT)));
        if this.waiting_since.is_none() {
            let now = Instant::now();
            this.waiting_since = Some(now);
            let left = LEAST_SPEED.patience(this.received_bytes).saturating_sub(this.waited);
            timer.as_mut().reset(now + left.min(PIECE_TIMEOUT));
        }
        timer.as_mut().poll(cx).map(|()| Some(Err(Stalled.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use http_body_util::BodyExt;

    use super::*;

    /// Gives a byte after each of these waits, and ends, or never does.
    struct Dripping {
        waits: VecDeque<Duration>,
        timer: Option<Pin<Box<Sleep>>>,
        ends: bool,
    }

    impl Body for Dripping {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            let Some(wait) = self.waits.front().copied() else {
                return if self.ends { Poll::Ready(None) } else { Poll::Pending };
            };
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(wait)));
            std::task::ready!(timer.as_mut().poll(cx));
            self.timer = None;
            self.waits.pop_front();
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
        }
    }

    async fn check(waits: &[u64], ends: bool, expect: Option<usize>) {
        let waits = waits.iter().map(|seconds| Duration::from_secs(*seconds)).collect();
        let read = Patience::with(Dripping { waits, timer: None, ends }).collect().await;
        match (read, expect) {
            (Ok(body), Some(expect)) => assert_eq!(body.to_bytes().len(), expect),
            (Err(error), None) => assert!(error.is::<Stalled>()),
            (read, expect) => {
                panic!("{:?} instead of {expect:?}", read.map(http_body_util::Collected::to_bytes))
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_to_get_on() {
        check(&[], true, Some(0)).await;
        check(&[9], true, Some(1)).await;
        check(&[3, 3, 3], true, Some(3)).await;
        // A byte now and then is too slow in all, however soon each comes after the one before.
        check(&[4, 4, 4], true, None).await;
        check(&[11], true, None).await;
        check(&[], false, None).await;
        check(&[9, 9], false, None).await;
    }
}
