//! A private sysroot for `wasm32-wasip2` out of Debian's packages, for machines without rustup's target.
//!
//! Debian ships a compiler that knows the target, and the sources of the standard library, but not the compiled library. It
//! is compiled once and put beside a two-line `rustc` that adds `--sysroot`. A connector built this way links no
//! `std::net`, because Debian's C library for WASI has no sockets; connectors reach the network through the host anyway.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cache::{Recipe, create_dir, write_whole};
use crate::command::{run, tool};
use crate::installed::installed;
use crate::tools::version_text;
use crate::{BuildError, BuildOptions, MissingTool, Progress, Stage};

const TARGET: &str = "wasm32-wasip2";

/// What brings the files that are looked for.
const PACKAGES: &str =
    "apt install rustc-web cargo-web rust-web-src wasi-libc lld-22 libclang-rt-22-dev-wasm32";

/// Where the distribution keeps what the sysroot is made of.
struct Distribution {
    rustc: PathBuf,
    cargo: PathBuf,
    /// The compiled standard library of this machine.
    host_library: PathBuf,
    /// `libc.a` and the start objects for WASI.
    wasi: PathBuf,
    /// The folder with `wasm-ld`.
    linker: PathBuf,
    /// Makes a component of what `wasm-ld` makes; part of every toolchain of rustup, or a crate of its own.
    component_linker: PathBuf,
    /// The triple of this machine.
    host: String,
}

/// The `rustc` of the private sysroot, which is made if it is not there.
///
/// # Errors
/// [`BuildError::ToolsMissing`] naming what the distribution lacks; [`BuildError::Tool`] if the library does not compile.
pub(crate) fn rustc(
    options: &BuildOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, BuildError> {
    let distribution = Distribution::find()?;
    let mut recipe = Recipe::default();
    let program = distribution.rustc.display().to_string();
    recipe.add("rustc", version_text(&program, &["-vV"])?);
    let folder = installed(&options.cache_dir, "wasm-sysroot", &recipe, |folder| {
        progress(Progress {
            stage: Stage::Install,
            detail: "the standard library for wasm32-wasip2, compiled once from the distribution's sources"
                .to_owned(),
        });
        distribution.make(folder, options)
    })?;
    Ok(folder.join("bin/rustc"))
}

impl Distribution {
    fn find() -> Result<Self, BuildError> {
        let mut missing = Vec::new();
        let mut need = |path: PathBuf| {
            if !path.exists() {
                missing.push(path.display().to_string());
            }
            path
        };
        let rustc = need(PathBuf::from("/usr/bin/rustc"));
        let cargo = need(PathBuf::from("/usr/bin/cargo"));
        need(PathBuf::from("/usr/lib/rustlib/src/rust/library/std/Cargo.toml"));
        let wasi = need(PathBuf::from("/usr/lib/wasm32-wasi/libc.a")).with_file_name("");
        let linker = newest_llvm()
            .unwrap_or_else(|| need(PathBuf::from("/usr/lib/llvm-22/bin/wasm-ld")).with_file_name(""));
        if !missing.is_empty() {
            return Err(BuildError::ToolsMissing(vec![MissingTool {
                problem: format!(
                    "this Rust cannot compile for {TARGET}; looked for {}",
                    missing.join(", ")
                ),
                mend: format!("rustup target add {TARGET}, or on Debian: {PACKAGES}"),
            }]));
        }
        let program = rustc.display().to_string();
        let host = version_text(&program, &["-vV"])?
            .lines()
            .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
            .unwrap_or_default();
        let host_library = PathBuf::from(version_text(&program, &["--print", "target-libdir"])?);
        let component_linker = component_linker(&host).ok_or_else(|| {
            BuildError::ToolsMissing(vec![MissingTool {
                problem: "wasm-component-ld is not installed".to_owned(),
                mend: "cargo install wasm-component-ld".to_owned(),
            }])
        })?;
        Ok(Self {
            rustc,
            cargo,
            host_library,
            wasi,
            linker,
            component_linker,
            host,
        })
    }

    fn make(&self, folder: &Path, options: &BuildOptions) -> Result<(), BuildError> {
        let seed = folder.join("seed");
        write_whole(
            &seed.join("Cargo.toml"),
            b"[package]\nname = \"seed\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n",
        )?;
        write_whole(&seed.join("src/lib.rs"), b"#![no_std]\n")?;
        let mut cargo = tool(&self.cargo);
        cargo
            .current_dir(&seed)
            .env("RUSTC", &self.rustc)
            // The option is called unstable; the distribution's compiler and its sources are one version.
            .env("RUSTC_BOOTSTRAP", "1")
            // Connectors are optimised across crates, the standard library included.
            .env("RUSTFLAGS", "-Cembed-bitcode=yes")
            .args([
                "build",
                "--release",
                "-Zbuild-std=std,panic_abort",
                "--target",
                TARGET,
                "--target-dir",
                "target",
            ]);
        let finished = run("cargo -Zbuild-std", &mut cargo, "", options.limits.install)?;
        if !finished.status.success() {
            return Err(finished.failure("cargo -Zbuild-std"));
        }
        let library = folder.join("lib/rustlib").join(TARGET).join("lib");
        copy_files(
            &seed.join("target").join(TARGET).join("release/deps"),
            &library,
            |name| name.ends_with(".rlib") && !name.starts_with("libseed-"),
        )?;
        copy_files(&self.wasi, &library.join("self-contained"), |name| {
            name == "libc.a" || (name.starts_with("crt1") && name.ends_with(".o"))
        })?;
        let host = folder.join("lib/rustlib").join(&self.host);
        let programs = host.join("bin");
        create_dir(&programs.join("gcc-ld"))?;
        link(&self.host_library, &host.join("lib"))?;
        link(&self.component_linker, &programs.join("wasm-component-ld"))?;
        for name in ["wasm-ld", "gcc-ld/wasm-ld", "rust-lld"] {
            link(&self.linker.join("wasm-ld"), &programs.join(name))?;
        }
        let script = format!(
            "#!/bin/sh\nexec '{}' --sysroot '{}' \"$@\"\n",
            self.rustc.display(),
            folder.display()
        );
        write_program(&folder.join("bin/rustc"), &script)?;
        fs::remove_dir_all(&seed).map_err(BuildError::io("cannot remove", &seed))
    }
}

/// The folder of the newest installed LLVM that has `wasm-ld`.
fn newest_llvm() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib").ok()?.flatten().filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.strip_prefix("llvm-")?.parse().ok()?;
        let programs = entry.path().join("bin");
        programs.join("wasm-ld").exists().then_some((version, programs))
    });
    versions.max().map(|(_, programs)| programs)
}

