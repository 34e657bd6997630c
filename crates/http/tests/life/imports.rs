//! Imports over HTTP.

use serde_json::{Value, json};

use crate::house::{House, OPERATOR};

fn row(house: &House, n: u32) -> Value {
    json!({"key": format!("imported-{n:04}-kq7Zp2Xw9Lr4Tn8Vb3Ms6Yc1Hd5Jf0"), "name": "old", "subject": house.account})
}

async fn good(house: &House, n: u32) -> bool {
    let key = row(house, n)["key"].clone();
    house.post("/v1/verify", json!({"key": key})).await.body["valid"] == json!(true)
}

#[tokio::test]
async fn in_steps() {
    let house = House::new().await;
    let begun = house.post("/v1/keys/imports", json!({})).await;
    assert_eq!(begun.status, 201, "{}", begun.body);
    let path = format!("/v1/keys/imports/{}", begun.text("id"));
    let mut weak = row(&house, 3);
    weak["key"] = json!("short");
    let rows = json!({"rows": [row(&house, 1), row(&house, 2), row(&house, 1), weak]});
    let staged = house.post(&format!("{path}/rows"), rows).await;
    let outcomes = staged.body["outcomes"].as_array().unwrap();
    let outcomes = outcomes.iter().map(|row| row["outcome"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(outcomes, ["imported", "imported", "duplicate", "invalid"]);
    assert!(!good(&house, 1).await);
    let progress = house.get(&path).await.body;
    assert_eq!((&progress["staged"], &progress["committed"]), (&json!(2), &json!(false)));
    let done = house.ask("POST", &format!("{path}/commit"), OPERATOR, &[], None).await;
    assert_eq!((done.status.as_u16(), &done.body["committed"]), (200, &json!(true)), "{}", done.body);
    assert!(good(&house, 1).await && good(&house, 2).await);
    let closed = house.get(&path).await;
    assert_eq!((closed.status.as_u16(), closed.code()), (409, "import_closed"));
}

#[tokio::test]
async fn abandoned_and_at_once() {
    let house = House::new().await;
    let path = format!("/v1/keys/imports/{}", house.post("/v1/keys/imports", json!({})).await.text("id"));
    house.post(&format!("{path}/rows"), json!({"rows": [row(&house, 1)]})).await;
    let gone = house.ask("DELETE", &path, OPERATOR, &[], None).await;
    assert_eq!((gone.status.as_u16(), &gone.body["deleted"]), (200, &json!(true)));
    assert!(!good(&house, 1).await);
    let rows = json!([row(&house, 1), row(&house, 2)]);
    let dry = house.post("/v1/keys/import", json!({"rows": rows, "dry_run": true})).await;
    assert_eq!(dry.body["outcomes"][0]["outcome"], "would_import");
    assert!(!good(&house, 1).await);
    let done = house.post("/v1/keys/import", json!({"rows": rows})).await;
    assert_eq!((done.status.as_u16(), &done.body["import"]["staged"]), (200, &json!(2)), "{}", done.body);
    assert!(good(&house, 1).await && good(&house, 2).await);
}

#[tokio::test]
async fn each_row_has_its_outcome_whatever_is_wrong_with_it() {
    let house = House::new().await;
    let with = |n: u32, field: &str, value: Value| {
        let mut row = row(&house, n);
        row[field] = value;
        row
    };
    let digest = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";
    let rows = json!([
        row(&house, 1),
        7,
        with(2, "name", json!(7)),
        with(2, "no_such_field_sk_secret", json!(1)),
        with(2, "sha256", json!(digest)),
        with(2, "expires_at", json!("soon")),
        with(2, "status", json!("Active")),
        with(3, "expires_at", json!("2023-05-01 10:22:33")),
        with(4, "restrictions", json!({"addresses": ["nowhere"]})),
        {"sha256": digest, "name": "x", "subject": house.account},
    ]);
    let expect = [
        "imported", "invalid", "invalid", "invalid", "invalid", "invalid", "imported", "imported", "invalid",
        "invalid",
    ];
    let words = |body: &Value| {
        let outcomes = body["outcomes"].as_array().unwrap().iter();
        outcomes.map(|row| row["outcome"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let dry = house.post("/v1/keys/import", json!({"rows": rows, "dry_run": true})).await;
    assert_eq!(words(&dry.body), expect.map(|word| word.replace("imported", "would_import")), "{}", dry.body);
    let path = format!("/v1/keys/imports/{}", house.post("/v1/keys/imports", json!({})).await.text("id"));
    let staged = house.post(&format!("{path}/rows"), json!({"rows": rows})).await;
    assert_eq!((staged.status.as_u16(), words(&staged.body)), (200, expect.map(str::to_owned).to_vec()));
    assert!(!staged.body.to_string().contains("sk_secret"), "{}", staged.body);
    assert_eq!(staged.body["outcomes"][9]["code"], "digests_not_vouched");
    let progress = house.get(&path).await.body;
    assert_eq!((&progress["staged"], &progress["invalid"]), (&json!(3), &json!(7)));
    house.ask("DELETE", &path, OPERATOR, &[], None).await;
}
