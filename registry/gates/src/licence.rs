//! Licences: an SPDX expression, or none.

/// Checks the text of a licence: an SPDX expression over the identifiers of the SPDX list, or `LicenseRef-…` for terms of
/// one's own.
///
/// # Errors
/// What is wrong with it and what to write instead, for people.
pub fn check_licence(text: &str) -> Result<(), String> {
    match spdx::Expression::parse(text) {
        Ok(_) => Ok(()),
        Err(error) => {
            let text: String = text.chars().take(100).collect();
            Err(format!(
                "the licence `{text}` is no SPDX expression ({}): write an identifier such as `Apache-2.0`, or \
                 `LicenseRef-NAME` for terms of your own",
                error.reason
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_and_terms_of_ones_own_pass_and_other_words_do_not() {
        for good in [
            "Apache-2.0",
            "MIT OR Apache-2.0",
            "GPL-2.0-only WITH Classpath-exception-2.0",
            "LicenseRef-acme",
        ] {
            assert_eq!(check_licence(good), Ok(()), "{good}");
        }
        for wrong in ["free", "Apache", "MIT AND", "", "see LICENSE"] {
            let said = check_licence(wrong).unwrap_err();
            assert!(said.contains("LicenseRef-NAME"), "{said}");
        }
    }
}
