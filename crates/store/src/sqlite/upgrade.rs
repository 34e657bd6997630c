//! What migrations do that SQL alone cannot. Each function belongs to one migration and keeps to the tables as
//! they were at that point, so its statements stand here.

use std::collections::BTreeMap;

use claviger_core::id::{AccountId, ProjectId, TeamId};
use claviger_core::name::Email;
use rusqlite::{Connection, params};

use super::Result;
use super::pointer::{self, Pointer};

const EMAILS: &str = "SELECT id, email FROM accounts WHERE email IS NOT NULL ORDER BY id";
/// Two accounts may swap places on the way, and an address is unique.
const CLEAR_EMAIL: &str = "UPDATE accounts SET email = NULL, revision = revision + 1 WHERE id = ?1";
const SET_EMAIL: &str = "UPDATE accounts SET email = ?2 WHERE id = ?1";
const NOTE: &str = "INSERT INTO history (at, actor, action, target, authority, origin, outcome, detail)
    VALUES ((SELECT coalesce(max(at), 0) FROM history), 'system', 'account:update', ?1, ?1, 'cli', 'done', ?2)";
const OWNERS: &str = "SELECT reference, holder_account, holder_team, holder_project FROM resources";
/// The last row about a resource from before its present owner: what was done under another one, and what came
/// before it was created.
const OWNED_AFTER: &str =
    "SELECT max(CASE WHEN authority <> ?2 THEN row WHEN action = 'resource:create' THEN row - 1 ELSE 0 END)
    FROM history WHERE target = ?1 AND action IN ('resource:create', 'resource:update', 'resource:delete')";
const OWN: &str = "UPDATE resources SET owned_after_row = ?2 WHERE reference = ?1";
const CHANGES: &str = "SELECT what FROM changes WHERE what LIKE '%key-gone:%'";
const REMEMBER: &str =
    "INSERT INTO deleted_keys (digest_head) VALUES (?1) ON CONFLICT (digest_head) DO NOTHING";

/// Completes the migration `rights_and_limits`: e-mail addresses in their one spelling, the owners of resources,
/// and the deleted keys that are still known.
pub(super) fn rights_and_limits(conn: &Connection) -> Result<()> {
    canonical_emails(conn)?;
    owners(conn)?;
    deleted_keys(conn)
}

/// Where two accounts had one address in two spellings, it stays with the account that wrote it in its canonical
/// spelling, else with the older one: nobody gets an address that was another's. The account that loses its
/// address keeps everything else, and the history says why.
fn canonical_emails(conn: &Connection) -> Result<()> {
    let mut statement = conn.prepare(EMAILS)?;
    let stored = statement
        .query_map(params![], |row| Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, String>(1)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut owners = BTreeMap::<String, ([u8; 16], bool)>::new();
    for (id, text) in &stored {
        let Ok(email) = Email::parse(text) else { continue };
        let exact = email.as_str() == text;
        let owner = owners.entry(email.as_str().to_owned()).or_insert((*id, exact));
        if exact && !owner.1 {
            *owner = (*id, true);
        }
    }
    let changed =
        stored.iter().filter(|(_, text)| Email::parse(text).map_or(true, |email| email.as_str() != text));
    let changed = changed.map(|(id, text)| (*id, Email::parse(text).ok())).collect::<Vec<_>>();
    for (id, _) in &changed {
        conn.execute(CLEAR_EMAIL, params![id])?;
    }
    for (id, email) in changed {
        let name = format!("account:{}", AccountId::from_bits(u128::from_be_bytes(id)));
        let detail = match email {
            Some(email) if owners.get(email.as_str()).is_some_and(|(owner, _)| *owner == id) => {
                conn.execute(SET_EMAIL, params![id, email.as_str()])?;
                "email: written in its canonical form"
            }
            Some(_) => "email: removed, because it is another spelling of the address of another account",
            None => "email: removed, because it has invisible characters or is no address",
        };
        conn.execute(NOTE, params![name, detail])?;
    }
    Ok(())
}

fn owners(conn: &Connection) -> Result<()> {
    let mut statement = conn.prepare(OWNERS)?;
    let mut rows = statement.query(params![])?;
    let (mut owned_after, mut own) = (conn.prepare(OWNED_AFTER)?, conn.prepare(OWN)?);
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let bits = |at| row.get::<_, Option<[u8; 16]>>(at).map(|id| id.map(u128::from_be_bytes));
        let owner = match (bits(1)?, bits(2)?, bits(3)?) {
            (Some(id), _, _) => format!("account:{}", AccountId::from_bits(id)),
            (_, Some(id), _) => format!("team:{}", TeamId::from_bits(id)),
            (_, _, id) => format!("project:{}", ProjectId::from_bits(id.unwrap_or_default())),
        };
        found.push((row.get::<_, String>(0)?, owner));
    }
    for (reference, owner) in found {
        let after: Option<i64> = owned_after.query_row(params![reference, owner], |row| row.get(0))?;
        if let Some(after) = after.filter(|after| *after > 0) {
            own.execute(params![reference, after])?;
        }
    }
    Ok(())
}

