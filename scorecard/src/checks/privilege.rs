//! Least privilege: what is declared against what was seen to be used, both ways.

use flowforge_ports::{CapabilityKind, Interface};

use super::{REGISTRY, counted};
use crate::{Check, Observed};

pub(super) fn least_privilege(interface: &Interface, observed: &Observed) -> Vec<Check> {
    let honesty = Honesty::of(interface, observed);
    let mend = "remove what is not needed, declare what is, and add a test that uses it";
    let full = |points: u32| if honesty.holds() { points } else { 0 };
    let told = honesty.told(observed.calls.len());
    let meta = interface.meta.as_ref();
    let destinations = meta.and_then(|meta| meta.needs.http.as_ref());
    let specific = match destinations {
        None if !interface.has_capability(CapabilityKind::Http) => {
            Check::not_applicable("destinations", 6, "it makes no requests")
        }
        None => Check::scored("destinations", 0, 6, told.clone(), mend),
        Some(http) => {
            let (points, what) = specificity(&http.destinations);
            let what = format!("{what}; {told}");
            let next = "name each host, and use each";
            Check::scored("destinations", full(points), 6, what, next)
        }
    };
    let secrets = if meta.is_some_and(|meta| !meta.secrets.is_empty()) {
        let told = format!("attached by the host, never readable; {told}");
        Check::scored("secrets", full(7), 7, told, mend)
    } else {
        Check::not_applicable("secrets", 7, "it takes no secret")
    };
    let foreign: Vec<&str> = interface
        .capabilities
        .iter()
        .filter(|capability| capability.kind == CapabilityKind::Unknown)
        .map(|capability| capability.import.as_str())
        .collect();
    let nothing_else = if foreign.is_empty() {
        Check::scored("nothing-else", full(3), 3, told.clone(), mend)
    } else {
        let told = format!("imports {}", foreign.join(", "));
        Check::scored("nothing-else", 0, 3, told, "import only what a host offers")
    };
    vec![
        Check::scored("declared-is-used", full(7), 7, told, mend),
        specific,
        secrets,
        nothing_else,
        Check::not_measured("no-vulnerable-parts", 2, REGISTRY),
    ]
}

/// What does not agree between what a connector says of itself and what it was seen to do.
struct Honesty {
    /// Declared or imported, and no call was seen to use it.
    unproven: Vec<String>,
    /// Done, and not declared.
    hidden: Vec<String>,
}

impl Honesty {
    fn of(interface: &Interface, observed: &Observed) -> Self {
        let mut hidden: Vec<String> = match &observed.measured {
            Some(measured) => measured.hidden.clone(),
            None => Vec::new(),
        };
        let declares_http = interface
            .meta
            .as_ref()
            .is_some_and(|meta| meta.needs.http.is_some());
        if interface.has_capability(CapabilityKind::Http) && !declares_http {
            hidden.push("it can make requests".to_owned());
        }
        Self {
            unproven: unproven(interface, observed),
            hidden,
        }
    }

    fn holds(&self) -> bool {
        self.unproven.is_empty() && self.hidden.is_empty()
    }

    fn told(&self, calls: usize) -> String {
        let mut told = Vec::new();
        if !self.hidden.is_empty() {
            told.push(format!("not declared, and done: {}", self.hidden.join(", ")));
        }
        if !self.unproven.is_empty() {
            told.push(format!(
                "declared, and used by none of {}: {}",
                counted(calls, "call"),
                self.unproven.join(", ")
            ));
        }
        if told.is_empty() {
            told.push(format!(
                "{} show everything that is declared, and nothing else",
                counted(calls, "call")
            ));
        }
        told.join("; ")
    }
}

/// What a connector declares and no call was seen to use.
fn unproven(interface: &Interface, observed: &Observed) -> Vec<String> {
    let used: Vec<_> = observed.calls.iter().flat_map(|call| &call.used).collect();
    let mut unproven = Vec::new();
    if let Some(meta) = &interface.meta {
        let declared = meta.needs.http.iter().flat_map(|http| &http.destinations);
        for destination in declared {
            if !used.iter().any(|used| covers(destination, &used.destination)) {
                unproven.push(format!("destination {destination}"));
            }
        }
        for slot in meta.secrets.keys() {
            if !used.iter().any(|used| used.secret.as_ref() == Some(slot)) {
                unproven.push(format!("secret {slot}"));
            }
        }
    }
    if interface.has_capability(CapabilityKind::Http) && used.is_empty() {
        unproven.push("requests".to_owned());
    }
    unproven
}

/// Whether a declared destination covers one that was used. The usual port may be left out of the declared one.
fn covers(declared: &str, used: &str) -> bool {
    let with_port = |text: &str| {
        let (scheme, host) = text.split_once("://").unwrap_or(("https", text));
        let usual = if scheme == "http" { "80" } else { "443" };
        let has_port = host
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
        if has_port {
            (scheme.to_owned(), host.to_owned())
        } else {
            (scheme.to_owned(), format!("{host}:{usual}"))
        }
    };
    if declared == "*" {
        return true;
    }
    let ((scheme, host), (used_scheme, used_host)) = (with_port(declared), with_port(used));
    let fits = match host.strip_prefix("*.") {
        Some(end) => used_host
            .strip_suffix(end)
            .is_some_and(|start| start.len() > 1 && start.ends_with('.')),
        None => host == used_host,
    };
    scheme == used_scheme && fits
}

/// Places that the workflow's author chooses are no "any host": its grants name them.
fn specificity(destinations: &[String]) -> (u32, &'static str) {
    if destinations.iter().any(|one| one == "*") {
        (5, "the workflow names the hosts")
    } else if destinations.iter().any(|one| one.contains("://*.")) {
        (3, "some are all hosts below a name")
    } else {
        (6, "each host is named")
    }
}
