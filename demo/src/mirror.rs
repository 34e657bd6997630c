//! Telling the authority what there is to protect.

use std::time::Duration;

use claviger_client::{Client, Error, ResourceDescription, ResourceVersion};
use tokio::time::{Instant, sleep};

use crate::catalog::Resource;

/// How long the authority may take to come up: it is often started in the same moment.
const PATIENCE: Duration = Duration::from_secs(20);
/// The first pause between two tries; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Where the pauses stop growing, so that an authority that is up is noticed soon.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Why the resources could not be mirrored.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The authority refused.
    #[error("the authority refused to mirror {resource}: {source}")]
    Refused {
        /// The resource, such as `notebook:5e1f0c3a9b7d2468`.
        resource: String,
        /// What it said.
        source: Error,
    },
    /// The authority could not be asked in time.
    #[error("the authority did not answer within {} s while mirroring {resource}: {source}", PATIENCE.as_secs())]
    Unavailable {
        /// The resource, such as `notebook:5e1f0c3a9b7d2468`.
        resource: String,
        /// What happened at the last try.
        source: Error,
    },
}

/// Puts every resource to the authority, waiting for it to come up if need be.
pub(crate) async fn mirror(authority: &Client, resources: &[Resource]) -> Result<(), MirrorError> {
    let deadline = Instant::now() + PATIENCE;
    for resource in resources {
        put(authority, resource, deadline).await?;
    }
    tracing::info!(resources = resources.len(), "mirrored to the authority");
    Ok(())
}

/// Asks until there is an answer or the time is up. Safe to repeat: it says how things are.
async fn put(authority: &Client, resource: &Resource, deadline: Instant) -> Result<(), MirrorError> {
    let name = format!("{}:{}", resource.kind, resource.id);
    let description = description(resource);
    let mut pause = FIRST_PAUSE;
    loop {
        match authority.resources().put(&name, &description, None).await {
            Ok(_) => return Ok(()),
            Err(source) if !source.is_unavailable() => {
                return Err(MirrorError::Refused { resource: name, source });
            }
            Err(source) if Instant::now() + pause > deadline => {
                return Err(MirrorError::Unavailable { resource: name, source });
            }
            Err(_) => {}
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// A resource as the authority wants it described.
fn description(resource: &Resource) -> ResourceDescription {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let versions = resource.versions.iter().map(|version| ResourceVersion {
        version: version.version,
        secrets: names(version.secrets),
        databases: names(version.databases),
    });
    ResourceDescription {
        owner: resource.owner.clone(),
        creator: resource.creator.clone(),
        visibility: resource.visibility.as_str().to_owned(),
        public_from: resource.public_from,
        latest_version: resource.latest_version,
        versions: versions.collect(),
    }
}
