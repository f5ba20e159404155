//! The Python that is linked into components, changed so that the same source gives the same bytes.
//!
//! While a component is made, Python draws the seed of its hashes, looks at its files, and keeps in memory what it found:
//! dates and numbers of files, and their names in the order in which this machine's file system lists them. All these
//! questions go through one library of the runtime, which lies packed inside the tool; a program of the tool's own
//! environment takes it out and puts the changed one in its place.

use std::fs;
use std::path::Path;
use std::time::Duration;

use wasm_encoder::{BlockType, Function, InstructionSink, ValType};

use crate::BuildError;
use crate::cache::write_whole;
use crate::command::{run, tool};
use crate::engine::{monotonic, wall};
use crate::steady::{Answer, Asked, Of, Plan, at, steady};

/// The program that takes the library out of the tool and puts it in.
const PROGRAM: &str = "library.py";

const FILES: &str = "wasi:filesystem/types@0.2.0";

/// What the library is told. The runtime calls `__wasilibc_reset_preopens` once, when it has loaded the source and is about to
/// be frozen: what is asked from then on is asked by a step.
const PLAN: Plan = Plan {
    answers: &[
        Answer {
            of: Of::Import("wasi:random/random@0.2.0", "get-random-bytes"),
            body: |asked| Ok(random(asked)),
        },
        Answer {
            of: Of::Import("wasi:clocks/wall-clock@0.2.0", "now"),
            body: |asked| Ok(wall(asked)),
        },
        Answer {
            of: Of::Import("wasi:clocks/monotonic-clock@0.2.0", "now"),
            body: |asked| Ok(monotonic(asked)),
        },
        Answer {
            of: Of::Import(FILES, "[method]descriptor.stat"),
            body: |asked| Ok(without(asked, &OF_THE_MACHINE, true)),
        },
        Answer {
            of: Of::Import(FILES, "[method]descriptor.stat-at"),
            body: |asked| Ok(without(asked, &OF_THE_MACHINE, true)),
        },
        Answer {
            of: Of::Import(FILES, "[method]descriptor.metadata-hash"),
            body: |asked| Ok(without(asked, &IDENTITY, false)),
        },
        Answer {
            of: Of::Import(FILES, "[method]descriptor.metadata-hash-at"),
            body: |asked| Ok(without(asked, &IDENTITY, false)),
        },
        Answer {
            of: Of::Import(FILES, "[method]directory-entry-stream.read-directory-entry"),
            body: listed,
        },
        Answer {
            of: Of::Import(FILES, "[resource-drop]directory-entry-stream"),
            body: closed,
        },
        Answer {
            of: Of::Export("cabi_realloc"),
            body: |asked| Ok(roomy(asked)),
        },
    ],
    begin: "__wasilibc_reset_preopens",
    variables: 3,
};

/// Where the number of names and the seconds and nanoseconds of the three dates lie in what `stat` writes: a result whose
/// value begins at 8, with the dates as options at 24, 48 and 72 of it.
const OF_THE_MACHINE: [Part; 7] = [
    Part::Long(16),
    Part::Long(40),
    Part::Word(48),
    Part::Long(64),
    Part::Word(72),
    Part::Long(88),
    Part::Word(96),
];

/// Where `stat` writes the kind of file, the number that stands for a folder, and where the length, which file systems make up
/// for a folder.
const KIND: u64 = 8;
const FOLDER: i32 = 3;
const LENGTH_OF_A_FILE: u64 = 24;

/// Where the two halves of a file's number lie in what `metadata-hash` writes.
const IDENTITY: [Part; 2] = [Part::Long(8), Part::Long(16)];

/// A number of eight or four bytes, by its offset.
enum Part {
    Long(u64),
    Word(u64),
}

