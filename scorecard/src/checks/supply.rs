//! Supply chain: where the bytes come from.

use flowforge_ports::Interface;

use super::{NOT_TRIED, REGISTRY, counted};
use crate::{Check, Observed};

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

pub(super) fn supply_chain(interface: &Interface, observed: &Observed) -> Vec<Check> {
    let licence = interface.meta.as_ref().map_or("", |meta| meta.license.as_str());
    let open = OPEN_LICENCES.contains(&licence);
    let named = if licence.is_empty() {
        "none is named"
    } else {
        licence
    };
    vec![
        Check::not_measured("publisher", 5, REGISTRY),
        Check::not_measured("provenance", 5, REGISTRY),
        match &observed.rebuilt {
            None => Check::not_measured("rebuilt", 5, NOT_TRIED),
            Some(Ok(())) => {
                let told = "built a second time in another folder, byte for byte the same";
                Check::scored("rebuilt", 5, 5, told, "")
            }
            Some(Err(reason)) => {
                let next = "take out of the build what differs between two folders or two days";
                Check::scored("rebuilt", 0, 5, reason, next)
            }
        },
        match &observed.parts {
            None => Check::not_measured("parts-list", 3, NOT_TRIED),
            Some(Ok(parts)) => {
                let told = format!(
                    "the lock files name {}, each with its version",
                    counted(*parts, "part")
                );
                Check::scored("parts-list", 3, 3, told, "")
            }
            Some(Err(reason)) => {
                let next = "keep the lock file of each package manager beside the source";
                Check::scored("parts-list", 0, 3, reason, next)
            }
        },
        Check::scored(
            "licence",
            if open { 2 } else { 0 },
            2,
            named,
            "an open licence, such as Apache-2.0",
        ),
    ]
}
