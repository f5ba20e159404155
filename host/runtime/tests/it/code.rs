//! Compiled code: made in a bounded worker, kept, and only loaded whole.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flowforge_protocol::Digest;
use flowforge_runtime::{CompileError, CompileWorker, LoadError, Runtime, RuntimeConfig};
use serde_json::{Value, json};

use crate::guests::{echo, hostile};
use crate::support::{Bench, worker};

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let engines = std::fs::read_dir(folder.join("code")).expect("is there");
    let folders = engines.map(|entry| entry.expect("reads").path());
    let inside = folders.flat_map(|folder| {
        std::fs::read_dir(folder)
            .expect("reads")
            .map(|entry| entry.expect("reads").path())
    });
    inside
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect()
}

/// A program that is no compile worker: this script.
fn script(folder: &Path, text: &str) -> CompileWorker {
    let path = folder.join("worker.sh");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("writes");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).expect("sets");
    CompileWorker::Program(path)
}

/// Another runtime over the same cache, whose worker is this one.
fn again(bench: &Bench, worker: CompileWorker) -> Runtime {
    let mut config = RuntimeConfig::new(bench.folder.path().join("code"), worker);
    config.max_instances = 2;
    Runtime::new(config).expect("a runtime")
}

#[tokio::test]
async fn code_is_kept_for_the_next_process() {
    let bench = Bench::new();
    let bytes = hostile();
    drop(bench.load(&bytes).await);
    assert_eq!(
        (
            files(bench.folder.path(), "cwasm").len(),
            files(bench.folder.path(), "tmp").len()
        ),
        (1, 0)
    );
    // A worker that can do nothing: whatever loads now comes from the cache.
    let runtime = again(&bench, script(bench.folder.path(), "exit 1"));
    runtime
        .load(Digest::of(&bytes), &bytes)
        .await
        .expect("comes from the cache");
    let unknown = echo();
    let refused = runtime
        .load(Digest::of(&unknown), &unknown)
        .await
        .expect_err("needs a worker");
    assert!(
        matches!(refused, LoadError::Compile(CompileError::WorkerDied { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn code_that_was_changed_is_never_loaded() {
    let bench = Bench::new();
    let bytes = hostile();
    drop(bench.load(&bytes).await);
    let code = files(bench.folder.path(), "cwasm").remove(0);
    let whole = std::fs::read(&code).expect("reads");
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    std::fs::write(&code, &changed).expect("writes");
    let broken = again(&bench, script(bench.folder.path(), "exit 1"));
    assert!(broken.load(Digest::of(&bytes), &bytes).await.is_err());
    let runtime = again(&bench, CompileWorker::Program(worker()));
    runtime
        .load(Digest::of(&bytes), &bytes)
        .await
        .expect("is made again");
    assert_ne!(std::fs::read(&code).expect("reads"), changed);
}

#[tokio::test]
async fn code_without_its_seal_is_never_loaded() {
    let bench = Bench::new();
    let bytes = hostile();
    drop(bench.load(&bytes).await);
    std::fs::remove_file(files(bench.folder.path(), "seal").remove(0)).expect("removes");
    let broken = again(&bench, script(bench.folder.path(), "exit 1"));
    assert!(broken.load(Digest::of(&bytes), &bytes).await.is_err());
}

#[tokio::test]
async fn a_worker_that_does_not_end_is_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let endless = script(folder.path(), "exec /bin/sleep 1000");
    let bench = Bench::with(|config| {
        config.compile.worker = endless;
        config.compile.timeout = Duration::from_millis(100);
    });
    let bytes = hostile();
    let refused = bench
        .runtime
        .load(Digest::of(&bytes), &bytes)
        .await
        .expect_err("is refused");
    assert!(
        matches!(refused, LoadError::Compile(CompileError::TimedOut { .. })),
        "{refused:?}"
    );
    assert_eq!(files(bench.folder.path(), "tmp"), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn unfinished_code_is_removed_when_it_is_old_and_left_to_its_writer_before() {
    let bench = Bench::new();
    drop(bench.load(&hostile()).await);
    let code = files(bench.folder.path(), "cwasm").remove(0);
    let (old, new) = (code.with_file_name("1-0.tmp"), code.with_file_name("2-0.tmp"));
    for path in [&old, &new] {
        std::fs::write(path, "half").expect("writes");
    }
    let day_ago = std::time::SystemTime::now() - Duration::from_hours(24);
    let file = std::fs::File::options().write(true).open(&old).expect("opens");
    file.set_modified(day_ago).expect("sets its time");
    drop(again(&bench, CompileWorker::InProcess));
    assert_eq!(files(bench.folder.path(), "tmp"), [new]);
}

#[tokio::test]
async fn a_worker_without_memory_dies_alone() {
    let bench = Bench::with(|config| config.compile.memory_bytes = 4 << 20);
    let bytes = hostile();
    let refused = bench
        .runtime
        .load(Digest::of(&bytes), &bytes)
        .await
        .expect_err("is refused");
    assert!(
        matches!(refused, LoadError::Compile(CompileError::WorkerDied { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_worker_that_is_not_there_is_the_hosts_own_trouble() {
    let bench =
        Bench::with(|config| config.compile.worker = CompileWorker::Program("/nowhere/at-all".into()));
    let bytes = hostile();
    let refused = bench
        .runtime
        .load(Digest::of(&bytes), &bytes)
        .await
        .expect_err("is refused");
    assert!(
        matches!(refused, LoadError::Compile(CompileError::Worker(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn callers_of_one_digest_share_one_connector() {
    let bench = Bench::new();
    let bytes = hostile();
    let (one, two) = tokio::join!(bench.load(&bytes), bench.load(&bytes));
    assert!(std::sync::Arc::ptr_eq(&one, &two));
    assert_eq!(bench.output(&one, "fine", Value::Null).await, json!("fine"));
}

#[tokio::test]
async fn the_cache_folder_is_for_this_user_only() {
    let bench = Bench::new();
    bench.load(&hostile()).await;
    let folder = files(bench.folder.path(), "cwasm")
        .remove(0)
        .parent()
        .expect("a folder")
        .to_owned();
    assert_eq!(
        std::fs::metadata(folder).expect("is there").permissions().mode() & 0o777,
        0o700
    );
}

#[tokio::test]
async fn a_configuration_without_instances_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = RuntimeConfig::new(folder.path().to_owned(), CompileWorker::InProcess);
    config.max_instances = 0;
    assert!(
        Runtime::new(config)
            .expect_err("is refused")
            .to_string()
            .contains("max_instances")
    );
}

#[tokio::test]
async fn where_no_pool_can_be_reserved_instances_are_made_on_demand() {
    // Two slots of 4 GiB for each are more than the 128 TiB of a process.
    let bench = Bench::with(|config| config.max_instances = 40_000);
    assert!(!bench.runtime.is_pooled());
    let hostile = bench.load(&hostile()).await;
    assert_eq!(bench.output(&hostile, "fine", Value::Null).await, json!("fine"));
    assert!(Bench::new().runtime.is_pooled());
}

/// Each new version of the program left the code of the last one behind, for ever.
#[tokio::test]
async fn code_of_another_engine_goes_when_it_was_not_loaded_for_a_while() {
    let bench = Bench::new();
    let root = bench.folder.path().join("code");
    let earlier = root.join("0123456789abcdef");
    let mine = root.join("not an engine");
    for folder in [&earlier, &mine] {
        std::fs::create_dir(folder).expect("makes");
        std::fs::write(folder.join("a.cwasm"), b"code").expect("writes");
    }
    let open = |age: Duration| {
        let mut config = RuntimeConfig::new(root.clone(), CompileWorker::Program(worker()));
        config.max_instances = 2;
        config.code.other_engine_age = age;
        Runtime::new(config).expect("a runtime")
    };
    drop(open(Duration::from_hours(1)));
    assert!(earlier.exists(), "a host that is set back compiles nothing again");
    drop(open(Duration::ZERO));
    assert!(!earlier.exists() && mine.exists());
}

#[tokio::test]
async fn code_above_the_bound_goes_and_is_made_again_when_it_is_wanted() {
    let bench = Bench::with(|config| config.code.bytes_max = 1);
    let first = bench.load(&hostile()).await;
    let second = bench.load(&echo()).await;
    assert_eq!(files(bench.folder.path(), "cwasm").len(), 1, "the newest stays");
    // What is loaded is not touched by the removal of its file.
    assert_eq!(bench.output(&first, "fine", Value::Null).await, json!("fine"));
    drop((first, second));
    let again = bench.load(&hostile()).await;
    assert_eq!(bench.output(&again, "fine", Value::Null).await, json!("fine"));
}
