//! What the number of a certificate tells: each renewal counts one up, so a second machine that lives from a copy of the
//! same disk shows a number that is past.

/// How long the certificate before the newest is still taken after the newest was used first, milliseconds: calls that
/// were under way end within it.
pub const CHANGEOVER_MS: u64 = 10 * 60 * 1_000;

/// What is known of a host's newest certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its number.
    pub generation: u64,
    /// When it was shown first, milliseconds since 1970 UTC; none if it never was.
    pub first_used_ms: Option<u64>,
}

/// What a certificate that is shown means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Showing {
    /// It is the newest, or the one before while hosts change over.
    Good,
    /// It is past: two machines live from one disk, or an old copy was restored.
    Clone,
}

/// What a certificate with this number means when it is shown at this moment.
#[must_use]
pub fn judge_showing(shown: u64, newest: Known, now_ms: u64) -> Showing {
    let changes_over = newest
        .first_used_ms
        .is_none_or(|at_ms| now_ms < at_ms.saturating_add(CHANGEOVER_MS));
    let is_good =
        shown == newest.generation || (shown.checked_add(1) == Some(newest.generation) && changes_over);
    if is_good { Showing::Good } else { Showing::Clone }
}

/// What is to be done about a host that asks for its next certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// It gets one with this number.
    Issue(u64),
    /// It gets the newest once more: the answer was lost on its way.
    Again,
    /// The key is that of the certificate it has; the next one needs another.
    SameKey,
    /// Another machine asked before with the same certificate.
    Clone,
}

/// What is to be done when the holder of the certificate with this number asks for the next one. `is_newest_key`: whether
/// the key that it brings is that of the newest certificate.
#[must_use]
pub fn judge_renewal(shown: u64, newest: u64, is_newest_key: bool) -> Renewal {
    match (shown == newest, is_newest_key) {
        (true, true) => Renewal::SameKey,
        (true, false) => Renewal::Issue(newest.saturating_add(1)),
        (false, true) if shown.checked_add(1) == Some(newest) => Renewal::Again,
        (false, _) => Renewal::Clone,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_one_before_is_good_while_hosts_change_over() {
        let unused = Known {
            generation: 4,
            first_used_ms: None,
        };
        let used = Known {
            generation: 4,
            first_used_ms: Some(1_000),
        };
        assert_eq!(judge_showing(4, used, u64::MAX), Showing::Good);
        assert_eq!(judge_showing(3, unused, u64::MAX), Showing::Good);
        assert_eq!(judge_showing(3, used, 999 + CHANGEOVER_MS), Showing::Good);
        assert_eq!(judge_showing(3, used, 1_000 + CHANGEOVER_MS), Showing::Clone);
        assert_eq!(judge_showing(2, unused, 0), Showing::Clone);
        assert_eq!(judge_showing(5, unused, 0), Showing::Clone, "never issued");
    }

    #[derive(Debug, Clone)]
    struct Machine {
        generation: u64,
        key: u64,
        next: u64,
    }

    /// The control plane's side of one renewal; true if it was refused as a clone's.
    fn renew(newest: &mut (u64, u64), machine: &mut Machine, answer_arrives: bool) -> bool {
        match judge_renewal(machine.generation, newest.0, machine.next == newest.1) {
            Renewal::Issue(generation) => *newest = (generation, machine.next),
            Renewal::Again => {}
            Renewal::SameKey | Renewal::Clone => return true,
        }
        if answer_arrives {
            (machine.generation, machine.key, machine.next) = (newest.0, machine.next, machine.next + 1);
        }
        false
    }

    proptest! {
        /// One machine, whatever answers are lost, is never taken for two.
        #[test]
        fn a_single_machine_is_never_a_clone(answers in prop::collection::vec(any::<bool>(), 1..60)) {
            let mut newest = (1, 1);
            let mut machine = Machine { generation: 1, key: 1, next: 2 };
            for arrives in answers {
                prop_assert!(!renew(&mut newest, &mut machine, arrives));
                let known = Known { generation: newest.0, first_used_ms: None };
                prop_assert_eq!(judge_showing(machine.generation, known, 0), Showing::Good);
            }
        }

        /// Two machines that live from one disk are found when both have renewed, in whatever order.
        #[test]
        fn two_machines_are_found(
            before in prop::collection::vec(any::<bool>(), 0..10),
            first_is_copy in any::<bool>(),
            more in 0_usize..3,
        ) {
            let mut newest = (1, 1);
            let mut machine = Machine { generation: 1, key: 1, next: 2 };
            for arrives in before {
                prop_assert!(!renew(&mut newest, &mut machine, arrives));
            }
            // Nothing is under way when the disk is copied; both make keys of their own from then on.
            prop_assert!(!renew(&mut newest, &mut machine, true));
            let mut copy = Machine { next: 1_000_000, ..machine.clone() };
            let (first, second) = if first_is_copy { (&mut copy, &mut machine) } else { (&mut machine, &mut copy) };
            for _ in 0..=more {
                prop_assert!(!renew(&mut newest, first, true));
            }
            prop_assert!(renew(&mut newest, second, true));
        }
    }
}
