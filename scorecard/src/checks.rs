//! The checks of version 1 that need no registry.

use std::collections::BTreeSet;

use flowforge_ports::{CapabilityKind, Interface, Operation, Type};

use crate::{Category, Check, Observed, Scorecard};

/// Licences that the Open Source Initiative approved, as far as connectors commonly use them.
const OPEN_LICENCES: [&str; 12] = [
    "0BSD",
    "AGPL-3.0-only",
    "AGPL-3.0-or-later",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "EUPL-1.2",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
    "ISC",
    "MIT",
    "MPL-2.0",
];

/// Why a check is not made here.
const REGISTRY: &str = "only a registry can know";
const NO_FIGURE: &str = "this version does not measure it";

/// The scorecard of a connector.
#[must_use]
pub fn score(interface: &Interface, observed: &Observed) -> Scorecard {
    let categories = vec![
        Category::new("least privilege", least_privilege(interface, observed)),
        Category::new("supply chain", supply_chain(interface)),
        Category::new("contract", contract(interface, observed)),
        Category::new(
            "reliability",
            vec![
                Check::not_measured("conformance", 8, NO_FIGURE),
                Check::not_measured("fuzz", 5, NO_FIGURE),
                Check::not_measured("faults", 5, NO_FIGURE),
                Check::not_measured("idempotency-key", 2, NO_FIGURE),
            ],
        ),
        Category::new(
            "performance",
            vec![
                Check::not_measured("cold-start", 3, NO_FIGURE),
                Check::not_measured("overhead", 3, NO_FIGURE),
                Check::not_measured("memory", 2, NO_FIGURE),
            ],
        ),
        Category::new("documentation", documentation(interface, observed)),
        Category::new(
            "field and maintenance",
            vec![
                Check::not_measured("field", 3, REGISTRY),
                Check::not_measured("maintenance", 2, REGISTRY),
            ],
        ),
    ];
    let name = interface.meta.as_ref().map(|meta| meta.name.clone());
    Scorecard::of(name, categories)
}

/// What a connector declares or imports and no call was seen to use.
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

