//! Codes of problems: one table, of which the enum of the schema and the index of their pages are made.
//!
//! Each has a page, `docs/problems/CODE.md`: what it means, and what to do.

use async_graphql::Enum;

/// Writes the enum with what is said of each code.
macro_rules! codes {
    ($($(#[doc = $title:literal])* $name:ident $value:literal $code:literal)*) => {
        /// Why something was not done: `code` as one of a closed set. Each has a page of its own in the documentation.
        #[derive(Debug, Enum, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum ProblemCode {
            $($(#[doc = $title])* #[graphql(name = $value)] $name,)*
        }

        impl ProblemCode {
            /// Every code, with what it means in one line.
            pub(crate) const ALL: &[(Self, &str)] = &[$((Self::$name, concat!($($title),*)),)*];

            /// As people look it up: `FF-RUN-001`.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }
        }
    };
}

codes! {
    /// The name or the password is wrong.
    Acc001 "FF_ACC_001" "FF-ACC-001"
    /// There were too many tries for this name.
    Acc002 "FF_ACC_002" "FF-ACC-002"
    /// There is no such session.
    Acc007 "FF_ACC_007" "FF-ACC-007"
    /// There is no such API token.
    Acc008 "FF_ACC_008" "FF-ACC-008"
    /// The question was answered or closed before.
    Apr001 "FF_APR_001" "FF-APR-001"
    /// There is no such question.
    Apr002 "FF_APR_002" "FF-APR-002"
    /// The question is put to somebody else.
    Apr003 "FF_APR_003" "FF-APR-003"
    /// One person counts once.
    Apr004 "FF_APR_004" "FF-APR-004"
    /// The answer needs a signature of one's own.
    Apr005 "FF_APR_005" "FF-APR-005"
    /// The draft was saved since it was read.
    Dr001 "FF_DR_001" "FF-DR-001"
    /// There is no draft of this workflow.
    Dr002 "FF_DR_002" "FF-DR-002"
    /// This server holds no key to sign with.
    Dr003 "FF_DR_003" "FF-DR-003"
    /// There are too many drafts.
    Dr004 "FF_DR_004" "FF-DR-004"
    /// This server has no listener for hosts of other machines.
    Enr013 "FF_ENR_013" "FF-ENR-013"
    /// There is no such host, or several are called so.
    Enr017 "FF_ENR_017" "FF-ENR-017"
    /// The host was revoked or has left.
    Enr018 "FF_ENR_018" "FF-ENR-018"
    /// The signed document is too large.
    Env001 "FF_ENV_001" "FF-ENV-001"
    /// The envelope is not well formed.
    Env002 "FF_ENV_002" "FF-ENV-002"
    /// The envelope carries another type of document.
    Env003 "FF_ENV_003" "FF-ENV-003"
    /// The signature does not fit the document.
    Env004 "FF_ENV_004" "FF-ENV-004"
    /// The signature is of a key that is not trusted.
    Env005 "FF_ENV_005" "FF-ENV-005"
    /// The signed document cannot be read.
    Env006 "FF_ENV_006" "FF-ENV-006"
    /// There is no such delivery.
    Hook013 "FF_HOOK_013" "FF-HOOK-013"
    /// The delivery cannot be done once more.
    Hook014 "FF_HOOK_014" "FF-HOOK-014"
    /// A value is wrong.
    In001 "FF_IN_001" "FF-IN-001"
    /// There is no such member.
    Mem001 "FF_MEM_001" "FF-MEM-001"
    /// Nobody would be an administrator any more.
    Mem002 "FF_MEM_002" "FF-MEM-002"
    /// There is no such link that waits to be used.
    Mem003 "FF_MEM_003" "FF-MEM-003"
    /// There is no such webhook endpoint.
    Out001 "FF_OUT_001" "FF-OUT-001"
    /// There is no such event.
    Out002 "FF_OUT_002" "FF-OUT-002"
    /// The registry does not have it.
    Reg001 "FF_REG_001" "FF-REG-001"
    /// What is said of a connector cannot be understood.
    Reg002 "FF_REG_002" "FF-REG-002"
    /// The registry cannot take it now.
    Reg003 "FF_REG_003" "FF-REG-003"
    /// Only an owner of the publisher may do that, or the name is another's.
    Reg004 "FF_REG_004" "FF-REG-004"
    /// A connector asks for more than it may have.
    Reg010 "FF_REG_010" "FF-REG-010"
    /// The signed documents are not what this server would have compiled.
    Rel001 "FF_REL_001" "FF-REL-001"
    /// Another version is due.
    Rel002 "FF_REL_002" "FF-REL-002"
    /// A connector is not published as it is pinned.
    Rel003 "FF_REL_003" "FF-REL-003"
    /// The release cannot be used here.
    Rel004 "FF_REL_004" "FF-REL-004"
    /// A webhook path belongs to another workflow now.
    Rel005 "FF_REL_005" "FF-REL-005"
    /// There is no such workflow.
    Run001 "FF_RUN_001" "FF-RUN-001"
    /// This request name stands for something else.
    Run002 "FF_RUN_002" "FF-RUN-002"
    /// There is no room for more runs now.
    Run003 "FF_RUN_003" "FF-RUN-003"
    /// The run is in a state in which this cannot happen.
    Run004 "FF_RUN_004" "FF-RUN-004"
    /// There is no such run.
    Run005 "FF_RUN_005" "FF-RUN-005"
    /// What the retry would do has changed since it was shown.
    Run023 "FF_RUN_023" "FF-RUN-023"
    /// There is no such secret.
    Sec001 "FF_SEC_001" "FF-SEC-001"
    /// A poll failed.
    Trg001 "FF_TRG_001" "FF-TRG-001"
    /// The answer of a poll cannot be used.
    Trg002 "FF_TRG_002" "FF-TRG-002"
    /// An event does not fit the input of its workflow.
    Trg003 "FF_TRG_003" "FF-TRG-003"
    /// There is no such trigger.
    Trg004 "FF_TRG_004" "FF-TRG-004"
    /// The workflow has errors.
    Wf000 "FF_WF_000" "FF-WF-000"
}

impl std::fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ProblemCode {
    /// The code that is spelled like this; one that a signed document cannot be read where none is.
    pub(crate) fn of_signature(code: &str) -> Self {
        let known = Self::ALL.iter().map(|(known, _)| *known);
        known
            .into_iter()
            .find(|known| known.as_str() == code)
            .unwrap_or(Self::Env006)
    }
}

/// The index of the pages, as text.
#[must_use]
pub fn problem_index() -> String {
    let mut text = "# Problems by their codes\n\nA problem says `code`, for people who look it up, and `kind`, the same as one \
        of a closed set.\n\n| code | meaning |\n|---|---|\n"
        .to_owned();
    for (code, title) in ProblemCode::ALL {
        let title = title.trim();
        text.push_str(&format!("| [{code}]({code}.md) | {title} |\n"));
    }
    text.push_str("\nOf expressions: [FF-EX-001](FF-EX-001.md), [FF-EX-002](FF-EX-002.md).\n");
    text
}