fn deleted_keys(conn: &Connection) -> Result<()> {
    let mut statement = conn.prepare(CHANGES)?;
    let mut rows = statement.query(params![])?;
    let mut remember = conn.prepare(REMEMBER)?;
    while let Some(row) = rows.next()? {
        let what: String = row.get(0)?;
        let named = serde_json::from_str::<Vec<String>>(&what).unwrap_or_default();
        for pointer in named.iter().filter_map(|text| pointer::parse(text)) {
            if let Pointer::KeyGone(digest) = pointer {
                remember.execute(params![&digest.as_bytes()[..16]])?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use claviger_core::key::Digest;

    use super::*;
    use crate::sqlite::schema;

    const OLD: u8 = 1;
    const NEW: u8 = 2;
    const HIDDEN: u8 = 3;
    const LONE: u8 = 4;

    fn id(n: u8) -> [u8; 16] {
        [n; 16]
    }

    fn name(n: u8) -> String {
        format!("account:{}", AccountId::from_bits(u128::from_be_bytes(id(n))))
    }

    /// A database of the schema before, with data, brought up to date.
    fn migrated() -> Connection {
        let mut conn = Connection::open_in_memory().unwrap();
        schema::migrate_until(&mut conn, schema::RIGHTS_AND_LIMITS).unwrap();
        let account =
            "INSERT INTO accounts (id, closed, email, created_at, revision) VALUES (?1, 0, ?2, 0, 1)";
        for (n, email) in [
            (OLD, "ａda@example.org"),
            (NEW, "ada@example.org"),
            (HIDDEN, "ad\u{200b}a@example.org"),
            (LONE, "ﬁn@example.org"),
        ] {
            conn.execute(account, params![id(n), email]).unwrap();
        }
        let resource = "INSERT INTO resources (reference, holder_account, visibility, latest, created_at, updated_at, revision)
            VALUES (?1, ?2, 'private', 1, 0, 0, 1)";
        for reference in ["page:reused", "page:handed", "page:kept"] {
            conn.execute(resource, params![reference, id(NEW)]).unwrap();
        }
        let row = "INSERT INTO history (row, at, actor, action, target, authority, origin, outcome, detail)
            VALUES (?1, 0, 'system', ?2, ?3, ?4, 'api', 'done', '')";
        for (number, action, target, owner) in [
            (1, "resource:create", "page:reused", NEW),
            (2, "resource:delete", "page:reused", NEW),
            (3, "resource:create", "page:handed", OLD),
            (4, "page:read", "page:handed", NEW),
            (5, "resource:update", "page:handed", OLD),
            (6, "resource:create", "page:reused", NEW),
            (7, "resource:update", "page:handed", NEW),
            (8, "resource:update", "page:reused", NEW),
        ] {
            conn.execute(row, params![number, action, target, name(owner)]).unwrap();
        }
        let team = "INSERT INTO teams (id, closed, name, created_at, revision) VALUES (?1, 0, 'Lab', 0, 1)";
        conn.execute(team, params![id(1)]).unwrap();
        let member = "INSERT INTO team_members (team, account, role) VALUES (?1, ?2, ?3)";
        conn.execute(member, params![id(1), id(OLD), "member"]).unwrap();
        conn.execute(member, params![id(1), id(LONE), "owner"]).unwrap();
        let what = serde_json::json!([
            "key:x",
            format!("key-gone:{}", crate::sqlite::row::hex(Digest::of("gone").as_bytes()))
        ]);
        conn.execute(
            "INSERT INTO changes (seq, id, what) VALUES (1, ?1, ?2)",
            params![id(9), what.to_string()],
        )
        .unwrap();
        schema::migrate(&mut conn, false).unwrap();
        conn
    }

    #[test]
    fn an_address_in_two_spellings_stays_with_one_account() {
        let conn = migrated();
        let email = |n: u8| {
            let sql = "SELECT email, revision FROM accounts WHERE id = ?1";
            conn.query_row(sql, params![id(n)], |row| {
                Ok((row.get::<_, Option<String>>(0)?, row.get::<_, i64>(1)?))
            })
            .unwrap()
        };
        assert_eq!(email(NEW), (Some("ada@example.org".to_owned()), 1));
        assert_eq!(email(OLD), (None, 2));
        assert_eq!(email(HIDDEN), (None, 2));
        assert_eq!(email(LONE), (Some("fin@example.org".to_owned()), 2));
        let noted = "SELECT count(*) FROM history WHERE actor = 'system' AND action = 'account:update'";
        assert_eq!(conn.query_row(noted, params![], |row| row.get::<_, i64>(0)).unwrap(), 3);
    }

    #[test]
    fn resources_know_since_when_they_are_owned() {
        let conn = migrated();
        let after = |reference: &str| {
            let sql = "SELECT owned_after_row FROM resources WHERE reference = ?1";
            conn.query_row(sql, params![reference], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert_eq!([after("page:reused"), after("page:handed"), after("page:kept")], [5, 5, 0]);
    }

    #[test]
    fn deleted_keys_and_creators_of_teams_are_filled_in() {
        let conn = migrated();
        assert!(crate::sqlite::deleted::contains(&conn, &Digest::of("gone")).unwrap());
        assert!(!crate::sqlite::deleted::contains(&conn, &Digest::of("other")).unwrap());
        let created_for =
            conn.query_row("SELECT created_for FROM teams", params![], |row| row.get::<_, [u8; 16]>(0));
        assert_eq!(created_for.unwrap(), id(LONE));
    }
}
