//! The loss of the operator key, and of the store.

use std::os::unix::fs::PermissionsExt;

use claviger_authority::Authority;

use super::support::*;

#[tokio::test]
async fn another_operator_key_beside_the_old_one() {
    let house = House::build().await;
    let data = house.path().parent().unwrap().to_owned();
    for _ in 0..2 {
        let path = house.authority.operator_reset(&data).await.unwrap();
        assert_eq!(path, data.join("operator-key"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(house.whoami(text.trim()).await, "ok");
        assert_eq!(house.whoami(OPERATOR).await, "ok", "the old one is left to its operator");
    }
    assert!(!data.join("operator-key.new").exists());
}

#[tokio::test]
async fn a_restored_backup_accepts_nothing_that_was_revoked_since() {
    let house = House::build().await;
    let (kept, gone) = (house.key(house.of_ada(), "a:read").await, house.key(house.of_ada(), "a:read").await);
    let backup = house.path().with_file_name("backup.db");
    house.authority.backup(&backup).await.unwrap();
    house.authority.delete_key(&house.ada(), gone.key.record.entry.id, None).await.unwrap();
    let late = house.key(house.of_ada(), "a:read").await;
    house.authority.close().await.unwrap();
    let restored = Authority::restore(&backup, &house.path(), false, house.ports()).await.unwrap();
    assert!(restored.vouched);
    // Closing twice does no harm.
    let house = house.reopened().await;
    assert_eq!(house.whoami(kept.secret.expose()).await, "ok");
    assert_eq!(house.whoami(gone.secret.expose()).await, "invalid_key");
    assert_eq!(house.whoami(late.secret.expose()).await, "invalid_key", "nobody has its record any more");
    assert_eq!(house.history("operator:restore").await.len(), 1);
}
