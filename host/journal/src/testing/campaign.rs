//! The model test: whatever is done, the journal holds what a plain collection would.

use proptest::prelude::*;

use super::disk::Disk;
use super::model::{contents, difference};
use super::script::{Script, any_op};

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// After every reboot, and at the end, loading and reading give exactly the model.
    #[test]
    fn the_journal_is_its_model(ops in prop::collection::vec(any_op(), 1..120)) {
        let mut script = Script::open(Disk::default()).unwrap();
        prop_assert_eq!(script.play(&ops), Ok(()));
        let found = contents(&Disk::with(script.disk.bytes()));
        let difference = found.map(|found| difference(&found, &script.model));
        prop_assert_eq!(difference, Ok(String::new()));
    }
}
