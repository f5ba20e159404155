//! What was seen of a connector: calls, trials, measurements, and what stands beside its source.

use flowforge_protocol::Used;

use crate::Gate;

/// What was seen of a connector beside its bytes. What is absent was not looked at and is in no total.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Calls that were made in the sandbox, in the order in which they were made.
    pub calls: Vec<SeenCall>,
    /// The text of its README, if there is one.
    pub readme: Option<String>,
    /// The text of its CHANGELOG, if there is one.
    pub changelog: Option<String>,
    /// What trials in the sandbox showed.
    pub measured: Option<Measured>,
    /// Whether a second build elsewhere gave the same bytes, or why it did not.
    pub rebuilt: Option<Result<(), String>>,
    /// How many parts its lock files name, or why they name none.
    pub parts: Option<Result<usize, String>>,
    /// What its version number is against the version before it, or what is wrong with the number.
    pub version: Option<Result<String, String>>,
    /// What a registry's gates say.
    pub gates: Vec<Gate>,
}

/// One call, all its attempts together.
#[derive(Debug, Clone)]
pub struct SeenCall {
    /// Which operation.
    pub operation: String,
    /// What says so: `tests/label.yaml:3`.
    pub place: String,
    /// Whether it gave what was expected of it.
    pub passed: bool,
    /// What it used outside.
    pub used: Vec<Used>,
}

/// What trials in the sandbox showed. Every number is counted, none is a time: they are the same on every machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measured {
    /// What it did outside that neither its description nor its input names, each with what it was seen in.
    pub hidden: Vec<String>,
    /// Rules that every connector keeps, tried on every operation.
    pub conformance: Vec<Trial>,
    /// Made-up inputs that were tried, all operations together.
    pub inputs: u32,
    /// One for each operation; the problem is the smallest input that breaks it, and how.
    pub fuzz: Vec<Trial>,
    /// Services and hosts that fail, tried on operations that make requests.
    pub faults: Vec<Trial>,
    /// Whether a repeated attempt asks for the same thing, for operations that say so of themselves.
    pub repeats: Vec<Trial>,
    /// What it takes, if an example ran.
    pub weight: Option<Weight>,
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Which operation.
    pub operation: String,
    /// What was tried, in a few words.
    pub what: String,
    /// What went wrong, if something did.
    pub problem: Option<String>,
}

/// What a connector takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weight {
    /// Size of the component, in bytes.
    pub component_bytes: u64,
    /// Instructions until an instance is there.
    pub start_instructions: u64,
    /// Instructions of the cheapest example's last attempt, after the start.
    pub call_instructions: u64,
    /// Most memory of any example, in bytes.
    pub memory_bytes: u64,
}
