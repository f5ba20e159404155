//! What this process counts since it started.

use std::sync::atomic::{AtomicU64, Ordering};

/// Where a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Api,
    Hooks,
    Hosts,
    Artefacts,
    Other,
}

impl Door {
    const ALL: [Self; 5] = [Self::Api, Self::Hooks, Self::Hosts, Self::Artefacts, Self::Other];

    /// The door of a path.
    pub(crate) fn of_path(path: &str) -> Self {
        match path.split('/').nth(1) {
            Some("graphql") => Self::Api,
            Some("hooks" | "forms") => Self::Hooks,
            Some("host") => Self::Hosts,
            Some("artefacts") => Self::Artefacts,
            _ => Self::Other,
        }
    }

    /// The paths that lead to it.
    pub(crate) fn route(self) -> &'static str {
        match self {
            Self::Api => "/graphql",
            Self::Hooks => "/hooks/{path}",
            Self::Hosts => "/host/graphql",
            Self::Artefacts => "/artefacts/{digest}",
            Self::Other => "/{path}",
        }
    }

    /// Its label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Hooks => "hooks",
            Self::Hosts => "hosts",
            Self::Artefacts => "artefacts",
            Self::Other => "other",
        }
    }
}

/// Classes of answers, by the first digit of their status.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counters since this process started.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Runs that were started here.
    pub(crate) started: AtomicU64,
    /// Calls of hosts that were answered.
    pub(crate) syncs: AtomicU64,
    requests: [[AtomicU64; CLASSES.len()]; Door::ALL.len()],
}

impl Counts {
    /// A request was answered with this status.
    pub(crate) fn answered(&self, door: Door, status: u16) {
        let class = usize::from(status / 100).saturating_sub(1);
        let place = Door::ALL.iter().position(|known| *known == door);
        let counter = place.and_then(|place| self.requests.get(place)?.get(class));
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many requests were answered.
    pub(crate) fn requests(&self) -> impl Iterator<Item = (Door, &'static str, u64)> {
        Door::ALL.iter().zip(&self.requests).flat_map(|(door, classes)| {
            let counted = CLASSES.iter().zip(classes);
            counted.map(|(class, count)| (*door, *class, count.load(Ordering::Relaxed)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_door_and_class() {
        let counts = Counts::default();
        counts.answered(Door::of_path("/hooks/a/b"), 202);
        counts.answered(Door::of_path("/graphql"), 200);
        counts.answered(Door::of_path("/graphql/ws"), 101);
        counts.answered(Door::of_path("/v2/a"), 999);
        let counted: Vec<_> = counts.requests().filter(|(.., count)| *count > 0).collect();
        assert_eq!(
            counted,
            [
                (Door::Api, "1xx", 1),
                (Door::Api, "2xx", 1),
                (Door::Hooks, "2xx", 1)
            ]
        );
    }
}
