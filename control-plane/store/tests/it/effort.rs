//! What a question costs, in steps of SQLite's machine: what a project has kept must not make its work dearer.

use flowforge_protocol::{Digest, MessageId};
use flowforge_store::{ClientRequest, Heard, NewSignal, RunFilter, RunState, StoreError};
use serde_json::json;

use crate::kit::{Home, Open, Script, ended, host, id, ingest, new_run, run, scope};

/// Runs that are over, as many as it says, beside those that the test makes.
async fn fill(home: &Home, until: u64) {
    let release = crate::kit::release("sum", 1).digest;
    home.execute(&format!(
        "with recursive n (i) as (select 1 union all select i + 1 from n where i < {until}) \
         insert or ignore into run (id, workflow, version, release, state, input, trigger, host, epoch, created_at_ms, \
         ended_at_ms, closed_at_ms, next_seq, outcome, receipt, parent_told, bytes, workspace, project) \
         select printf('%026d', i), 'sum', 1, '{release}', 'done', '{{}}', '{{\"kind\":\"manual\",\"by\":\"x\"}}', \
         '{}', 1, i, i, i, 1, '{{}}', '{{}}', 1, 100, 'dev', 'default' from n",
        host(1)
    ))
    .await;
}

/// The names of what was asked, each with the steps that it took.
struct Costs<'a> {
    open: &'a Open,
    costs: Vec<(&'static str, u64)>,
}

impl Costs<'_> {
    async fn of<T>(
        &mut self,
        name: &'static str,
        question: impl Future<Output = Result<T, StoreError>>,
    ) -> T {
        let before = self.open.store.steps();
        let answer = question.await.unwrap();
        self.costs.push((name, self.open.store.steps() - before));
        answer
    }
}

/// Everything that the work of a busy project asks and writes, with run `n` as the one that is worked on; not what looks now
/// and then at all that is kept.
async fn costs(open: &Open, n: u64) -> Vec<(&'static str, u64)> {
    let (store, mut costs) = (
        &open.store,
        Costs {
            open,
            costs: Vec::new(),
        },
    );
    let mut new = new_run(n, true);
    new.requests = vec![ClientRequest {
        id: format!("request-{n}"),
        body: Digest::of(b"x"),
    }];
    costs.of("start_run", store.start_run(scope(), new)).await;
    costs
        .of("open_jobs", store.open_jobs(scope(), &host(1), 10))
        .await;
    costs.of("open_runs", store.open_runs(scope())).await;
    costs.of("count_queued", store.count_queued(scope())).await;
    costs
        .of("count_unassigned", store.count_unassigned(scope()))
        .await;
    costs
        .of("unassigned", store.unassigned(scope(), &host(1), &[], 10))
        .await;
    costs
        .of("open_releases", store.open_releases(scope(), &host(1)))
        .await;
    costs
        .of("oldest_open_run_ms", store.oldest_open_run_ms(scope()))
        .await;
    costs
        .of("cursors", store.cursors(scope(), &host(1), vec![(run(n), 1)]))
        .await;
    costs
        .of("lose", store.lose(scope(), host(1), vec![run(n + 1)], 5))
        .await;
    costs.of("due_signals", store.due_signals(scope(), 10, 10)).await;
    costs.of("owed_ends", store.owed_ends(scope(), 10)).await;
    costs.of("runs_to_stop", store.runs_to_stop(scope(), 10)).await;
    costs
        .of("ordered_children", store.ordered_children(scope(), 10))
        .await;
    costs
        .of("children_of", store.children_of(scope(), vec![run(n)], 10))
        .await;
    costs
        .of("waits_of", store.waits_of(scope(), vec![run(n)], 10))
        .await;
    costs.of("run", store.run(scope(), &run(n))).await;
    let mut said = ingest(&host(1), vec![Script::new(run(n)).batch(vec![ended(json!(1))])]);
    said.received = vec![crate::kit::new_job(n, 1_000 + n, &host(1)).id];
    said.heard = Some(Heard {
        at_ms: 5,
        silent_since_ms: None,
    });
    costs.of("ingest", store.ingest(scope(), said)).await;
    costs
        .of("batches", store.batches(scope(), &run(n), 0, 1 << 20))
        .await;
    let signal = NewSignal {
        message: MessageId::from_entropy(id(8, n)),
        run: None,
        workflow: "sum".to_owned(),
        name: "arrived".to_owned(),
        correlation: None,
        payload: "1".to_owned(),
        by: "x".to_owned(),
        at_ms: 1,
        requests: Vec::new(),
        delivery: None,
    };
    costs.of("keep_signal", store.keep_signal(scope(), signal)).await;
    for filter in filters() {
        costs.of("runs", store.runs(scope(), &filter, None, 10)).await;
    }
    costs.costs
}

/// By workflow, and by every state that most runs do not have.
fn filters() -> Vec<RunFilter> {
    let states = [
        None,
        Some(RunState::Queued),
        Some(RunState::Running),
        Some(RunState::Failed),
        Some(RunState::Lost),
        Some(RunState::Paused),
    ];
    let of_state = |state| RunFilter {
        state,
        ..RunFilter::default()
    };
    let of_workflow = RunFilter {
        workflow: Some("sum".to_owned()),
        ..RunFilter::default()
    };
    states.into_iter().map(of_state).chain([of_workflow]).collect()
}

/// Since scopes were part of every question, SQLite walked all runs of a project to find one run, or those that are open:
/// a run cost twice as much when 60,000 were kept.
#[tokio::test]
async fn work_costs_the_same_beside_many_runs_that_are_over() {
    let home = Home::new();
    let open = home.ready().await;
    fill(&home, 50).await;
    // The first time also prepares the statements.
    costs(&open, 1_000).await;
    let few = costs(&open, 2_000).await;
    fill(&home, 5_000).await;
    let many = costs(&open, 3_000).await;
    let dearer: Vec<_> = few
        .iter()
        .zip(&many)
        .filter(|((_, few), (_, many))| *many > few + few / 2 + 20)
        .collect();
    assert!(dearer.is_empty(), "{dearer:#?}");
    open.close().await;
}
