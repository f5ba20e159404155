//! The rooms of a crate: its top-level modules, and which of them may use which.
//!
//! Reads the `crate::` and `super::` paths of every file; what a crate's root exports again counts as the room it comes
//! from. Tests are left out: they may look at anything. Invariant: no crate of [`CRATES`] has a circle of rooms, but
//! for the uses that it names as still to be removed; one that is not needed any more is a fault, too.

use std::collections::{BTreeMap, BTreeSet};

use crate::rust_text::{Source, declared_for_tests, exported_again, paths_from_root};

/// One crate whose rooms are checked.
struct CrateRooms {
    /// Its folder of sources.
    folder: &'static str,
    /// From the top down; a room may use those of later rows only. Rooms that stand in no row are held to the one
    /// rule that there is no circle.
    order: &'static [&'static [&'static str]],
    /// Uses that still close a circle: `(user, used)`.
    still: &'static [(&'static str, &'static str)],
}

const CRATES: [CrateRooms; 6] = [
    CrateRooms {
        folder: "host/agent/src",
        order: &[
            &["link"],
            &["intake"],
            &["runs"],
            &["secrets", "release"],
            &["order"],
            &["health"],
        ],
        still: &[],
    },
    CrateRooms {
        folder: "host/journal/src",
        order: &[],
        still: &[],
    },
    CrateRooms {
        folder: "host/runtime/src",
        order: &[],
        still: &[],
    },
    CrateRooms {
        folder: "workflow/src",
        order: &[],
        still: &[],
    },
    CrateRooms {
        folder: "control-plane/server/src",
        order: &[],
        still: &[],
    },
    CrateRooms {
        folder: "control-plane/store/src",
        order: &[],
        still: &[
            ("jobs", "ingest"),
            ("readers", "open"),
            ("writer", "ingest"),
            ("writer", "open"),
            ("writer", "start"),
        ],
    },
];

/// Which room uses which, with a place where it does.
type Uses = BTreeMap<(String, String), String>;

/// Every circle and every use against a declared order.
pub(crate) fn problems(files: &[String], read: impl Fn(&str) -> String) -> Vec<String> {
    CRATES
        .iter()
        .flat_map(|rooms| {
            let sources: Vec<(String, String)> = files
                .iter()
                .filter_map(|file| {
                    let inside = file.strip_prefix(rooms.folder)?.strip_prefix('/')?;
                    inside.ends_with(".rs").then(|| (inside.to_owned(), read(file)))
                })
                .collect();
            crate_problems(rooms, &sources)
        })
        .collect()
}

fn crate_problems(rooms: &CrateRooms, sources: &[(String, String)]) -> Vec<String> {
    let folder = rooms.folder;
    let mut uses = uses(sources);
    let mut problems: Vec<String> = uses
        .iter()
        .filter(|((user, used), _)| against(rooms.order, user, used))
        .map(|((user, used), place)| {
            format!("{folder}/{place}: `{user}` uses `{used}`, against the order of the rooms")
        })
        .collect();
    for (user, used) in rooms.still {
        if uses.remove(&((*user).to_owned(), (*used).to_owned())).is_none() {
            problems.push(format!(
                "{folder}: `{user}` does not use `{used}` any more; take the exception out of xtask/src/rooms.rs"
            ));
        }
    }
    problems.extend(circle(&uses).map(|places| format!("{folder}: a circle of rooms: {places}")));
    problems
}

/// Whether both stand in the order and the user not above the used.
fn against(order: &[&[&str]], user: &str, used: &str) -> bool {
    let row = |room: &str| order.iter().position(|row| row.contains(&room));
    matches!((row(user), row(used)), (Some(user), Some(used)) if user >= used)
}

fn uses(sources: &[(String, String)]) -> Uses {
    let root = sources
        .iter()
        .find(|(file, _)| file == "lib.rs")
        .map(|(_, text)| Source::without_tests(text));
    let (again, hidden) = root.as_ref().map_or_else(Default::default, |root| {
        (exported_again(root), declared_for_tests(root))
    });
    let rooms: BTreeSet<&str> = sources
        .iter()
        .map(|(file, _)| room_of(file))
        .filter(|room| !["lib", "main", "bin"].contains(room) && !hidden.contains(*room))
        .collect();
    let mut uses = Uses::new();
    for (file, text) in sources {
        let user = room_of(file);
        if !rooms.contains(user) {
            continue;
        }
        for (name, line) in paths_from_root(&Source::without_tests(text), depth_of(file)) {
            let used = again.get(&name).unwrap_or(&name);
            if used != user && rooms.contains(used.as_str()) {
                uses.entry((user.to_owned(), used.clone()))
                    .or_insert_with(|| format!("{file}:{line}"));
            }
        }
    }
    uses
}

fn room_of(file: &str) -> &str {
    let first = file.split('/').next().unwrap_or(file);
    first.strip_suffix(".rs").unwrap_or(first)
}

/// How many modules deep a file is: `a.rs` and `a/mod.rs` are one, `a/b.rs` two.
fn depth_of(file: &str) -> usize {
    let parts = file.split('/').count();
    if file.ends_with("/mod.rs") {
        parts - 1
    } else {
        parts
    }
}

/// One circle, as a person reads it; rooms that nothing leads back to are taken away until none is left.
fn circle(uses: &Uses) -> Option<String> {
    let mut left: BTreeMap<&(String, String), &String> = uses.iter().collect();
    loop {
        let users: BTreeSet<&String> = left.keys().map(|(user, _)| user).collect();
        let used: BTreeSet<&String> = left.keys().map(|(_, used)| used).collect();
        let before = left.len();
        left.retain(|(user, to), _| users.contains(to) && used.contains(user));
        if left.len() == before {
            break;
        }
    }
    let mut at = left.keys().next().map(|(user, _)| user)?;
    let mut seen = vec![at];
    // Every room that is left uses one that is left, so the walk comes back to one it has seen.
    loop {
        let (_, next) = left.keys().find(|(user, _)| user == at)?;
        if let Some(start) = seen.iter().position(|room| *room == next) {
            let rooms = seen.get(start..)?;
            let steps = rooms.iter().zip(rooms.iter().skip(1).chain(rooms.first()));
            let told: Vec<String> = steps
                .filter_map(|(user, used)| {
                    let place = uses.get(&((*user).clone(), (*used).clone()))?;
                    Some(format!("{user} → {used} ({place})"))
                })
                .collect();
            return Some(told.join(", "));
        }
        seen.push(next);
        at = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: CrateRooms = CrateRooms {
        folder: "x/src",
        order: &[],
        still: &[],
    };

    fn check(rooms: &CrateRooms, files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<_> = files
            .iter()
            .map(|(file, text)| ((*file).to_owned(), (*text).to_owned()))
            .collect();
        crate_problems(rooms, &sources)
    }

    #[test]
    fn a_circle_is_told_with_the_places_that_close_it() {
        let problems = check(
            &FREE,
            &[
                ("lib.rs", "mod a;\nmod b;\nmod c;\npub use c::Thing;\n"),
                ("a/mod.rs", "use crate::b;\n"),
                ("b.rs", "//! Words.\nuse crate::{Thing, c::other};\n"),
                ("c/inner.rs", "fn f() { super::super::a::go(); }\n"),
            ],
        );
        assert_eq!(
            problems,
            ["x/src: a circle of rooms: a → b (a/mod.rs:1), b → c (b.rs:2), c → a (c/inner.rs:1)"]
        );
    }

    #[test]
    fn tests_comments_and_texts_use_nothing() {
        let problems = check(
            &FREE,
            &[
                ("lib.rs", "mod a;\nmod b;\n#[cfg(test)]\nmod proof;\n"),
                ("a.rs", "use crate::b;\n"),
                (
                    "b.rs",
                    "/// See [`crate::a`].\nconst T: &str = \"crate::a\";\n#[cfg(test)]\nmod tests {\n use crate::a;\n}\n",
                ),
                ("proof.rs", "use crate::a;\n"),
            ],
        );
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn an_order_is_kept_and_an_exception_must_be_needed() {
        let ordered = CrateRooms {
            order: &[&["top"], &["left", "right"]],
            ..FREE
        };
        let up = check(&ordered, &[("left.rs", "use crate::top;"), ("top.rs", "")]);
        assert_eq!(up.len(), 1);
        let aside = check(&ordered, &[("left.rs", "use crate::right;"), ("right.rs", "")]);
        assert_eq!(aside.len(), 1);
        let down = check(&ordered, &[("top.rs", "use crate::left;"), ("left.rs", "")]);
        assert!(down.is_empty(), "{down:?}");
        let stale = CrateRooms {
            still: &[("a", "b")],
            ..FREE
        };
        assert_eq!(check(&stale, &[("a.rs", ""), ("b.rs", "")]).len(), 1);
        let both = [("a.rs", "use crate::b;"), ("b.rs", "use crate::a;")];
        assert!(check(&stale, &both).is_empty());
        assert_eq!(check(&FREE, &both).len(), 1);
    }
}
