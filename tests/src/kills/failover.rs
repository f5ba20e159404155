//! Hosts that stand still for longer than their leases, under load: their runs go to another host, and come to one end.
//!
//! Two hosts, of which one at a time is stopped as a machine is that swaps or sleeps (SIGSTOP), until another one has its runs,
//! and then continued: it believes what it believed before. With a database there are two servers on it, each host calls
//! another one, and the clients reach both, through a balancer: a server gives new runs to the hosts that call it. The ledger
//! outside counts as it does when processes are killed.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use flowforge_client::{Api, Context};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::ledger::Ledger;
use super::load::{self, Load};
use super::plan::Side;
use super::processes::Place;
use super::{Count, HOST, Settings, Tally, WORKFLOW, check, publish};
use crate::balancer::Balancer;
use crate::dice::Dice;
use crate::planes::Planes;
use crate::programs::{Programs, Running};

const HOSTS: [&str; 2] = ["host-one", "host-two"];
/// Where the runs of the workflow may be.
const RUNS_ON: &str = "runs_on: { placement: failover, lease: 2s }\n";
/// How long the runs of a host that stands still may take to go to the other one.
const MOVE_TIMEOUT: Duration = Duration::from_secs(90);
/// How often the control plane is asked.
const LOOK: Duration = Duration::from_millis(50);
/// A host works for at most so long before it is stopped, and stands still at most so much longer than it must, milliseconds.
const CHANCE_MS: u64 = 700;

/// What was counted.
#[derive(Debug)]
pub struct Moves {
    seed: u64,
    /// How often a host was stopped and continued.
    pub stops: u64,
    /// Runs that were at a host when it was stopped, and went to the other one.
    pub moved: u64,
    /// Runs that a host says it let go when it was continued, as far as it lists them.
    pub let_go: usize,
    /// What came of the runs.
    pub tally: Tally,
}

impl Moves {
    /// Whether nothing was lost, done twice or failed, and runs did move.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.tally.is_clean() && self.moved >= self.stops && self.let_go > 0
    }
}

impl Count for Moves {
    fn is_clean(&self) -> bool {
        Self::is_clean(self)
    }
}

impl fmt::Display for Moves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}, {} times a host stood still for longer than its leases of 2 s, {} runs went to the other one",
            self.seed, self.stops, self.moved
        )?;
        writeln!(
            f,
            "{} of the last runs are listed by the hosts that let them go\n",
            self.let_go
        )?;
        self.tally.write_runs(f)
    }
}

