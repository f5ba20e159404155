//! Why something about a host was not done, for people and for programs.

use flowforge_core::Denied;
use flowforge_enrolment::AuthorityError;
use flowforge_store::StoreError;

use crate::entropy::EntropyError;

/// Why a host got no certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClaimError {
    #[error("this server knows no such invitation; ask for a new one: flowforge host token --name NAME")]
    Unknown,
    #[error("this invitation was good until {0}; ask for a new one: flowforge host token --name NAME")]
    Expired(String),
    #[error(
        "this invitation was used at {0} by a different key; ask for a new one, and if that was not you, look at \
         `flowforge host list`"
    )]
    Taken(String),
    #[error(
        "this invitation was used at {0} and is good for nobody any more; ask for a new one: flowforge host token --name NAME"
    )]
    Spent(String),
    #[error("{0} is not a key: expected base64 of 32 bytes")]
    Key(&'static str),
    #[error("the claim does not hold: {0}")]
    Proof(String),
    #[error("this machine's clock is {} the server's; set it first, certificates look not valid otherwise", apart(*.0))]
    Clock(i64),
    #[error("this claim was used before")]
    Replayed,
    #[error("too many claims failed of late; none is looked at for a minute")]
    TooOften,
    #[error("{} hosts are registered, and no more may be", flowforge_store::MAX_HOSTS)]
    TooMany,
    #[error("this identity key is that of a host of another project; give the host a data folder of its own")]
    Elsewhere,
    #[error(
        "this server has no listener for hosts of other machines; start it with --hosts-url https://NAME:PORT"
    )]
    NoLine,
    #[error("this certificate is not known here; enrol anew with a new invitation")]
    UnknownCertificate,
    #[error("a certificate that is renewed needs a new key")]
    SameKey,
    #[error(
        "another machine renewed this host's certificate before: two machines live from one disk, or an old copy was \
         restored. Both are refused now; keep one, and enrol it anew with a new invitation"
    )]
    Clone,
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How far two clocks are apart, by milliseconds of the other's minus the server's.
fn apart(ms: i64) -> String {
    let seconds = ms.unsigned_abs() / 1_000;
    let side = if ms < 0 { "behind" } else { "ahead of" };
    match seconds / 86_400 {
        0 => format!("{seconds} s {side}"),
        days => format!("{days} days {side}"),
    }
}

impl ClaimError {
    /// Stable, for programs; none for a fault of this server.
    pub(crate) fn code(&self) -> Option<&'static str> {
        Some(match self {
            Self::Unknown => "FF-ENR-001",
            Self::Expired(_) => "FF-ENR-002",
            Self::Taken(_) => "FF-ENR-003",
            Self::Spent(_) => "FF-ENR-004",
            Self::Key(_) | Self::Proof(_) => "FF-ENR-005",
            Self::Clock(_) => "FF-ENR-006",
            Self::Replayed => "FF-ENR-007",
            Self::TooOften => "FF-ENR-008",
            Self::Clone => "FF-ENR-009",
            Self::UnknownCertificate => "FF-ENR-010",
            Self::Refused(_) => "FF-ENR-011",
            Self::SameKey => "FF-ENR-012",
            Self::NoLine => "FF-ENR-013",
            Self::TooMany => "FF-HOST-007",
            Self::Elsewhere => "FF-HOST-008",
            Self::Authority(_) | Self::Entropy(_) | Self::Store(_) => return None,
        })
    }
}

/// Why there is no invitation.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InviteError {
    #[error("{0}")]
    Input(&'static str, &'static str),
    #[error(
        "{} invitations wait to be used; each is forgotten when it expires",
        flowforge_store::MAX_INVITATIONS
    )]
    TooMany,
    #[error(transparent)]
    Line(#[from] NoLine),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error("it may not be done")]
    Denied(#[from] Box<Denied>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// This server was started without a listener for hosts.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error(
    "this server has no listener for hosts of other machines; start it with --hosts-url https://NAME:PORT"
)]
pub(crate) struct NoLine;

/// Why nothing was decided about a host.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecideError {
    #[error("no host is called `{0}`")]
    Unknown(String),
    #[error("several hosts are called `{0}`; name the one you mean by its id")]
    Ambiguous(String),
    #[error("host {0} was revoked or left; to take it in again: flowforge host token --name NAME")]
    Gone(String),
    #[error("it may not be done")]
    Denied(#[from] Box<Denied>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_years_behind_is_told_in_days() {
        let error = ClaimError::Clock(-2_519 * 86_400_000).to_string();
        assert!(
            error.starts_with("this machine's clock is 2519 days behind the server's; set it first"),
            "{error}"
        );
        assert!(
            ClaimError::Clock(200_000)
                .to_string()
                .contains("200 s ahead of the server's")
        );
    }
}
