//! Small file systems of a test's own.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::apart::Apart;

const MOUNTS: Apart = Apart {
    namespace: "--mount",
    // It is seen in this process only, and shows that file systems can be mounted here.
    begin: "mount -t tmpfs -o size=64k trial /mnt",
    what: "small file systems",
};

/// Runs a test in a process with mounts of its own. `name` is the test's whole name as the test runner prints it.
pub(crate) fn in_own_mounts<T: Future<Output = ()>>(name: &str, test: impl FnOnce() -> T) {
    MOUNTS.run(name, || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(test());
    });
}

/// A file system of this size.
pub(crate) struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts one on this folder, which is made if it is not there.
    pub(crate) fn on(folder: &Path, mebibytes: u32) -> Self {
        fs::create_dir_all(folder).unwrap();
        let size = format!("size={mebibytes}m,mode=700");
        mount(&["-t", "tmpfs", "-o", &size, "flowforge-test"], folder);
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Nothing can be written any more; no file may be open for writing.
    pub(crate) fn read_only(&self) {
        mount(&["-o", "remount,bind,ro"], &self.folder);
    }

    /// Everything can be written again.
    pub(crate) fn writable(&self) {
        mount(&["-o", "remount,bind,rw"], &self.folder);
    }

    /// Takes all space but this much.
    pub(crate) fn fill_but(&self, left_mebibytes: u64) {
        self.fill();
        let file = File::options().write(true).open(self.filler()).unwrap();
        let taken = file.metadata().unwrap().len();
        file.set_len(taken.saturating_sub(left_mebibytes << 20)).unwrap();
    }

    /// Takes all space, to the last page.
    pub(crate) fn fill(&self) {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(self.filler())
            .unwrap();
        for chunk in [1 << 20, 4096] {
            let zeros = vec![0; chunk];
            let error = loop {
                if let Err(error) = file.write_all(&zeros) {
                    break error;
                }
            };
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        }
    }

    /// Gives the space back.
    pub(crate) fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }
}

fn mount(arguments: &[&str], folder: &Path) {
    let output = Command::new("mount")
        .args(arguments)
        .arg(folder)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "mount {arguments:?} {}: {}",
        folder.display(),
        String::from_utf8_lossy(&output.stderr)
    );
}
