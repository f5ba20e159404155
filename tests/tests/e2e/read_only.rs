//! Data folders that cannot be written: at the first start, and when there is something in them already.

use flowforge_tests::planes::Planes;
use serde_json::json;

use super::own_disk::{SmallDisk, in_own_mounts};
use super::programs;
use super::refused::{host_on, plane_on};

#[test]
fn a_first_start_on_a_read_only_folder_names_it_and_the_mend() {
    in_own_mounts(
        "read_only::a_first_start_on_a_read_only_folder_names_it_and_the_mend",
        async || {
            let folder = tempfile::tempdir().unwrap();
            let planes = Planes::start(programs(), &folder.path().join("other"), "host").unwrap();
            let mount = folder.path().join("mount");
            SmallDisk::on(&mount, 1).read_only();
            for data in [mount.clone(), mount.join("new")] {
                let place = data.display();
                for word in ["dev", "server"] {
                    let said = plane_on(&data, word);
                    assert!(said.contains(&format!("cannot write {place}")), "{said}");
                    assert!(
                        said.contains("make it writable or choose another --data-dir"),
                        "{said}"
                    );
                }
                let said = host_on(&data, &planes);
                assert!(
                    said.contains(&format!("cannot use the data folder {place}")),
                    "{said}"
                );
                assert!(
                    said.contains("make it writable for this user, or choose another --data-dir"),
                    "{said}"
                );
            }
            planes.stop().unwrap();
        },
    );
}

#[test]
fn a_folder_that_became_read_only_is_named_and_keeps_everything() {
    in_own_mounts(
        "read_only::a_folder_that_became_read_only_is_named_and_keeps_everything",
        async || {
            let folder = tempfile::tempdir().unwrap();
            let other = Planes::start(programs(), &folder.path().join("other"), "host").unwrap();
            let mount = folder.path().join("mount");
            let disk = SmallDisk::on(&mount, 64);
            let (plane, host) = (mount.join("plane"), mount.join("host"));
            let mut planes = Planes::start(programs(), &mount, "host").unwrap();
            planes.start_host(None).await.unwrap();
            let hosts = planes.flowforge().json(&["host", "list"]).unwrap();
            planes.stop().unwrap();
            disk.read_only();
            for word in ["dev", "server"] {
                let said = plane_on(&plane, word);
                assert!(
                    said.contains(&format!("cannot write {}", plane.display())),
                    "{said}"
                );
                assert!(
                    said.contains("make it writable or choose another --data-dir"),
                    "{said}"
                );
            }
            let said = host_on(&host, &other);
            assert!(said.contains(&*host.to_string_lossy()), "{said}");
            assert!(said.contains("make it writable for this user"), "{said}");
            disk.writable();
            let mut planes = Planes::start(programs(), &mount, "host").unwrap();
            planes.start_host(None).await.unwrap();
            let again = planes.flowforge().json(&["host", "list"]).unwrap();
            assert_eq!(again[0]["id"], hosts[0]["id"], "it is the same host: {again}");
            assert_eq!(again.as_array().map(Vec::len), Some(1), "{again}");
            assert_ne!(again[0]["id"], json!(null));
            planes.stop().unwrap();
            other.stop().unwrap();
        },
    );
}
