//! Kills of two servers on one database at every commit point, under load, behind a balancer.
//!
//! Two hosts and all clients reach whichever server the balancer gives them. Besides the load, runs are followed over
//! subscriptions, and a schedule starts a run each minute: both must go on whichever server dies. The ledger outside counts
//! as it does when one control plane and one host are killed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use flowforge_client::{Api, Context, RunEvents};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::ledger::Ledger;
use super::load::{self, Accepted, Load};
use super::plan::Side;
use super::processes::{Place, Victims};
use super::{HOST, Settings, Tally, WORKFLOW, check, kill, publish};
use crate::balancer::Balancer;
use crate::planes::Planes;
use crate::programs::{Programs, Running};

/// What is killed.
const SIDES: [Side; 2] = [Side::Plane, Side::Second];
/// Hosts, which are not killed.
const HOSTS: [&str; 2] = ["host-one", "host-two"];
/// A run each minute.
const EACH_MINUTE: &str = "\
workflow: each-minute
triggers:
  time: { schedule: { cron: \"* * * * *\" } }
nodes:
  only: { set: { done: true } }
";
/// Runs that are followed at a time.
const FOLLOWERS: usize = 4;
/// How long the end of a followed run may take.
const FOLLOW_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a follower waits before it subscribes again.
const AGAIN: Duration = Duration::from_millis(50);
/// How late a schedule may be, when the server whose duty it was has died: then another takes it over.
const LATE_MS: u64 = 60_000;
const RUNS: &str = "query Runs($after: String) { runs(first: 100, after: $after, workflow: \"each-minute\") \
                    { nodes { id trigger createdAtMs } pageInfo { hasNextPage endCursor } } }";

/// Kills and counts, as [`super::run`] does, on this empty database.
///
/// # Errors
/// A program cannot be started at all, or the servers do not answer at the end.
pub async fn run(
    programs: Programs,
    http: &Path,
    folder: &Path,
    database: &str,
    settings: &Settings,
    mut told: impl FnMut(&Tally),
) -> Result<Tally> {
    let ledger = Ledger::start().await?;
    let (place, _balancer, hosts) = set_up(programs, http, folder, database, &ledger).await?;
    let load = Load::start(&place, Arc::clone(&ledger), settings.runs_at_a_time)?;
    let followers = Followers::start(&place, &load);
    let mut tally = Tally::new(settings, SIDES);
    let mut victims = Victims::new(place.clone(), settings.seed, SIDES);
    kill(
        &mut victims,
        settings.kills,
        &ledger,
        &load,
        &mut tally,
        &mut told,
    )
    .await?;
    followers.stop(&mut tally).await;
    let accepted = load.stop(settings.settle).await?;
    tally.runs = accepted.len();
    check::all(&place, &ledger, &accepted, settings.settle, &mut tally).await?;
    check_schedule(&place.api, &mut tally).await?;
    for host in hosts {
        host.stop()?;
    }
    victims.stop().context("the servers do not stop in order")?;
    Ok(tally)
}

/// Publishes, starts the hosts before a balancer, and lets each compile the connector.
async fn set_up(
    programs: Programs,
    http: &Path,
    folder: &Path,
    database: &str,
    ledger: &Ledger,
) -> Result<(Place, Balancer, Vec<Running>)> {
    let planes = Planes::start_on(programs.clone(), folder, HOST, Some(database))?;
    publish(&planes, http, ledger, WORKFLOW)?;
    let schedule = planes.data().join("each-minute");
    fs::create_dir_all(&schedule)?;
    fs::write(schedule.join("workflow.yaml"), EACH_MINUTE)?;
    planes
        .flowforge()
        .json(&["workflow", "publish", &schedule.to_string_lossy()])?;
    let mut place = Place::of(&planes, programs, HOST)?;
    let second = free_address()?;
    place.second = Some((second.to_string(), database.to_owned()));
    let balancer = Balancer::start(vec![place.address.parse()?, second]).await?;
    let (client, join) = balanced(&place, &balancer)?;
    place.api = Api::new(Context::resolve(None, Some(&client))?)?;
    let mut hosts = Vec::new();
    for name in HOSTS {
        let mut command = place.host(name, name, &join);
        hosts.push(Running::start(name, &mut command, &place.data.join("logs"))?);
    }
    // Enough runs that both hosts get some: a host that compiles for seconds would be met by the first kills.
    let mut warm = JoinSet::new();
    for n in 0..8 {
        let place = place.clone();
        let name = format!("warm-{n}");
        warm.spawn(async move { load::submit(&place, &name).await });
    }
    while warm.join_next().await.is_some() {}
    for n in 0..8 {
        load::until_last(ledger, &format!("warm-{n}")).await?;
    }
    planes.stop()?;
    Ok((place, balancer, hosts))
}

/// The files by which commands and hosts find the balancer instead of a server.
pub(super) fn balanced(place: &Place, balancer: &Balancer) -> Result<(PathBuf, PathBuf)> {
    let folder = place.data.join("balanced");
    fs::create_dir_all(&folder)?;
    let changed = |name: &str| -> Result<PathBuf> {
        let text = fs::read_to_string(place.data.join("plane").join(name))?;
        let mut file: Value = serde_json::from_str(&text)?;
        let server = file.get_mut("server").context("the file names a server")?;
        *server = balancer.url().into();
        let path = folder.join(name);
        fs::write(&path, file.to_string())?;
        Ok(path)
    };
    Ok((changed("client.json")?, changed("host-join.json")?))
}

pub(super) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Runs whose end was told, and what became of the others.
type Found = (u64, Vec<String>);

/// Clients that follow runs to their end, and subscribe again when the server dies to which they were connected.
struct Followers {
    tasks: JoinSet<()>,
    found: Arc<Mutex<Found>>,
    stopping: Arc<AtomicBool>,
}

impl Followers {
    fn start(place: &Place, load: &Load) -> Self {
        let found: Arc<Mutex<Found>> = Arc::default();
        let stopping: Arc<AtomicBool> = Arc::default();
        let mut tasks = JoinSet::new();
        let taken: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        for _ in 0..FOLLOWERS {
            let (context, accepted) = (place.api.context().clone(), load.accepted_so_far());
            let (found, stopping, taken) = (Arc::clone(&found), Arc::clone(&stopping), Arc::clone(&taken));
            tasks.spawn(async move {
                while !stopping.load(Ordering::Relaxed) {
                    let Some(run) = newest(&accepted, &taken) else {
                        sleep(AGAIN).await;
                        continue;
                    };
                    let told = timeout(FOLLOW_TIMEOUT, follow(&context, &run.id)).await;
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    match told {
                        Ok(Ok(())) => found.0 += 1,
                        Ok(Err(error)) => found.1.push(format!("{} ({}): {error:#}", run.name, run.id)),
                        Err(_) => found
                            .1
                            .push(format!("{} ({}): no end was told", run.name, run.id)),
                    }
                }
            });
        }
        Self {
            tasks,
            found,
            stopping,
        }
    }

    async fn stop(mut self, tally: &mut Tally) {
        self.stopping.store(true, Ordering::Relaxed);
        while self.tasks.join_next().await.is_some() {}
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        tally.followed = found.0;
        tally.not_followed = std::mem::take(&mut found.1);
    }
}

/// The newest run that nobody has followed.
fn newest(accepted: &Mutex<Vec<Accepted>>, taken: &Mutex<BTreeSet<String>>) -> Option<Accepted> {
    let accepted = accepted.lock().unwrap_or_else(PoisonError::into_inner);
    let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
    let run = accepted.iter().rev().find(|run| !taken.contains(&run.id))?;
    taken.insert(run.id.clone());
    Some(run.clone())
}

/// Follows a run until its end is told, over as many subscriptions as it takes.
async fn follow(context: &Context, run: &str) -> Result<()> {
    loop {
        let Ok(mut events) = RunEvents::subscribe(context, run, "ended run { state }").await else {
            sleep(AGAIN).await;
            continue;
        };
        while let Ok(Some(event)) = events.next().await {
            if event.get("ended") == Some(&Value::Bool(true)) {
                return Ok(());
            }
        }
        sleep(AGAIN).await;
    }
}

/// Whether each minute between the first and the last run of the schedule has one run.
async fn check_schedule(api: &Api, tally: &mut Tally) -> Result<()> {
    let mut by_minute: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    let mut after = Value::Null;
    loop {
        let data = api.ask(RUNS, json!({ "after": after })).await?;
        let runs = data.pointer("/runs/nodes").and_then(Value::as_array);
        for run in runs.context("the answer lists runs")? {
            let due = run.pointer("/trigger/due_ms").and_then(Value::as_u64);
            let due = due.with_context(|| format!("{run} names no due time"))?;
            let id = run.get("id").and_then(Value::as_str).unwrap_or_default();
            by_minute.entry(due / 60_000).or_default().push(id.to_owned());
            let created = run.get("createdAtMs").and_then(Value::as_u64).unwrap_or_default();
            if created.saturating_sub(due) > LATE_MS {
                tally
                    .fired_wrongly
                    .push(format!("{id} came {} ms late", created - due));
            }
            tally.fired += 1;
        }
        if data.pointer("/runs/pageInfo/hasNextPage") != Some(&Value::Bool(true)) {
            break;
        }
        after = data
            .pointer("/runs/pageInfo/endCursor")
            .cloned()
            .unwrap_or_default();
    }
    let (first, last) = (by_minute.keys().next().copied(), by_minute.keys().last().copied());
    for minute in first.unwrap_or(1)..=last.unwrap_or(0) {
        match by_minute.get(&minute).map_or(0, Vec::len) {
            1 => {}
            0 => tally
                .fired_wrongly
                .push(format!("minute {minute} started no run")),
            _ => tally
                .fired_wrongly
                .push(format!("minute {minute} started {:?}", by_minute.get(&minute))),
        }
    }
    Ok(())
}
