//! The operations about what keys stand for, and what goes with keys, against a real authority. That nothing is left
//! over in `other` says that the client knows every field of the answers.

use claviger_client::{
    AccountFilter, AccountPatch, Client, Error, GroupPatch, HistoryFilter, ImportOptions, ImportRow, Leak,
    LeakOutcome, ListedResource, NewAccount, NewHistoryRow, NewKey, NewProject, NewTeam, ProjectFilter,
    Reconcile, ResourceDescription, ResourceFilter, ResourceVersion, Revoke, Rotation, Secret, TeamFilter,
    UsageFilter, UsageStep, VerifyOwn,
};

use crate::support::Running;

fn code<T: std::fmt::Debug>(refused: Result<T, Error>) -> String {
    refused.unwrap_err().problem().unwrap().code.clone()
}

#[tokio::test]
async fn accounts() {
    let running = Running::start().await;
    let operator = running.operator();
    let accounts = operator.accounts();
    let new = NewAccount {
        name: Some("Ada".to_owned()),
        email: Some("ada@example.org".to_owned()),
        password: Some(Secret::new("a long enough password")),
        external_id: Some("ada-1".to_owned()),
    };
    assert!(!format!("{new:?}").contains("long enough"));
    let ada = accounts.create(&new).await.unwrap();
    assert!(ada.has_password && !ada.closed && ada.other.is_empty(), "{ada:?}");
    let filter = AccountFilter { email: new.email.clone(), ..AccountFilter::default() };
    assert_eq!(accounts.list(&filter).collect(9).await.unwrap(), std::slice::from_ref(&ada));

    let (read, tag) = accounts.get_tagged(&ada.id).await.unwrap();
    assert_eq!((&read, accounts.get(&ada.id).await.unwrap()), (&ada, ada.clone()));
    let patch = AccountPatch { name: Some(None), ..AccountPatch::default() };
    let changed = accounts.update(&ada.id, &patch, tag.clone()).await.unwrap();
    assert_eq!((changed.value.name, changed.revocation), (None, None));
    assert_eq!(code(accounts.update(&ada.id, &patch, tag.clone()).await), "stale");
    assert_eq!(code(accounts.close(&ada.id, tag).await), "stale");
    let closed = accounts.close(&ada.id, None).await.unwrap();
    assert!(closed.value.closed && closed.revocation.unwrap().is_complete());

    let bob = NewAccount { external_id: Some("bob".to_owned()), ..NewAccount::default() };
    accounts.create_once(&bob, "make-bob").await.unwrap();
    assert_eq!(code(accounts.create_once(&bob, "make-bob").await), "idempotency_replayed");
}

#[tokio::test]
async fn teams_and_projects() {
    let running = Running::start().await;
    let operator = running.operator();
    let (owner, member) = (running.account().await, running.another_account("bob").await);
    let teams = operator.teams();
    let new = NewTeam { name: "Lab".to_owned(), owner: Some(owner.clone()), ..NewTeam::default() };
    let lab = teams.create(&new).await.unwrap();
    assert!(lab.other.is_empty(), "{lab:?}");
    let role = teams.set_role(&lab.id, &member, "admin", None).await.unwrap();
    assert_eq!((role.value.account.as_str(), role.value.role.as_str()), (member.as_str(), "admin"));
    let mut roles = teams.members(&lab.id).page_size(1);
    assert_eq!(roles.collect(9).await.unwrap().len(), 2);
    let of_member = TeamFilter { member: Some(member.clone()), ..TeamFilter::default() };
    assert_eq!(teams.list(&of_member).collect(9).await.unwrap(), std::slice::from_ref(&lab));
    assert!(teams.remove(&lab.id, &member, None).await.unwrap().deleted);
    assert_eq!(code(teams.remove(&lab.id, &owner, None).await), "last_owner");
    let patch = GroupPatch { name: Some("Laboratory".to_owned()), ..GroupPatch::default() };
    assert_eq!(teams.update(&lab.id, &patch, None).await.unwrap().value.name, "Laboratory");

    let projects = operator.projects();
    let owner = format!("team:{}", lab.id);
    let new = NewProject { name: "Atlas".to_owned(), owner: owner.clone(), external_id: None };
    let atlas = projects.create_once(&new, "atlas").await.unwrap();
    assert!(atlas.other.is_empty(), "{atlas:?}");
    assert_eq!(code(projects.create_once(&new, "atlas").await), "idempotency_replayed");
    let held = ProjectFilter { owner: Some(owner), ..ProjectFilter::default() };
    assert_eq!(projects.list(&held).collect(9).await.unwrap(), std::slice::from_ref(&atlas));
    projects.set_role(&atlas.id, &member, "viewer", None).await.unwrap();
    assert_eq!(projects.members(&atlas.id).collect(9).await.unwrap().len(), 1);
    assert_eq!(projects.remove(&atlas.id, &member, None).await.unwrap().id, member);
    let (_, tag) = projects.get_tagged(&atlas.id).await.unwrap();
    assert!(projects.close(&atlas.id, tag).await.unwrap().value.closed);
    assert!(teams.close(&lab.id, None).await.unwrap().value.closed);
    assert_eq!(
        (teams.get(&lab.id).await.unwrap().closed, projects.get(&atlas.id).await.unwrap().closed),
        (true, true)
    );
}

