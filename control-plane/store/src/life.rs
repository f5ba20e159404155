//! The name of the life of a store: another one when what is stored may be an older picture than what was promised.

use std::sync::{Arc, PoisonError, RwLock};

/// The name, which a new connection to a database may change. Cheap to clone; clones change together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Life(Arc<RwLock<Arc<str>>>);

impl Life {
    /// The name now.
    pub(crate) fn name(&self) -> Arc<str> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// It is another one, or the same.
    pub(crate) fn become_(&self, name: String) {
        let mut now = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if **now == *name {
            return;
        }
        if !now.is_empty() {
            tracing::warn!(
                "the database is another life of itself than before; hosts will say what it may have lost"
            );
        }
        *now = name.into();
    }
}
