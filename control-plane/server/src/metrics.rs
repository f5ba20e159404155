//! What operators are told of this server: the text that Prometheus reads.
//!
//! Labels are bounded: doors and classes of answers, both closed sets. Nothing is named after a workflow, a run or a
//! person. `docs/metrics.md` lists what there is; a test keeps the two equal.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flowforge_telemetry::{GaugeKind, Observed, Telemetry};

use crate::app::{App, FOLLOWERS_MAX};
use crate::fleet::hosts::HostState;

/// One metric without labels: name, kind, what it is, and its value.
type Metric = (&'static str, &'static str, &'static str, u64);

/// What is done, and what waits.
fn of_work(app: &App) -> Vec<Metric> {
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    vec![
        (
            "flowforge_start_time_seconds",
            "gauge",
            "When this process started, seconds since 1970 UTC.",
            app.started_at_ms / 1_000,
        ),
        (
            "flowforge_runs_started_total",
            "counter",
            "Runs that were started at this server.",
            load(&app.counts.started),
        ),
        (
            "flowforge_runs_ended_total",
            "counter",
            "Runs whose end was taken in at this server.",
            app.events.ended(),
        ),
        (
            "flowforge_runs_queued",
            "gauge",
            "Runs that no host has confirmed, by this server's count.",
            load(&app.queued),
        ),
        (
            "flowforge_runs_waiting_for_host",
            "gauge",
            "Runs that wait for a host to be chosen, by this server's count.",
            load(&app.unassigned),
        ),
        (
            "flowforge_host_calls_total",
            "counter",
            "Calls of hosts that were answered.",
            load(&app.counts.syncs),
        ),
        (
            "flowforge_subscriptions_open",
            "gauge",
            "Subscriptions that are open at this server.",
            (FOLLOWERS_MAX - app.followers.available_permits()) as u64,
        ),
    ]
}

/// Hosts, and other servers.
fn of_fleet(app: &App) -> Vec<Metric> {
    let monotonic_ms = app.clock.monotonic_ms();
    let hosts = app.hosts.all();
    let count = |wanted: &dyn Fn(&HostState) -> bool| {
        hosts.iter().filter(|host| wanted(&host.state())).count() as u64
    };
    vec![
        (
            "flowforge_hosts_registered",
            "gauge",
            "Hosts that are registered.",
            hosts.len() as u64,
        ),
        (
            "flowforge_hosts_connected",
            "gauge",
            "Hosts that call this server or another one on its store.",
            count(&|state| state.connected(monotonic_ms)),
        ),
        (
            "flowforge_hosts_here",
            "gauge",
            "Hosts that call this server.",
            count(&|state| state.is_here(monotonic_ms)),
        ),
        (
            "flowforge_hosts_busy",
            "gauge",
            "Hosts that said here that they take no more work now.",
            count(&|state| state.busy),
        ),
        (
            "flowforge_other_servers",
            "gauge",
            "Other servers on the same store that this one hears.",
            app.bus.others() as u64,
        ),
        (
            "flowforge_bus_connected",
            "gauge",
            "1 if what other servers say is heard, or there can be none.",
            u64::from(app.bus.hears()),
        ),
        (
            "flowforge_duty_held",
            "gauge",
            "1 if schedules, errands and retention are this server's duty.",
            u64::from(!app.bus.is_shared() || app.duty.is_held()),
        ),
    ]
}

/// How telemetry gets on; all 0 if nothing is sent.
fn of_telemetry(app: &App) -> Vec<Metric> {
    let view = app.telemetry.as_ref().map(Telemetry::view);
    let is_taken = view.as_ref().is_some_and(|view| view.trouble.is_none());
    let view = view.unwrap_or_default();
    vec![
        (
            "flowforge_telemetry_sent_total",
            "counter",
            "Spans and lines of log that the collector of telemetry took.",
            view.spans + view.lines,
        ),
        (
            "flowforge_telemetry_dropped_total",
            "counter",
            "Spans and lines of log that were dropped: too many waited, or the collector did not take them.",
            view.dropped(),
        ),
        (
            "flowforge_telemetry_taken",
            "gauge",
            "1 if a collector is named and the last request to it was taken.",
            u64::from(is_taken),
        ),
    ]
}

/// What is told besides how telling itself gets on.
fn numbers(app: &App) -> impl Iterator<Item = Metric> {
    of_work(app).into_iter().chain(of_fleet(app))
}

/// Has the numbers of this server looked at.
pub(crate) fn observe(app: &Arc<App>) {
    if let Some(telemetry) = &app.telemetry {
        // The server ends before its telemetry does.
        let app = Arc::downgrade(app);
        telemetry.observe(move |observed| {
            if let Some(app) = app.upgrade() {
                look(&app, observed);
            }
        });
    }
}

/// The same numbers under the names of OpenTelemetry: a translation back gives those of Prometheus.
fn look(app: &App, observed: &mut Observed) {
    for (name, kind, description, value) in numbers(app) {
        let rest = name.strip_prefix("flowforge_").unwrap_or(name);
        let rest = rest.strip_suffix("_total").unwrap_or(rest);
        let kind = GaugeKind {
            name: Cow::Owned(format!("flowforge.{rest}")),
            unit: "1",
            description,
            grows: kind == "counter",
        };
        observed.see(kind, &[], value);
    }
}

/// Everything in the text format of Prometheus.
pub(crate) fn text(app: &App) -> String {
    let mut text = String::new();
    for (name, kind, what, value) in numbers(app).chain(of_telemetry(app)) {
        // Writing into a string does not fail.
        let _ = write!(
            text,
            "# HELP {name} {what}\n# TYPE {name} {kind}\n{name} {value}\n"
        );
    }
    let name = "flowforge_http_requests_total";
    let _ = write!(
        text,
        "# HELP {name} Requests that were answered, by door and class of the answer.\n# TYPE {name} counter\n"
    );
    for (door, class, count) in app.counts.requests() {
        let door = door.label();
        let _ = writeln!(text, "{name}{{door=\"{door}\",class=\"{class}\"}} {count}");
    }
    text
}
