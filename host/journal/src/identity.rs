//! Which file this is.

/// Which file this is, and the how manieth opening of it: a file that was copied and put back shows by these two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Random bytes given when the file was made.
    pub incarnation: [u8; 16],
    /// How often it was opened, this time included.
    pub generation: u64,
}

/// Commits that were confirmed and are not in the file any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostCommits {
    /// Number of the last commit that was confirmed.
    pub confirmed: u64,
    /// Number of the last commit that was found.
    pub found: u64,
}
