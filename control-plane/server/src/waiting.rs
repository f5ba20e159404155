//! Why a run does not move, for people.

use flowforge_store::{ApprovalState, RunState, StoreError, StoredRun};

use crate::app::App;

/// What the run waits for; none if it is over or at work.
pub(crate) async fn waiting_for(app: &App, run: &StoredRun) -> Result<Option<String>, StoreError> {
    if run.state.is_final() {
        return Ok(None);
    }
    let host = run.host.as_ref().and_then(|id| app.hosts.get(id));
    let Some(host) = host else {
        return Ok(Some(
            "a host: none is connected, the run starts when one is".to_owned(),
        ));
    };
    let now_ms = app.clock.now_ms();
    let absent = {
        let state = host.state();
        let heard = state.host.last_heard_ms;
        (!state.connected(now_ms)).then(|| match heard {
            Some(at) => format!(
                "host {}, last heard {} ago",
                state.host.name,
                ago(now_ms.saturating_sub(at))
            ),
            None => format!("host {}, never heard", state.host.name),
        })
    };
    if let Some(absent) = absent {
        return Ok(Some(absent));
    }
    if run.state == RunState::Waiting {
        let approvals = app.store.approvals_of(&run.id).await?;
        let open = approvals
            .into_iter()
            .find(|approval| approval.state == ApprovalState::Pending);
        return Ok(open.map(|approval| {
            let by = approval.approvers.join(", ");
            let by = if by.is_empty() {
                String::new()
            } else {
                format!(" by {by}")
            };
            format!("approval {}{by}: {}", approval.id.short(), approval.title)
        }));
    }
    Ok(None)
}

/// `31 min`, `12 s`.
fn ago(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_rounded_down_to_a_readable_unit() {
        let pairs = [
            (0, "0 s"),
            (119_999, "119 s"),
            (120_000, "2 min"),
            (7_200_000, "2 h"),
            (172_800_000, "2 d"),
        ];
        for (ms, text) in pairs {
            assert_eq!(ago(ms), text);
        }
    }
}
