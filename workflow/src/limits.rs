//! Every bound of this crate, in one place.

/// Largest workflow file, in bytes.
pub const MAX_SOURCE_BYTES: usize = 256 * 1024;
/// Deepest nesting of a workflow file.
pub const MAX_YAML_DEPTH: usize = 32;
/// Most values in a workflow file.
pub const MAX_YAML_VALUES: usize = 20_000;
/// Most nodes of a workflow, nested ones counted.
pub const MAX_NODES: usize = 500;
/// Deepest nesting of `foreach`.
pub const MAX_LOOP_DEPTH: usize = 3;
/// Most nodes that `after` may name.
pub const MAX_AFTER: usize = 32;
/// Most iterations of one `foreach`, and longest list that an expression walks.
pub const MAX_LIST: usize = 10_000;
/// Most iterations of a `foreach` that run at the same time.
pub const MAX_PARALLEL: u32 = 64;
/// Longest expression, in bytes.
pub const MAX_EXPRESSION_BYTES: usize = 4 * 1024;
/// Deepest nesting of `map`, `filter`, `all`, `exists`, … in one expression.
pub const MAX_COMPREHENSION_DEPTH: usize = 3;
/// Most units of work one evaluation may cost; an element of a list walked, or 64 bytes of text made, is one.
pub const MAX_EXPRESSION_WORK: u64 = 2_000_000;
/// Largest value of one expression, as bytes of JSON.
pub const MAX_VALUE_BYTES: usize = 4 * 1024 * 1024;
/// Deepest nesting of a value of an expression.
pub const MAX_VALUE_DEPTH: usize = 64;
/// Most attempts that a `retry` may ask for.
pub const MAX_ATTEMPTS: u32 = 100;
/// Longest time limit of a `call`, one hour, in milliseconds.
pub const MAX_TIMEOUT_MS: u64 = 60 * 60 * 1000;
/// Longest `wait` and longest life of an approval, 366 days, in milliseconds.
pub const MAX_WAIT_MS: u64 = 366 * 24 * 60 * 60 * 1000;
/// Largest input of a run, in bytes of JSON.
pub const MAX_INPUT_BYTES: usize = 256 * 1024;
/// How often the host may stop while the same step is at work outside before the step is given up.
pub const MAX_STOPS: u32 = 3;
