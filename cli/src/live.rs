//! Watching a run until it ends; [`Screen`] shows it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use flowforge_client::{Api, EventsError, RunEvents};
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use crate::commands::asked::{RUN, fetch};
use crate::output::text;
use crate::screen::Screen;

/// How often a lost connection is tried again, with nothing heard in between, before the watcher gives up.
const RECONNECTS_MAX: u32 = 30;
/// The wait between two tries.
const RECONNECT_WAIT: Duration = Duration::from_secs(1);
/// How often times of waiting are shown anew.
const TICK: Duration = Duration::from_secs(1);

/// How watching ended.
pub(crate) enum Watched {
    /// The run has ended; this is its last picture.
    Ended(Value),
    /// Watching ended before the run did, for this reason.
    Left(String),
}

/// Shows a run until it ends, `timeout` is over or Ctrl-C is pressed. Not `shown`: only waits.
pub(crate) async fn watch(api: &Api, run: Value, shown: bool, timeout: Option<Duration>) -> Result<Watched> {
    let mut screen = Screen::new(shown);
    let id = text(&run, "/id").to_owned();
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let expired = async {
        match deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    screen.show(&run);
    tokio::select! {
        ended = until_end(api, &id, &mut screen) => {
            let run = ended?;
            // The receipt follows the last record by a moment; the picture with it is the complete one.
            Ok(Watched::Ended(run))
        }
        () = expired => Ok(Watched::Left("the time is up".to_owned())),
        _ = tokio::signal::ctrl_c() => Ok(Watched::Left("stopped watching".to_owned())),
    }
}

async fn until_end(api: &Api, id: &str, screen: &mut Screen) -> Result<Value> {
    let mut losses = 0;
    loop {
        match one_subscription(api, id, screen, &mut losses).await {
            Ok(run) => return complete(api, run, screen).await,
            Err(EventsError::Refused(reason)) => anyhow::bail!("the run cannot be watched: {reason}"),
            Err(error) => {
                losses += 1;
                if losses > RECONNECTS_MAX {
                    return Err(error).context(
                        "the control plane was away for too long; the run goes on at its host, and `flowforge run show` \
                         shows it once the control plane is back",
                    );
                }
                screen.remark(&format!(
                    "the control plane is away; trying again ({losses} of {RECONNECTS_MAX})"
                ));
                sleep(RECONNECT_WAIT).await;
            }
        }
    }
}

/// Shows events until the last one. Each one that comes ends the count of losses.
async fn one_subscription(
    api: &Api,
    id: &str,
    screen: &mut Screen,
    losses: &mut u32,
) -> Result<Value, EventsError> {
    let selection = format!("ended run {{ {RUN} }}");
    let mut events = RunEvents::subscribe(api.context(), id, &selection).await?;
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let event = tokio::select! {
            event = events.next() => event?,
            _ = tick.tick() => {
                screen.tick();
                continue;
            }
        };
        // Completed without an end: the server is stopping.
        let Some(event) = event else {
            return Err(EventsError::Lost);
        };
        *losses = 0;
        let run = event.get("run").cloned().unwrap_or_default();
        if event.get("ended") == Some(&Value::Bool(true)) {
            return Ok(run);
        }
        screen.show(&run);
    }
}

/// The receipt is signed after the last record and arrives with a later call of the host: wait for it, within limits.
async fn complete(api: &Api, mut run: Value, screen: &mut Screen) -> Result<Value> {
    const LOOKS: u32 = 25;
    const BETWEEN: Duration = Duration::from_millis(100);
    for _ in 0..LOOKS {
        if run.get("receipt").is_some_and(Value::is_object) {
            break;
        }
        sleep(BETWEEN).await;
        run = fetch(api, text(&run, "/id")).await?;
    }
    screen.finish(&run);
    Ok(run)
}
