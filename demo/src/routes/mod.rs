//! What the application answers; one file for each kind of address.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;

use crate::problem::Problem;

pub(crate) mod account;
pub(crate) mod conat;
pub(crate) mod embed;
pub(crate) mod index;
pub(crate) mod internal;
pub(crate) mod notebooks;
pub(crate) mod runs;
pub(crate) mod samples;

/// A path's one captured segment; what cannot be read as text leads nowhere.
type Segment = Result<Path<String>, PathRejection>;

fn segment(segment: Segment) -> Result<String, Problem> {
    segment.map(|Path(text)| text).map_err(|_| Problem::not_found())
}
