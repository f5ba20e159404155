//! From a connector's folder to one component file, for Rust, TypeScript or JavaScript, and Python; and a first folder.
//!
//! Owns: `connector.toml`, the language's tools and where they are kept, the SDK that is built in, the description in the
//! component, and every error that an author can make. Leaves to others: signing, publishing, running. Invariant: a
//! component that [`build`] returns was inspected, and declares no more and no less than it imports.
//!
//! Everything that is downloaded or compiled is kept in one cache folder under names that hold the digests of what it
//! was made from, so that builds side by side are safe and an interrupted one leaves nothing half made.

mod assets;
mod build;
mod cache;
mod command;
mod compiled;
mod debian_sysroot;
mod declared;
mod derived;
mod describe;
mod driver;
mod engine;
mod error;
mod installed;
mod interpreter;
mod language;
mod manifest;
mod options;
mod place;
mod progress;
mod python;
mod quickjs;
mod rebuild;
mod rust;
mod sbom;
mod scaffold;
mod steady;
mod tools;
mod typescript;
mod undescribed;
mod wasm_target;
mod weight;
mod words;
mod world;

pub use build::{Built, build};
pub use cache::source_state;
pub use declared::{Declared, declared};
pub use error::{BuildError, Diagnostic, MissingTool};
pub use language::Language;
pub use manifest::Manifest;
pub use options::{BuildOptions, Limits, default_cache_dir};
pub use place::position;
pub use progress::{Progress, Stage};
pub use rebuild::rebuild;
pub use sbom::sbom;
pub use scaffold::{Kind, NewError, Template, scaffold};
pub use tools::check_tools;
pub use wasm_target::{WasmTarget, ensure_wasm_target};
pub use weight::COMPONENT_BYTES_MAX;
