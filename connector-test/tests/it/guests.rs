//! Connectors written as core modules in text: no guest toolchain is needed, and each differs from another in one thing.

use flowforge_ports::{ConnectorMeta, Effect, HttpNeed, Needs, OperationMeta, embed_meta};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const CONNECTOR_WIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit/connector");

/// A memory, and an allocator that only moves forward.
const PRELUDE: &str = r#"
  (memory (export "memory") 4)
  (global $next (mut i32) (i32.const 8192))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (if (i32.gt_u (global.get $next) (i32.const 262144)) (then unreachable))
    (local.get $at))
"#;

fn component(wit: &str, imports: &str, core: &str) -> Vec<u8> {
    let text = format!("(module {imports} {PRELUDE} {core})");
    let mut module = wat::parse_str(text).unwrap();
    let mut resolve = Resolve::default();
    resolve.push_path(CONNECTOR_WIT).unwrap();
    let package = resolve.push_str("world.wit", wit).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let encoder = ComponentEncoder::default().module(&module).unwrap();
    encoder.validate(true).encode().unwrap()
}

/// How a connector that posts to one place differs from its twins.
#[derive(Default)]
pub(crate) struct Poster {
    /// Declared besides `https://chat.example.com`.
    pub(crate) also_declares: Option<&'static str>,
    /// Asked as well, before the place that is declared.
    pub(crate) also_asks: Option<&'static str>,
}

const CHAT: &str = "https://chat.example.com/m";

impl Poster {
    /// `post(line) -> string`: makes one request, and gives an empty text whatever is answered.
    pub(crate) fn component(&self) -> Vec<u8> {
        let wit = "package acme:chat;
         world w {
           import flowforge:connector/http@0.1.0;
           export post: func(line: string) -> string;
         }";
        let imports = r#"(import "flowforge:connector/http@0.1.0" "send" (func $send (param i32 i32)))"#;
        let other = self.also_asks.unwrap_or(CHAT);
        let first = if self.also_asks.is_some() {
            "(call $send (i32.const 1024) (i32.const 4096))"
        } else {
            ""
        };
        let core = format!(
            r#"{} {}
             (func (export "post") (param i32 i32) (result i32)
               {first}
               (call $send (i32.const 512) (i32.const 4096))
               (i32.store (i32.const 2048) (i32.const 0))
               (i32.store (i32.const 2052) (i32.const 0))
               (i32.const 2048))"#,
            request(512, CHAT),
            request(1024, other),
        );
        let mut destinations = vec!["https://chat.example.com".to_owned()];
        destinations.extend(self.also_declares.map(str::to_owned));
        let operation = OperationMeta {
            effect: Some(Effect::Idempotent),
            ..OperationMeta::default()
        };
        let meta = ConnectorMeta {
            name: "acme:chat".to_owned(),
            version: "0.1.0".to_owned(),
            license: "Apache-2.0".to_owned(),
            needs: Needs {
                http: Some(HttpNeed {
                    destinations,
                    reason: "Posts.".to_owned(),
                }),
            },
            operations: [("post".to_owned(), operation)].into(),
            ..ConnectorMeta::default()
        };
        embed_meta(&component(wit, imports, &core), &meta).unwrap()
    }
}

/// The record `request` at an address, followed by its texts: a `GET` without headers, and nothing of what may be absent.
fn request(at: u32, url: &str) -> String {
    let (method_at, url_at) = (at + 300, at + 310);
    let words = [method_at, 3, url_at, u32::try_from(url.len()).unwrap(), 4, 0];
    let bytes: String = words
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .map(|byte| format!("\\{byte:02x}"))
        .collect();
    format!(
        r#"(data (i32.const {at}) "{bytes}") (data (i32.const {method_at}) "GET") (data (i32.const {url_at}) "{url}")"#
    )
}

/// `half(text, number) -> u32`: traps where the text is longer than seven bytes, or the number is 77.
pub(crate) fn fragile() -> Vec<u8> {
    let wit = "package acme:fragile;
     world w { export half: func(text: string, number: u32) -> u32; }";
    let core = r#"(func (export "half") (param i32 i32 i32) (result i32)
        (if (i32.gt_u (local.get 1) (i32.const 7)) (then unreachable))
        (i32.div_u (local.get 2) (i32.const 2)))"#;
    component(wit, "", core)
}

/// `spin()`: computes without end.
pub(crate) fn endless() -> Vec<u8> {
    let wit = "package acme:endless; world w { export spin: func(turns: u32) -> u32; }";
    let core = r#"(func (export "spin") (param i32) (result i32)
        (loop $again (br_if $again (i32.ne (local.get 0) (i32.const 0)))) (i32.const 1))"#;
    component(wit, "", core)
}