#[tokio::test]
async fn resources() {
    let running = Running::start().await;
    let operator = running.operator();
    let resources = operator.resources();
    let owner = format!("account:{}", running.account().await);
    let version = ResourceVersion { version: 2, secrets: vec!["TOKEN".to_owned()], databases: vec![] };
    let description = ResourceDescription {
        owner: owner.clone(),
        visibility: "public".to_owned(),
        public_from: Some(2),
        latest_version: 2,
        versions: vec![version.clone()],
        ..ResourceDescription::default()
    };
    let made = resources.put("notebook:a_1", &description, None).await.unwrap().value;
    assert!(made.other.is_empty(), "{made:?}");
    assert_eq!((made.reference.as_str(), made.kind.as_str()), ("notebook:a_1", "notebook"));
    assert_eq!((made.public_from, made.versions.as_deref()), (Some(2), Some(&[version][..])));
    let (read, tag) = resources.get_tagged("notebook:a_1").await.unwrap();
    assert_eq!(read, resources.get("notebook:a_1").await.unwrap());
    let private = ResourceDescription { visibility: "private".to_owned(), public_from: None, ..description };
    let hidden = resources.put("notebook:a_1", &private, tag.clone()).await.unwrap();
    assert!(hidden.revocation.unwrap().is_complete());
    assert_eq!(code(resources.put("notebook:a_1", &private, tag).await), "stale");

    resources.put("sample:b", &private, None).await.unwrap();
    let listed = async |filter: ResourceFilter| resources.list(&filter).collect(9).await.unwrap();
    assert_eq!(listed(ResourceFilter { owner: Some(owner), kind: None }).await.len(), 2);
    let samples = listed(ResourceFilter { owner: None, kind: Some("sample".to_owned()) }).await;
    assert_eq!((samples.len(), samples[0].versions.as_deref()), (1, None));
    let (_, old) = resources.get_tagged("sample:b").await.unwrap();
    let shared = ResourceDescription { latest_version: 3, ..private.clone() };
    let all = [ListedResource { reference: "sample:c".to_owned(), description: shared }];
    let look = resources.reconcile("sample", &all, Reconcile { dry_run: true, ..Reconcile::default() }).await;
    assert_eq!(look.map(|told| (told.created, told.deleted, told.revocation)).unwrap(), (1, 1, None));
    let told = resources.reconcile("sample", &all, Reconcile::default()).await.unwrap();
    assert_eq!((told.created, told.updated, told.deleted, told.unchanged), (1, 0, 1, 0));
    assert!(told.revocation.is_some_and(|revocation| revocation.is_complete()));
    assert_eq!((told.differences.len(), told.differences_left_out), (2, 0));
    assert_eq!(code(resources.get("sample:b").await), "not_found");
    assert_eq!(code(resources.reconcile("sample", &[], Reconcile::default()).await), "invalid_request");
    assert_eq!(code(resources.delete("sample:c", Some("\"r9\"".to_owned())).await), "stale");
    assert_eq!(resources.delete("sample:c", old).await.unwrap().id, "sample:c");
    assert_eq!(code(resources.get("sample:c").await), "not_found");
}

