//! Guests written as core modules in text, wrapped into components here: no guest toolchain is needed.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const CONNECTOR_WIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit/connector");

/// What every guest has: a memory, and an allocator that only moves forward.
const PRELUDE: &str = r#"
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 8192))
  (func $realloc (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
    (global.set $next (i32.add (local.get $at) (local.get $size)))
    (block $enough
      (loop $grow
        (br_if $enough (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
        (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))
        (br $grow)))
    (local.get $at))
"#;

/// A component of the world in `wit`. `imports` come first in the module, then a memory and an allocator, then `core`.
pub(crate) fn guest_with_imports(wit: &str, imports: &str, core: &str) -> Vec<u8> {
    let mut module =
        wat::parse_str(format!("(module {imports} {PRELUDE} {core})")).expect("the module's text parses");
    let mut resolve = Resolve::default();
    resolve
        .push_path(CONNECTOR_WIT)
        .expect("the connector WIT parses");
    resolve
        .push_str("wasi.wit", include_str!("wasi.wit"))
        .expect("the WASI WIT parses");
    let package = resolve.push_str("world.wit", wit).expect("the test's WIT parses");
    let world = resolve.select_world(&[package], None).expect("one world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("metadata fits");
    ComponentEncoder::default()
        .module(&module)
        .expect("module is accepted")
        .encode()
        .unwrap_or_else(|error| panic!("component is encoded: {error:#}"))
}

/// The same without imports.
pub(crate) fn guest(wit: &str, core: &str) -> Vec<u8> {
    guest_with_imports(wit, "", core)
}

/// Gives back what it gets, in several types; and returns what its ports cannot hold.
pub(crate) fn echo() -> Vec<u8> {
    guest(
        "package test:echo;
         world connector {
           use flowforge:connector/types@0.1.0.{json};
           record row { price: f64, name: string }
           export text: func(value: string) -> string;
           export any: func(value: json) -> json;
           export rows: func(rows: list<row>) -> list<row>;
           export big: func(value: u64) -> u64;
           export not-a-number: func() -> f64;
           export bad-json: func() -> json;
           export large-json: func() -> json;
         }",
        r#"
        (func $pair (param $ptr i32) (param $len i32) (result i32)
          (local $ret i32)
          (local.set $ret (call $realloc (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 8)))
          (i32.store (local.get $ret) (local.get $ptr))
          (i32.store offset=4 (local.get $ret) (local.get $len))
          (local.get $ret))
        (func (export "text") (param i32 i32) (result i32) (call $pair (local.get 0) (local.get 1)))
        (func (export "any") (param i32 i32) (result i32) (call $pair (local.get 0) (local.get 1)))
        (func (export "rows") (param i32 i32) (result i32) (call $pair (local.get 0) (local.get 1)))
        (func (export "big") (param i64) (result i64) (local.get 0))
        (func (export "not-a-number") (result f64) (f64.div (f64.const 0) (f64.const 0)))
        (data (i32.const 0) "{oops")
        (func (export "bad-json") (result i32) (call $pair (i32.const 0) (i32.const 5)))
        (data (i32.const 16) "{\22rows\22: [1, 18446744073709551616]}")
        (func (export "large-json") (result i32) (call $pair (i32.const 16) (i32.const 35)))
        "#,
    )
}

/// One function for each way to misbehave.
pub(crate) fn hostile() -> Vec<u8> {
    guest(
        "package test:hostile;
         world connector {
           export trap: func();
           export spin: func();
           export eat: func();
           export recurse: func();
           export large: func(length: u32) -> string;
           export outside: func() -> string;
           export fill-table: func();
           export fine: func() -> string;
         }",
        r#"
        (table $table 1 funcref)
        (data (i32.const 16) "fine")
        (func (export "trap") unreachable)
        (func (export "spin") (loop $again (br $again)))
        (func (export "eat") (loop $again (drop (memory.grow (i32.const 16))) (br $again)))
        (func $recurse (export "recurse") (call $recurse) (call $recurse))
        (func (export "large") (param $length i32) (result i32)
          (local $at i32)
          (local.set $at (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (local.get $length)))
          (memory.fill (local.get $at) (i32.const 120) (local.get $length))
          (i32.store (i32.const 0) (local.get $at))
          (i32.store (i32.const 4) (local.get $length))
          (i32.const 0))
        (func (export "outside") (result i32)
          (i32.store (i32.const 0) (i32.const 60000))
          (i32.store (i32.const 4) (i32.const 104857600))
          (i32.const 0))
        (func (export "fill-table") (loop $again (drop (table.grow $table (ref.null func) (i32.const 10000))) (br $again)))
        (func (export "fine") (result i32)
          (i32.store (i32.const 0) (i32.const 16))
          (i32.store (i32.const 4) (i32.const 4))
          (i32.const 0))
        "#,
    )
}

/// Returns each case of the standard failure by number, and other error types.
pub(crate) fn failing() -> Vec<u8> {
    guest(
        "package test:failing;
         world connector {
           use flowforge:connector/types@0.1.0.{failure};
           variant trouble { gone(string), broken }
           export fail: func(which: u32) -> result<string, failure>;
           export fail-own: func(which: u32) -> result<_, trouble>;
           export fail-bare: func() -> result;
         }",
        r#"
        (data (i32.const 512) "rows[2]wrong503busycode")
        ;; The result's tag at 0, the failure's tag at 4, its first text at 8, its second text or its option at 16.
        (func (export "fail") (param $which i32) (result i32)
          (i32.store8 (i32.const 0) (i32.const 1))
          (i32.store8 (i32.const 4) (local.get $which))
          (i32.store (i32.const 8) (i32.const 512)) (i32.store (i32.const 12) (i32.const 7))
          (i32.store (i32.const 16) (i32.const 519)) (i32.store (i32.const 20) (i32.const 5))
          (if (i32.eq (local.get $which) (i32.const 3)) (then
            (i32.store (i32.const 8) (i32.const 527)) (i32.store (i32.const 12) (i32.const 4))
            (i32.store8 (i32.const 16) (i32.const 1)) (i32.store (i32.const 20) (i32.const 2500))))
          (i32.const 0))
        (func (export "fail-own") (param $which i32) (result i32)
          (i32.store8 (i32.const 0) (i32.const 1))
          (i32.store8 (i32.const 4) (local.get $which))
          (i32.store (i32.const 8) (i32.const 519)) (i32.store (i32.const 12) (i32.const 5))
          (i32.const 0))
        (func (export "fail-bare") (result i32) (i32.const 1))
        "#,
    )
}

/// Sends the request that it is given: the parameter has the layout that the host function wants.
pub(crate) fn sender() -> Vec<u8> {
    guest_with_imports(
        "package test:sender;
         world connector {
           import flowforge:connector/http@0.1.0;
           import flowforge:connector/artefacts@0.1.0;
           use flowforge:connector/http@0.1.0.{request, response, send-error};
           export send: func(request: request) -> result<response, send-error>;
           export send-twice: func(request: request) -> result<response, send-error>;
         }",
        r#"(import "flowforge:connector/http@0.1.0" "send" (func $send (param i32 i32)))"#,
        r#"(func (export "send") (param i32) (result i32)
             (call $send (local.get 0) (i32.const 1024))
             (i32.const 1024))
           (func (export "send-twice") (param i32) (result i32)
             (call $send (local.get 0) (i32.const 1024))
             (call $send (local.get 0) (i32.const 1024))
             (i32.const 1024))"#,
    )
}

/// Makes, reads and returns artefacts.
pub(crate) fn archivist() -> Vec<u8> {
    guest_with_imports(
        "package test:archivist;
         world connector {
           import flowforge:connector/artefacts@0.1.0;
           use flowforge:connector/types@0.1.0.{artefact};
           use flowforge:connector/artefacts@0.1.0.{artefact-error};
           export make: func(name: string, content: string) -> result<artefact, artefact-error>;
           export read: func(artefact: artefact) -> result<string, artefact-error>;
           export forge: func(digest: string) -> artefact;
           export open-named: func(digest: string) -> result<string, artefact-error>;
           export hoard: func();
         }",
        r#"(import "flowforge:connector/artefacts@0.1.0" "create" (func $create (param i32 i32 i32 i32 i32)))
           (import "flowforge:connector/artefacts@0.1.0" "open" (func $open (param i32 i32 i32 i32 i32 i32 i64 i32)))
           (import "flowforge:connector/artefacts@0.1.0" "[method]writer.write" (func $write (param i32 i32 i32 i32)))
           (import "flowforge:connector/artefacts@0.1.0" "[method]writer.finish" (func $finish (param i32 i32)))
           (import "flowforge:connector/artefacts@0.1.0" "[method]reader.read" (func $read (param i32 i32 i32)))"#,
        r#"(data (i32.const 16) "text/plain")
           ;; result<writer, artefact-error> at 1024: tag, then the handle at 1032.
           (func (export "make") (param $name i32) (param $name_len i32) (param $at i32) (param $len i32) (result i32)
             (local $writer i32)
             (call $create (local.get $name) (local.get $name_len) (i32.const 16) (i32.const 10) (i32.const 1024))
             (if (i32.load8_u (i32.const 1024)) (then (return (i32.const 1024))))
             (local.set $writer (i32.load (i32.const 1032)))
             (call $write (local.get $writer) (local.get $at) (local.get $len) (i32.const 1024))
             (if (i32.load8_u (i32.const 1024)) (then (return (i32.const 1024))))
             (call $finish (local.get $writer) (i32.const 1024))
             (i32.const 1024))
           (func $slurp (param $d i32) (param $dl i32) (param $n i32) (param $nl i32) (param $m i32) (param $ml i32) (param $size i64) (result i32)
             (call $open (local.get $d) (local.get $dl) (local.get $n) (local.get $nl) (local.get $m) (local.get $ml) (local.get $size) (i32.const 1024))
             (if (i32.load8_u (i32.const 1024)) (then (return (i32.const 1024))))
             (call $read (i32.load (i32.const 1032)) (i32.const 4096) (i32.const 1024))
             (i32.const 1024))
           (func (export "read") (param i32 i32 i32 i32 i32 i32 i64) (result i32)
             (call $slurp (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5) (local.get 6)))
           (func (export "open-named") (param i32 i32) (result i32)
             (call $slurp (local.get 0) (local.get 1) (i32.const 16) (i32.const 4) (i32.const 16) (i32.const 10) (i64.const 1)))
           (func (export "forge") (param i32 i32) (result i32)
             (i32.store (i32.const 1024) (local.get 0)) (i32.store (i32.const 1028) (local.get 1))
             (i32.store (i32.const 1032) (i32.const 16)) (i32.store (i32.const 1036) (i32.const 4))
             (i32.store (i32.const 1040) (i32.const 16)) (i32.store (i32.const 1044) (i32.const 10))
             (i64.store (i32.const 1048) (i64.const 1))
             (i32.const 1024))
           (func (export "hoard") (loop $again
             (call $create (i32.const 16) (i32.const 4) (i32.const 16) (i32.const 10) (i32.const 1024))
             (br $again)))"#,
    )
}
