//! `docs/authors.md`: its commands run as they stand, on the files that it shows.

use std::fs;
use std::path::Path;
use std::process::Command;

use flowforge_tests::planes::Planes;

use super::{in_clone, programs};

/// A fenced block: the words behind its fence, and its text.
struct Block<'t> {
    info: &'t str,
    text: String,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut all = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for line in page.lines() {
        match (open.take(), line.strip_prefix("```")) {
            (None, Some(info)) => {
                open = Some(Block {
                    info,
                    text: String::new(),
                });
            }
            (Some(block), Some(_)) => all.push(block),
            (Some(mut block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    all
}

#[test]
fn the_commands_of_the_guide_work_as_written() {
    let page = fs::read_to_string(in_clone("docs/authors.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let planes = Planes::start(programs(), &folder.path().join("planes"), "host").unwrap();
    let home = folder.path().join("author");
    fs::create_dir(&home).unwrap();
    let own = programs().path("flowforge");
    let path = format!(
        "{}:{}",
        own.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let mut commands = 0;
    for block in blocks(&page) {
        match block.info.split_once(' ') {
            Some((_, file)) => fs::write(home.join(file), block.text).unwrap(),
            None => {
                assert_eq!(block.info, "sh", "a block is a file or commands");
                for line in block.text.lines() {
                    let output = planes
                        .flowforge()
                        .environment(Command::new("sh").args(["-c", line]))
                        .current_dir(&home)
                        .env("PATH", &path)
                        .env(
                            "FLOWFORGE_CACHE",
                            Path::new(env!("CARGO_TARGET_TMPDIR")).join("connector-cache"),
                        )
                        .output()
                        .unwrap();
                    assert!(
                        output.status.success(),
                        "{line}\n{}{}",
                        String::from_utf8_lossy(&output.stdout),
                        String::from_utf8_lossy(&output.stderr)
                    );
                    commands += 1;
                }
            }
        }
    }
    assert!(commands > 15, "{commands}");
    planes.stop().unwrap();
}
