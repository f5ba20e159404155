//! Every bound of this crate, in one place.

/// Largest workflow file, in bytes.
pub const MAX_SOURCE_BYTES: usize = 256 * 1024;
/// Deepest nesting of a workflow file.
pub const MAX_YAML_DEPTH: usize = 32;
/// Most values in a workflow file.
pub const MAX_YAML_VALUES: usize = 20_000;
/// Most nodes of a workflow, nested ones counted.
pub const MAX_NODES: usize = 500;
/// Deepest nesting of loops.
pub const MAX_LOOP_DEPTH: usize = 3;
/// Most nodes that `after` may name.
pub const MAX_AFTER: usize = 32;
/// Most iterations of one `foreach`, and longest list that an expression walks.
pub const MAX_LIST: usize = 10_000;
/// Most iterations of a `foreach` that run at the same time.
pub const MAX_PARALLEL: u32 = 64;
/// Longest expression, in bytes.
pub const MAX_EXPRESSION_BYTES: usize = 4 * 1024;
/// Deepest nesting of one expression, in levels of its tree.
pub const MAX_EXPRESSION_DEPTH: usize = 48;
/// Deepest nesting of `map`, `filter`, `all`, `exists`, … in one expression.
pub const MAX_COMPREHENSION_DEPTH: usize = 3;
/// Most units of work one evaluation may cost: a part evaluated, an element walked, 64 bytes read or made are one each.
pub const MAX_EXPRESSION_WORK: u64 = 5_000_000;
/// Most bytes that one evaluation makes on its way to its value, counted as they are made.
pub const MAX_EXPRESSION_MEMORY: usize = 32 * 1024 * 1024;
/// Largest regular expression, in bytes of its compiled form.
pub const MAX_PATTERN_BYTES: usize = 256 * 1024;
/// Largest value that enters a record, and largest intermediate result of an expression, in bytes of JSON.
pub const MAX_VALUE_BYTES: usize = 4 * 1024 * 1024;
/// Deepest nesting of a value that enters a record.
pub const MAX_RECORD_DEPTH: usize = 64;
/// Most parts of a type that the lint follows; a larger one counts as any value.
pub const MAX_TYPE_PARTS: usize = 2_000;
/// Most attempts that a `retry` may ask for.
pub const MAX_ATTEMPTS: u32 = 100;
/// Longest time limit of an attempt of a `call`, 24 hours, in milliseconds.
pub const MAX_TIMEOUT_MS: u64 = 24 * 60 * 60 * 1000;
/// Most rounds of a `repeat`.
pub const MAX_ROUNDS: u32 = 10_000;
/// Longest `wait` and longest life of an approval, 366 days, in milliseconds.
pub const MAX_WAIT_MS: u64 = 366 * 24 * 60 * 60 * 1000;
/// Largest input of a run, in bytes of JSON.
pub const MAX_INPUT_BYTES: usize = 256 * 1024;
/// How often the host may stop while the same step is at work outside before the step is given up.
pub const MAX_STOPS: u32 = 3;
/// How long a host may have a run that may move without renewing its lease, unless the workflow says otherwise: a minute, in
/// milliseconds.
pub const DEFAULT_LEASE_MS: u64 = 60 * 1000;
/// Shortest lease of a run that may move, in milliseconds.
pub const MIN_LEASE_MS: u64 = 2 * 1000;
/// Longest lease of a run that may move, an hour, in milliseconds.
pub const MAX_LEASE_MS: u64 = 60 * 60 * 1000;
/// Shortest time between two polls of a trigger, 10 seconds, in milliseconds.
pub const MIN_POLL_MS: u64 = 10 * 1000;
/// Longest time between two polls of a trigger, 24 hours, in milliseconds.
pub const MAX_POLL_MS: u64 = 24 * 60 * 60 * 1000;
/// Attempts of a poll, the first one counted, unless its trigger says otherwise.
pub const POLL_ATTEMPTS: u32 = 3;
