//! What a manifest's configuration says of a component's imports. It was written by whoever pushed it, so it is compared
//! with the bytes and never used.

use std::collections::BTreeSet;

use flowforge_ports::Interface;

/// Checks the imports that a `application/vnd.wasm.config.v0+json` configuration names against those of the component.
/// Plain names are types of a world, which are no imports of anything.
///
/// # Errors
/// Which imports are hidden or made up, for people.
pub fn check_claims<'a>(
    interface: &Interface,
    claimed: impl IntoIterator<Item = &'a str>,
) -> Result<(), String> {
    let claimed: BTreeSet<&str> = claimed.into_iter().filter(|name| name.contains('/')).collect();
    let kinds = interface.capabilities.iter().map(|capability| &capability.import);
    let real: BTreeSet<&str> = kinds
        .chain(&interface.baseline)
        .map(String::as_str)
        .filter(|name| name.contains('/'))
        .collect();
    let listed = |names: Vec<&&str>| {
        let names: Vec<&str> = names.into_iter().take(8).copied().collect();
        names.join(", ")
    };
    let hidden: Vec<&&str> = real.difference(&claimed).collect();
    if !hidden.is_empty() {
        return Err(format!(
            "its configuration hides imports of the component: {}; push what the build tool wrote",
            listed(hidden)
        ));
    }
    let made_up: Vec<&&str> = claimed.difference(&real).collect();
    if !made_up.is_empty() {
        return Err(format!(
            "its configuration names imports that the component does not have: {}; push what the build tool wrote",
            listed(made_up)
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_neither_hides_imports_nor_makes_them_up() {
        let interface = Interface {
            baseline: vec!["wasi:io/streams@0.2.0".to_owned()],
            ..Interface::default()
        };
        assert_eq!(
            check_claims(&interface, ["wasi:io/streams@0.2.0", "a-type"]),
            Ok(())
        );
        let hidden = check_claims(&interface, []).unwrap_err();
        assert!(
            hidden.contains("hides imports of the component: wasi:io/streams@0.2.0"),
            "{hidden}"
        );
        let more = check_claims(&interface, ["wasi:io/streams@0.2.0", "x:y/z"]).unwrap_err();
        assert!(more.contains("does not have: x:y/z"), "{more}");
    }
}
