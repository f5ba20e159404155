//! Large values of records: here once, however many records of however many runs hold them.
//!
//! A value comes in pieces, before the records that name it by the digest of its bytes; nothing counts as here before all
//! of it is and its digest fits. The first run that holds a value keeps it, the last one takes it away ([`crate::retention`]);
//! one that none holds goes after a while. Whoever reads records gets them with their values beside them.

use std::collections::HashMap;

use crate::cells::{Row, params};
use crate::connection::Connection;
use flowforge_core::Scope;
use flowforge_protocol::Digest;
use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::chain::{stored_values, with_values};
use flowforge_protocol::digest::Hasher;
use flowforge_protocol::pieces::{KeptValue, PIECE_BYTES_MAX, ValuePiece, ValuePieces};
use serde_json::json;

use crate::batch_error::MAX_BATCH_BYTES;
use crate::sql::{self, signed, unsigned};
use crate::{Store, StoreError};

/// Largest value, in bytes.
pub const MAX_VALUE_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes of values that no run holds yet, of all hosts of a project together; above it no more are taken until some are held or go.
pub const MAX_UNUSED_BYTES: u64 = 64 * 1024 * 1024;

/// Why a piece of a value is not taken. What came before it is.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeepError {
    /// It can never be taken.
    #[error("value {value} cannot be taken: {rule}")]
    Refused {
        /// Which value.
        value: Digest,
        /// What it breaks.
        rule: &'static str,
    },
    /// There is no room for values that no records hold yet. The same call succeeds when there is.
    #[error("values that no record holds yet take {MAX_UNUSED_BYTES} bytes; try again in a while")]
    NoRoom,
    /// See [`StoreError`].
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A value that is here, or comes.
#[derive(Debug, Clone, Copy)]
struct Known {
    row: i64,
    bytes: u64,
    received: u64,
    whole: bool,
}

/// A value that is here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whole {
    pub(crate) row: i64,
    pub(crate) bytes: u64,
}

impl Store {
    /// Takes pieces of values, and says how much of each value that is named is here. Repeating a call changes nothing.
    ///
    /// # Errors
    /// See [`KeepError`].
    pub async fn keep_values(
        &self,
        scope: &Scope,
        call: ValuePieces,
        at_ms: u64,
    ) -> Result<Vec<KeptValue>, KeepError> {
        self.alone(scope, None, move |transaction, scope| {
            let mut named = call.asked;
            for piece in &call.pieces {
                match keep_piece(transaction, scope, piece, at_ms)? {
                    Ok(()) => named.push(piece.value),
                    Err(error) => return Ok(Err(error)),
                }
            }
            named.sort_unstable();
            named.dedup();
            let kept = |value: Digest| {
                let known = known(transaction, scope, &value)?;
                Ok(KeptValue {
                    value,
                    through: known.map_or(0, |known| known.received),
                    whole: known.is_some_and(|known| known.whole),
                })
            };
            let kept = named
                .iter()
                .copied()
                .map(kept)
                .collect::<Result<Vec<_>, StoreError>>()?;
            // Records that hold them are about to come.
            let digests = json!(named.iter().map(|digest| [digest.hex()]).collect::<Vec<_>>()).to_string();
            sql::run(
                transaction,
                "update value set touched_ms = ?2 where touched_ms < ?2 and used = 0 and digest in \
                 (select unhex(value ->> 0) from json_each(?1)) and workspace = ?3 and project = ?4",
                params![digests, signed(at_ms), scope.workspace(), scope.project()],
            )?;
            Ok(Ok(kept))
        })
        .await?
    }

    /// The bytes of those of these values that are here, as many as fit into `max_bytes`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn values(
        &self,
        scope: &Scope,
        wanted: Vec<Digest>,
        max_bytes: u64,
    ) -> Result<HashMap<Digest, Vec<u8>>, StoreError> {
        self.read(scope, move |connection, scope| {
            load(connection, scope, &wanted, max_bytes)
        })
        .await
    }
}

fn known(connection: &Connection, scope: &Scope, value: &Digest) -> Result<Option<Known>, StoreError> {
    sql::first(
        connection,
        "select seq, bytes, received, whole from value where digest = ?1 and workspace = ?2 and project = ?3",
        params![&value.as_bytes()[..], scope.workspace(), scope.project()],
        |row| {
            Ok(Known {
                row: row.get(0)?,
                bytes: unsigned(row.get(1)?),
                received: unsigned(row.get(2)?),
                whole: row.get(3)?,
            })
        },
    )
}