fn least_privilege(interface: &Interface, observed: &Observed) -> Vec<Check> {
    let unproven = unproven(interface, observed);
    let proven = unproven.is_empty();
    let told = if proven {
        format!(
            "{} show everything that is declared",
            counted(observed.calls.len(), "call")
        )
    } else {
        format!(
            "declared, and used by none of {}: {}",
            counted(observed.calls.len(), "call"),
            unproven.join(", ")
        )
    };
    let mend = "remove what is not needed, or add a test that uses it";
    let full = |points: u32| if proven { points } else { 0 };
    let meta = interface.meta.as_ref();
    let destinations = meta.and_then(|meta| meta.needs.http.as_ref());
    let specific = match destinations {
        None => Check::not_applicable("destinations", 6, "it makes no requests"),
        Some(http) => {
            let (points, what) = specificity(&http.destinations);
            let what = format!("{what}; {told}");
            Check::scored(
                "destinations",
                full(points),
                6,
                what,
                "name each host, and use each",
            )
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

fn supply_chain(interface: &Interface) -> Vec<Check> {
    let licence = interface.meta.as_ref().map_or("", |meta| meta.license.as_str());
    let open = OPEN_LICENCES.contains(&licence);
    vec![
        Check::not_measured("publisher", 5, REGISTRY),
        Check::not_measured("provenance", 5, REGISTRY),
        Check::not_measured("rebuilt", 5, REGISTRY),
        Check::not_measured("parts-list", 3, REGISTRY),
        Check::scored(
            "licence",
            if open { 2 } else { 0 },
            2,
            if licence.is_empty() {
                "none is named".to_owned()
            } else {
                licence.to_owned()
            },
            "an open licence, such as Apache-2.0",
        ),
    ]
}

fn contract(interface: &Interface, observed: &Observed) -> Vec<Check> {
    let described = Described::of(interface);
    let typed = interface
        .operations
        .iter()
        .filter(|operation| operation.standard_failure)
        .count();
    let all = interface.operations.len();
    let ran = !observed.calls.is_empty();
    vec![
        described.check("described", 6),
        Check::not_measured("version", 4, REGISTRY),
        Check::not_measured("changes", 2, REGISTRY),
        Check::scored(
            "failures",
            share(typed, all, 2),
            2,
            format!(
                "{typed} of {} fail in the standard way",
                counted(all, "operation")
            ),
            "let each operation return result<…, failure>",
        ),
        Check::scored(
            "host",
            u32::from(ran),
            1,
            if ran {
                "it runs in this version's host"
            } else {
                "it was not called"
            },
            "add a test",
        ),
    ]
}

fn documentation(interface: &Interface, observed: &Observed) -> Vec<Check> {
    let names: Vec<&str> = interface
        .operations
        .iter()
        .map(|operation| operation.name.as_str())
        .collect();
    let readme = observed.readme.as_deref().unwrap_or_default();
    let missing: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| !readme.contains(name))
        .collect();
    let told = if readme.is_empty() {
        "there is no README".to_owned()
    } else if missing.is_empty() {
        "it names every operation".to_owned()
    } else {
        format!("it does not name {}", missing.join(", "))
    };
    let shown: BTreeSet<&str> = observed
        .calls
        .iter()
        .filter(|call| call.passed)
        .map(|call| call.operation.as_str())
        .collect();
    let unshown: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| !shown.contains(name))
        .collect();
    let failed: Vec<&str> = observed
        .calls
        .iter()
        .filter(|call| !call.passed)
        .map(|call| call.place.as_str())
        .collect();
    let mut evidence = if unshown.is_empty() {
        format!("{} ran as written", counted(shown.len(), "operation"))
    } else {
        format!("no example that runs of {}", unshown.join(", "))
    };
    if !failed.is_empty() {
        evidence.push_str(&format!("; fails: {}", failed.join(", ")));
    }
    vec![
        Check::scored(
            "readme",
            u32::from(!names.is_empty() && !readme.is_empty() && missing.is_empty()),
            1,
            told,
            "a README.md that says what each operation does",
        ),
        Described::of(interface).check("ports", 3),
        Check::scored(
            "examples",
            share(names.len().saturating_sub(unshown.len()), names.len(), 3),
            3,
            evidence,
            "a test in tests/ for each operation",
        ),
    ]
}

/// Operations, parameters and fields, and those that nobody described.
struct Described {
    all: usize,
    bare: Vec<String>,
}

impl Described {
    fn of(interface: &Interface) -> Self {
        let mut found = Self {
            all: 0,
            bare: Vec::new(),
        };
        for operation in &interface.operations {
            found.operation(operation);
        }
        found
    }

    fn operation(&mut self, operation: &Operation) {
        self.item(&operation.name, operation.docs.as_deref());
        for port in &operation.params {
            let name = format!("{}.{}", operation.name, port.name);
            self.item(&name, port.docs.as_deref());
            self.ty(&name, &port.ty);
        }
        if let Some(ty) = &operation.result {
            self.ty(&format!("{} → ", operation.name), ty);
        }
    }

    fn item(&mut self, name: &str, docs: Option<&str>) {
        self.all = self.all.saturating_add(1);
        if docs.is_none_or(|text| text.trim().is_empty()) {
            self.bare.push(name.to_owned());
        }
    }

    fn ty(&mut self, place: &str, ty: &Type) {
        match ty {
            Type::List { element } => self.ty(place, element),
            Type::Option { inner } => self.ty(place, inner),
            Type::Record { fields, .. } => {
                for field in fields {
                    let name = format!("{}.{}", place.trim_end(), field.name);
                    self.item(&name, field.docs.as_deref());
                    self.ty(&name, &field.ty);
                }
            }
            _ => {}
        }
    }

    fn check(&self, id: &'static str, of: u32) -> Check {
        let done = self.all.saturating_sub(self.bare.len());
        let evidence = if self.bare.is_empty() {
            format!("all of {} are described", counted(self.all, "part"))
        } else {
            format!("without a word: {}", self.bare.join(", "))
        };
        Check::scored(id, share(done, self.all, of), of, evidence, "a comment on each")
    }
}

/// Whole points for a share; all only if nothing is missing.
fn share(done: usize, all: usize, of: u32) -> u32 {
    let of = usize::try_from(of).unwrap_or_default();
    let points = done.saturating_mul(of).checked_div(all).unwrap_or_default();
    u32::try_from(points).unwrap_or_default()
}

fn counted(count: usize, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}
