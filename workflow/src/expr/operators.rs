//! Arithmetic and equality as JSON needs them.
//!
//! Where the language has an answer, it is this one. Beyond it: `int` and `double` mix to `double`, because JSON
//! writes 2 and 2.5 for the same field, and lists and maps compare by what is in them.

use cel::ExecutionError;
use cel::common::types::{CelBool, CelDouble, CelInt, CelString, Kind};
use cel::common::value::{CowVal, Val};

use super::budget::pay;
use super::view::equal;
use crate::limits::MAX_VALUE_BYTES;

type Outcome<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

/// A number of either kind.
#[derive(Clone, Copy)]
pub(super) enum Number {
    Int(i64),
    Double(f64),
}

impl Number {
    pub(super) fn of(value: &dyn Val) -> Option<Self> {
        match value.get_type().kind() {
            Kind::Int => value
                .downcast_ref::<CelInt>()
                .map(|whole| Self::Int(*whole.inner())),
            Kind::Double => value
                .downcast_ref::<CelDouble>()
                .map(|float| Self::Double(*float.inner())),
            _ => None,
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "this is what mixing with a double means"
    )]
    pub(super) fn as_double(self) -> f64 {
        match self {
            Self::Int(whole) => whole as f64,
            Self::Double(float) => float,
        }
    }

    pub(super) fn into_val<'b, 'v>(self) -> CowVal<'b, 'v> {
        match self {
            Self::Int(whole) => CowVal::owned(CelInt::from(whole)),
            Self::Double(float) => CowVal::owned(CelDouble::from(float)),
        }
    }

    pub(super) fn add(self, other: Self) -> Result<Self, ExecutionError> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.checked_add(b).map(Self::Int).ok_or_else(|| too_large("+")),
            (a, b) => Ok(Self::Double(a.as_double() + b.as_double())),
        }
    }
}

fn too_large(operator: &str) -> ExecutionError {
    ExecutionError::function_error(operator, "the result is beyond 64 bits")
}

fn cannot(operator: &str, verb: &str, a: &dyn Val, b: &dyn Val) -> ExecutionError {
    let (a, b) = (super::failure::type_name(a), super::failure::type_name(b));
    let hint = match (a, b) {
        ("text", "int" | "double") | ("int" | "double", "text") => {
            "; write string(x) or int(x) around one of them"
        }
        (_, "null") | ("null", _) => "; write default(x, 0) if it may be absent",
        _ => "",
    };
    ExecutionError::function_error(operator, format!("cannot {verb} {a} and {b}{hint}"))
}

fn pair<'a, 'b, 'v>(
    args: &'a [CowVal<'b, 'v>],
) -> Result<(&'a CowVal<'b, 'v>, &'a CowVal<'b, 'v>), ExecutionError> {
    match args {
        [a, b, ..] => Ok((a, b)),
        _ => Err(ExecutionError::missing_argument_or_target()),
    }
}

/// `a + b`
pub(super) fn add<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    let (a, b) = pair(&args)?;
    if let (Some(a), Some(b)) = (Number::of(a.as_ref()), Number::of(b.as_ref())) {
        return a.add(b).map(Number::into_val);
    }
    if let (Some(left), Some(right)) = (a.downcast_ref::<CelString>(), b.downcast_ref::<CelString>()) {
        let size = left.inner().len() + right.inner().len();
        if size > MAX_VALUE_BYTES {
            let message = format!("the text would be larger than {MAX_VALUE_BYTES} bytes");
            return Err(ExecutionError::function_error("+", message));
        }
        pay(args.get(2), size / 64 + 1)?;
        return Ok(CowVal::owned(CelString::from(format!(
            "{}{}",
            left.inner(),
            right.inner()
        ))));
    }
    let size = |value: &dyn Val| {
        value
            .as_sizer()
            .map_or(0, |s| usize::try_from(*s.size().inner()).unwrap_or(0))
    };
    pay(args.get(2), size(a.as_ref()) + size(b.as_ref()) + 1)?;
    let sum = a.as_adder().and_then(|adder| adder.add(b.as_ref()).ok());
    sum.map(|sum| CowVal::Owned(sum.into_owned()))
        .ok_or_else(|| cannot("+", "add", a.as_ref(), b.as_ref()))
}

/// `a - b`
pub(super) fn subtract<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    let (a, b) = pair(&args)?;
    match (Number::of(a.as_ref()), Number::of(b.as_ref())) {
        (Some(Number::Int(a)), Some(Number::Int(b))) => a
            .checked_sub(b)
            .map(|n| Number::Int(n).into_val())
            .ok_or_else(|| too_large("-")),
        (Some(a), Some(b)) => Ok(Number::Double(a.as_double() - b.as_double()).into_val()),
        _ => {
            let rest = a
                .as_subtractor()
                .and_then(|subtractor| subtractor.sub(b.as_ref()).ok());
            rest.map(|rest| CowVal::Owned(rest.into_owned()))
                .ok_or_else(|| cannot("-", "subtract", a.as_ref(), b.as_ref()))
        }
    }
}

/// `a * b`
pub(super) fn multiply<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    let (a, b) = pair(&args)?;
    match (Number::of(a.as_ref()), Number::of(b.as_ref())) {
        (Some(Number::Int(a)), Some(Number::Int(b))) => a
            .checked_mul(b)
            .map(|n| Number::Int(n).into_val())
            .ok_or_else(|| too_large("*")),
        (Some(a), Some(b)) => Ok(Number::Double(a.as_double() * b.as_double()).into_val()),
        _ => Err(cannot("*", "multiply", a.as_ref(), b.as_ref())),
    }
}

/// `a / b`; whole numbers divide to a whole number.
pub(super) fn divide<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    let (a, b) = pair(&args)?;
    let zero = || ExecutionError::function_error("/", "division by zero");
    match (Number::of(a.as_ref()), Number::of(b.as_ref())) {
        (Some(Number::Int(_)), Some(Number::Int(0))) => Err(zero()),
        (Some(Number::Int(a)), Some(Number::Int(b))) => a
            .checked_div(b)
            .map(|n| Number::Int(n).into_val())
            .ok_or_else(|| too_large("/")),
        (Some(a), Some(b)) if b.as_double() == 0.0 => {
            let _ = a;
            Err(zero())
        }
        (Some(a), Some(b)) => Ok(Number::Double(a.as_double() / b.as_double()).into_val()),
        _ => Err(cannot("/", "divide", a.as_ref(), b.as_ref())),
    }
}

/// `a == b`
pub(super) fn equals<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    let (a, b) = pair(&args)?;
    Ok(CowVal::owned(CelBool::from(equal(a.as_ref(), b.as_ref()))))
}

/// `a != b`
pub(super) fn differs<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    let (a, b) = pair(&args)?;
    Ok(CowVal::owned(CelBool::from(!equal(a.as_ref(), b.as_ref()))))
}
