//! Following a run.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::{Context, MergedSubscription, Result, SimpleObject, Subscription as GraphQlSubscription};
use flowforge_core::{Action, Caller};
use flowforge_protocol::RunId;
use flowforge_store::Found;
use futures::Stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::fault;
use super::faults::{CODE_ARGUMENT, coded, denied};
use super::follow::{ListFollowing, place};
use super::loads::reading;
use super::query::caller;
use super::runs::RunNode;
use crate::app::App;
use crate::fleet::events::RunMoved;

/// Pictures of one run come at most this often.
const PACE: Duration = Duration::from_millis(50);

/// A fresh picture of a run.
#[derive(SimpleObject)]
pub(crate) struct RunEvent {
    run: RunNode,
    /// True with the last picture.
    ended: bool,
}

/// Following.
#[derive(MergedSubscription, Default)]
pub(crate) struct Subscription(RunFollowing, ListFollowing);

/// Following one run.
#[derive(Default)]
pub(crate) struct RunFollowing;

enum Step {
    First,
    Next,
    Over,
}

struct Follow {
    app: Arc<App>,
    caller: Caller,
    run: RunId,
    _place: OwnedSemaphorePermit,
    moved: broadcast::Receiver<RunMoved>,
    step: Step,
}

#[GraphQlSubscription]
impl RunFollowing {
    /// A fresh picture of the run at once, then at most every 50 ms when something happened, and when it ended.
    async fn run_events(
        &self,
        ctx: &Context<'_>,
        run: String,
    ) -> Result<impl Stream<Item = Result<RunEvent>> + use<>> {
        let app = Arc::clone(ctx.data::<Arc<App>>()?);
        let place = place(&app)?;
        // Subscribed before the first look, so that nothing falls between the two.
        let moved = app.events.subscribe();
        let found = reading(ctx).await?.run_or_prefix(&run).await;
        let run = match found.map_err(|error| fault(&error))? {
            Found::One(found) => found.head.id,
            Found::None => return Err(coded(format!("there is no run `{run}`"), CODE_ARGUMENT)),
            Found::Several => return Err(coded(format!("several runs begin with `{run}`"), CODE_ARGUMENT)),
        };
        let follow = Follow {
            app,
            caller: caller(ctx)?.clone(),
            run,
            _place: place,
            moved,
            step: Step::First,
        };
        Ok(futures::stream::unfold(follow, |mut follow| async move {
            let event = follow.next().await?;
            Some((event, follow))
        }))
    }
}

impl Follow {
    async fn next(&mut self) -> Option<Result<RunEvent>> {
        match self.step {
            Step::First => self.step = Step::Next,
            Step::Next => self.wait().await?,
            Step::Over => return None,
        }
        let event = self.look().await;
        if !matches!(&event, Ok(event) if !event.ended) {
            self.step = Step::Over;
        }
        Some(event)
    }

    async fn look(&self) -> Result<RunEvent> {
        let reading = self.app.reading(&self.caller, Action::Read).await;
        let reading = reading.map_err(|refused| denied(&refused))?;
        let run = reading.run(&self.run).await.map_err(|error| fault(&error))?;
        let run = run.ok_or_else(|| coded("the run is gone", CODE_ARGUMENT))?;
        Ok(RunEvent {
            ended: run.state.is_final(),
            run: RunNode::new(run),
        })
    }

    /// Waits until the run moved, then a little for what comes with it. None when the server closes.
    async fn wait(&mut self) -> Option<()> {
        loop {
            let moved = tokio::select! {
                moved = self.moved.recv() => moved,
                () = self.app.closing.cancelled() => return None,
            };
            match moved {
                Ok(moved) if !moved.concerns(&self.run) => {}
                Ok(moved) if moved.ended => return Some(()),
                Ok(_) | Err(RecvError::Lagged(_)) => break,
                Err(RecvError::Closed) => return None,
            }
        }
        let pause = tokio::time::sleep(PACE);
        tokio::pin!(pause);
        loop {
            let moved = tokio::select! {
                () = &mut pause => return Some(()),
                moved = self.moved.recv() => moved,
            };
            match moved {
                Ok(moved) if moved.concerns(&self.run) && moved.ended => return Some(()),
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
