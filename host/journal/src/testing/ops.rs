//! What a script does: ops, picked by numbers.

use super::dice::Dice;

/// One thing a user of the journal does: a kind, and numbers that pick among what there is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Op {
    pub(super) kind: Kind,
    pub(super) which: u8,
    pub(super) item: u8,
    pub(super) bytes: u16,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Begin,
    Append,
    Wait,
    Rest,
    Snapshot,
    Send,
    RaiseEpoch,
    Deliver,
    DeliverUnknown,
    Consume,
    End,
    Ack,
    Rewind,
    Park,
    Unpark,
    Forget,
    Remember,
    Mark,
    EndMark,
    StopMark,
    Put,
    Remove,
    Told,
    Plane,
    Compact,
    Commit,
    /// Closes in an orderly way and opens again.
    Reboot,
    /// Just lets go, as a killed process does, and opens again.
    Kill,
}

/// Every kind, as often as it is to come.
const KINDS: [(Kind, u64); 28] = [
    (Kind::Begin, 5),
    (Kind::Append, 12),
    (Kind::Wait, 2),
    (Kind::Rest, 1),
    (Kind::Snapshot, 2),
    (Kind::Send, 2),
    (Kind::RaiseEpoch, 1),
    (Kind::Deliver, 3),
    (Kind::DeliverUnknown, 1),
    (Kind::Consume, 2),
    (Kind::End, 3),
    (Kind::Ack, 6),
    (Kind::Rewind, 2),
    (Kind::Park, 1),
    (Kind::Unpark, 1),
    (Kind::Forget, 1),
    (Kind::Remember, 2),
    (Kind::Mark, 3),
    (Kind::EndMark, 1),
    (Kind::StopMark, 1),
    (Kind::Put, 2),
    (Kind::Remove, 1),
    (Kind::Told, 1),
    (Kind::Plane, 1),
    (Kind::Compact, 1),
    (Kind::Commit, 14),
    (Kind::Reboot, 1),
    (Kind::Kill, 1),
];

impl Op {
    pub(super) fn of(kind: Kind) -> Self {
        Self {
            kind,
            which: 0,
            item: 0,
            bytes: 1,
        }
    }

    /// The op that these numbers stand for.
    pub(super) fn pick(kind: u64, which: u8, item: u8, bytes: u16) -> Self {
        let all: u64 = KINDS.iter().map(|(_, often)| often).sum();
        let mut left = kind % all;
        let mut found = Kind::Commit;
        for (kind, often) in KINDS {
            if left < often {
                found = kind;
                break;
            }
            left -= often;
        }
        Self {
            kind: found,
            which,
            item,
            bytes: bytes % 700,
        }
    }
}

/// The same ops every time for a seed.
pub(super) fn ops_of_seed(seed: u64, count: usize) -> Vec<Op> {
    let mut dice = Dice(seed ^ 0x5eed);
    (0..count)
        .map(|_| {
            let (kind, which, item) = (dice.roll(1 << 20), dice.byte(), dice.byte());
            // Now and then a record larger than a page.
            let bytes = if dice.roll(12) == 0 { 699 } else { dice.roll(300) };
            let mut op = Op::pick(kind, which, item, u16::try_from(bytes).unwrap());
            if bytes == 699 {
                op.bytes = 9_000;
            }
            op
        })
        .collect()
}
