//! What a task waits for that starts runs by itself: a time, the end of a run, a change of what is published, another
//! server that goes away.

use std::collections::HashSet;

use flowforge_protocol::RunId;
use tokio::sync::Notify;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::app::App;
use crate::fleet::duties::LOOK;
use crate::fleet::events::RunMoved;

/// While something waits for runs, these are looked at so often without a word that one is over, in milliseconds.
const HELD_LOOK_MS: u64 = 30_000;

/// The wait after a turn that failed, in milliseconds.
pub(crate) const RETRY_MS: u64 = 5_000;

/// What is to be waited for after a turn.
#[derive(Default)]
pub(crate) struct Ahead {
    /// When something is due next.
    next_ms: Option<u64>,
    /// The runs whose end something waits for.
    held: HashSet<RunId>,
}

impl Ahead {
    /// A turn has failed: the next one comes a little later.
    pub(crate) fn after_failure(app: &App) -> Self {
        let mut ahead = Self::default();
        ahead.at(app.clock.now_ms().saturating_add(RETRY_MS));
        ahead
    }

    /// Something is due then.
    pub(crate) fn at(&mut self, due_ms: u64) {
        self.next_ms = Some(self.next_ms.map_or(due_ms, |next| next.min(due_ms)));
    }

    /// Something waits for the end of this run.
    pub(crate) fn hold(&mut self, run: RunId) {
        self.held.insert(run);
    }

    /// Waits for the first of it, or for a change; false when the server closes.
    pub(crate) async fn wait(mut self, app: &App, moved: &mut Receiver<RunMoved>, changed: &Notify) -> bool {
        if !self.held.is_empty() {
            self.at(app.clock.now_ms().saturating_add(HELD_LOOK_MS));
        }
        let due = async {
            match self.next_ms {
                Some(at) => app.clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        // Another server may go away whose duty they were.
        let look = async {
            match app.bus.is_shared() {
                true => tokio::time::sleep(LOOK).await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => true,
            () = look => true,
            () = one_ends(moved, &self.held) => true,
            () = changed.notified() => true,
            () = app.closing.cancelled() => false,
        }
    }
}

/// Returns when one of these runs may be over; never, if there is none.
async fn one_ends(moved: &mut Receiver<RunMoved>, held: &HashSet<RunId>) {
    if held.is_empty() {
        return std::future::pending().await;
    }
    loop {
        match moved.recv().await {
            Ok(RunMoved {
                run: Some(run),
                ended,
            }) if !(ended && held.contains(&run)) => {}
            Ok(_) | Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
}
