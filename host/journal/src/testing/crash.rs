//! Power cuts: every image that a cut may leave is opened and compared with what was confirmed.
//!
//! A workload runs on a recording storage. For a cut point, what was synced before it is on the disk, and of what came
//! after any part may be: none, all, all but one, a random half or quarter, only the last, the last torn at 512 bytes.
//! Each such image must open and hold exactly the state of the last confirmed commit, or that of the one under way.
//! Opening writes too, so some images are cut again inside their own recovery.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::dice::Dice;
use super::disk::{Disk, DiskOp, Fault, replay};
use super::image::Image;
use super::model::Model;
use super::ops::{Kind, Op, ops_of_seed};
use super::script::{Script, check_found};

/// Ops of one workload.
const OPS: usize = 60;

/// What a campaign saw, so that a green one is known not to be empty.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct CrashReport {
    /// Images that were opened, those of cuts inside a recovery not counted.
    pub images: u64,
    /// Those that held the commit that was under way when the power went.
    pub with_the_commit_under_way: u64,
    /// Those that held the last confirmed commit.
    pub without_it: u64,
    /// Images of cuts inside the recovery of another image.
    pub inside_recovery: u64,
    /// How many images there were of each thing that a cut may leave, those inside a recovery counted too.
    pub faults: BTreeMap<&'static str, u64>,
    /// Workloads, each of another seed.
    pub workloads: u64,
    /// How often a workload gave unused space back.
    pub compactions: u64,
    /// What was lost, halved or could not be opened, with all that is needed to see it again. Empty if all is well.
    pub violations: Vec<String>,
}

impl CrashReport {
    /// All images.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.images + self.inside_recovery
    }
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

impl Persisted {
    /// In words: what the disk holds of the writes since the last sync.
    const fn name(self) -> &'static str {
        match self {
            Self::None => "none of the writes since the last sync",
            Self::All => "all of them",
            Self::AllButOne => "all but one",
            Self::Half => "a random half",
            Self::Quarter => "a random quarter",
            Self::Last => "only the last",
            Self::Torn => "all, the last torn at a sector",
        }
    }
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

/// Cuts the power until so many images were opened, or one was not as it must be. `seed` is that of the first workload.
///
/// Tells `progress` after each workload, and ends when that answers that it is enough.
pub fn crash_images(images: u64, seed: u64, mut progress: impl FnMut(&CrashReport) -> bool) -> CrashReport {
    let mut report = CrashReport::default();
    let mut seed = seed;
    while report.all() < images && report.violations.is_empty() {
        campaign(seed, Fault::None, false, &mut report);
        if !progress(&report) {
            break;
        }
        seed = seed.wrapping_add(1);
    }
    report
}

/// Whether the campaign notices what it is there for: syncs that are lost, and a confirmation before the commit.
#[must_use]
pub fn planted_bugs_are_caught(seed: u64) -> bool {
    let caught = |fault: Fault, tell_early: bool| {
        (seed..seed.saturating_add(4)).any(|seed| {
            let mut report = CrashReport::default();
            campaign(seed, fault, tell_early, &mut report);
            !report.violations.is_empty()
        })
    };
    caught(Fault::LostSync { every: 7 }, false) && caught(Fault::None, true)
}

fn image(durable: &Image, tail: &[&DiskOp], way: Persisted, dice: &mut Dice) -> Image {
    let mut bytes = durable.clone();
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
    start: &Image,
    log: &[DiskOp],
    ways: &[Persisted],
    told: Option<usize>,
    dice: &mut Dice,
    mut check: impl FnMut(usize, Persisted, usize, Image, &mut Dice),
) {
    let mut durable = start.clone();
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

fn check_image(disk: &Disk, told: (&[Model], &[u64]), confirmed: usize) -> Result<bool, String> {
    catch_unwind(AssertUnwindSafe(|| check_found(disk, told, confirmed, None)))
        .unwrap_or_else(|_| Err("opening it panicked".to_owned()))
}

/// Runs a workload and cuts it. Stops at the first violation: one is enough, and each is large.
fn campaign(seed: u64, fault: Fault, tell_early: bool, report: &mut CrashReport) {
    let disk = Disk::failing(fault);
    let mut script = Script::open(disk.clone()).unwrap();
    script.tell_early = tell_early;
    // A killed process leaves another storage behind, whose log would begin anew.
    let ops: Vec<Op> = ops_of_seed(seed, OPS)
        .into_iter()
        .filter(|op| op.kind != Kind::Kill)
        .collect();
    if let Err(error) = script.play(&ops) {
        report.violations.push(format!("seed {seed}: {error}"));
        return;
    }
    report.workloads += 1;
    report.compactions += script.compactions;
    let (told, mut dice) = ((&script.history[..], &script.numbers[..]), Dice(seed));
    cut(
        &Image::default(),
        &disk.log(),
        &WAYS,
        None,
        &mut dice,
        |place, way, confirmed, bytes, dice| {
            if !report.violations.is_empty() {
                return;
            }
            report.images += 1;
            *report.faults.entry(way.name()).or_default() += 1;
            let recovered = Disk::with(bytes.clone());
            match check_image(&recovered, told, confirmed) {
                Ok(true) => report.with_the_commit_under_way += 1,
                Ok(false) => report.without_it += 1,
                Err(what) => {
                    let violation = format!("seed {seed}, cut {place}, {way:?}: {what}");
                    report.violations.push(violation);
                    return;
                }
            }
            if dice.roll(8) == 0 {
                let again = [Persisted::None, Persisted::Half, Persisted::Torn];
                let log = recovered.log();
                cut(
                    &bytes,
                    &log,
                    &again,
                    Some(confirmed),
                    dice,
                    |inner, way, confirmed, bytes, _| {
                        report.inside_recovery += 1;
                        *report.faults.entry(way.name()).or_default() += 1;
                        if let Err(what) = check_image(&Disk::with(bytes), told, confirmed) {
                            let violation =
                                format!("seed {seed}, cut {place}, then {inner}, {way:?}: {what}");
                            report.violations.push(violation);
                        }
                    },
                );
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_power_cut_loses_or_halves_what_was_confirmed() {
        let report = crash_images(2_000, 1, |_| true);
        assert_eq!(report.violations, Vec::<String>::new());
        assert_eq!(
            (report.faults.len(), report.faults.values().sum()),
            (7, report.all())
        );
        println!("{report:?}");
        assert!(report.images > 400 && report.inside_recovery > 300, "{report:?}");
        assert!(
            report.with_the_commit_under_way > 20 && report.without_it > 300 && report.compactions > 0,
            "every outcome is seen: {report:?}"
        );
    }

    #[test]
    fn the_campaign_catches_planted_bugs() {
        assert!(planted_bugs_are_caught(1));
    }
}
