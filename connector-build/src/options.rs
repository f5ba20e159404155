//! Where a build keeps its things, and how long its tools may take.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// How to build.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Folder for tools, compiled dependencies and finished components. Grows to about 500 MB with all languages; may be
    /// deleted whenever no build runs.
    pub cache_dir: PathBuf,
    /// How long each outside tool may take.
    pub limits: Limits,
    /// Nothing of what an earlier build made of the source is taken, and nothing is left for a later one: for comparing two
    /// builds. Installed tools and compiled libraries stay.
    pub anew: bool,
}

impl BuildOptions {
    /// Options with the usual limits.
    #[must_use]
    pub fn new(cache_dir: PathBuf) -> Self {
        Self {
            cache_dir,
            limits: Limits::default(),
            anew: false,
        }
    }
}

/// How long each outside tool may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Downloading and installing a language's tools. Default 15 minutes.
    pub install: Duration,
    /// Compiling one connector, dependencies included. Default 15 minutes.
    pub compile: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            install: Duration::from_secs(15 * 60),
            compile: Duration::from_secs(15 * 60),
        }
    }
}

/// Where the cache lies if nobody says otherwise: `$FLOWFORGE_CACHE`, else `$XDG_CACHE_HOME/flowforge`, else
/// `$HOME/.cache/flowforge`. None if none of these is set. `environment` looks up one variable.
pub fn default_cache_dir(environment: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name: &str| {
        environment(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("FLOWFORGE_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|dir| dir.join("flowforge")))
        .or_else(|| set("HOME").map(|dir| dir.join(".cache").join("flowforge")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_setting_wins() {
        let dir = |set: &[(&str, &str)]| {
            let set: Vec<(String, OsString)> = set
                .iter()
                .map(|(name, value)| ((*name).to_owned(), OsString::from(value)))
                .collect();
            default_cache_dir(move |name| set.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()))
        };
        assert_eq!(
            dir(&[("FLOWFORGE_CACHE", "/a"), ("HOME", "/h")]),
            Some(PathBuf::from("/a"))
        );
        assert_eq!(
            dir(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]),
            Some(PathBuf::from("/x/flowforge"))
        );
        assert_eq!(
            dir(&[("XDG_CACHE_HOME", ""), ("HOME", "/h")]),
            Some(PathBuf::from("/h/.cache/flowforge"))
        );
        assert_eq!(dir(&[]), None);
    }
}
