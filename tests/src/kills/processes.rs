//! The two processes that are killed: started with a plan, watched until they die, started again.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use flowforge_client::Api;
use tokio::time::{Instant, sleep};

use super::ledger::Ledger;
use super::plan::{Deck, Planned, Side};
use crate::dice::Dice;
use crate::planes::Planes;
use crate::programs::{Programs, Running};

/// How often both processes are looked at.
const LOOK: Duration = Duration::from_millis(10);
/// A process that does not meet its point in this time is killed by the clock. A server's time begins when it is ready: on
/// a busy machine two that were killed while they still started would never serve.
const POINT_WAIT: Duration = Duration::from_secs(8);
/// How long nothing may be entered in the ledger before that is a fault of its own.
const STANDSTILL: Duration = Duration::from_secs(300);

/// Where the planes live, and how they are spoken to.
#[derive(Debug, Clone)]
pub(super) struct Place {
    programs: Programs,
    pub(super) data: PathBuf,
    pub(super) address: String,
    /// The address of a second server, and the database of both.
    pub(super) second: Option<(String, String)>,
    name: &'static str,
    pub(super) api: Api,
}

impl Place {
    /// The folder and the address of these planes, which stay when they are stopped.
    pub(super) fn of(planes: &Planes, programs: Programs, name: &'static str) -> Result<Self> {
        let address = planes
            .api()
            .context()
            .server
            .strip_prefix("http://")
            .context("the control plane's address has another form than expected")?
            .trim_end_matches('/')
            .to_owned();
        Ok(Self {
            programs,
            data: planes.data().to_owned(),
            address,
            second: None,
            name,
            api: planes.api().clone(),
        })
    }

    /// The path of a program.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.programs.path(name)
    }

    pub(super) fn start(&self, side: Side, plan: Option<Planned>) -> Result<Running> {
        let (name, mut command) = match (side, &self.second) {
            (Side::Plane, _) => ("plane", self.server(&self.address)),
            (Side::Second, Some((address, _))) => ("second", self.server(address)),
            (Side::Second, None) => bail!("there is no second server here"),
            (Side::Host, _) => {
                let join = self.data.join("plane/host-join.json");
                ("host", self.host(self.name, "host", &join))
            }
        };
        if let Some(plan) = plan {
            command.env("FLOWFORGE_FAILPOINTS", plan.rule());
        }
        Running::start(name, &mut command, &self.data.join("logs"))
    }

    fn server(&self, address: &str) -> Command {
        let mut command = Command::new(self.programs.path("flowforge"));
        command
            .args(["server", "--output", "json", "--listen", address, "--data-dir"])
            .arg(self.data.join("plane"))
            .env("FLOWFORGE_HOME", self.data.join("home"))
            .envs(self.second.as_ref().map(|(_, url)| ("FLOWFORGE_DATABASE", url)));
        command
    }

    /// A host with this name and folder that joins by this file.
    pub(super) fn host(&self, name: &str, folder: &str, join: &Path) -> Command {
        let mut command = Command::new(self.programs.path("flowforge-host"));
        command
            .arg("--data-dir")
            .arg(self.data.join(folder))
            .arg("--join")
            .arg(join)
            .args(["--name", name, "--loopback-destinations"]);
        command
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Death {
    pub(super) side: Side,
    /// The point it met; none if it was killed by the clock.
    pub(super) met: Option<Planned>,
}

struct Victim {
    side: Side,
    running: Running,
    planned: Planned,
    is_ready: bool,
    since: Instant,
}

/// Both processes.
pub(super) struct Victims {
    place: Place,
    dice: Dice,
    decks: [(Side, Deck); 2],
    alive: Vec<Victim>,
    left: Vec<Running>,
    moved: (u64, Instant),
}

impl Victims {
    /// None runs yet.
    pub(super) fn new(place: Place, seed: u64, sides: [Side; 2]) -> Self {
        Self {
            place,
            dice: Dice::of(seed),
            decks: sides.map(|side| (side, Deck::of(side))),
            alive: Vec::new(),
            left: Vec::new(),
            moved: (0, Instant::now()),
        }
    }

    /// Starts what does not run, each with a new plan, and waits until one of both has died.
    pub(super) async fn next_death(&mut self, ledger: &Ledger) -> Result<Death> {
        for (side, deck) in &mut self.decks {
            let side = *side;
            if self.alive.iter().all(|victim| victim.side != side) {
                let planned = deck.draw(&mut self.dice).context("no point to choose")?;
                self.alive.push(Victim {
                    side,
                    running: self.place.start(side, Some(planned))?,
                    planned,
                    is_ready: side == Side::Host,
                    since: Instant::now(),
                });
            }
        }
        loop {
            if let Some(death) = self.look()? {
                return Ok(death);
            }
            let (requests, _) = ledger.totals();
            if requests != self.moved.0 {
                self.moved = (requests, Instant::now());
            } else if self.moved.1.elapsed() > STANDSTILL {
                bail!("nothing was entered in the ledger for {} s", STANDSTILL.as_secs());
            }
            sleep(LOOK).await;
        }
    }

    fn look(&mut self) -> Result<Option<Death>> {
        for index in 0..self.alive.len() {
            let Some(victim) = self.alive.get_mut(index) else {
                continue;
            };
            if !victim.is_ready {
                victim.is_ready = victim.running.has_printed();
                victim.since = Instant::now();
            }
            let ended = victim.running.ended()?;
            if ended.is_none() && victim.since.elapsed() < POINT_WAIT {
                continue;
            }
            let victim = self.alive.swap_remove(index);
            let met = match ended {
                // SIGABRT is what a point does; anything else is a program that ended by itself.
                Some(status) if status.signal() == Some(6) => Some(victim.planned),
                Some(status) => bail!(
                    "the {} ended by itself ({status}) with the plan {}:\n{}",
                    victim.side,
                    victim.planned,
                    victim.running.end_of_log()
                ),
                None => {
                    victim.running.kill()?;
                    None
                }
            };
            return Ok(Some(Death {
                side: victim.side,
                met,
            }));
        }
        Ok(None)
    }

    /// Kills what runs with a plan and starts both without one.
    pub(super) async fn start_without_plans(&mut self) -> Result<()> {
        for victim in self.alive.drain(..) {
            victim.running.kill()?;
        }
        for (side, _) in &self.decks {
            let mut running = self.place.start(*side, None)?;
            if *side != Side::Host {
                running.first_line()?;
            }
            // Hosts are stopped before the servers that they call.
            self.left.insert(0, running);
        }
        Ok(())
    }

    /// Stops both in order.
    pub(super) fn stop(self) -> Result<()> {
        for running in self.left {
            running.stop()?;
        }
        Ok(())
    }
}