/// Change the library of the tool that was installed in the virtual environment `venv`, whose interpreter is `python`.
/// `folder` holds the program and is written to.
///
/// # Errors
/// [`BuildError::Tool`] if the tool is not built as expected: its version and this module belong together.
pub(crate) fn make_steady(
    folder: &Path,
    venv: &Path,
    python: &Path,
    limit: Duration,
) -> Result<(), BuildError> {
    let (old, new) = (folder.join("library.wasm"), folder.join("library.steady.wasm"));
    let program = |task: &str, file: &Path| -> Result<(), BuildError> {
        let mut command = tool(python);
        command
            .arg("-I")
            .arg(folder.join(PROGRAM))
            .arg(task)
            .arg(venv)
            .arg(file);
        let finished = run(PROGRAM, &mut command, "", limit)?;
        if finished.status.success() {
            Ok(())
        } else {
            Err(finished.failure("changing componentize-py"))
        }
    };
    program("take", &old)?;
    let library = fs::read(&old).map_err(BuildError::io("cannot read", &old))?;
    let changed = steady(&library, &PLAN).map_err(|what| BuildError::Tool {
        tool: "componentize-py".to_owned(),
        status: "not built as expected".to_owned(),
        output: what,
    })?;
    write_whole(&new, &changed)?;
    program("put", &new)
}

/// The host's random bytes once the real work has begun, and the same byte again and again before.
fn random(asked: &Asked<'_>) -> Function {
    let mut body = Function::new([]);
    let mut code = body.instructions();
    code.local_get(0).local_get(1).call(asked.original);
    code.global_get(asked.started).i32_eqz().if_(BlockType::Empty);
    code.local_get(1)
        .i32_load(at(0, 2))
        .i32_const(0x5a)
        .local_get(1)
        .i32_load(at(4, 2))
        .memory_fill(0);
    code.end().end();
    body
}

/// What the host says, and zero in these places until the real work has begun; with `of_folders`, the length of a folder is
/// zero too. The last parameter says where the answer is written; its first byte is 0 if there is one.
fn without(asked: &Asked<'_>, parts: &[Part], of_folders: bool) -> Function {
    let to = asked.params.saturating_sub(1);
    let mut body = Function::new([]);
    let mut code = body.instructions();
    for param in 0..asked.params {
        code.local_get(param);
    }
    code.call(asked.original);
    code.global_get(asked.started).local_get(to).i32_load8_u(at(0, 0));
    code.i32_or().i32_eqz().if_(BlockType::Empty);
    for part in parts {
        code.local_get(to);
        match part {
            Part::Long(offset) => code.i64_const(0).i64_store(at(*offset, 3)),
            Part::Word(offset) => code.i32_const(0).i32_store(at(*offset, 2)),
        };
    }
    if of_folders {
        code.local_get(to).i32_load8_u(at(KIND, 0)).i32_const(FOLDER);
        code.i32_eq().if_(BlockType::Empty);
        code.local_get(to).i64_const(0).i64_store(at(LENGTH_OF_A_FILE, 3));
        code.end();
    }
    code.end().end();
    body
}

/// Bytes of an answer of `read-directory-entry`: whether it is an error at 0, whether there is an entry at 4, then the kind of
/// file at 8, its name at 12 and the length of the name at 16.
const ENTRY_BYTES: i32 = 20;

/// A kept entry: the next one in the order of names, the answer, and the one that was kept before it.
const KEPT: u64 = 4;
const KEPT_BEFORE: u64 = 24;
const KEPT_BYTES: i32 = 28;

/// Room for a name. One size for all names, so that the order in which they came leaves no trace.
const NAME_BYTES: i32 = 4096;

/// Variables: which folder is being listed, the first of its entries that was not given yet, and the last that was kept.
const OWNER: u32 = 0;
const FIRST: u32 = 1;
const LAST_KEPT: u32 = 2;

/// Parameters and locals of [`listed`].
const STREAM: u32 = 0;
const TO: u32 = 1;
const NODE: u32 = 2;
const OWN_NAME: u32 = 3;
const BEFORE: u32 = 4;
const AFTER: u32 = 5;
const NAME: u32 = 6;
const LENGTH: u32 = 7;
const OTHER: u32 = 8;

