//! One page of a list.

/// Items of one page and whether there are more behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, each with the place a cursor carries.
    pub items: Vec<(i64, T)>,
    /// True if the list goes on.
    pub has_more: bool,
}

impl<T> Page<T> {
    /// A page from up to `limit + 1` rows: the one too many says that there are more.
    pub(crate) fn from_rows(mut items: Vec<(i64, T)>, limit: u32) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = items.len() > limit;
        items.truncate(limit);
        Self { items, has_more }
    }
}
