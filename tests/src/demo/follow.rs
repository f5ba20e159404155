//! The run as it is seen from outside, and what is done to its host meanwhile.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stdout};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use flowforge_client::{EventsError, RunEvents};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

use crate::demo::stage::Stage;

/// What each event holds of the run.
const SELECTION: &str =
    "ended run { state view output failure outcome approvals { id state title decidedBy } }";
/// How long the run may take, the two crashes included.
const RUN_TIMEOUT: Duration = Duration::from_secs(180);
/// The wait before a lost subscription is made again.
const RESUBSCRIBE: Duration = Duration::from_millis(100);
/// The nodes that are shown, in their order; the switch says nothing that `confirm` does not.
const SHOWN: [&str; 7] = [
    "fetch", "quakes", "labels", "stats", "confirm", "report", "notify",
];

/// What happened on the way.
#[derive(Debug)]
pub(crate) struct Story {
    /// Labels that were recorded when the host was killed the first time.
    pub(crate) labels_at_crash: u64,
    /// The node that waited when it was killed the second time.
    pub(crate) waiting_at_crash: String,
}

/// Follows the run to its end; kills the host among the labels and again while it waits, and approves.
pub(crate) async fn to_the_end(stage: &mut Stage) -> Result<Story> {
    let mut watch = Watch::new(stage).await?;
    let labels_at_crash = loop {
        let run = watch.next(stage).await?;
        let done = progress(&run, "labels");
        if (1..128).contains(&done)
            && state(&run, "labels") == "running"
            && watch.is_still(stage, done).await?
        {
            break done;
        }
        if matches!(state(&run, "stats"), "done" | "running") {
            bail!("the labels were done before the host could be killed among them");
        }
    };
    stage.planes().kill_host()?;
    let back = stage.planes().start_host(None).await?;
    let opened = stage
        .planes()
        .host_status()?
        .pointer("/journal/opened_in_ms")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    watch.remark(&format!(
        "host killed (SIGKILL) · started again, journal opened in {opened} ms, heard after {} ms, {labels_at_crash} labels recorded",
        back.as_millis()
    ));
    let approval = loop {
        let run = watch.next(stage).await?;
        if let Some(approval) = pending(&run) {
            break approval;
        }
        refuse_end(&run)?;
    };
    stage.planes().kill_host()?;
    stage.planes().start_host(None).await?;
    let run = watch.next_after_restart(stage).await?;
    let still = pending(&run).context("after the second crash the run no longer waits for its approval")?;
    if still != approval {
        bail!("after the second crash another question is asked: {still} instead of {approval}");
    }
    let waiting_at_crash = state(&run, "confirm").to_owned();
    watch.remark("host killed again while waiting; started again, still waiting");
    stage
        .flowforge()
        .json(&["approval", "approve", &approval, "--by", "duty"])?;
    loop {
        let run = watch.next(stage).await?;
        if !matches!(text(&run, "/state"), "QUEUED" | "RUNNING" | "WAITING") {
            return Ok(Story {
                labels_at_crash,
                waiting_at_crash,
            });
        }
    }
}

/// The events of the run, printed as they come.
struct Watch {
    events: RunEvents,
    lines: BTreeMap<&'static str, String>,
    final_states: BTreeMap<&'static str, String>,
    in_place: bool,
    until: Instant,
}

impl Watch {
    async fn new(stage: &Stage) -> Result<Self> {
        let in_place = stdout().is_terminal();
        print_line(
            "  the host compiles each connector for this machine, once …",
            in_place,
            false,
        );
        Ok(Self {
            events: RunEvents::subscribe(stage.api().context(), &stage.run, SELECTION).await?,
            lines: BTreeMap::new(),
            final_states: BTreeMap::new(),
            in_place,
            until: Instant::now() + RUN_TIMEOUT,
        })
    }

    /// The next picture of the run.
    async fn next(&mut self, stage: &Stage) -> Result<Value> {
        loop {
            let event = timeout_at(self.until, self.events.next()).await;
            match event.context("the run took too long; the logs are in the data folder")? {
                Ok(Some(mut event)) => {
                    let run = event.get_mut("run").map(Value::take).unwrap_or_default();
                    self.show(&run);
                    return Ok(run);
                }
                Ok(None) | Err(EventsError::Lost) => {
                    sleep(RESUBSCRIBE).await;
                    self.events = RunEvents::subscribe(stage.api().context(), &stage.run, SELECTION).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A picture that was made after the host came back: a new subscription begins with one.
    async fn next_after_restart(&mut self, stage: &Stage) -> Result<Value> {
        self.events = RunEvents::subscribe(stage.api().context(), &stage.run, SELECTION).await?;
        self.next(stage).await
    }

    /// Whether the labels stand still: the host has reached the point at which it goes no further, and all that it had
    /// finished until then is recorded.
    async fn is_still(&mut self, stage: &Stage, done: u64) -> Result<bool> {
        let run = self.next_after_restart(stage).await?;
        Ok(progress(&run, "labels") == done)
    }

    fn show(&mut self, run: &Value) {
        for name in SHOWN {
            let state = state(run, name);
            if matches!(state, "" | "pending") {
                continue;
            }
            let took = node(run, name)
                .and_then(|node| node.get("time_ms"))
                .and_then(Value::as_u64);
            let took = took.map(|ms| format!("{ms} ms")).unwrap_or_default();
            let line = format!("  {name:<10} {state:<10} {:<52} {took:>8}", what(run, name));
            let line = line.trim_end().to_owned();
            let ended = state != "running";
            if self.lines.get(name) == Some(&line) {
                continue;
            }
            if ended && self.final_states.get(name).is_none_or(|known| known != state) {
                self.final_states.insert(name, state.to_owned());
                print_line(&line, self.in_place, true);
            } else if !ended {
                print_line(&line, self.in_place, false);
            }
            self.lines.insert(name, line);
        }
    }

    fn remark(&self, text: &str) {
        print_line(&format!("             ── {text} ──"), self.in_place, true);
    }
}

/// Prints a line; one that is not final is replaced by the next, and shown on a terminal only.
fn print_line(line: &str, in_place: bool, is_final: bool) {
    if in_place {
        print!("\r\x1b[2K{line}");
    } else if is_final {
        print!("{line}");
    }
    if is_final {
        println!();
    }
    // A closed terminal is noticed by whoever reads the result.
    let _ = stdout().flush();
}

fn refuse_end(run: &Value) -> Result<()> {
    match text(run, "/state") {
        "QUEUED" | "RUNNING" | "WAITING" => Ok(()),
        state => bail!(
            "the run ended as {state} before anybody was asked: {}",
            run.get("failure").unwrap_or(&Value::Null)
        ),
    }
}

fn pending(run: &Value) -> Option<String> {
    let approvals = run.get("approvals")?.as_array()?;
    let approval = approvals
        .iter()
        .find(|approval| text(approval, "/state") == "PENDING")?;
    Some(text(approval, "/id").to_owned())
}

fn node<'a>(run: &'a Value, name: &str) -> Option<&'a Value> {
    run.pointer("/view/nodes")?
        .as_array()?
        .iter()
        .find(|node| text(node, "/node") == name)
}

fn state<'a>(run: &'a Value, name: &str) -> &'a str {
    node(run, name).map_or("", |node| text(node, "/state"))
}

fn what<'a>(run: &'a Value, name: &str) -> &'a str {
    node(run, name).map_or("", |node| text(node, "/what"))
}

/// Rounds of a loop that are done: the number that its row begins with, `57 of 128, 8 at a time`.
fn progress(run: &Value, name: &str) -> u64 {
    what(run, name)
        .split(' ')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
