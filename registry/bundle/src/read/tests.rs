//! Bundles that were written here, and those of somebody who means harm.

use std::io::Cursor;

use serde_json::json;

use super::*;
use crate::archive::Writer;
use crate::layout::blob_path;
use crate::write;

/// Contents by digest.
#[derive(Default)]
struct Contents(BTreeMap<Digest, Vec<u8>>);

impl Contents {
    fn add(&mut self, bytes: &[u8]) -> serde_json::Value {
        let digest = Digest::of(bytes);
        self.0.insert(digest, bytes.to_vec());
        json!({"mediaType": "x", "digest": digest, "size": bytes.len()})
    }

    fn manifest(&mut self, layer: &[u8], subject: Option<&Digest>) -> Digest {
        let (config, layer) = (self.add(b"{}"), self.add(layer));
        let mut manifest =
            json!({"schemaVersion": 2, "mediaType": IMAGE_MANIFEST, "config": config, "layers": [layer]});
        if let Some(subject) = subject {
            manifest["subject"] = json!({"mediaType": IMAGE_MANIFEST, "digest": subject, "size": 1});
        }
        let bytes = manifest.to_string().into_bytes();
        let digest = Digest::of(&bytes);
        self.0.insert(digest, bytes);
        digest
    }

    fn bundle(&self, versions: &[Packed]) -> Vec<u8> {
        let content = |digest: &Digest| Ok::<_, BundleError>(self.0[digest].clone());
        write(Vec::new(), versions, content).unwrap()
    }
}

fn sample() -> (Contents, Vec<Packed>) {
    let mut contents = Contents::default();
    let versions = ["1.0.0", "1.1.0"].map(|version| {
        let manifest = contents.manifest(version.as_bytes(), None);
        let publication = contents.manifest(format!("signed {version}").as_bytes(), Some(&manifest));
        Packed {
            name: "acme:geo".parse().unwrap(),
            version: version.parse().unwrap(),
            manifest,
            referrers: vec![publication],
        }
    });
    (contents, versions.to_vec())
}

#[test]
fn what_was_packed_comes_out_and_the_same_content_is_the_same_file() {
    let (contents, versions) = sample();
    let bytes = contents.bundle(&versions);
    assert_eq!(bytes, contents.bundle(&versions));
    let mut bundle = Bundle::open(Cursor::new(&bytes)).unwrap();
    assert_eq!(bundle.versions(), versions);
    let named = bundle.contents_of(&versions[0].manifest).unwrap();
    assert_eq!(bundle.blob(&named[1]).unwrap(), b"1.0.0");
    let absent = Digest::of(b"absent");
    assert!(matches!(bundle.blob(&absent), Err(BundleError::Missing { .. })));
}

#[test]
fn one_changed_byte_anywhere_in_a_blob_is_found() {
    let (contents, versions) = sample();
    let whole = contents.bundle(&versions);
    let found = entries(&mut Cursor::new(&whole)).unwrap();
    for entry in found.iter().filter(|entry| entry.path.starts_with(BLOBS)) {
        let mut changed = whole.clone();
        changed[usize::try_from(entry.offset).unwrap()] ^= 1;
        let error = Bundle::open(Cursor::new(changed)).unwrap_err();
        assert!(matches!(error, BundleError::Changed { .. }), "{error}");
    }
}

/// Entries that would leave the folder of somebody who unpacks them.
#[test]
fn a_path_out_of_the_layout_is_refused() {
    for path in [
        "../evil",
        "/etc/passwd",
        "blobs/sha256/../../evil",
        "blobs/../index.json",
        "./index.json",
        "blobs\\sha256\\x",
        "extra",
        "blobs/sha256/short",
        "blobs/sha512/00",
    ] {
        let mut writer = Writer::new(Vec::new());
        writer.file(MARKER.0, MARKER.1.as_bytes()).unwrap();
        writer.file(path, b"evil").unwrap();
        let error = Bundle::open(Cursor::new(writer.finish().unwrap())).unwrap_err();
        assert!(matches!(error, BundleError::Entry { .. }), "{path}: {error}");
    }
}

#[test]
fn what_is_named_must_be_there_and_what_is_there_once() {
    let (contents, versions) = sample();
    let index = json!({"schemaVersion": 2, "manifests": [{
        "mediaType": IMAGE_MANIFEST, "digest": versions[0].manifest, "size": contents.0[&versions[0].manifest].len(),
        "annotations": {REF_NAME: "1.0.0", CONNECTOR: "acme:geo"},
    }]});
    let with = |blobs: &[&Digest], index: &str, twice: bool| {
        let mut writer = Writer::new(Vec::new());
        writer.file(MARKER.0, MARKER.1.as_bytes()).unwrap();
        for digest in blobs {
            writer.file(&blob_path(digest), &contents.0[digest]).unwrap();
        }
        for _ in 0..=usize::from(twice) {
            writer.file(INDEX, index.as_bytes()).unwrap();
        }
        Bundle::open(Cursor::new(writer.finish().unwrap())).map(drop)
    };
    let all: Vec<&Digest> = contents.0.keys().collect();
    with(&all, &index.to_string(), false).unwrap();
    let said = |result: Result<(), BundleError>| result.unwrap_err().to_string();
    assert!(
        said(with(&[&versions[0].manifest], &index.to_string(), false)).contains("named by the manifest")
    );
    assert!(said(with(&[], &index.to_string(), false)).contains("named by the list of contents"));
    assert!(said(with(&all, &index.to_string(), true)).contains("there twice"));
    assert!(said(with(&all, "{", false)).contains("the list of contents"));
    let mut nameless = index.clone();
    nameless["manifests"][0]["annotations"] = json!({});
    assert!(said(with(&all, &nameless.to_string(), false)).contains("does not say its"));
    let mut stray = index;
    let referrer = versions[1].referrers[0];
    stray["manifests"][0] =
        json!({"mediaType": IMAGE_MANIFEST, "digest": referrer, "size": contents.0[&referrer].len()});
    assert!(said(with(&all, &stray.to_string(), false)).contains("which is not in the bundle"));
    let unmarked = Writer::new(Vec::new()).finish().unwrap();
    assert!(said(Bundle::open(Cursor::new(unmarked)).map(drop)).contains("no OCI layout"));
}

#[test]
fn wrong_content_is_not_packed() {
    let (_, versions) = sample();
    let lie = |_: &Digest| Ok::<_, BundleError>(b"other".to_vec());
    assert!(matches!(
        write(Vec::new(), &versions, lie),
        Err(BundleError::Changed { .. })
    ));
}
