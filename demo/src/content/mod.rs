//! The sample data: what the application would keep in its own database.

pub(crate) mod module;
pub(crate) mod notebook;
pub(crate) mod notebooks;
pub(crate) mod package;
pub(crate) mod references;
pub(crate) mod samples;