fn keep_piece(
    connection: &Connection,
    scope: &Scope,
    piece: &ValuePiece,
    at_ms: u64,
) -> Result<Result<(), KeepError>, StoreError> {
    let length = piece.piece.len();
    let refused = |rule| {
        let value = piece.value;
        Ok(Err(KeepError::Refused { value, rule }))
    };
    if piece.bytes > MAX_VALUE_BYTES {
        return refused("it is larger than 4 MiB");
    }
    if length == 0 || length > PIECE_BYTES_MAX || piece.from.saturating_add(length as u64) > piece.bytes {
        return refused("a piece is empty, larger than 256 KiB, or goes beyond the value's end");
    }
    let known = match known(connection, scope, &piece.value)? {
        Some(known) if known.whole => return Ok(Ok(())),
        Some(known) if known.bytes == piece.bytes => known,
        // Somebody else said another size of it and cannot have had it, or this one has not: its digest will tell.
        Some(known) => {
            forget(connection, known.row)?;
            begin(connection, scope, piece, at_ms)?
        }
        None => begin(connection, scope, piece, at_ms)?,
    };
    if piece.from != known.received {
        return Ok(Ok(()));
    }
    let unused = sql::first(
        connection,
        "select cast(coalesce(sum(received), 0) as bigint) from value where used = 0 and workspace = ?1 and project = ?2",
        [scope.workspace(), scope.project()],
        |row| Ok(unsigned(row.get(0)?)),
    )?;
    if unused.unwrap_or(0).saturating_add(length as u64) > MAX_UNUSED_BYTES {
        return Ok(Err(KeepError::NoRoom));
    }
    sql::run(
        connection,
        "insert into value_piece (value, from_at, bytes) values (?1, ?2, ?3)",
        params![known.row, signed(piece.from), piece.piece],
    )?;
    let received = known.received + length as u64;
    let whole = received == known.bytes;
    if whole && digest_of(connection, known.row)? != piece.value {
        forget(connection, known.row)?;
        return refused("its bytes do not have this digest");
    }
    sql::run(
        connection,
        "update value set received = ?2, whole = ?3, touched_ms = ?4 where seq = ?1",
        params![known.row, signed(received), whole, signed(at_ms)],
    )?;
    Ok(Ok(()))
}

fn begin(
    connection: &Connection,
    scope: &Scope,
    piece: &ValuePiece,
    at_ms: u64,
) -> Result<Known, StoreError> {
    let row = sql::first(
        connection,
        "insert into value (digest, bytes, received, whole, used, touched_ms, workspace, project) \
         values (?1, ?2, 0, 0, 0, ?3, ?4, ?5) returning seq",
        params![
            &piece.value.as_bytes()[..],
            signed(piece.bytes),
            signed(at_ms),
            scope.workspace(),
            scope.project()
        ],
        |row| row.get(0),
    )?;
    Ok(Known {
        row: row.unwrap_or_default(),
        bytes: piece.bytes,
        received: 0,
        whole: false,
    })
}

/// Its pieces go with it.
fn forget(connection: &Connection, row: i64) -> Result<(), StoreError> {
    sql::run(connection, "delete from value where seq = ?1", [row])?;
    Ok(())
}

const PIECES: &str = "select bytes from value_piece where value = ?1 order by from_at";

/// The digest of what came, piece by piece.
fn digest_of(connection: &Connection, row: i64) -> Result<Digest, StoreError> {
    let mut hasher = Hasher::default();
    sql::all(connection, PIECES, [row], |row| {
        hasher.update(row.bytes(0)?);
        Ok(())
    })?;
    Ok(hasher.finish())
}

/// Those of these values that are here, each in its project.
pub(crate) fn whole<'a>(
    connection: &Connection,
    wanted: impl Iterator<Item = (&'a Scope, Digest)>,
) -> Result<HashMap<(Scope, Digest), Whole>, StoreError> {
    let row = |(scope, digest): (&Scope, Digest)| json!([digest.hex(), scope.workspace(), scope.project()]);
    let wanted: Vec<_> = wanted.map(row).collect();
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let of_row = |row: &Row<'_>| {
        let key = (sql::scope(row, 3)?, sql::digest(&row.get::<Vec<u8>>(0)?)?);
        let whole = Whole {
            row: row.get(1)?,
            bytes: unsigned(row.get(2)?),
        };
        Ok((key, whole))
    };
    let found = sql::all(
        connection,
        "select digest, seq, bytes, workspace, project from value where whole = 1 and (workspace, project, digest) in \
         (select value ->> 1, value ->> 2, unhex(value ->> 0) from json_each(?1))",
        [serde_json::Value::Array(wanted).to_string()],
        of_row,
    )?;
    Ok(found.into_iter().collect())
}

/// The bytes of those of these values that are here, as many as fit.
fn load(
    connection: &Connection,
    scope: &Scope,
    wanted: &[Digest],
    max_bytes: u64,
) -> Result<HashMap<Digest, Vec<u8>>, StoreError> {
    let (mut loaded, mut left) = (HashMap::new(), max_bytes);
    for ((_, digest), value) in whole(connection, wanted.iter().map(|digest| (scope, *digest)))? {
        let Some(rest) = left.checked_sub(value.bytes) else {
            continue;
        };
        left = rest;
        let pieces = sql::all(connection, PIECES, [value.row], |row| row.get::<Vec<u8>>(0))?;
        loaded.insert(digest, pieces.concat());
    }
    Ok(loaded)
}

/// The same records with their values beside them, as far as these are here.
pub(crate) fn resolve(
    connection: &Connection,
    scope: &Scope,
    batch: RecordBatch,
) -> Result<RecordBatch, StoreError> {
    let unreadable = |error| StoreError::unreadable("records", error);
    let wanted = stored_values(&batch.lines, batch.first_seq).map_err(unreadable)?;
    if wanted.is_empty() {
        return Ok(batch);
    }
    let values = load(connection, scope, &wanted, MAX_BATCH_BYTES as u64)?;
    let fetch = |digest: &Digest| values.get(digest).cloned();
    let lines = with_values(&batch.lines, batch.first_seq, &fetch).map_err(unreadable)?;
    Ok(RecordBatch { lines, ..batch })
}