/// `wasm-component-ld` of the toolchain in use, or on the path.
fn component_linker(host: &str) -> Option<PathBuf> {
    let sysroot = version_text("rustc", &["--print", "sysroot"]).ok();
    let in_toolchain = sysroot.map(|sysroot| {
        Path::new(&sysroot)
            .join("lib/rustlib")
            .join(host)
            .join("bin/wasm-component-ld")
    });
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("wasm-component-ld"));
    in_toolchain
        .into_iter()
        .chain(on_path)
        .find(|program| program.is_file())
}

fn copy_files(from: &Path, to: &Path, wanted: impl Fn(&str) -> bool) -> Result<(), BuildError> {
    create_dir(to)?;
    for entry in fs::read_dir(from)
        .map_err(BuildError::io("cannot read", from))?
        .flatten()
    {
        let name = entry.file_name();
        if name.to_str().is_some_and(&wanted) {
            fs::copy(entry.path(), to.join(&name)).map_err(BuildError::io("cannot copy", &entry.path()))?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn link(target: &Path, link: &Path) -> Result<(), BuildError> {
    std::os::unix::fs::symlink(target, link).map_err(BuildError::io("cannot link", link))
}

#[cfg(unix)]
fn write_program(path: &Path, text: &str) -> Result<(), BuildError> {
    use std::os::unix::fs::PermissionsExt as _;
    write_whole(path, text.as_bytes())?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(BuildError::io("cannot write", path))
}

#[cfg(not(unix))]
fn link(_target: &Path, link: &Path) -> Result<(), BuildError> {
    Err(BuildError::io("cannot link", link)(
        std::io::ErrorKind::Unsupported.into(),
    ))
}

#[cfg(not(unix))]
fn write_program(path: &Path, text: &str) -> Result<(), BuildError> {
    write_whole(path, text.as_bytes())
}
