//! The compile worker alone, for this crate's tests; the shipped programs call the same function.

fn main() -> std::process::ExitCode {
    flowforge_runtime::compile_worker_main()
}