/// The entries of a folder in the order of their names. The first question reads all of them. A second folder that is listed
/// meanwhile is listed as the host does.
///
/// What is kept is given back all at once, empty, and in the order in which it was made; only copies leave. So memory is the
/// same afterwards, whatever the order was.
fn listed(asked: &Asked<'_>) -> Result<Function, String> {
    let (owner, first) = (asked.variable(OWNER), asked.variable(FIRST));
    let malloc = asked.exported("malloc")?;
    let mut body = Function::new([(7, ValType::I32)]);
    let mut code = body.instructions();
    code.global_get(asked.started)
        .global_get(first)
        .i32_const(0)
        .i32_ne()
        .global_get(owner)
        .local_get(STREAM)
        .i32_ne()
        .i32_and()
        .i32_or()
        .if_(BlockType::Empty)
        .local_get(STREAM)
        .local_get(TO)
        .call(asked.original)
        .return_()
        .end();
    code.global_get(first).i32_eqz().if_(BlockType::Empty);
    code.local_get(STREAM).global_set(owner);
    read_all(&mut code, asked)?;
    code.end();
    // The first entry is given, and the next becomes the first.
    code.global_get(first).local_set(NODE);
    code.local_get(NODE).i32_load(at(0, 2)).global_set(first);
    code.local_get(TO)
        .local_get(NODE)
        .i32_const(4)
        .i32_add()
        .i32_const(ENTRY_BYTES)
        .memory_copy(0, 0);
    is_entry(&mut code);
    code.if_(BlockType::Empty);
    code.i32_const(NAME_BYTES).call(malloc).local_set(OWN_NAME);
    code.local_get(OWN_NAME)
        .local_get(NODE)
        .i32_load(at(KEPT + 12, 2))
        .local_get(NODE)
        .i32_load(at(KEPT + 16, 2))
        .memory_copy(0, 0);
    code.local_get(TO).local_get(OWN_NAME).i32_store(at(12, 2));
    code.else_();
    give_back(&mut code, asked, NODE)?;
    code.end().end();
    Ok(body)
}

/// Whether the host gave an entry: no error, and not the end.
fn is_entry(code: &mut InstructionSink<'_>) {
    code.local_get(NODE).i32_load8_u(at(KEPT, 0)).i32_eqz();
    code.local_get(NODE).i32_load8_u(at(KEPT + 4, 0)).i32_and();
}

/// Empty and free everything that was kept, the last first.
fn give_back(code: &mut InstructionSink<'_>, asked: &Asked<'_>, node: u32) -> Result<(), String> {
    let (kept, free) = (asked.variable(LAST_KEPT), asked.exported("free")?);
    code.block(BlockType::Empty).loop_(BlockType::Empty);
    code.global_get(kept).local_tee(node).i32_eqz().br_if(1);
    code.local_get(node).i32_load(at(KEPT_BEFORE, 2)).global_set(kept);
    code.local_get(node).i32_load(at(KEPT + 12, 2));
    code.i32_const(0).i32_const(NAME_BYTES).memory_fill(0);
    code.local_get(node).i32_load(at(KEPT + 12, 2)).call(free);
    code.local_get(node)
        .i32_const(0)
        .i32_const(KEPT_BYTES)
        .memory_fill(0);
    code.local_get(node).call(free);
    code.br(0).end().end();
    Ok(())
}

/// Read entries until there is none, and keep them sorted; the end of the list is kept too.
fn read_all(code: &mut InstructionSink<'_>, asked: &Asked<'_>) -> Result<(), String> {
    let malloc = asked.exported("malloc")?;
    let free = asked.exported("free")?;
    let kept = asked.variable(LAST_KEPT);
    code.loop_(BlockType::Empty);
    code.i32_const(KEPT_BYTES).call(malloc).local_set(NODE);
    // The room comes before the host's name, so that nothing is left between two kept entries when that name is freed.
    code.i32_const(NAME_BYTES).call(malloc).local_set(OWN_NAME);
    code.local_get(NODE)
        .global_get(kept)
        .i32_store(at(KEPT_BEFORE, 2));
    code.local_get(NODE).global_set(kept);
    code.local_get(STREAM)
        .local_get(NODE)
        .i32_const(4)
        .i32_add()
        .call(asked.original);
    is_entry(code);
    code.if_(BlockType::Empty);
    code.local_get(NODE).i32_load(at(KEPT + 12, 2)).local_set(NAME);
    code.local_get(NODE).i32_load(at(KEPT + 16, 2)).local_set(LENGTH);
    // A name that has no room cannot be a file's; the host would have to be broken.
    code.local_get(LENGTH).i32_const(NAME_BYTES).i32_gt_u();
    code.if_(BlockType::Empty).unreachable().end();
    code.local_get(OWN_NAME)
        .local_get(NAME)
        .local_get(LENGTH)
        .memory_copy(0, 0);
    code.local_get(NAME).i32_const(0).local_get(LENGTH).memory_fill(0);
    code.local_get(NAME).call(free);
    code.local_get(NODE)
        .local_get(OWN_NAME)
        .i32_store(at(KEPT + 12, 2));
    insert(code, asked)?;
    code.br(1).else_();
    // The end: behind all others.
    code.local_get(NODE)
        .local_get(OWN_NAME)
        .i32_store(at(KEPT + 12, 2));
    code.i32_const(-1).local_set(LENGTH);
    insert(code, asked)?;
    code.end().end();
    Ok(())
}

