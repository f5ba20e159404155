//! Statements in the words of this crate: rows become values, failures become [`StoreError`].
//!
//! Every statement is kept prepared on its connection.

use flowforge_core::Scope;
use flowforge_protocol::Digest;

use crate::StoreError;
use crate::cells::{Params, Row};
use crate::connection::Connection;

/// Every row, as a value.
pub(crate) fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    mut from_row: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut values = Vec::new();
    connection.each(sql, &params.cells(), &mut |row| {
        values.push(from_row(row)?);
        Ok(true)
    })?;
    Ok(values)
}

/// The first row, if there is one, as a value.
pub(crate) fn first<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    mut from_row: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut value = None;
    connection.each(sql, &params.cells(), &mut |row| {
        value = Some(from_row(row)?);
        Ok(false)
    })?;
    Ok(value)
}

/// Runs a statement that gives no rows; returns how many it changed.
pub(crate) fn run(connection: &Connection, sql: &str, params: impl Params) -> Result<usize, StoreError> {
    connection.run(sql, &params.cells())
}

/// A column that this program writes as a whole number of at most 2^53.
pub(crate) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// The other way round.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A column of a number that needs no more than 32 bits.
pub(crate) fn small(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// A column of text that `T` is written as.
pub(crate) fn parsed<T>(row: &Row<'_>, column: usize, what: &'static str) -> Result<T, StoreError>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    row.text(column)?
        .parse()
        .map_err(|error| StoreError::unreadable(what, error))
}

/// A column of a digest's 32 bytes.
pub(crate) fn digest(bytes: &[u8]) -> Result<Digest, StoreError> {
    let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| StoreError::unreadable("chain", "not 32 bytes"))?;
    Ok(Digest::from_bytes(bytes))
}

/// The scope whose two columns begin there.
pub(crate) fn scope(row: &Row<'_>, first: usize) -> Result<Scope, StoreError> {
    Ok(Scope::new(row.text(first)?, row.text(first + 1)?))
}
