//! What goes into a statement and what comes out of it, whichever engine runs it.

use flowforge_protocol::Digest;

use crate::StoreError;

/// A parameter, or a column of a row: what both engines can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell<'a> {
    Null,
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// What may be a parameter.
pub(crate) trait ToCell {
    fn to_cell(&self) -> Cell<'_>;
}

impl ToCell for str {
    fn to_cell(&self) -> Cell<'_> {
        Cell::Text(self)
    }
}

impl ToCell for String {
    fn to_cell(&self) -> Cell<'_> {
        Cell::Text(self)
    }
}

impl ToCell for i64 {
    fn to_cell(&self) -> Cell<'_> {
        Cell::Int(*self)
    }
}

impl ToCell for u32 {
    fn to_cell(&self) -> Cell<'_> {
        Cell::Int(i64::from(*self))
    }
}

impl ToCell for bool {
    fn to_cell(&self) -> Cell<'_> {
        Cell::Int(i64::from(*self))
    }
}

impl ToCell for Vec<u8> {
    fn to_cell(&self) -> Cell<'_> {
        Cell::Bytes(self)
    }
}

impl ToCell for [u8] {
    fn to_cell(&self) -> Cell<'_> {
        Cell::Bytes(self)
    }
}

impl ToCell for [u8; 32] {
    fn to_cell(&self) -> Cell<'_> {
        Cell::Bytes(self)
    }
}

impl<T: ToCell> ToCell for Option<T> {
    fn to_cell(&self) -> Cell<'_> {
        self.as_ref().map_or(Cell::Null, ToCell::to_cell)
    }
}

impl<T: ToCell + ?Sized> ToCell for &T {
    fn to_cell(&self) -> Cell<'_> {
        (**self).to_cell()
    }
}

/// The parameters of a statement, in the order of their numbers.
pub(crate) trait Params {
    fn cells(&self) -> Vec<Cell<'_>>;
}

impl Params for () {
    fn cells(&self) -> Vec<Cell<'_>> {
        Vec::new()
    }
}

impl<T: ToCell, const N: usize> Params for [T; N] {
    fn cells(&self) -> Vec<Cell<'_>> {
        self.iter().map(ToCell::to_cell).collect()
    }
}

/// Parameters of several types.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        [$(&$value as &dyn $crate::cells::ToCell),*]
    };
}
pub(crate) use params;

/// One row of an answer; it is read before the next one comes.
pub(crate) trait Cells {
    /// The column, counted from 0.
    fn cell(&self, column: usize) -> Result<Cell<'_>, StoreError>;
}

/// A row of either engine.
pub(crate) struct Row<'a>(pub(crate) &'a dyn Cells);

impl Row<'_> {
    /// A column as a value.
    pub(crate) fn get<T: FromCell>(&self, column: usize) -> Result<T, StoreError> {
        T::from_cell(self.0.cell(column)?)
    }

    /// A column of text, without a copy.
    pub(crate) fn text(&self, column: usize) -> Result<&str, StoreError> {
        match self.0.cell(column)? {
            Cell::Text(text) => Ok(text),
            other => Err(unfit("text", other)),
        }
    }

    /// A column of bytes, without a copy.
    pub(crate) fn bytes(&self, column: usize) -> Result<&[u8], StoreError> {
        match self.0.cell(column)? {
            Cell::Bytes(bytes) => Ok(bytes),
            other => Err(unfit("bytes", other)),
        }
    }
}

/// What a column can be read as.
pub(crate) trait FromCell: Sized {
    fn from_cell(cell: Cell<'_>) -> Result<Self, StoreError>;
}

fn unfit(wanted: &str, found: Cell<'_>) -> StoreError {
    let found = match found {
        Cell::Null => "nothing",
        Cell::Int(_) => "a number",
        Cell::Text(_) => "text",
        Cell::Bytes(_) => "bytes",
    };
    StoreError::unreadable("column", format!("{wanted} was expected, {found} is there"))
}

impl FromCell for String {
    fn from_cell(cell: Cell<'_>) -> Result<Self, StoreError> {
        match cell {
            Cell::Text(text) => Ok(text.to_owned()),
            other => Err(unfit("text", other)),
        }
    }
}

impl FromCell for i64 {
    fn from_cell(cell: Cell<'_>) -> Result<Self, StoreError> {
        match cell {
            Cell::Int(number) => Ok(number),
            other => Err(unfit("a number", other)),
        }
    }
}

impl FromCell for bool {
    fn from_cell(cell: Cell<'_>) -> Result<Self, StoreError> {
        Ok(i64::from_cell(cell)? != 0)
    }
}

impl FromCell for Vec<u8> {
    fn from_cell(cell: Cell<'_>) -> Result<Self, StoreError> {
        match cell {
            Cell::Bytes(bytes) => Ok(bytes.to_vec()),
            other => Err(unfit("bytes", other)),
        }
    }
}

impl FromCell for Digest {
    fn from_cell(cell: Cell<'_>) -> Result<Self, StoreError> {
        match cell {
            Cell::Bytes(bytes) => <[u8; 32]>::try_from(bytes)
                .map(Self::from_bytes)
                .map_err(|_| StoreError::unreadable("digest", "not 32 bytes")),
            other => Err(unfit("bytes", other)),
        }
    }
}

impl<T: FromCell> FromCell for Option<T> {
    fn from_cell(cell: Cell<'_>) -> Result<Self, StoreError> {
        match cell {
            Cell::Null => Ok(None),
            other => T::from_cell(other).map(Some),
        }
    }
}
