//! Operators between two values.
//!
//! Where CEL has an answer, it is this one. Beyond it: `int` and `double` mix to `double`, because JSON writes 2 and
//! 2.5 for the same field, and lists and objects compare by what is in them. A whole number above the signed 64 bits
//! compares and is handed on, but no arithmetic is done with it: its result could only be wrong.

use std::cmp::Ordering;

use super::fault::{Fault, cannot, kind};
use super::functions::Outcome;
use super::meter::Meter;
use super::tree::Operator;
use super::value::{Val, equal, in_calendar, order};

/// `a operator b`
pub(super) fn apply<'v>(operator: Operator, a: &Val<'v>, b: &Val<'v>, meter: &Meter<'_>) -> Outcome<'v> {
    match operator {
        Operator::Equal => Ok(Val::Bool(equal(a, b, meter)?)),
        Operator::Differ => Ok(Val::Bool(!equal(a, b, meter)?)),
        Operator::Less => compare(a, b, meter, |found| found == Ordering::Less),
        Operator::LessOrEqual => compare(a, b, meter, |found| found != Ordering::Greater),
        Operator::Greater => compare(a, b, meter, |found| found == Ordering::Greater),
        Operator::GreaterOrEqual => compare(a, b, meter, |found| found != Ordering::Less),
        Operator::In => within(a, b, meter),
        Operator::Add => add(a, b, meter),
        Operator::Subtract | Operator::Multiply | Operator::Divide | Operator::Modulo => {
            arithmetic(operator, a, b)
        }
    }
}

fn compare<'v>(
    a: &Val<'v>,
    b: &Val<'v>,
    meter: &Meter<'_>,
    wanted: impl Fn(Ordering) -> bool,
) -> Outcome<'v> {
    match order(a, b, meter)? {
        Some(found) => Ok(Val::Bool(wanted(found))),
        // Not-a-number is neither less nor greater.
        None if a.number().is_some() && b.number().is_some() => Ok(Val::Bool(false)),
        None => Err(cannot("compare", a, b)),
    }
}

fn within<'v>(a: &Val<'v>, b: &Val<'v>, meter: &Meter<'_>) -> Outcome<'v> {
    if let Some(length) = b.list_length() {
        for index in 0..length {
            if let Some(item) = b.element(index)
                && equal(a, &item, meter)?
            {
                return Ok(Val::Bool(true));
            }
        }
        return Ok(Val::Bool(false));
    }
    if b.field_count().is_some() {
        return Ok(Val::Bool(a.key().is_some_and(|key| b.get(&key).is_some())));
    }
    let hint = match b {
        Val::Text(_) => "; for a part of a text write text.contains(part)",
        Val::Null | Val::Absent => "; write default(x, []) if it may be absent",
        _ => "",
    };
    Err(Fault::new(format!(
        "`in` needs a list or an object on the right, not {}{hint}",
        kind(b)
    )))
}

fn beyond(operator: Operator) -> Box<Fault> {
    Fault::new(format!("the result of `{}` is beyond 64 bits", operator.sign()))
}

fn add<'v>(a: &Val<'v>, b: &Val<'v>, meter: &Meter<'_>) -> Outcome<'v> {
    match (a, b) {
        (Val::Text(left), Val::Text(right)) => {
            let (left, right) = (left.as_str(), right.as_str());
            meter.make(left.len().saturating_add(right.len()))?;
            Ok(Val::text(format!("{left}{right}")))
        }
        (Val::Bytes(left), Val::Bytes(right)) => {
            meter.make(left.len().saturating_add(right.len()))?;
            Ok(Val::Bytes([left.as_ref(), right.as_ref()].concat().into()))
        }
        (Val::Moment(moment), Val::Length(length)) | (Val::Length(length), Val::Moment(moment)) => moment
            .checked_add_signed(*length)
            .and_then(in_calendar)
            .map(Val::Moment)
            .ok_or_else(|| Fault::new("the moment is beyond the calendar")),
        (Val::Length(a), Val::Length(b)) => a
            .checked_add(b)
            .map(Val::Length)
            .ok_or_else(|| Fault::new("the duration is too long")),
        _ => match (a.list_length(), b.list_length()) {
            (Some(left), Some(right)) => {
                meter.make_parts(left.saturating_add(right))?;
                let left = (0..left).filter_map(|index| a.element(index));
                Ok(Val::list(
                    left.chain((0..right).filter_map(|index| b.element(index)))
                        .collect(),
                ))
            }
            _ => arithmetic(Operator::Add, a, b),
        },
    }
}

