//! Events for webhook endpoints: written once with what they tell, claimed by one, and what follows the end of a run.

use flowforge_core::{Action, Actor, AuditEntry, Caller, Object, ObjectKind, Scope};
use flowforge_protocol::record::{Event, Outcome};
use flowforge_protocol::{ApprovalId, Failure, FailureKind};
use flowforge_store::{
    AfterSending, AuditFilter, ClaimedEvent, DisableRule, EndpointPlan, EndpointSet, EventClaim,
    EventDelivery, EventFilter, EventSent, EventState, Follows, KeepEvents, Links, MAX_ENDPOINTS, NewRun,
    OnEnd, SealedKey, Started, event_name,
};
use serde_json::json;

use crate::growth::keep;
use crate::kit::{Home, Open, Script, asks_at, ended, host, id, ingest, new_run, release, run, scope};
use crate::scopes::other;

fn plan(name: &str, kinds: &[&str], workflow: Option<&str>) -> EndpointPlan {
    EndpointPlan {
        name: name.to_owned(),
        url: format!("https://{name}.example/in"),
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        workflow: workflow.map(str::to_owned),
    }
}

fn key(version: u32) -> SealedKey {
    SealedKey {
        sealed: vec![7; 5],
        version,
    }
}

async fn set(open: &Open, scope: &Scope, plan: EndpointPlan) -> EndpointSet {
    let by = ("ann".to_owned(), 3);
    open.store.set_endpoint(scope, plan, key(1), by).await.unwrap()
}

async fn log(open: &Open, scope: &Scope) -> Vec<EventDelivery> {
    let page = open
        .store
        .event_deliveries(scope, &EventFilter::default(), None, 100)
        .await
        .unwrap();
    let mut all: Vec<_> = page.items.into_iter().map(|(_, found)| found).collect();
    all.reverse();
    all
}

async fn claim_at(open: &Open, now_ms: u64, of_one: u32) -> Vec<ClaimedEvent> {
    let claim = EventClaim {
        now_ms,
        until_ms: now_ms + 60,
        limit: 10,
        of_one,
        busy: Vec::new(),
    };
    open.store.claim_events(scope(), claim).await.unwrap()
}

async fn sent(open: &Open, claimed: &ClaimedEvent, at_ms: u64, then: AfterSending, since_ms: u64) -> bool {
    let caller = Caller::new(Actor::Plane, scope().clone(), "events");
    let object = Object::new(ObjectKind::Endpoint, claimed.told.endpoint.as_str());
    let rule = DisableRule {
        failing_since_ms: since_ms,
        why: "it never answers".to_owned(),
        gone: false,
        note: AuditEntry::done(&caller, Action::DecideEndpoint, object, at_ms),
    };
    let said = EventSent {
        number: claimed.number,
        attempt: claimed.attempt,
        at_ms,
        status: Some(500),
        answer: "no".to_owned(),
        then,
    };
    let endpoint = claimed.told.endpoint.clone();
    open.store
        .event_sent(scope(), endpoint, said, rule)
        .await
        .unwrap()
}

/// Run `n` ends like this.
async fn end(open: &Open, new: NewRun, last: Event) {
    let id = new.id.clone();
    assert_eq!(open.store.start_run(scope(), new).await.unwrap(), Started::New);
    let batch = Script::new(id).batch(vec![last]);
    let told = open
        .store
        .ingest(scope(), ingest(&host(1), vec![batch.clone()]))
        .await;
    assert!(told.unwrap().rejected.is_empty());
    // A host sends again what it does not know to be stored.
    let again = open.store.ingest(scope(), ingest(&host(1), vec![batch])).await;
    assert!(again.unwrap().rejected.is_empty());
}

fn failed() -> Event {
    let failure = Failure::new(FailureKind::Denied, "no".to_owned());
    Event::Ended {
        outcome: Outcome::Failed { node: None, failure },
    }
}

