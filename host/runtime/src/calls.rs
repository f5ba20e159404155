//! Whether a component uses the asynchronous ABI, read from its bytes.

use wasmparser::{Parser, Validator, WasmFeatures};

use crate::engine::Calls;

/// What the validator has to allow for the asynchronous ABI, as wasmtime groups it (`Config::concurrency_support`).
const ASYNCHRONOUS: WasmFeatures = WasmFeatures::CM_ASYNC
    .union(WasmFeatures::CM_ASYNC_STACKFUL)
    .union(WasmFeatures::CM_MORE_ASYNC_BUILTINS)
    .union(WasmFeatures::CM_THREADING)
    .union(WasmFeatures::CM_ERROR_CONTEXT);

/// What these bytes ask of their engine. Bytes that are wrong in any other way are plain: the compiler says what it is.
pub(crate) fn calls_of(component: &[u8]) -> Calls {
    let all = WasmFeatures::all();
    if !is_well_formed(component, all.difference(ASYNCHRONOUS)) && is_well_formed(component, all) {
        Calls::Asynchronous
    } else {
        Calls::Plain
    }
}

/// Whether everything but the bodies of functions is valid with these features. A body can use none of what is looked for,
/// and bodies are nearly all of a component.
fn is_well_formed(component: &[u8], features: WasmFeatures) -> bool {
    let mut validator = Validator::new_with_features(features);
    Parser::new(0).parse_all(component).all(|payload| {
        let Ok(payload) = payload else { return false };
        validator.payload(&payload).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_uses_the_asynchronous_abi_asks_for_it() {
        let calls = |text: &str| calls_of(&wat::parse_str(text).expect("text of a component"));
        let plain = r#"(component
            (core module $m (func (export "f") (result i32) i32.const 1))
            (core instance $i (instantiate $m))
            (func (export "f") (result u32) (canon lift (core func $i "f"))))"#;
        assert_eq!(calls(plain), Calls::Plain);
        let lifted = r#"(component
            (core module $m
                (func (export "f") (result i32) i32.const 0)
                (func (export "cb") (param i32 i32 i32) (result i32) i32.const 0))
            (core instance $i (instantiate $m))
            (func (export "f") async (result u32)
                (canon lift (core func $i "f") async (callback (core func $i "cb")))))"#;
        assert_eq!(calls(lifted), Calls::Asynchronous);
        // An inner component counts, and so does a type that only passes through.
        let inner = format!("(component {lifted})");
        assert_eq!(calls(&inner), Calls::Asynchronous);
        let passed = r#"(component (import "f" (func (param "lines" (stream u8)))))"#;
        assert_eq!(calls(passed), Calls::Asynchronous);
    }

    #[test]
    fn wrong_bytes_ask_for_nothing() {
        for bytes in [&b""[..], b"\0asm", b"\0asm\x0d\0\x01\0\xff", b"no component"] {
            assert_eq!(calls_of(bytes), Calls::Plain);
        }
    }
}