fn arithmetic<'v>(operator: Operator, a: &Val<'v>, b: &Val<'v>) -> Outcome<'v> {
    let verb = match operator {
        Operator::Add => "add",
        Operator::Subtract => "subtract",
        Operator::Multiply => "multiply",
        Operator::Divide => "divide",
        _ => "take the rest of",
    };
    if let (Operator::Subtract, Some(outcome)) = (operator, subtract_times(a, b)) {
        return outcome;
    }
    if let (Val::Int(a), Val::Int(b)) = (a, b) {
        return whole(operator, *a, *b);
    }
    let (Some(left), Some(right)) = (a.number(), b.number()) else {
        return Err(cannot(verb, a, b));
    };
    if let Some(big) = [a, b].into_iter().find_map(|value| match value {
        Val::Big(big) => Some(*big),
        _ => None,
    }) {
        return Err(above(big));
    }
    let (left, right) = (left.as_double(), right.as_double());
    match operator {
        Operator::Add => Ok(Val::Double(left + right)),
        Operator::Subtract => Ok(Val::Double(left - right)),
        Operator::Multiply => Ok(Val::Double(left * right)),
        Operator::Divide if right == 0.0 => Err(Fault::new("division by zero")),
        Operator::Divide => Ok(Val::Double(left / right)),
        _ => Err(Fault::new(
            "`%` takes whole numbers only; write int(x) around a double",
        )),
    }
}

fn whole<'v>(operator: Operator, a: i64, b: i64) -> Outcome<'v> {
    let result = match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide | Operator::Modulo if b == 0 => return Err(Fault::new("division by zero")),
        Operator::Divide => a.checked_div(b),
        _ => a.checked_rem(b),
    };
    result.map(Val::Int).ok_or_else(|| beyond(operator))
}

fn subtract_times<'v>(a: &Val<'v>, b: &Val<'v>) -> Option<Outcome<'v>> {
    let calendar = || Fault::new("the moment is beyond the calendar");
    match (a, b) {
        (Val::Moment(a), Val::Moment(b)) => Some(Ok(Val::Length(*a - *b))),
        (Val::Moment(moment), Val::Length(length)) => Some(
            moment
                .checked_sub_signed(*length)
                .and_then(in_calendar)
                .map(Val::Moment)
                .ok_or_else(calendar),
        ),
        (Val::Length(a), Val::Length(b)) => Some(
            a.checked_sub(b)
                .map(Val::Length)
                .ok_or_else(|| Fault::new("the duration is too long")),
        ),
        _ => None,
    }
}

/// Arithmetic on a whole number above 2^63−1.
fn above(big: u64) -> Box<Fault> {
    Fault::new(format!(
        "{big} is above the 64 bits that arithmetic has; it can only be compared and handed on, or write \
         double(x) around it"
    ))
}

/// `-a`
pub(super) fn negate<'v>(value: &Val<'v>) -> Outcome<'v> {
    match value {
        Val::Int(whole) => whole
            .checked_neg()
            .map(Val::Int)
            .ok_or_else(|| beyond(Operator::Subtract)),
        Val::Double(float) => Ok(Val::Double(-float)),
        Val::Length(length) => Ok(Val::Length(-*length)),
        Val::Big(big) => Err(above(*big)),
        other => Err(Fault::new(format!("`-` needs a number, not {}", kind(other)))),
    }
}
