//! Pages, while rows come and go: what is there all the time is seen once, and nothing is seen twice.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::app::OPERATOR;
use crate::world::{World, key};

/// What a row is called.
fn name(row: &Value) -> String {
    let fields = ["id", "reference", "account"].iter().filter_map(|field| row[*field].as_str());
    fields.map(str::to_owned).next().unwrap_or_else(|| format!("{} {}", row["at"], row["target"]))
}

async fn page(w: &World, path: &str, cursor: Option<&str>) -> (Vec<String>, Option<String>) {
    let join = if path.contains('?') { '&' } else { '?' };
    let cursor = cursor.map_or(String::new(), |cursor| format!("&cursor={cursor}"));
    let page = w.app.get(OPERATOR, &format!("{path}{join}limit=2{cursor}")).await.ok(200);
    let names = page["items"].as_array().unwrap().iter().map(name).collect();
    (names, page["next_cursor"].as_str().map(str::to_owned))
}

async fn all(w: &World, path: &str) -> BTreeSet<String> {
    let join = if path.contains('?') { '&' } else { '?' };
    let rows = w.app.get(OPERATOR, &format!("{path}{join}limit=200")).await.ok(200);
    rows["items"].as_array().unwrap().iter().map(name).collect()
}

/// Reads a listing page by page. Between two pages `churn` makes rows and takes rows away, of which it is
/// told those that were seen and those that were not; it returns those that it took away.
async fn walk(w: &World, path: &str, churn: impl AsyncFn(usize, &[String], &[String]) -> Vec<String>) {
    let at_first = all(w, path).await;
    assert!(at_first.len() >= 5, "{path}: {at_first:?}");
    let (mut seen, mut gone, mut cursor) = (Vec::new(), Vec::new(), None);
    for round in 0.. {
        let (names, next) = page(w, path, cursor.as_deref()).await;
        seen.extend(names);
        cursor = next;
        if cursor.is_none() {
            break;
        }
        assert!(round < 100, "{path} never ends");
        if round < 4 {
            let unseen = at_first
                .iter()
                .filter(|n| !seen.contains(n) && !gone.contains(*n))
                .cloned()
                .collect::<Vec<_>>();
            gone.extend(churn(round, &seen, &unseen).await);
        }
    }
    let once = seen.iter().collect::<BTreeSet<_>>();
    assert_eq!(once.len(), seen.len(), "{path}: something was seen twice: {seen:?}");
    let skipped = at_first.iter().filter(|n| !gone.contains(*n) && !once.contains(n)).collect::<Vec<_>>();
    assert!(skipped.is_empty(), "{path}: {skipped:?} was there all the time and not seen");
}

#[tokio::test]
async fn keys() {
    let w = World::new().await;
    let subject = format!("account:{}", w.bob);
    let new = || json!({"name": "n", "subject": subject, "scopes": []});
    for _ in 0..9 {
        w.app.advance(1);
        key(&w.app, new()).await;
    }
    walk(&w, &format!("/v1/keys?subject={subject}"), async |_, seen, unseen| {
        // The one that the cursor names, one that was seen before, and the next one to be seen.
        let mut gone = vec![seen[seen.len() - 1].clone(), seen[0].clone()];
        gone.extend(unseen.last().cloned());
        gone.dedup();
        for id in &gone {
            let answer = w.app.delete(OPERATOR, &format!("/v1/keys/{id}")).await;
            assert!([200, 404].contains(&answer.status.as_u16()), "{}", answer.text());
        }
        w.app.advance(1);
        key(&w.app, new()).await;
        gone
    })
    .await;
}

#[tokio::test]
async fn resources() {
    let w = World::new().await;
    let body = json!({
        "owner": format!("account:{}", w.ada), "visibility": "private", "latest_version": 1, "versions": [],
    });
    let put =
        async |id: &str| w.app.put(OPERATOR, &format!("/v1/resources/page:{id}"), body.clone()).await.ok(201);
    for id in ["b", "d", "f", "h", "j", "l", "n"] {
        put(id).await;
    }
    walk(&w, "/v1/resources?type=page", async |round, seen, unseen| {
        // Names before and behind the cursor.
        put(&format!("a{round}")).await;
        put(&format!("z{round}")).await;
        let gone =
            [seen[seen.len() - 1].clone()].into_iter().chain(unseen.first().cloned()).collect::<Vec<_>>();
        for reference in &gone {
            w.app.delete(OPERATOR, &format!("/v1/resources/{reference}")).await;
        }
        gone
    })
    .await;
}

#[tokio::test]
async fn members() {
    let w = World::new().await;
    let path = format!("/v1/teams/{}/members", w.lab);
    let account = async |n: usize| {
        let body = json!({"external_id": format!("member-{n}")});
        w.app.post(OPERATOR, "/v1/accounts", body).await.ok(201)["id"].as_str().unwrap().to_owned()
    };
    let join = async |n: usize| {
        let one = format!("{path}/{}", account(n).await);
        w.app.put(OPERATOR, &one, json!({"role": "member"})).await.ok(200);
    };
    for n in 0..7 {
        join(n).await;
    }
    walk(&w, &path, async |round, seen, unseen| {
        join(10 + round).await;
        let mut gone = Vec::new();
        for account in [seen.last(), unseen.first()].into_iter().flatten() {
            if *account != w.ada {
                w.app.delete(OPERATOR, &format!("{path}/{account}")).await;
                gone.push(account.clone());
            }
        }
        gone
    })
    .await;
}

/// These only grow: what is deleted stays listed as closed.
#[tokio::test]
async fn accounts_teams_projects_and_the_history() {
    let w = World::new().await;
    let owner = format!("account:{}", w.ada);
    let paths = ["/v1/accounts", "/v1/teams", "/v1/projects"];
    let make = async |n: usize| {
        w.app.advance(1);
        let external = json!({"external_id": format!("grown-{n}")});
        w.app.post(OPERATOR, paths[0], external).await.ok(201);
        w.app.post(OPERATOR, paths[1], json!({"name": "n"})).await.ok(201);
        w.app.post(OPERATOR, paths[2], json!({"name": "n", "owner": owner})).await.ok(201);
    };
    for n in 0..5 {
        make(n).await;
    }
    for (n, path) in paths.into_iter().enumerate() {
        walk(&w, path, async |round, seen, _| {
            make(100 * (n + 1) + round).await;
            let last = &seen[seen.len() - 1];
            if *last != w.ada {
                w.app.delete(OPERATOR, &format!("{path}/{last}")).await.ok(200);
            }
            Vec::new()
        })
        .await;
    }
    walk(&w, "/v1/history?action=team:create", async |round, _, _| {
        make(1_000 + round).await;
        Vec::new()
    })
    .await;
}
