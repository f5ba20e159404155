//! `connector!`: turns the folder `wit/` of a crate into a trait to implement.
//!
//! Owns: reading the world, mapping the interfaces of `flowforge:connector` onto the types of `flowforge-sdk`, and the
//! export. Leaves code generation to `wit-bindgen`. Invariant: a connector and the SDK share one `Failure` and one
//! `Artefact`, because the interface that defines them is generated once, in the SDK.

use std::path::{Path, PathBuf};

use proc_macro2::{Span, TokenStream};
use quote::quote;
use wit_bindgen_core::wit_parser::{Resolve, WorldId, WorldItem};

const SDK_PACKAGE: (&str, &str) = ("flowforge", "connector");

/// Implements the world in `wit/` with the type named: `connector!(Convert);`.
///
/// Gives a module `bindings` with the world's types and, where the world exports functions, their trait as
/// `Connector`. Functions that the world exports in interfaces have their traits in `bindings::exports`.
/// `flowforge:connector` need not lie in `wit/deps`: the SDK brings it.
///
/// # Errors
/// A folder `wit/` that is missing, does not parse or holds several worlds fails to compile with the parser's message.
#[proc_macro]
pub fn connector(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let implementor = syn::parse_macro_input!(input as syn::Path);
    let Ok(root) = std::env::var("CARGO_MANIFEST_DIR") else {
        return error("CARGO_MANIFEST_DIR is not set: build with cargo").into();
    };
    match World::read(&PathBuf::from(root).join("wit")) {
        Ok(world) => world.expand(&implementor).into(),
        Err(message) => error(&message).into(),
    }
}

fn error(message: &str) -> TokenStream {
    syn::Error::new(Span::call_site(), message).to_compile_error()
}

/// What the expansion must know of the author's world.
struct World {
    /// `namespace:package/world@version`.
    name: String,
    /// Folders and files for the generator, dependencies first.
    paths: Vec<String>,
    /// Names of the interfaces of `flowforge:connector` that the world uses.
    sdk_interfaces: Vec<String>,
    /// Version of `flowforge:connector`.
    sdk_version: String,
    /// Whether functions are exported by the world itself.
    has_functions: bool,
}

impl World {
    fn read(folder: &Path) -> Result<Self, String> {
        if !folder.is_dir() {
            return Err(format!(
                "{} is missing: a Rust connector describes its operations in wit/world.wit",
                folder.display()
            ));
        }
        let sdk = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("wit");
        let mut paths = vec![folder.to_path_buf()];
        if !vendors_sdk(folder) {
            paths.insert(0, sdk);
        }
        let mut resolve = Resolve::default();
        let mut main = None;
        for path in &paths {
            let (package, _) = resolve.push_path(path).map_err(|e| format!("{e:#}"))?;
            main = Some(package);
        }
        let package = main.ok_or("no WIT package was read")?;
        let id = resolve
            .select_world(&[package], None)
            .map_err(|e| format!("{e:#}"))?;
        Ok(Self {
            name: world_name(&resolve, id),
            paths: paths.iter().map(|path| path.display().to_string()).collect(),
            sdk_interfaces: sdk_interfaces(&resolve, id),
            sdk_version: sdk_version(&resolve),
            has_functions: resolve.worlds.get(id).is_some_and(|world| {
                world
                    .exports
                    .values()
                    .any(|item| matches!(item, WorldItem::Function(_)))
            }),
        })
    }

    fn expand(&self, implementor: &syn::Path) -> TokenStream {
        let Self { name, paths, .. } = self;
        let mapped = self.sdk_interfaces.iter().map(|interface| {
            let key = format!("flowforge:connector/{interface}@{}", self.sdk_version);
            let module = syn::Ident::new(&interface.replace('-', "_"), Span::call_site());
            quote!(#key: ::flowforge_sdk::bindings::flowforge::connector::#module)
        });
        let reexport = self.has_functions.then(|| {
            quote!(
                use bindings::Guest as Connector;
            )
        });
        quote! {
            /// Types and traits of this connector's world.
            #[allow(missing_docs, unused_qualifications, unsafe_code, clippy::all, reason = "generated from wit/")]
            mod bindings {
                ::flowforge_sdk::wit_bindgen::generate!({
                    path: [#(#paths),*],
                    world: #name,
                    runtime_path: "::flowforge_sdk::wit_bindgen::rt",
                    generate_all,
                    with: { #(#mapped),* },
                });
                use super::*;
                export!(#implementor with_types_in self);
            }
            #reexport
        }
    }
}

fn vendors_sdk(folder: &Path) -> bool {
    let mut resolve = Resolve::default();
    resolve.push_path(folder).is_ok()
        && resolve
            .packages
            .iter()
            .any(|(_, package)| (package.name.namespace.as_str(), package.name.name.as_str()) == SDK_PACKAGE)
}

fn world_name(resolve: &Resolve, id: WorldId) -> String {
    let Some(world) = resolve.worlds.get(id) else {
        return String::new();
    };
    match world.package.and_then(|package| resolve.packages.get(package)) {
        Some(package) => package.name.interface_id(&world.name),
        None => world.name.clone(),
    }
}

fn sdk_interfaces(resolve: &Resolve, id: WorldId) -> Vec<String> {
    let Some(world) = resolve.worlds.get(id) else {
        return Vec::new();
    };
    let mut found: Vec<String> = world
        .imports
        .values()
        .filter_map(|item| match item {
            WorldItem::Interface { id, .. } => resolve.interfaces.get(*id),
            _ => None,
        })
        .filter(|interface| {
            interface
                .package
                .and_then(|package| resolve.packages.get(package))
                .is_some_and(|package| {
                    (package.name.namespace.as_str(), package.name.name.as_str()) == SDK_PACKAGE
                })
        })
        .filter_map(|interface| interface.name.clone())
        .collect();
    found.sort();
    found.dedup();
    found
}

fn sdk_version(resolve: &Resolve) -> String {
    resolve
        .packages
        .iter()
        .find(|(_, package)| (package.name.namespace.as_str(), package.name.name.as_str()) == SDK_PACKAGE)
        .and_then(|(_, package)| package.name.version.as_ref())
        .map(ToString::to_string)
        .unwrap_or_default()
}
