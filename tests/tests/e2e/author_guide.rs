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

/// The files and commands of a page, in a folder of their own. Gives the number of commands.
fn follow(page: &Path, planes: &Planes, home: &Path) -> usize {
    let text = fs::read_to_string(page).unwrap();
    fs::create_dir(home).unwrap();
    let own = programs().path("flowforge");
    let path = format!(
        "{}:{}",
        own.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let mut commands = 0;
    for block in blocks(&text) {
        if let Some((_, file)) = block.info.split_once(' ') {
            fs::write(home.join(file), block.text).unwrap();
            continue;
        }
        assert_eq!(block.info, "sh", "a block is a file or commands");
        for line in block.text.lines() {
            let output = planes
                .flowforge()
                .environment(Command::new("sh").args(["-c", line]))
                .current_dir(home)
                .env("PATH", &path)
                .env(
                    "FLOWFORGE_CACHE",
                    Path::new(env!("CARGO_TARGET_TMPDIR")).join("connector-cache"),
                )
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "{}: {line}\n{}{}",
                page.display(),
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            commands += 1;
        }
    }
    commands
}

/// Follows one page with a control plane of its own.
fn works_as_written(name: &str) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let planes = Planes::start(programs(), &folder.path().join("planes"), "host").unwrap();
    let commands = follow(&in_clone(name), &planes, &folder.path().join("author"));
    planes.stop().unwrap();
    commands
}

#[test]
fn the_commands_of_the_guide_work_as_written() {
    let commands = works_as_written("docs/authors.md");
    assert!(commands > 15, "{commands}");
}

#[test]
fn the_commands_of_the_page_on_typescript_work_as_written() {
    assert!(works_as_written("docs/authors/typescript.md") > 5);
}

#[test]
fn the_commands_of_the_page_on_javascript_work_as_written() {
    assert!(works_as_written("docs/authors/javascript.md") > 5);
}

#[test]
fn the_commands_of_the_page_on_python_work_as_written() {
    assert!(works_as_written("docs/authors/python.md") > 5);
}

#[test]
fn the_commands_of_the_page_on_rust_work_as_written() {
    assert!(works_as_written("docs/authors/rust.md") > 5);
}

#[test]
fn every_page_of_a_language_is_followed() {
    let pages = fs::read_dir(in_clone("docs/authors")).unwrap().count();
    assert_eq!(
        pages, 4,
        "a page without a test here is a promise that nobody checks"
    );
}
