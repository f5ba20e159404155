//! What the programs keep is for their user alone.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::runs::with_w1;

/// Everything below a folder that others may read, write or enter.
fn open_to_others(folder: &Path, found: &mut Vec<PathBuf>) -> usize {
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let about = entry.metadata().unwrap();
        seen += 1;
        if about.mode() & 0o077 != 0 {
            found.push(entry.path());
        }
        if about.is_dir() {
            seen += open_to_others(&entry.path(), found);
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_the_data_folders_is_open_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let planes = with_w1(&folder).await;
    planes
        .flowforge()
        .json(&["run", "start", "w1", "--input", "{\"n\": 5}", "--wait"])
        .unwrap();
    for plane in ["plane", "host"] {
        let data = planes.data().join(plane);
        let mode = fs::metadata(&data).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", data.display());
        let mut found = Vec::new();
        let seen = open_to_others(&data, &mut found);
        assert!(seen > 5, "{seen} entries in {}", data.display());
        assert_eq!(found, Vec::<PathBuf>::new());
    }
    planes.stop().unwrap();
}
