//! How much one evaluation may cost.
//!
//! The language has no loops of its own but `map` in `map` multiplies, and an evaluation cannot be interrupted from
//! outside. So every list that is walked and every text that is made is paid for.

use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering};

use cel::ExecutionError;
use cel::common::types::{CelList, CelMap, Kind, Type};
use cel::common::value::{CowVal, StaticVal, Val};

use crate::limits::{MAX_EXPRESSION_WORK, MAX_LIST};

static BUDGET: Type = Type::new_unspecified_type("@budget");

/// What is left; travels through an evaluation as the variable `@budget`.
#[derive(Debug)]
pub(super) struct Budget(AtomicU64);

impl Budget {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(MAX_EXPRESSION_WORK))
    }

    fn take(&self, work: u64) -> Result<(), ExecutionError> {
        let left = self.0.load(Ordering::Relaxed);
        match left.checked_sub(work) {
            Some(left) => {
                self.0.store(left, Ordering::Relaxed);
                Ok(())
            }
            None => Err(ExecutionError::function_error(
                "@walk",
                format!("the expression needs more than {MAX_EXPRESSION_WORK} steps of work"),
            )),
        }
    }
}

impl Val for Budget {
    fn get_type(&self) -> &Type {
        &BUDGET
    }

    fn cel_type() -> &'static Type {
        &BUDGET
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(Self(AtomicU64::new(self.0.load(Ordering::Relaxed))))
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Budget {}

/// Pays for work out of the budget among the arguments.
pub(super) fn pay(budget: Option<&CowVal<'_, '_>>, work: usize) -> Result<(), ExecutionError> {
    match budget.and_then(|value| value.downcast_ref::<Budget>()) {
        Some(budget) => budget.take(u64::try_from(work).unwrap_or(u64::MAX)),
        None => Err(ExecutionError::InternalError(
            "an operator lost its budget".to_owned(),
        )),
    }
}

/// `@walk(list, @budget)`: the list itself, once it is paid for.
pub(super) fn walk<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let budget = args.pop();
    let list = args
        .pop()
        .ok_or_else(ExecutionError::missing_argument_or_target)?;
    let size = list
        .as_sizer()
        .map_or(0, |sizer| usize::try_from(*sizer.size().inner()).unwrap_or(0));
    if list.get_type().kind() == Kind::List && size > MAX_LIST {
        let message = format!("the list has {size} elements, above the limit of {MAX_LIST}");
        return Err(ExecutionError::function_error("@walk", message));
    }
    pay(budget.as_ref(), size + 1)?;
    Ok(sorted_keys(&list).unwrap_or(list))
}

/// The keys of a map that was made in an expression, sorted: such a map has no order of its own, and the result of an
/// expression must not depend on chance.
fn sorted_keys<'b, 'v>(list: &CowVal<'b, 'v>) -> Option<CowVal<'b, 'v>> {
    let map = list.downcast_ref::<CelMap>()?;
    let mut keys: Vec<_> = map.inner().keys().cloned().collect();
    keys.sort();
    let keys: Vec<Box<dyn Val + 'v>> = keys.iter().map(|key| key.inner().clone_as_boxed()).collect();
    Some(CowVal::owned(CelList::from(keys)))
}
