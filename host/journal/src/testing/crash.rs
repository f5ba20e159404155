//! Power cuts: every image that a cut may leave is opened and compared with what was confirmed.
//!
//! A workload runs on a recording storage. For a cut point, what was synced before it is on the disk, and of what came
//! after any part may be: none, all, all but one, a random half or quarter, only the last, the last torn at 512 bytes.
//! Each such image must open and hold exactly the state of the last confirmed commit, or that of the one under way.
//! Opening writes too, so some images are cut again inside their own recovery.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::disk::{Disk, DiskOp, Fault, replay};
use super::model::Model;
use super::script::{Op, Script, check_found, ops_of_seed};

/// A small generator of our own: the campaign must be the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

/// What a campaign saw, so that a green one is known not to be empty.
#[derive(Debug, Default)]
struct Seen {
    images: usize,
    with_the_commit_under_way: usize,
    without_it: usize,
    inside_recovery: usize,
    violations: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
enum Persisted {
    None,
    All,
    AllButOne,
    Half,
    Quarter,
    Last,
    Torn,
}

const WAYS: [Persisted; 7] = [
    Persisted::None,
    Persisted::All,
    Persisted::AllButOne,
    Persisted::Half,
    Persisted::Quarter,
    Persisted::Last,
    Persisted::Torn,
];

fn image(durable: &[u8], tail: &[&DiskOp], way: Persisted, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = durable.to_vec();
    let count = tail.len() as u64;
    let left_out = if count == 0 { 0 } else { dice.roll(count) };
    for (index, op) in tail.iter().enumerate() {
        let index = index as u64;
        let kept = match way {
            Persisted::None => false,
            Persisted::All | Persisted::Torn => true,
            Persisted::AllButOne => index != left_out,
            Persisted::Half => dice.roll(2) == 0,
            Persisted::Quarter => dice.roll(4) == 0,
            Persisted::Last => index + 1 == count,
        };
        match (way, op) {
            (
                Persisted::Torn,
                DiskOp::Write {
                    offset,
                    bytes: written,
                },
            ) if index + 1 == count => {
                let sectors = (written.len() / 512) as u64;
                let end = usize::try_from(dice.roll(sectors + 1)).unwrap() * 512;
                let torn = DiskOp::Write {
                    offset: *offset,
                    bytes: written[..end.min(written.len())].into(),
                };
                replay(&mut bytes, &torn);
            }
            _ if kept => replay(&mut bytes, op),
            _ => {}
        }
    }
    bytes
}

/// Cuts a log at many points and hands every image to `check`. `told` is what was confirmed before the log begins.
fn cut(
    start: &[u8],
    log: &[DiskOp],
    ways: &[Persisted],
    told: Option<usize>,
    dice: &mut Dice,
    mut check: impl FnMut(usize, Persisted, usize, Vec<u8>, &mut Dice),
) {
    let mut durable = start.to_vec();
    let mut tail: Vec<&DiskOp> = Vec::new();
    let mut told = told;
    for (place, op) in log.iter().enumerate() {
        match op {
            DiskOp::Sync => {
                for op in tail.drain(..) {
                    replay(&mut durable, op);
                }
            }
            DiskOp::Told(commits) => told = Some(*commits),
            write => tail.push(write),
        }
        let boundary = matches!(op, DiskOp::Sync | DiskOp::Told(_));
        let Some(confirmed) = told else { continue };
        if !boundary && dice.roll(3) != 0 {
            continue;
        }
        for way in ways {
            if tail.is_empty() && !matches!(way, Persisted::None) {
                continue;
            }
            let bytes = image(&durable, &tail, *way, dice);
            check(place, *way, confirmed, bytes, dice);
        }
    }
}

fn check_image(disk: &Disk, history: &[Model], confirmed: usize) -> Result<bool, String> {
    catch_unwind(AssertUnwindSafe(|| check_found(disk, history, confirmed, None)))
        .unwrap_or_else(|_| Err("opening it panicked".to_owned()))
}

/// Runs a workload and cuts it. Stops at the first violation: one is enough, and each is large.
fn campaign(seed: u64, ops: usize, fault: Fault, tell_early: bool) -> Seen {
    let disk = Disk::failing(fault);
    let mut script = Script::open(disk.clone()).unwrap();
    script.tell_early = tell_early;
    let ops: Vec<Op> = ops_of_seed(seed, ops)
        .into_iter()
        .filter(|op| !matches!(op, Op::Reboot { clean: false }))
        .collect();
    script.play(&ops).unwrap();
    let (history, mut seen, mut dice) = (script.history, Seen::default(), Dice(seed));
    cut(
        &[],
        &disk.log(),
        &WAYS,
        None,
        &mut dice,
        |place, way, confirmed, bytes, dice| {
            if !seen.violations.is_empty() {
                return;
            }
            seen.images += 1;
            let recovered = Disk::with(bytes.clone());
            match check_image(&recovered, &history, confirmed) {
                Ok(true) => seen.with_the_commit_under_way += 1,
                Ok(false) => seen.without_it += 1,
                Err(what) => {
                    seen.violations
                        .push(format!("seed {seed}, cut {place}, {way:?}: {what}"));
                    return;
                }
            }
            if dice.roll(8) == 0 {
                let again = [Persisted::None, Persisted::Half, Persisted::Torn];
                cut(
                    &bytes,
                    &recovered.log(),
                    &again,
                    Some(confirmed),
                    dice,
                    |inner, way, confirmed, bytes, _| {
                        seen.inside_recovery += 1;
                        if let Err(what) = check_image(&Disk::with(bytes), &history, confirmed) {
                            seen.violations
                                .push(format!("seed {seed}, cut {place}, then {inner}, {way:?}: {what}"));
                        }
                    },
                );
            }
        },
    );
    seen
}

/// How many seeds: a few at every test run, as many as one likes by the environment.
fn seeds() -> u64 {
    std::env::var("FLOWFORGE_CAMPAIGN_SEEDS").map_or(4, |text| text.parse().unwrap())
}

#[test]
fn no_power_cut_loses_or_halves_what_was_confirmed() {
    let (mut images, mut inside, mut with, mut without) = (0, 0, 0, 0);
    for seed in 1..=seeds() {
        let seen = campaign(seed, 60, Fault::None, false);
        assert_eq!(seen.violations, Vec::<String>::new());
        images += seen.images;
        inside += seen.inside_recovery;
        with += seen.with_the_commit_under_way;
        without += seen.without_it;
    }
    println!(
        "{images} images, {inside} inside recovery; the commit under way was there in {with}, not in {without}"
    );
    assert!(
        images > 1000 && inside > 300,
        "{images} images, {inside} inside recovery"
    );
    assert!(
        with > 20 && without > 500,
        "both outcomes are seen: {with}, {without}"
    );
}

#[test]
fn the_campaign_catches_syncs_that_are_lost() {
    let caught = (1..=3).any(|seed| {
        let seen = campaign(seed, 60, Fault::LostSync { every: 7 }, false);
        !seen.violations.is_empty()
    });
    assert!(caught);
}

#[test]
fn the_campaign_catches_a_confirmation_before_the_commit() {
    let seen = campaign(1, 60, Fault::None, true);
    assert!(!seen.violations.is_empty());
}
