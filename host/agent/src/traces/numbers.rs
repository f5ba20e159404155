//! What of a host's status is told as metrics.

use std::borrow::Cow;

use flowforge_telemetry::{GaugeKind, Label, Observed};

use crate::health::Status;

/// Looks at a status.
pub(crate) fn observe(status: &Status, observed: &mut Observed) {
    let gauge = |name: &'static str, unit: &'static str, description: &'static str| GaugeKind {
        name: Cow::Borrowed(name),
        unit,
        description,
        grows: false,
    };
    let runs = &status.runs;
    let kind = gauge(
        "flowforge.host.runs",
        "{run}",
        "Runs on this host, by what they do.",
    );
    for (state, count) in [
        ("running", runs.running),
        ("waiting", runs.waiting_timer),
        ("waiting_for_person", runs.waiting_approval),
        ("loading", runs.loading),
        ("resting", runs.resting),
    ] {
        observed.see(
            kind.clone(),
            &[("flowforge.run.state", Label::from(state))],
            count,
        );
    }
    let plain = [
        (
            "flowforge.host.to_upload",
            "{item}",
            "What waits for upload to the control plane.",
            status.to_upload.items,
        ),
        (
            "flowforge.host.to_upload.size",
            "By",
            "Bytes that wait for upload to the control plane.",
            status.to_upload.bytes,
        ),
        (
            "flowforge.host.journal.size",
            "By",
            "Bytes of runs in the journal.",
            status.journal.bytes,
        ),
        (
            "flowforge.host.journal.limit",
            "By",
            "The limit on the bytes of runs in the journal.",
            status.journal.limit_bytes,
        ),
        (
            "flowforge.host.connected",
            "1",
            "1 if the control plane is heard.",
            u64::from(status.link.offline_since_ms.is_none() && status.link.last_heard_ms.is_some()),
        ),
        (
            "flowforge.host.busy",
            "1",
            "1 if no new run is taken now.",
            u64::from(status.busy),
        ),
    ];
    for (name, unit, description, value) in plain {
        observed.see(gauge(name, unit, description), &[], value);
    }
}
