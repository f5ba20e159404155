//! The fuzz bodies, each with a fixed number of cases.

use flowforge_workflow::testing::BODIES;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is written, no rule of the language is broken and nothing stops the process.
    #[test]
    fn no_bytes_break_a_rule(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        for (name, body) in BODIES {
            if let Err(rule) = body(&bytes) {
                prop_assert!(false, "{name}: {rule}");
            }
        }
    }

    /// The same with parts of the language only.
    #[test]
    fn no_parts_break_a_rule(bytes in proptest::collection::vec(0_u8..96, 0..24)) {
        for (name, body) in BODIES {
            if let Err(rule) = body(&bytes) {
                prop_assert!(false, "{name}: {rule}");
            }
        }
    }
}