#[tokio::test]
async fn what_happens_is_told_once_to_each_endpoint_that_asked() {
    let home = Home::new();
    let open = home.ready().await;
    assert_eq!(
        set(
            &open,
            scope(),
            plan("all", &["run.ended", "approval.requested"], None)
        )
        .await,
        EndpointSet::Made
    );
    set(&open, scope(), plan("other", &["run.ended"], Some("other"))).await;
    set(&open, scope(), plan("news", &["workflow.published"], None)).await;
    set(
        &open,
        &other(),
        plan("elsewhere", &["run.ended", "workflow.published"], None),
    )
    .await;
    let mut script = Script::new(run(1));
    let approval = ApprovalId::from_entropy(id(6, 1));
    open.store.start_run(scope(), new_run(1, true)).await.unwrap();
    let asks = script.batch(vec![asks_at(
        "gate",
        approval.clone(),
        "Pay?",
        &["ann"],
        Some(50),
    )]);
    for _ in 0..2 {
        let told = open
            .store
            .ingest(scope(), ingest(&host(1), vec![asks.clone()]))
            .await;
        told.unwrap();
    }
    end(&open, new_run(2, true), ended(json!(1))).await;
    let next = release("sum", 2);
    open.store
        .publish(scope(), next.clone(), Links::default())
        .await
        .unwrap();
    open.store
        .publish(scope(), next.clone(), Links::default())
        .await
        .unwrap();

    let told: Vec<_> = log(&open, scope()).await;
    let short: Vec<_> = told
        .iter()
        .map(|of| {
            (
                of.told.endpoint.as_str(),
                of.told.kind.as_str(),
                of.told.subject.as_deref(),
            )
        })
        .collect();
    let digest = next.digest.to_string();
    assert_eq!(
        short,
        [
            ("all", "approval.requested", Some(approval.as_str())),
            ("all", "run.ended", Some(run(2).as_str())),
            ("news", "workflow.published", Some(digest.as_str())),
        ]
    );
    let (asked, over) = (&told[0].told, &told[1].told);
    assert_eq!((asked.title.as_deref(), asked.until_ms), (Some("Pay?"), Some(50)));
    assert_eq!(asked.run.as_deref(), Some(run(1).as_str()));
    assert_eq!(
        (over.ended_as.as_deref(), over.version, &over.outcome),
        (Some("done"), Some(1), &None)
    );
    assert_eq!(over.event, event_name("run.ended", run(2).as_str()));
    assert!(!over.event.contains('.'));
    assert!(log(&open, &other()).await.is_empty());
    // Drafts tell nobody.
    let mut draft = new_run(3, true);
    draft.version = 0;
    end(&open, draft, ended(json!(1))).await;
    assert_eq!(log(&open, scope()).await.len(), 3);
    open.close().await;
}

#[tokio::test]
async fn an_event_is_claimed_by_one_until_its_time_and_written_down_by_that_claim_only() {
    let home = Home::new();
    let open = home.ready().await;
    set(&open, scope(), plan("all", &["run.ended"], None)).await;
    for n in 1..=3 {
        end(&open, new_run(n, true), ended(json!(1))).await;
    }
    assert!(claim_at(&open, 999, 9).await.is_empty(), "not due");
    assert_eq!(open.store.next_event_ms(scope()).await.unwrap(), Some(1_000));
    let first = claim_at(&open, 1_000, 2).await;
    assert_eq!(first.len(), 2, "so many of one endpoint");
    assert!(first.iter().all(|claimed| claimed.attempt == 1));
    let rest = claim_at(&open, 1_001, 9).await;
    assert_eq!(rest.len(), 1, "nobody else gets the others");
    // The one who had it is gone; another gets it, and the first one's word does not count any more.
    let again = claim_at(&open, 1_060, 9).await;
    let of = |number| again.iter().find(|claimed| claimed.number == number).unwrap();
    let second = of(first[0].number);
    assert_eq!(second.attempt, 2);
    assert!(!sent(&open, &first[0], 1_061, AfterSending::Delivered, 0).await);
    assert_eq!(log(&open, scope()).await[0].state, "pending");
    sent(&open, second, 1_062, AfterSending::Delivered, 0).await;
    let delivered = log(&open, scope()).await.remove(0);
    assert_eq!(
        (delivered.state.as_str(), delivered.last_status),
        ("delivered", Some(500))
    );
    sent(&open, of(first[1].number), 1_063, AfterSending::Again(2_000), 0).await;
    let retried = log(&open, scope()).await.remove(1);
    assert_eq!((retried.state.as_str(), retried.due_ms), ("pending", 2_000));
    sent(&open, &rest[0], 1_064, AfterSending::GivenUp, 0).await;
    let given_up = log(&open, scope()).await.remove(2);
    assert_eq!(given_up.state, EventState::Failed.as_str());
    // A person has it sent once more, under the same name.
    let resend = open
        .store
        .send_event_again(scope(), given_up.number, "ann".to_owned(), 3_000);
    assert!(resend.await.unwrap());
    let once_more = claim_at(&open, 3_000, 9).await;
    let once_more = once_more
        .iter()
        .find(|claimed| claimed.number == given_up.number)
        .unwrap();
    assert_eq!(
        (once_more.attempt, &once_more.told.event),
        (1, &given_up.told.event)
    );
    let stranger = other();
    let elsewhere = open
        .store
        .send_event_again(&stranger, given_up.number, "x".to_owned(), 1);
    assert!(!elsewhere.await.unwrap());
    assert!(
        open.store
            .event_delivery(&other(), given_up.number)
            .await
            .unwrap()
            .is_none()
    );
    open.close().await;
}