/// Put the entry into the list before the first one whose name is greater. A length of -1 stands for the end, which goes
/// behind all.
fn insert(code: &mut InstructionSink<'_>, asked: &Asked<'_>) -> Result<(), String> {
    let first = asked.variable(FIRST);
    let memcmp = asked.exported("memcmp")?;
    code.i32_const(0).local_set(BEFORE);
    code.global_get(first).local_set(AFTER);
    code.block(BlockType::Empty).loop_(BlockType::Empty);
    code.local_get(AFTER).i32_eqz().br_if(1);
    code.local_get(LENGTH)
        .i32_const(-1)
        .i32_ne()
        .if_(BlockType::Empty);
    // Which is shorter decides how much is compared, and between equal beginnings the shorter goes first.
    code.local_get(OWN_NAME)
        .local_get(AFTER)
        .i32_load(at(KEPT + 12, 2))
        .local_get(LENGTH)
        .local_get(AFTER)
        .i32_load(at(KEPT + 16, 2))
        .local_get(LENGTH)
        .local_get(AFTER)
        .i32_load(at(KEPT + 16, 2))
        .i32_lt_u()
        .select()
        .call(memcmp)
        .local_tee(OTHER)
        .i32_const(0)
        .i32_lt_s();
    code.local_get(OTHER).i32_eqz();
    code.local_get(LENGTH)
        .local_get(AFTER)
        .i32_load(at(KEPT + 16, 2))
        .i32_lt_u()
        .i32_and()
        .i32_or()
        .br_if(2);
    code.end();
    code.local_get(AFTER).local_set(BEFORE);
    code.local_get(AFTER).i32_load(at(0, 2)).local_set(AFTER);
    code.br(0).end().end();
    code.local_get(NODE).local_get(AFTER).i32_store(at(0, 2));
    code.local_get(BEFORE).if_(BlockType::Empty);
    code.local_get(BEFORE).local_get(NODE).i32_store(at(0, 2)).else_();
    code.local_get(NODE).global_set(first).end();
    Ok(())
}

/// Gives whatever comes from the host at least the room of a name until the real work has begun: the names of a folder come
/// in any order, and memory must not remember which was how long.
fn roomy(asked: &Asked<'_>) -> Function {
    let mut body = Function::new([]);
    let mut code = body.instructions();
    code.local_get(0).local_get(1).local_get(2);
    code.local_get(3)
        .i32_const(NAME_BYTES)
        .local_get(3)
        .i32_const(NAME_BYTES)
        .i32_gt_u()
        .global_get(asked.started)
        .i32_or()
        .select();
    code.call(asked.original).end();
    body
}

/// Forgets what is left of a list that is closed before its end: its number may soon be another folder's.
fn closed(asked: &Asked<'_>) -> Result<Function, String> {
    let mut body = Function::new([(1, ValType::I32)]);
    let mut code = body.instructions();
    code.local_get(0).global_get(asked.variable(OWNER)).i32_eq();
    code.if_(BlockType::Empty);
    code.i32_const(0).global_set(asked.variable(FIRST));
    give_back(&mut code, asked, 1)?;
    code.end();
    code.local_get(0).call(asked.original).end();
    Ok(body)
}
