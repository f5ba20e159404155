//! The checks of version 1, a file for each category.

mod contract;
mod described;
mod documentation;
mod performance;
mod privilege;
mod reliability;
mod supply;

use flowforge_ports::Interface;

use crate::grade::{Cap, Gate, Grade};
use crate::{Category, Check, Observed, Scorecard};

pub use reliability::{FUZZ_INPUTS, SMALLEST_INPUT};

/// Why a check is not made here.
const REGISTRY: &str = "only a registry can know";
const NOT_TRIED: &str = "it was not tried";

/// The scorecard of a connector.
#[must_use]
pub fn score(interface: &Interface, observed: &Observed) -> Scorecard {
    let categories = vec![
        Category::new("least privilege", privilege::least_privilege(interface, observed)),
        Category::new("supply chain", supply::supply_chain(interface, observed)),
        Category::new("contract", contract::contract(interface, observed)),
        Category::new("reliability", reliability::reliability(interface, observed)),
        Category::new("performance", performance::performance(observed)),
        Category::new("documentation", documentation::documentation(interface, observed)),
        Category::new(
            "field and maintenance",
            vec![
                Check::not_measured("field", 3, REGISTRY),
                Check::not_measured("maintenance", 2, REGISTRY),
            ],
        ),
    ];
    let mut provisional = vec!["no runs in the field yet".to_owned()];
    if let Some(few) = reliability::few_inputs(observed) {
        provisional.push(few);
    }
    let name = interface.meta.as_ref().map(|meta| meta.name.clone());
    let gates = gates(observed);
    let caps = caps(observed, &gates);
    Scorecard::of(name, categories, gates, caps, provisional)
}

/// The registry's gates, and the one that only trials can ask.
fn gates(observed: &Observed) -> Vec<Gate> {
    let mut gates = observed.gates.clone();
    if let Some(measured) = &observed.measured {
        let trap = reliability::first_of_the_minimum(measured);
        gates.push(Gate {
            name: "smallest_input".to_owned(),
            shut: trap.map(|problem| format!("{problem}: answer it with a typed failure or a result")),
        });
    }
    gates
}

fn caps(observed: &Observed, gates: &[Gate]) -> Vec<Cap> {
    let mut caps = vec![Cap {
        grade: Grade::B,
        why: "there is no provenance".to_owned(),
        next: "publish from a build service that attests what it built".to_owned(),
    }];
    let hidden = observed.measured.as_ref().map(|measured| &measured.hidden);
    if let Some(first) = hidden.and_then(|hidden| hidden.first()) {
        caps.push(Cap {
            grade: Grade::D,
            why: format!("it does what it does not declare: {first}"),
            next: "declare it in connector.toml, or leave it".to_owned(),
        });
    }
    for gate in gates {
        if let Some(shut) = &gate.shut {
            caps.push(Cap {
                grade: Grade::F,
                why: format!("the gate `{}` is shut", gate.name),
                next: shut.clone(),
            });
        }
    }
    caps
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
