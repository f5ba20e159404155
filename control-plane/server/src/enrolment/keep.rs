//! Keeps the certificate that the hosts' listener shows fresh.

use std::sync::Arc;

use crate::app::App;

/// How often it is made anew, milliseconds: each day.
const EACH_MS: u64 = 24 * 60 * 60 * 1_000;

/// Makes it anew each day until the server closes.
pub(crate) async fn keep_shown(app: Arc<App>) {
    loop {
        let due_ms = app.clock.now_ms().saturating_add(EACH_MS);
        tokio::select! {
            () = app.clock.sleep_until(due_ms) => {}
            () = app.closing.cancelled() => return,
        }
        if let Some(line) = &app.line
            && let Err(error) = line.renew(app.clock.now_ms())
        {
            tracing::error!(%error, "the certificate of the hosts' line could not be made anew; the one before is shown on");
        }
    }
}
