//! `tests/*.yaml`, run by `cargo test`: against the built component, in the sandbox of a host.

use std::process::Command;

#[test]
fn every_test_of_the_connector_passes() {
    let program = std::env::var_os("FLOWFORGE").unwrap_or_else(|| "flowforge".into());
    let output = Command::new(&program)
        .args(["connector", "test", env!("CARGO_MANIFEST_DIR")])
        .output()
        .unwrap_or_else(|error| {
            panic!(
                "{}: {error}; set FLOWFORGE to the program",
                program.display()
            )
        });
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
