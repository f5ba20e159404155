//! Performance, counted and not timed: instructions, memory and bytes, against the connector's class.

use super::NOT_TRIED;
use crate::observed::Weight;
use crate::{Check, Observed};

/// What connectors of one size may take without losing a point. Four times as much loses one, and so on.
struct Class {
    /// Its name for people.
    name: &'static str,
    /// Largest component, in bytes.
    component_bytes: u64,
    /// Instructions until an instance is there.
    start: u64,
    /// Instructions of the cheapest example.
    call: u64,
    /// Memory of the dearest example, in bytes.
    memory: u64,
}

/// The classes, the smallest first; the last takes what is larger still.
const CLASSES: [Class; 3] = [
    Class {
        name: "compiled",
        component_bytes: 1 << 20,
        start: 1 << 16,
        call: 1 << 20,
        memory: 4 << 20,
    },
    Class {
        name: "script",
        component_bytes: 8 << 20,
        start: 1 << 18,
        call: 1 << 22,
        memory: 8 << 20,
    },
    Class {
        name: "interpreter",
        component_bytes: u64::MAX,
        start: 1 << 22,
        call: 1 << 24,
        memory: 64 << 20,
    },
];

pub(super) fn performance(observed: &Observed) -> Vec<Check> {
    let Some(measured) = &observed.measured else {
        return vec![
            Check::not_measured("cold-start", 3, NOT_TRIED),
            Check::not_measured("overhead", 3, NOT_TRIED),
            Check::not_measured("memory", 2, NOT_TRIED),
        ];
    };
    let Some(weight) = &measured.weight else {
        let unknown = |id, of| Check::scored(id, 0, of, "no example ran", "add a test that passes");
        return vec![
            unknown("cold-start", 3),
            unknown("overhead", 3),
            unknown("memory", 2),
        ];
    };
    let class = Class::of(weight);
    let next = "do less of it at the top level of the source, and take smaller libraries";
    vec![
        class.check(
            "cold-start",
            3,
            weight.start_instructions,
            class.start,
            "instructions to start",
            next,
        ),
        class.check(
            "overhead",
            3,
            weight.call_instructions,
            class.call,
            "instructions for the cheapest example",
            "do less for each call",
        ),
        class.check(
            "memory",
            2,
            weight.memory_bytes,
            class.memory,
            "bytes of memory",
            "hold less at a time: stream what is large",
        ),
    ]
}

impl Class {
    fn of(weight: &Weight) -> &'static Self {
        let [compiled, script, interpreter] = &CLASSES;
        if weight.component_bytes <= compiled.component_bytes {
            compiled
        } else if weight.component_bytes <= script.component_bytes {
            script
        } else {
            interpreter
        }
    }

    /// The evidence names a power of two and no exact number: the same on every machine, also where an instruction more
    /// or less is needed.
    fn check(&self, id: &'static str, of: u32, found: u64, limit: u64, what: &str, next: &str) -> Check {
        let mut points = of;
        let mut allowed = limit;
        while points > 0 && found > allowed {
            points = points.saturating_sub(1);
            allowed = allowed.saturating_mul(4);
        }
        let told = format!(
            "class {}: at most {} {what}, of {limit}",
            self.name,
            found.checked_next_power_of_two().unwrap_or(u64::MAX)
        );
        Check::scored(id, points, of, told, next)
    }
}
