//! Functions over numbers.

use std::cmp::Ordering;

use super::lists::{extreme, numbers};
use super::{Outcome, Tools, whole_of};
use crate::expr::fault::{Fault, kind};
use crate::expr::operators;
use crate::expr::tree::Operator;
use crate::expr::value::Val;

pub(super) fn sum<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    numbers(tools, "sum", args.first())?
        .into_iter()
        .try_fold(Val::Int(0), |sum, item| {
            operators::apply(Operator::Add, &sum, &item, &tools.meter)
        })
}

/// The mean, always a double.
pub(super) fn avg<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let items = numbers(tools, "avg", args.first())?;
    if items.is_empty() {
        return Err(Fault::new("`avg` of an empty list; check size() before"));
    }
    let (mut exact, mut float) = (0_i128, 0.0_f64);
    for item in &items {
        match item {
            // At most 10^7 numbers of 65 bits.
            Val::Int(whole) => exact += i128::from(*whole),
            Val::Big(whole) => exact += i128::from(*whole),
            other => float += other.number().map_or(0.0, |number| number.as_double()),
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a mean is a double")]
    Ok(Val::Double((exact as f64 + float) / items.len() as f64))
}

pub(super) fn min<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    extreme(tools, "min", args, Ordering::Less)
}

pub(super) fn max<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    extreme(tools, "max", args, Ordering::Greater)
}

/// `round(x)` is a whole number; `round(x, digits)` keeps that many digits after the point.
pub(super) fn round<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let float = match args.first() {
        Some(whole @ (Val::Int(_) | Val::Big(_))) => return Ok(whole.clone()),
        Some(Val::Double(float)) => *float,
        other => return Err(no_number("round", other)),
    };
    if args.len() < 2 {
        let rounded = float.round();
        if rounded.is_nan() || rounded.abs() >= 1e19 {
            return Err(Fault::new("the result of `round` is beyond 64 bits"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "its size was checked above")]
        let whole = rounded as i128;
        return Val::whole(whole).ok_or_else(|| Fault::new("the result of `round` is beyond 64 bits"));
    }
    let digits = whole_of("round", args.get(1), "the number of digits")?;
    let Some(digits) = i32::try_from(digits)
        .ok()
        .filter(|digits| (0..=15).contains(digits))
    else {
        return Err(Fault::new(
            "the digits of `round` must be a whole number from 0 to 15",
        ));
    };
    let scale = 10_f64.powi(digits);
    let scaled = float * scale;
    Ok(Val::Double(if scaled.is_finite() {
        scaled.round() / scale
    } else {
        float
    }))
}

fn no_number(function: &str, found: Option<&Val<'_>>) -> Box<Fault> {
    Fault::new(match found {
        Some(found) => format!("`{function}` needs a number, not {}", kind(found)),
        None => format!("`{function}` needs a number"),
    })
}

fn double<'v>(function: &str, args: &[Val<'v>], then: impl Fn(f64) -> f64) -> Outcome<'v> {
    match args.first().and_then(Val::number) {
        Some(number) => Ok(Val::Double(then(number.as_double()))),
        None => Err(no_number(function, args.first())),
    }
}

fn asked<'v>(function: &str, args: &[Val<'v>], then: impl Fn(f64) -> bool) -> Outcome<'v> {
    match args.first().and_then(Val::number) {
        Some(number) => Ok(Val::Bool(then(number.as_double()))),
        None => Err(no_number(function, args.first())),
    }
}

pub(super) fn abs<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    match args.first() {
        Some(Val::Int(whole)) => whole
            .checked_abs()
            .map(Val::Int)
            .ok_or_else(|| Fault::new("the result of `abs` is beyond 64 bits")),
        _ => double("abs", args, f64::abs),
    }
}

pub(super) fn sign<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    match args.first() {
        Some(Val::Int(whole)) => Ok(Val::Int(whole.signum())),
        _ => double("math.sign", args, |x| if x == 0.0 { 0.0 } else { x.signum() }),
    }
}

pub(super) fn ceil<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    double("math.ceil", args, f64::ceil)
}

pub(super) fn floor<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    double("math.floor", args, f64::floor)
}

pub(super) fn round_double<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    double("math.round", args, f64::round)
}

pub(super) fn trunc<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    double("math.trunc", args, f64::trunc)
}

pub(super) fn sqrt<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    double("math.sqrt", args, f64::sqrt)
}

pub(super) fn is_nan<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    asked("math.isNaN", args, f64::is_nan)
}

pub(super) fn is_inf<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    asked("math.isInf", args, f64::is_infinite)
}

pub(super) fn is_finite<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    asked("math.isFinite", args, f64::is_finite)
}
