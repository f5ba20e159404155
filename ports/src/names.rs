//! One spelling of names: kebab-case in WIT, `snake_case` everywhere else.

/// The JSON spelling of a WIT name: `depth-km` → `depth_km`.
#[must_use]
pub fn json_name(wit: &str) -> String {
    wit.trim_start_matches('%').replace('-', "_")
}

/// The WIT spelling of a JSON name: `depth_km` → `depth-km`.
#[must_use]
pub fn wit_name(json: &str) -> String {
    json.replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_change_only_their_separator() {
        assert_eq!(json_name("depth-km"), "depth_km");
        assert_eq!(json_name("%list"), "list");
        assert_eq!(wit_name(&json_name("a-b-c")), "a-b-c");
    }
}
