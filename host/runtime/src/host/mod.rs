//! What a guest may call: `flowforge:connector`, and the two doors into egress.

mod artefacts;
mod context;
mod http;
mod text;

#[expect(unreachable_pub, reason = "the generated bindings re-export them")]
pub use artefacts::{ArtefactReader, ArtefactWriter};

use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

use crate::state::StepState;

/// Rust forms of the package in `wit/connector`.
pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/connector",
        world: "capabilities",
        imports: {
            "flowforge:connector/http.send": async | trappable,
            "flowforge:connector/secrets.describe": async | trappable,
            "flowforge:connector/artefacts": async | trappable,
            default: trappable,
        },
        with: {
            "flowforge:connector/artefacts.writer": crate::host::ArtefactWriter,
            "flowforge:connector/artefacts.reader": crate::host::ArtefactReader,
        },
    });
}

/// Everything this host offers. What a component imports beyond it is refused when it is loaded.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<StepState>> {
    use bindings::flowforge::connector as ours;

    type Own = HasSelf<StepState>;
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    ours::types::add_to_linker::<_, Own>(&mut linker, |state| state)?;
    ours::context::add_to_linker::<_, Own>(&mut linker, |state| state)?;
    ours::http::add_to_linker::<_, Own>(&mut linker, |state| state)?;
    ours::secrets::add_to_linker::<_, Own>(&mut linker, |state| state)?;
    ours::log::add_to_linker::<_, Own>(&mut linker, |state| state)?;
    ours::progress::add_to_linker::<_, Own>(&mut linker, |state| state)?;
    ours::artefacts::add_to_linker::<_, Own>(&mut linker, |state| state)?;
    Ok(linker)
}