#[tokio::test]
async fn an_endpoint_that_fails_for_long_is_disabled_visibly_and_can_be_enabled() {
    let home = Home::new();
    let open = home.ready().await;
    set(&open, scope(), plan("all", &["run.ended"], None)).await;
    end(&open, new_run(1, true), ended(json!(1))).await;
    let claimed = claim_at(&open, 1_000, 9).await.remove(0);
    assert!(!sent(&open, &claimed, 1_010, AfterSending::Again(1_020), 1_000).await);
    let failing = open.store.endpoint(scope(), "all").await.unwrap().unwrap();
    assert_eq!((failing.failures, failing.failing_since_ms), (1, Some(1_010)));
    let claimed = claim_at(&open, 1_020, 9).await.remove(0);
    assert!(sent(&open, &claimed, 1_030, AfterSending::Again(1_040), 1_010).await);
    let disabled = open.store.endpoint(scope(), "all").await.unwrap().unwrap();
    assert_eq!(disabled.disabled, Some((1_030, "it never answers".to_owned())));
    let filter = AuditFilter {
        action: Some("endpoint.decide".to_owned()),
        ..AuditFilter::default()
    };
    let noted = open.store.audit(scope(), &filter, None, 9).await.unwrap();
    assert_eq!(noted.items.len(), 1, "somebody can find out when");
    // It gets nothing, neither what waits nor what is new.
    end(&open, new_run(2, true), ended(json!(1))).await;
    assert_eq!(log(&open, scope()).await.len(), 1);
    assert!(claim_at(&open, 9_000, 9).await.is_empty());
    assert_eq!(open.store.next_event_ms(scope()).await.unwrap(), None);
    let enable = || open.store.decide_endpoint(scope(), "all".to_owned(), None, 9_000);
    assert!(enable().await.unwrap());
    assert!(!enable().await.unwrap(), "it is already");
    assert_eq!(claim_at(&open, 9_000, 9).await.len(), 1);
    open.close().await;
}

#[tokio::test]
async fn keys_change_with_an_overlap_and_endpoints_are_few() {
    let home = Home::new();
    let open = home.ready().await;
    set(&open, scope(), plan("all", &["run.ended"], None)).await;
    assert_eq!(
        set(&open, scope(), plan("all", &[], Some("sum"))).await,
        EndpointSet::Changed
    );
    let changed = open.store.endpoint(scope(), "all").await.unwrap().unwrap();
    assert_eq!(changed.plan, plan("all", &[], Some("sum")));
    let rotate = |version| {
        open.store
            .rotate_endpoint(scope(), "all".to_owned(), key(version), 500)
    };
    assert!(!rotate(3).await.unwrap(), "somebody else was there before");
    assert!(rotate(2).await.unwrap());
    let keys = open.store.endpoint_keys(scope(), "all").await.unwrap().unwrap();
    assert_eq!((keys.key, keys.old), (key(2), Some((key(1), 500))));
    for n in 1..MAX_ENDPOINTS {
        set(&open, scope(), plan(&format!("e{n}"), &[], None)).await;
    }
    assert_eq!(
        set(&open, scope(), plan("more", &[], None)).await,
        EndpointSet::TooMany
    );
    assert_eq!(open.store.endpoints(scope()).await.unwrap().len(), 100);
    assert!(open.store.endpoints(&other()).await.unwrap().is_empty());
    let test = |name: &str| {
        open.store
            .tell_test(scope(), name.to_owned(), format!("evt_{name}"), 5)
    };
    assert!(test("none").await.unwrap().is_none());
    let number = test("e1").await.unwrap().unwrap();
    assert_eq!(log(&open, scope()).await[0].number, number);
    assert!(
        open.store
            .delete_endpoint(scope(), "e1".to_owned())
            .await
            .unwrap()
    );
    assert!(log(&open, scope()).await.is_empty());
    assert!(
        !open
            .store
            .delete_endpoint(scope(), "e1".to_owned())
            .await
            .unwrap()
    );
    open.close().await;
}

