//! The model test: whatever is done, the journal holds what a plain collection would.

use proptest::prelude::*;

use super::disk::Disk;
use super::model::{contents, difference};
use super::ops::{Kind, Op};
use super::script::Script;

/// A few cases at every test run, as many as one likes by `PROPTEST_CASES`.
fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() {
        asked.cases
    } else {
        48
    };
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..asked
    }
}

fn any_op() -> impl Strategy<Value = Op> {
    (any::<u64>(), any::<u8>(), any::<u8>(), any::<u16>())
        .prop_map(|(kind, which, item, bytes)| Op::pick(kind, which, item, bytes))
}

proptest! {
    #![proptest_config(config())]

    /// After every reboot, and at the end, loading and reading give exactly the model.
    #[test]
    fn the_journal_is_its_model(ops in prop::collection::vec(any_op(), 1..160)) {
        let mut script = Script::open(Disk::default()).unwrap();
        prop_assert_eq!(script.play(&ops), Ok(()));
        let found = contents(&Disk::with(script.disk.image()));
        let difference = found.map(|found| difference(&found, &script.model));
        prop_assert_eq!(difference, Ok(String::new()));
    }
}

/// Found by the model test: a run was taken for settled when, in the commit of its end, everything before the end was
/// acknowledged; retention then dropped it with its last records and its receipt unsent.
#[test]
fn a_run_that_ends_while_its_earlier_records_are_acknowledged_stays_until_its_end_is_sent() {
    let mut script = Script::open(Disk::default()).unwrap();
    let mut end = Op::of(Kind::End);
    end.item = 1;
    let ended = [
        Op::of(Kind::Begin),
        Op::of(Kind::Commit),
        end,
        Op::of(Kind::Ack),
        Op::of(Kind::Commit),
    ];
    script.play(&ended).unwrap();
    assert!(script.model.runs.values().all(|run| run.cursor == 1));
    for _ in 0..20 {
        script.commit().unwrap();
    }
    let found = contents(&Disk::with(script.disk.image())).unwrap();
    assert_eq!(difference(&found, &script.model), "");
    assert_eq!(found.runs.len(), 1);
}
