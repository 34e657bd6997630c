//! What the application tells the authority, and when it does not start.

use std::time::Duration;

use axum::response::IntoResponse;
use claviger_client::{Error, Secret};
use claviger_demo::{CATALOG, Config, ConfigError, MirrorError, StartError, start};
use http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{APP_KEY, Authority, Gateway, config, get, refusal};

#[tokio::test]
async fn every_resource_is_mirrored_with_its_owner_and_versions() {
    let authority = Authority::start().await;
    let app = start(config(authority.address)).await.unwrap();
    assert_eq!(app.resources, CATALOG);
    let seen = authority.seen();
    assert_eq!(seen.len(), 10);
    for request in &seen {
        assert_eq!(request.method, "PUT");
        assert_eq!(request.authorization, format!("Bearer {APP_KEY}"));
    }
    let document = |kind: &str, id: &str| -> Value {
        let path = format!("/v1/resources/{kind}:{id}");
        seen.iter().find(|request| request.path == path).unwrap().document.clone()
    };
    assert_eq!(
        document("notebook", CATALOG.private_notebook),
        json!({
            "owner": "account:acct_owner", "creator": "acct_owner", "visibility": "private",
            "latest_version": 3,
            "versions": [
                {"version": 1, "secrets": [], "databases": []},
                {"version": 2, "secrets": ["WEATHER_TOKEN"], "databases": ["stations"]},
                {"version": 3, "secrets": ["ARCHIVE_TOKEN"], "databases": ["archive"]},
            ],
        })
    );
    let holds = |kind, id, owner: &str, visibility: &str| {
        let document = document(kind, id);
        assert_eq!(document["owner"], owner);
        assert_eq!(document["visibility"], visibility);
    };
    holds("notebook", CATALOG.team_notebook, "team:team_lab", "shared");
    holds("notebook", CATALOG.unshared_team_notebook, "team:team_lab", "private");
    holds("notebook", CATALOG.public_notebook, "account:acct_owner", "public");
    holds("notebook", CATALOG.project_notebook, "project:proj_atlas", "private");
    holds("sample", CATALOG.private_sample, "account:acct_owner", "private");
    holds("sample", CATALOG.project_sample, "project:proj_atlas", "private");
    holds("sample", CATALOG.other_project_sample, "project:proj_borealis", "private");
    holds("sample", CATALOG.public_sample, "account:acct_owner", "public");
    holds("sample", CATALOG.other_public_sample, "account:acct_member", "public");
    assert_eq!(document("notebook", CATALOG.public_notebook)["public_from"], 2);
    app.shutdown().await;
}

#[tokio::test]
async fn an_authority_that_is_not_ready_is_waited_for() {
    let authority = Authority::with(|position, _| match position {
        0 => Some(StatusCode::SERVICE_UNAVAILABLE.into_response()),
        1 => Some(refusal(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Later.")),
        2 => Some(refusal(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Later.")),
        _ => None,
    })
    .await;
    start(config(authority.address)).await.unwrap();
    assert_eq!(authority.seen().len(), 13);
}

#[tokio::test]
async fn a_refusal_is_quoted_at_once() {
    let authority = Authority::with(|_, _| {
        Some(refusal(StatusCode::FORBIDDEN, "forbidden", "The key lacks the scope resource:create."))
    })
    .await;
    let error = start(config(authority.address)).await.unwrap_err();
    let expected = format!(
        "the authority refused to mirror notebook:{}: The key lacks the scope resource:create. (403 Forbidden, forbidden)",
        CATALOG.private_notebook
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(authority.seen().len(), 1);
}

#[tokio::test]
async fn an_authority_that_is_not_there_is_given_up_on() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    tokio::time::pause();
    let error =
        tokio::time::timeout(Duration::from_secs(60), start(config(address))).await.unwrap().unwrap_err();
    assert!(matches!(error, StartError::Mirror(MirrorError::Unavailable { .. })), "{error}");
}

#[tokio::test]
async fn a_configuration_that_would_be_dangerous_or_pointless_is_refused() {
    let good = || config("127.0.0.1:9".parse().unwrap());
    for everywhere in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let error = start(Config { listen: everywhere.parse().unwrap(), ..good() }).await.unwrap_err();
        assert!(matches!(error, StartError::Config(ConfigError::NotLoopback(_))), "{error}");
    }
    for team in ["", "lab", "team_", "team_a b", "acct_owner"] {
        let error = start(Config { team: team.to_owned(), ..good() }).await.unwrap_err();
        assert!(matches!(error, StartError::Config(ConfigError::Id { .. })), "{error}");
    }
    let mut twice = good();
    twice.people.stranger.clone_from(&twice.people.owner);
    assert!(matches!(start(twice).await.unwrap_err(), StartError::Config(ConfigError::Twice(_))));
    for address in ["", "127.0.0.1:1", "http://192.0.2.1:1", "http://127.0.0.1:1/?x", "http://"] {
        let error = start(Config { authority: address.to_owned(), ..good() }).await.unwrap_err();
        assert!(matches!(error, StartError::Authority(Error::Address { .. })), "{address}: {error}");
    }
    let error = start(Config { key: Secret::new("a\nb"), ..good() }).await.unwrap_err();
    assert!(matches!(error, StartError::Authority(Error::Key)), "{error}");
}

#[tokio::test]
async fn the_key_is_not_printed() {
    let config = config("127.0.0.1:9".parse().unwrap());
    assert!(!format!("{config:?} {:?}", config.key).contains(APP_KEY));
}

#[tokio::test]
async fn it_stops_when_told() {
    let authority = Authority::start().await;
    let app = start(config(authority.address)).await.unwrap();
    assert_eq!(get(&app, "/", Gateway::anonymous()).await.status, 200);
    let address = app.address;
    app.shutdown().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