#[tokio::test]
async fn the_end_of_a_run_starts_what_its_release_names_and_a_cancelled_one_nothing() {
    let home = Home::new();
    let open = home.ready().await;
    let follows = |workflow: Option<&str>, endpoint: Option<&str>| {
        Some(Follows {
            workflow: workflow.map(str::to_owned),
            endpoint: endpoint.map(str::to_owned),
        })
    };
    let on_end = OnEnd {
        done: follows(Some("archive"), None),
        failed: follows(Some("repair"), Some("pager")),
    };
    let with = |n| NewRun {
        on_end: Some(on_end.clone()),
        ..new_run(n, true)
    };
    end(&open, with(1), ended(json!(5))).await;
    end(&open, with(2), failed()).await;
    let cancelled = Event::Ended {
        outcome: Outcome::Cancelled {
            reason: "x".to_owned(),
        },
    };
    end(&open, with(3), cancelled).await;
    let owed = open.store.owed_follow_ups(scope(), 9).await.unwrap();
    let short: Vec<_> = owed
        .iter()
        .map(|owed| (owed.run.clone(), owed.workflow.as_str()))
        .collect();
    assert_eq!(short, [(run(1), "archive"), (run(2), "repair")]);
    assert!(owed[0].outcome.contains("\"output\":5"), "{}", owed[0].outcome);
    assert!(open.store.owed_follow_ups(&other(), 9).await.unwrap().is_empty());
    let events = log(&open, scope()).await;
    assert_eq!(events.len(), 1);
    let told = &events[0].told;
    assert_eq!(
        (told.kind.as_str(), told.endpoint.as_str()),
        ("run.failed", "pager")
    );
    assert!(told.outcome.as_deref().unwrap().contains("\"no\""));
    // There is no such endpoint yet; when there is, it is told.
    assert!(claim_at(&open, 5_000, 9).await.is_empty());
    set(&open, scope(), plan("pager", &[], None)).await;
    assert_eq!(claim_at(&open, 5_000, 9).await.len(), 1);

    open.store.followed_up(scope(), run(1), Ok(run(8))).await.unwrap();
    let why = "it is not published".to_owned();
    open.store
        .followed_up(scope(), run(2), Err(why.clone()))
        .await
        .unwrap();
    assert!(open.store.owed_follow_ups(scope(), 9).await.unwrap().is_empty());
    let became = open
        .store
        .follow_ups(scope(), vec![run(1), run(2), run(3)])
        .await
        .unwrap();
    assert_eq!(became.len(), 2);
    assert_eq!(became[0].1.started, Some(run(8)));
    assert_eq!(became[1].1.refused, Some(why));
    open.close().await;
}

#[tokio::test]
async fn what_is_kept_of_events_is_bounded_and_what_waits_goes_last() {
    let home = Home::new();
    let open = home.ready().await;
    set(&open, scope(), plan("all", &["run.ended"], None)).await;
    for n in 1..=4 {
        end(&open, new_run(n, true), ended(json!(1))).await;
    }
    let claimed = claim_at(&open, 1_000, 9).await;
    sent(&open, &claimed[3], 1_001, AfterSending::Delivered, 0).await;
    let mut few = keep();
    few.events = KeepEvents {
        since_ms: 0,
        count_max: 2,
    };
    open.store.collect(scope(), few).await.unwrap();
    let left: Vec<_> = log(&open, scope()).await.iter().map(|left| left.number).collect();
    assert_eq!(left, [claimed[1].number, claimed[2].number]);
    few.events.since_ms = 1_001;
    open.store.collect(scope(), few).await.unwrap();
    assert!(log(&open, scope()).await.is_empty());
    open.close().await;
}