#[tokio::test]
async fn what_goes_with_a_key() {
    let running = Running::start().await;
    let operator = running.operator();
    let subject = format!("account:{}", running.account().await);
    let keys = operator.keys();
    let first = keys.create_once(&NewKey::new("CI", &subject), "ci").await.unwrap();
    assert_eq!(code(keys.create_once(&NewKey::new("CI", &subject), "ci").await), "idempotency_replayed");

    let (_, tag) = keys.get_tagged(&first.key.id).await.unwrap();
    let rotation =
        Rotation { tag: tag.clone(), idempotency_key: Some("next".to_owned()), ..Rotation::default() };
    let next = keys.rotate_as(&first.key.id, &rotation).await.unwrap();
    assert_eq!(next.key.replaces.as_deref(), Some(first.key.id.as_str()));
    let revocation = next.revocation.clone().unwrap();
    assert!(next.other.is_empty() && revocation.is_complete());
    let followed = operator.change(revocation.change.as_deref().unwrap()).await.unwrap();
    assert_eq!(followed.change, revocation.change);
    assert_eq!(code(keys.delete_tagged(&first.key.id, tag.unwrap()).await), "stale");

    let own = Client::builder(&running.url).key(next.secret.clone()).build().unwrap();
    let question =
        |action: &str| VerifyOwn { action: Some(action.to_owned()), explain: true, ..VerifyOwn::default() };
    let verdict = own.verify_own(&question("notebook:read")).await.unwrap();
    assert!(verdict.valid && verdict.reasons.is_some() && verdict.other.is_empty(), "{verdict:?}");
    assert_eq!(own.verify_own(&question("team:delete")).await.unwrap().code, "forbidden");
    running.authority.flush_usage().await.unwrap();
    let filter = UsageFilter { step: UsageStep::Minute, ..UsageFilter::new(&next.key.id) };
    let usage = own.usage(&filter).await.unwrap();
    assert!(
        usage.iter().map(|step| step.allowed).sum::<u64>() >= 2 && usage[0].other.is_empty(),
        "{usage:?}"
    );

    let others = ["a", "b", "c"].map(|name| NewKey::new(name, &subject));
    let mut ids = Vec::new();
    for new in &others {
        ids.push(keys.create(new).await.unwrap().key.id);
    }
    let revoked = keys.revoke(&Revoke::Ids(ids)).await.unwrap();
    assert!(revoked.revoked == 3 && revoked.revocation.unwrap().is_complete() && revoked.other.is_empty());
    assert_eq!(own.keys().delete_own().await.unwrap().id, next.key.id);
    assert_eq!(code(own.whoami().await), "invalid_key");
    assert_eq!(keys.revoke(&Revoke::Subject(subject)).await.unwrap().revoked, 1);
}

#[tokio::test]
async fn imports_in_one_request_and_in_steps() {
    let running = Running::start().await;
    let operator = running.operator();
    let keys = operator.keys();
    let subject = format!("account:{}", running.account().await);
    let row = |text: &str| ImportRow {
        key: Some(Secret::new(text)),
        name: "from elsewhere".to_owned(),
        subject: subject.clone(),
        ..ImportRow::default()
    };
    let one = row("elsewhere_0123456789abcdef0123456789abcdef");
    let imported = keys.import(std::slice::from_ref(&one), ImportOptions::default()).await.unwrap();
    assert!(imported.outcomes[0].is_good() && imported.import.committed && imported.other.is_empty());
    let begun = keys.begin_import(ImportOptions::default()).await.unwrap();
    let rows = [one, row("elsewhere_another_0123456789abcdef0123456789abcdef")];
    let outcomes = keys.stage_import(&begun.id, &rows).await.unwrap();
    assert_eq!(
        outcomes.iter().map(|row| row.outcome.as_str()).collect::<Vec<_>>(),
        ["duplicate", "imported"]
    );
    let progress = keys.import_progress(&begun.id).await.unwrap();
    assert_eq!((progress.staged, progress.duplicate, progress.committed), (1, 1, false));
    assert!(keys.commit_import(&begun.id).await.unwrap().committed);
    let begun = keys.begin_import(ImportOptions { dry_run: true, ..ImportOptions::default() }).await.unwrap();
    assert_eq!(keys.abandon_import(&begun.id).await.unwrap().id, begun.id);
}

#[tokio::test]
async fn history_and_leaks() {
    let running = Running::start().await;
    let operator = running.operator();
    let subject = format!("account:{}", running.account().await);
    let row = NewHistoryRow {
        target: subject.clone(),
        action: "run:create".to_owned(),
        detail: "Nightly".to_owned(),
        actor: Some(subject.clone()),
    };
    assert_eq!(operator.history().record(&[row]).await.unwrap(), 1);
    let filter = HistoryFilter { action: Some("run:create".to_owned()), ..HistoryFilter::default() };
    let rows = operator.history().list(&filter).collect(9).await.unwrap();
    assert_eq!((rows.len(), rows[0].origin.as_str(), rows[0].actor.as_str()), (1, "site", subject.as_str()));
    assert!(rows[0].other.is_empty(), "{rows:?}");

    let key = operator.keys().create(&NewKey::new("lost", &subject)).await.unwrap();
    // Whoever reports needs no key of their own.
    let finder = Client::builder(&running.url).build().unwrap();
    let leaks = [
        Leak::new(key.secret.clone()),
        Leak::new("sk_nobody_ever_issued_this_one_here"),
        Leak::new(key.secret),
    ];
    let outcomes = finder.report_leaks(&leaks).await.unwrap();
    assert_eq!(outcomes, [LeakOutcome::Disabled, LeakOutcome::Unknown, LeakOutcome::Ended]);
}
