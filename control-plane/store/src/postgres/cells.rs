//! Parameters and columns as PostgreSQL sends them.

use std::error::Error;

use bytes::BytesMut;
use tokio_postgres::Row;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::dialect::without_nul;
use crate::StoreError;
use crate::cells::{Cell, Cells};

/// A parameter as it is sent.
#[derive(Debug)]
pub(super) enum Sent<'a> {
    Cell(Cell<'a>),
    /// Rows as JSON that had to be changed.
    Set(String),
}

impl<'a> Sent<'a> {
    /// Rows as JSON.
    pub(super) fn set(json: &'a str) -> Self {
        without_nul(json).map_or(Self::Cell(Cell::Text(json)), Self::Set)
    }
}

impl ToSql for Sent<'_> {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Cell(cell) => cell.to_sql(of, out),
            Self::Set(json) => json.to_sql(of, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl ToSql for Cell<'_> {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Cell::Null => Ok(IsNull::Yes),
            Cell::Int(number) => match *of {
                Type::INT4 => i32::try_from(*number)?.to_sql(of, out),
                Type::INT2 => i16::try_from(*number)?.to_sql(of, out),
                _ => number.to_sql(of, out),
            },
            // It has no text with U+0000 in it.
            Cell::Text(text) if text.contains('\0') => text.replace('\0', "\u{fffd}").to_sql(of, out),
            Cell::Text(text) => text.to_sql(of, out),
            Cell::Bytes(bytes) => bytes.to_sql(of, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl Cells for Row {
    fn cell(&self, column: usize) -> Result<Cell<'_>, StoreError> {
        let of = self
            .columns()
            .get(column)
            .ok_or_else(|| StoreError::unreadable("column", column))?;
        Ok(match *of.type_() {
            Type::INT8 => self
                .try_get::<_, Option<i64>>(column)?
                .map_or(Cell::Null, Cell::Int),
            Type::INT4 => {
                let number: Option<i32> = self.try_get(column)?;
                number.map_or(Cell::Null, |number| Cell::Int(i64::from(number)))
            }
            Type::BOOL => {
                let truth: Option<bool> = self.try_get(column)?;
                truth.map_or(Cell::Null, |truth| Cell::Int(i64::from(truth)))
            }
            Type::BYTEA => self
                .try_get::<_, Option<&[u8]>>(column)?
                .map_or(Cell::Null, Cell::Bytes),
            _ => self
                .try_get::<_, Option<&str>>(column)?
                .map_or(Cell::Null, Cell::Text),
        })
    }
}