/// Both hosts, and where they are.
struct Fleet {
    place: Place,
    hosts: Vec<(&'static str, Running)>,
    servers: Vec<Running>,
    /// Before both servers, where there are two.
    _balancer: Option<Balancer>,
}

/// Stops and continues hosts as often as `settings` say kills, and counts. `told` gets a line now and then; with a database two
/// servers share it.
///
/// # Errors
/// A program cannot be started, the servers do not answer, or the runs of a host that stands still stay there.
pub async fn run(
    programs: Programs,
    http: &Path,
    folder: &Path,
    database: Option<&str>,
    settings: &Settings,
    mut told: impl FnMut(u64, u64),
) -> Result<Moves> {
    let ledger = Ledger::start().await?;
    let fleet = set_up(programs, http, folder, database, &ledger).await?;
    let load = Load::start(&fleet.place, Arc::clone(&ledger), settings.runs_at_a_time)?;
    let mut dice = Dice::of(settings.seed);
    let mut moves = Moves {
        seed: settings.seed,
        stops: 0,
        moved: 0,
        let_go: 0,
        tally: Tally::new(settings, [Side::Host, Side::Host]),
    };
    while moves.stops < settings.kills {
        moves.moved += fleet.stop_one(&mut dice).await?;
        moves.stops += 1;
        if moves.stops.is_multiple_of(10) {
            told(moves.stops, moves.moved);
        }
    }
    let accepted = load.stop(settings.settle).await?;
    moves.tally.runs = accepted.len();
    check::all(
        &fleet.place,
        &ledger,
        &accepted,
        settings.settle,
        &mut moves.tally,
    )
    .await?;
    moves.let_go = fleet.let_go()?;
    for (_, host) in fleet.hosts {
        host.stop()?;
    }
    for server in fleet.servers {
        server.stop()?;
    }
    Ok(moves)
}

async fn set_up(
    programs: Programs,
    http: &Path,
    folder: &Path,
    database: Option<&str>,
    ledger: &Ledger,
) -> Result<Fleet> {
    let planes = Planes::start_on(programs.clone(), folder, HOST, database)?;
    publish(&planes, http, ledger, &format!("{WORKFLOW}{RUNS_ON}"))?;
    let mut place = Place::of(&planes, programs, HOST)?;
    planes.stop()?;
    let mut servers = Vec::new();
    let mut sides = vec![Side::Plane];
    let mut balancer = None;
    if let Some(database) = database {
        let second = super::servers::free_address()?;
        place.second = Some((second.to_string(), database.to_owned()));
        sides.push(Side::Second);
        let before_both = Balancer::start(vec![place.address.parse()?, second]).await?;
        let (client, _) = super::servers::balanced(&place, &before_both)?;
        place.api = Api::new(Context::resolve(None, Some(&client))?)?;
        balancer = Some(before_both);
    }
    for side in sides {
        let mut server = place.start(side, None)?;
        server.first_line()?;
        servers.push(server);
    }
    let mut fleet = Fleet {
        hosts: Vec::new(),
        servers,
        place,
        _balancer: balancer,
    };
    for (n, name) in HOSTS.into_iter().enumerate() {
        let join = fleet.join(n)?;
        let mut command = fleet.place.host(name, name, &join);
        let running = Running::start(name, &mut command, &fleet.place.data.join("logs"))?;
        fleet.hosts.push((name, running));
        fleet
            .until(name, "it was not heard", |host| {
                host.pointer("/connected") == Some(&Value::Bool(true))
            })
            .await?;
    }
    // Enough runs that both get some: a host that compiles for seconds would be met by the first stops.
    for n in 0..8 {
        load::submit(&fleet.place, &format!("warm-{n}")).await;
    }
    for n in 0..8 {
        load::until_last(ledger, &format!("warm-{n}")).await?;
    }
    Ok(fleet)
}

impl Fleet {
    /// The file by which a host joins: with two servers each host calls another one.
    fn join(&self, n: usize) -> Result<PathBuf> {
        let path = self.place.data.join("plane/host-join.json");
        let Some((second, _)) = &self.place.second else {
            return Ok(path);
        };
        let address = if n == 0 { &self.place.address } else { second };
        let mut file: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
        *file.get_mut("server").context("the file names a server")? = format!("http://{address}").into();
        let path = self.place.data.join(format!("host-join-{n}.json"));
        fs::write(&path, file.to_string())?;
        Ok(path)
    }

    /// Stops one host at some moment until its runs are at the other one, continues it, and waits until it has work again.
    /// Answers how many runs it had.
    async fn stop_one(&self, dice: &mut Dice) -> Result<u64> {
        sleep(Duration::from_millis(dice.roll(CHANCE_MS))).await;
        let chosen = usize::from(dice.roll(2) == 1);
        let (name, host) = self.hosts.get(chosen).context("there are two hosts")?;
        host.signal("STOP")?;
        let open = |host: &Value| host.pointer("/openRuns").and_then(Value::as_u64);
        let had = open(&self.look(name).await?).unwrap_or_default();
        let gone = self
            .until(name, "its runs stayed there", |host| open(host) == Some(0))
            .await;
        sleep(Duration::from_millis(dice.roll(CHANCE_MS))).await;
        host.signal("CONT")?;
        gone?;
        self.until(name, "it got no work any more", |host| open(host) > Some(0))
            .await?;
        Ok(had)
    }

    async fn look(&self, name: &str) -> Result<Value> {
        let found = self
            .place
            .api
            .ask("{ hosts { name connected openRuns } }", json!({}))
            .await?;
        let hosts = found.get("hosts").and_then(Value::as_array);
        let mut hosts = hosts.into_iter().flatten();
        let host = hosts.find(|host| host.get("name").and_then(Value::as_str) == Some(name));
        Ok(host.cloned().unwrap_or_default())
    }

    async fn until(&self, name: &str, otherwise: &str, is_so: impl Fn(&Value) -> bool) -> Result<()> {
        let until = Instant::now() + MOVE_TIMEOUT;
        loop {
            let host = self.look(name).await?;
            if is_so(&host) {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("{name}: {otherwise} for {} s: {host}", MOVE_TIMEOUT.as_secs());
            }
            sleep(LOOK).await;
        }
    }

    /// How many runs the hosts list that they let go.
    fn let_go(&self) -> Result<usize> {
        let mut count = 0;
        for (name, _) in &self.hosts {
            let output = Command::new(self.place.program("flowforge-host"))
                .args(["status", "--output", "json", "--data-dir"])
                .arg(self.place.data.join(name))
                .output()?;
            let status: Value = serde_json::from_slice(&output.stdout)?;
            let moved = status.get("moved").and_then(Value::as_array);
            count += moved.map_or(0, Vec::len);
        }
        Ok(count)
    }
}
