use flowforge_ports::{ConnectorMeta, Effect, EmbedError, OperationMeta, embed_meta, inspect, wit_docs};

use crate::support::component;

const WIT: &str = "
package demo:notes@1.0.0;
/// Takes notes.
world connector {
  import flowforge:connector/http@0.1.0;
  /// One note.
  record note {
    /// What it says.
    full-text: string,
  }
  /// Keep a note.
  export keep: func(
    /// What is kept,
    /// as it is.
    note: note,
    %list: string, at: u32,
  ) -> string;
  /// Read them.
  export list-all: func() -> list<note>;
}";

fn meta() -> ConnectorMeta {
    let mut meta = ConnectorMeta {
        name: "demo:notes".to_owned(),
        version: "1.0.0".to_owned(),
        ..ConnectorMeta::default()
    };
    let keyed = OperationMeta {
        title: Some("Keep".to_owned()),
        effect: Some(Effect::Keyed {
            retention_ms: 86_400_000,
        }),
        trigger: None,
    };
    meta.operations.insert("keep".to_owned(), keyed);
    let pure = OperationMeta {
        title: None,
        effect: Some(Effect::Pure),
        trigger: None,
    };
    meta.operations.insert("list_all".to_owned(), pure);
    let built_in = crate::support::connector_files();
    let built_in: Vec<(&str, &str)> = built_in
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    meta.docs = wit_docs(&[("world.wit", WIT)], &[&built_in], None).expect("the WIT parses");
    meta
}

#[test]
fn what_is_embedded_is_read_back() {
    let bytes = embed_meta(&component(WIT), &meta()).expect("embeds");
    let interface = inspect(&bytes).expect("reads");
    assert_eq!(interface.meta, Some(meta()));
    assert_eq!(interface.package.as_deref(), Some("demo:notes"));
    assert_eq!(interface.docs.as_deref(), Some("Takes notes."));
    let keep = interface.operation("keep").expect("is there");
    assert_eq!(keep.docs.as_deref(), Some("Keep a note."));
    assert_eq!(keep.title.as_deref(), Some("Keep"));
    assert_eq!(
        keep.effect,
        Effect::Keyed {
            retention_ms: 86_400_000
        }
    );
    let schema = keep.input_schema();
    assert_eq!(
        schema["properties"]["note"]["description"],
        "What is kept,\nas it is."
    );
    let told: Vec<_> = keep.params.iter().map(|param| param.docs.as_deref()).collect();
    assert_eq!(told, [Some("What is kept,\nas it is."), None, None]);
    assert_eq!(
        schema["properties"]["note"]["properties"]["full_text"]["description"],
        "What it says."
    );
}

#[test]
fn an_author_cannot_declare_an_effectful_operation_pure() {
    let bytes = embed_meta(&component(WIT), &meta()).expect("embeds");
    let interface = inspect(&bytes).expect("reads");
    assert_eq!(
        interface.operation("list_all").expect("is there").effect,
        Effect::Unsafe
    );
}

#[test]
fn embedding_again_replaces_the_first() {
    let once = embed_meta(&component(WIT), &meta()).expect("embeds");
    let mut other = meta();
    other.version = "1.0.1".to_owned();
    let twice = embed_meta(&once, &other).expect("embeds");
    assert_eq!(twice.len(), once.len());
    assert_eq!(inspect(&twice).expect("reads").meta, Some(other));
    let back = embed_meta(&twice, &meta()).expect("embeds");
    assert_eq!(back, once);
}

#[test]
fn a_description_above_the_limit_is_refused() {
    let mut large = meta();
    large.summary = "x".repeat(256 * 1024);
    let refused = embed_meta(&component(WIT), &large);
    assert!(matches!(
        refused,
        Err(EmbedError::TooLarge {
            limit_bytes: 262_144,
            ..
        })
    ));
}

#[test]
fn only_a_component_can_carry_a_description() {
    assert!(matches!(
        embed_meta(b"\0asm\x01\0\0\0", &meta()),
        Err(EmbedError::NotComponent)
    ));
    assert!(matches!(
        embed_meta(b"hello", &meta()),
        Err(EmbedError::NotComponent)
    ));
}

#[test]
fn wrong_wit_is_reported_with_its_place() {
    let error = wit_docs(&[("broken.wit", "package a:b;\nworld {")], &[], None).expect_err("is refused");
    assert!(error.contains("broken.wit:2"), "{error}");
}
