//! Why a run does not move, for people.

use flowforge_protocol::labels;
use flowforge_store::{OpenWait, RunHead, RunState, WaitFor};

use crate::app::App;

/// What the run waits for; none if it is over or at work.
pub(crate) fn waiting_for(app: &App, run: &RunHead) -> Option<String> {
    if run.state.is_final() {
        return None;
    }
    let host = run.host.as_ref().and_then(|id| app.hosts.get(id));
    let Some(host) = host else {
        return Some(for_any_host(app, &run.placement.labels));
    };
    let now = app.now();
    if run.placement.lapsed_at_ms.is_some() {
        let name = host.state().host.name.clone();
        let other = for_any_host(app, &run.placement.labels);
        return Some(format!("{other}; host {name} did not renew its lease"));
    }
    let absent = {
        let state = host.state();
        let name = &state.host.name;
        if run.state == RunState::Lost && run.placement.lease_ms.is_some() {
            return Some(format!(
                "a host that goes on with it: host {name} says that it does not have this run, and its lease is not over yet"
            ));
        }
        if run.state == RunState::Lost {
            return Some(format!(
                "host {name} says that it does not have this run; its records are here, but nobody goes on with it: cancel \
                 it, or start it anew"
            ));
        }
        let heard = state.host.last_heard_ms;
        (!state.connected(now.monotonic_ms)).then(|| match heard {
            Some(at) => format!(
                "host {name}, last heard {} ago",
                ago(now.wall_ms.saturating_sub(at))
            ),
            None => format!("host {name}, never heard"),
        })
    };
    if absent.is_some() {
        return absent;
    }
    if let Some(reason) = host.state().rests(&run.id) {
        return Some(format!("something to be mended at its host: {reason}"));
    }
    if run.trouble.is_some() {
        return run.trouble.clone();
    }
    if let Some(by) = &run.paused_by {
        return Some(format!("somebody to let it go on: {by}"));
    }
    let review = |wait: &&OpenWait| matches!(wait.what, WaitFor::Review { .. });
    if let Some(wait) = run.wait.as_ref().filter(review) {
        return Some(wait_text(wait));
    }
    let question = run.question.as_ref().map(|question| {
        let by = question.approvers.join(", ");
        let by = if by.is_empty() {
            String::new()
        } else {
            format!(" by {by}")
        };
        format!("approval {}{by}: {}", question.id.short(), question.title)
    });
    question.or_else(|| run.wait.as_ref().map(wait_text))
}

/// What a step waits for.
pub(crate) fn wait_text(wait: &OpenWait) -> String {
    let step = &wait.step;
    match &wait.what {
        WaitFor::Time => format!("the time of `{step}`"),
        WaitFor::Signal {
            name,
            correlation: None,
        } => format!("signal `{name}` for `{step}`"),
        WaitFor::Signal {
            name,
            correlation: Some(correlation),
        } => format!("signal `{name}` with correlation `{correlation}` for `{step}`"),
        WaitFor::Child { run } => format!("run {}, which `{step}` ordered", run.short()),
        WaitFor::Review { reason } => format!("a review of `{step}`: {reason}"),
    }
}

fn for_any_host(app: &App, words: &[String]) -> String {
    let monotonic_ms = app.clock.monotonic_ms();
    let hosts = app.hosts.all();
    let fitting: Vec<_> = hosts.iter().filter(|host| host.state().has(words)).collect();
    let connected = fitting
        .iter()
        .filter(|host| host.state().connected(monotonic_ms))
        .count();
    let which = match words {
        [] => String::new(),
        words => format!(" with {}", labels::shown(words)),
    };
    match (fitting.len(), connected) {
        (0, _) if !words.is_empty() => format!(
            "a host{which}: none is known here; give a host these labels in its site file or with `flowforge host token --label`"
        ),
        (_, 0) => format!("a host{which}: none is connected, the run starts when one is"),
        (_, 1) => format!("a host{which} and room: the one that is connected is busy"),
        (_, count) => format!("a host{which} and room: the {count} that are connected are busy"),
    }
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
