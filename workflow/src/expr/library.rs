//! The functions that workflows have beyond the language's own.

use std::cmp::Ordering;
use std::sync::{Arc, LazyLock};

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, ListExpr, LiteralValue, operators};
use cel::common::types::{CelDouble, CelInt, CelList, CelOptional, CelString, CelTimestamp, DYN_TYPE, Kind};
use cel::common::value::{CowVal, Val};
use cel::parser::{Macro, MacroExprHelper};
use cel::{DeclarationError, Env, ExecutionError, ParseError};
use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, SecondsFormat, Utc};

use super::budget;
use super::convert;
use super::operators as ops;
use super::operators::Number;
use super::view::equal;

type Args<'b, 'v> = Vec<CowVal<'b, 'v>>;
type Outcome<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;
type Function = for<'b, 'v> fn(Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError>;

/// Functions of ours that the rewriting turns into `@name(target, arguments…)`.
pub(super) const REWRITTEN: [&str; 9] = [
    "join", "sum", "min", "max", "round", "unique", "first", "date", "json",
];

/// The environment every expression is compiled and evaluated in.
pub(super) static ENV: LazyLock<Result<Arc<Env>, DeclarationError>> = LazyLock::new(|| build().map(Arc::new));

fn build() -> Result<Env, DeclarationError> {
    let mut env = Env::stdlib();
    env.add_extension(cel::extensions::strings)?;
    env.add_extension(cel::extensions::lists)?;
    env.add_extension(cel::extensions::math)?;
    env.add_macro(Macro::receiver("sort_by", 2, |helper, target, args| {
        let list = target.take();
        sort_by_call(helper, list, args)
    }))?;
    env.add_macro(Macro::global("sort_by", 3, |helper, _, args| {
        let list = if args.is_empty() {
            None
        } else {
            Some(args.remove(0))
        };
        sort_by_call(helper, list, args)
    }))?;
    let functions: [(&str, std::ops::RangeInclusive<usize>, Function); 19] = [
        ("@walk", 2..=2, budget::walk),
        ("@add", 3..=3, ops::add),
        ("@subtract", 2..=2, ops::subtract),
        ("@multiply", 2..=2, ops::multiply),
        ("@divide", 2..=2, ops::divide),
        ("@equals", 2..=2, ops::equals),
        ("@differs", 2..=2, ops::differs),
        ("@default", 2..=2, default),
        ("@sort_by", 2..=2, sort_by),
        ("@join", 1..=2, join),
        ("@sum", 1..=1, sum),
        ("@min", 1..=8, min),
        ("@max", 1..=8, max),
        ("@round", 1..=2, round),
        ("@unique", 1..=1, unique),
        ("@first", 1..=1, first),
        ("@date", 1..=2, date),
        ("@json", 1..=1, json),
        ("@text", 1..=1, text),
    ];
    for (name, arity, function) in functions {
        for count in arity {
            env.add_overload(
                name,
                &format!("{name}/{count}"),
                std::iter::repeat_with(|| DYN_TYPE).take(count).collect(),
                function,
            )?;
        }
    }
    Ok(env)
}

/// `list.sort_by(e, key)` as `@sort_by(list, list.map(e, key))`.
fn sort_by_call(
    helper: &mut MacroExprHelper<'_>,
    list: Option<IdedExpr>,
    args: &mut Vec<IdedExpr>,
) -> Result<Option<IdedExpr>, ParseError> {
    let (Some(list), Some(key), Some(variable)) = (list, args.pop(), args.pop()) else {
        return Ok(None);
    };
    let Expr::Ident(name) = &variable.expr else {
        return Err(helper.new_error(
            variable.id,
            "the first argument of `sort_by` is the name of the element",
        ));
    };
    let accumulator = "@result".to_owned();
    let result = helper.next_expr(Expr::Ident(accumulator.clone()));
    let appended = helper.next_expr(Expr::List(ListExpr::new(vec![key])));
    let step = helper.next_expr(Expr::Call(CallExpr {
        func_name: operators::ADD.to_owned(),
        target: None,
        args: vec![result.clone(), appended],
    }));
    let keys = ComprehensionExpr {
        iter_range: list.clone(),
        iter_var: name.clone(),
        iter_var2: None,
        accu_var: accumulator,
        accu_init: helper.next_expr(Expr::List(ListExpr::new(Vec::new()))),
        loop_cond: helper.next_expr(Expr::Literal(LiteralValue::Boolean(true.into()))),
        loop_step: step,
        result,
    };
    let keys = helper.next_expr(Expr::Comprehension(Box::new(keys)));
    Ok(Some(helper.next_expr(Expr::Call(CallExpr {
        func_name: "@sort_by".to_owned(),
        target: None,
        args: vec![list, keys],
    }))))
}

fn fail(function: &str, message: impl Into<String>) -> ExecutionError {
    ExecutionError::FunctionError {
        function: function.to_owned(),
        message: message.into(),
    }
}

fn one<'b, 'v>(args: Args<'b, 'v>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    args.into_iter()
        .next()
        .ok_or_else(ExecutionError::missing_argument_or_target)
}

/// The elements of a list.
fn elements<'v>(function: &str, value: &CowVal<'_, 'v>) -> Result<Vec<Box<dyn Val + 'v>>, ExecutionError> {
    let list = value
        .as_iterable()
        .filter(|_| value.get_type().kind() == Kind::List)
        .ok_or_else(|| {
            fail(
                function,
                format!(
                    "`{function}` needs a list, not {}",
                    super::failure::type_name(value.as_ref())
                ),
            )
        })?;
    let mut walk = list.iter();
    let mut out = Vec::new();
    while let Some(item) = walk.next() {
        out.push(item.clone_as_boxed());
    }
    Ok(out)
}

/// A value as it appears inside a text.
pub(super) fn to_text(value: &dyn Val) -> Result<String, String> {
    Ok(match convert::to_json(value)? {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    })
}

fn text<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let value = one(args)?;
    to_text(value.as_ref())
        .map(|text| CowVal::owned(CelString::from(text)))
        .map_err(|m| fail("text", m))
}

fn join<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let mut args = args.into_iter();
    let list = args
        .next()
        .ok_or_else(ExecutionError::missing_argument_or_target)?;
    let separator = match args.next() {
        None => String::new(),
        Some(value) => match value.downcast_ref::<CelString>() {
            Some(text) => text.inner().to_owned(),
            None => return Err(fail("join", "the separator of `join` must be text")),
        },
    };
    let mut out = String::new();
    for (index, item) in elements("join", &list)?.iter().enumerate() {
        if index > 0 {
            out.push_str(&separator);
        }
        out.push_str(&to_text(item.as_ref()).map_err(|message| fail("join", message))?);
        if out.len() > crate::limits::MAX_VALUE_BYTES {
            return Err(fail(
                "join",
                format!("the text is larger than {} bytes", crate::limits::MAX_VALUE_BYTES),
            ));
        }
    }
    Ok(CowVal::owned(CelString::from(out)))
}

fn numbers(function: &str, list: &CowVal<'_, '_>) -> Result<Vec<Number>, ExecutionError> {
    elements(function, list)?
        .iter()
        .map(|item| {
            Number::of(item.as_ref()).ok_or_else(|| {
                let found = super::failure::type_name(item.as_ref());
                fail(
                    function,
                    format!("`{function}` needs numbers, the list holds {found}"),
                )
            })
        })
        .collect()
}

fn sum<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let list = one(args)?;
    numbers("sum", &list)?
        .into_iter()
        .try_fold(Number::Int(0), Number::add)
        .map(Number::into_val)
}

/// Order of two values of the same kind: numbers, text, booleans, moments, lengths of time.
fn order(a: &dyn Val, b: &dyn Val) -> Option<Ordering> {
    match (Number::of(a), Number::of(b)) {
        (Some(Number::Int(a)), Some(Number::Int(b))) => Some(a.cmp(&b)),
        (Some(a), Some(b)) => a.as_double().partial_cmp(&b.as_double()),
        _ => a.as_comparer().and_then(|comparer| comparer.compare(b).ok()),
    }
}

fn extreme<'b, 'v>(function: &str, args: Args<'b, 'v>, wanted: Ordering) -> Outcome<'b, 'v> {
    let items: Vec<Box<dyn Val + 'v>> = if args.len() == 1 {
        elements(function, &one(args)?)?
    } else {
        args.into_iter().map(CowVal::into_owned).collect()
    };
    let mut items = items.into_iter();
    let mut best = items.next().ok_or_else(|| {
        fail(
            function,
            format!("`{function}` of an empty list; check size() before"),
        )
    })?;
    for item in items {
        match order(item.as_ref(), best.as_ref()) {
            Some(found) if found == wanted => best = item,
            Some(_) => {}
            None => {
                let (a, b) = (
                    super::failure::type_name(item.as_ref()),
                    super::failure::type_name(best.as_ref()),
                );
                return Err(fail(function, format!("`{function}` cannot compare {a} and {b}")));
            }
        }
    }
    Ok(CowVal::Owned(best))
}

fn min<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    extreme("min", args, Ordering::Less)
}

fn max<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    extreme("max", args, Ordering::Greater)
}

/// `round(x)` is a whole number; `round(x, digits)` keeps that many digits after the point.
fn round<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let value = args.first().and_then(|value| Number::of(value.as_ref()));
    let Some(value) = value else {
        return Err(fail("round", "`round` needs a number"));
    };
    match (value, args.get(1).map(|digits| Number::of(digits.as_ref()))) {
        (Number::Int(whole), _) => Ok(CowVal::owned(CelInt::from(whole))),
        (Number::Double(float), None) => {
            let rounded = float.round();
            if rounded.abs() >= 9.2e18 || rounded.is_nan() {
                return Err(fail("round", "the result is beyond 64 bits"));
            }
            #[expect(clippy::cast_possible_truncation, reason = "checked above")]
            Ok(CowVal::owned(CelInt::from(rounded as i64)))
        }
        (Number::Double(float), Some(Some(Number::Int(digits @ 0..=15)))) => {
            let scale = 10_f64.powi(i32::try_from(digits).unwrap_or(0));
            let scaled = float * scale;
            let rounded = if scaled.is_finite() {
                scaled.round() / scale
            } else {
                float
            };
            Ok(CowVal::owned(CelDouble::from(rounded)))
        }
        _ => Err(fail(
            "round",
            "the digits of `round` must be a whole number from 0 to 15",
        )),
    }
}

fn unique<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let list = one(args)?;
    let mut seen = std::collections::HashSet::new();
    let mut out: Vec<Box<dyn Val + 'v>> = Vec::new();
    for item in elements("unique", &list)? {
        // Equal numbers of both kinds count once; their texts differ.
        let key = match Number::of(item.as_ref()) {
            Some(number) => format!("n{}", number.as_double()),
            None => convert::to_json(item.as_ref())
                .map_err(|message| fail("unique", message))?
                .to_string(),
        };
        if seen.insert(key) {
            out.push(item);
        }
    }
    Ok(CowVal::owned(CelList::from(out)))
}

fn first<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let list = one(args)?;
    elements("first", &list)?
        .into_iter()
        .next()
        .map(CowVal::Owned)
        .ok_or_else(|| fail("first", "`first` of an empty list; check size() before"))
}

fn sort_by<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let mut args = args.into_iter();
    let (Some(list), Some(keys)) = (args.next(), args.next()) else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    let mut pairs: Vec<_> = elements("sort_by", &keys)?
        .into_iter()
        .zip(elements("sort_by", &list)?)
        .collect();
    let mut incomparable = false;
    pairs.sort_by(|(a, _), (b, _)| {
        order(a.as_ref(), b.as_ref()).unwrap_or_else(|| {
            incomparable |= !equal(a.as_ref(), b.as_ref());
            Ordering::Equal
        })
    });
    if incomparable {
        return Err(fail(
            "sort_by",
            "the keys of `sort_by` are of different kinds and cannot be compared",
        ));
    }
    Ok(CowVal::owned(CelList::from(
        pairs.into_iter().map(|(_, item)| item).collect::<Vec<_>>(),
    )))
}

/// `default(x, y)`: the rewriting made `x` optional.
fn default<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let mut args = args.into_iter();
    let (Some(value), Some(fallback)) = (args.next(), args.next()) else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    let value = match value.downcast_ref::<CelOptional>() {
        Some(optional) => match optional.option() {
            Some(inner) => CowVal::Owned(inner.clone_as_boxed()),
            None => return Ok(fallback),
        },
        None => value,
    };
    if value.get_type().kind() == Kind::NullType {
        Ok(fallback)
    } else {
        Ok(value)
    }
}

/// A moment from a timestamp, from milliseconds since 1970, or from its text form.
pub(super) fn moment(value: &dyn Val) -> Option<DateTime<Utc>> {
    if let Some(moment) = value.downcast_ref::<CelTimestamp>() {
        return Some(moment.inner().to_utc());
    }
    if let Some(text) = value.downcast_ref::<CelString>() {
        return DateTime::parse_from_rfc3339(text.inner())
            .ok()
            .map(|moment| moment.to_utc());
    }
    match Number::of(value)? {
        Number::Int(ms) => DateTime::from_timestamp_millis(ms),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "fractions of a millisecond are dropped"
        )]
        Number::Double(ms) if ms.abs() < 9e15 => DateTime::from_timestamp_millis(ms as i64),
        Number::Double(_) => None,
    }
}

fn date<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let found = args.first().and_then(|value| moment(value.as_ref()));
    let Some(found) = found else {
        let hint = "`date` needs milliseconds since 1970, a timestamp, or text like 2026-11-26T09:14:00Z";
        return Err(fail("date", hint));
    };
    let text = match args.get(1).map(|form| form.downcast_ref::<CelString>()) {
        None => found.format("%Y-%m-%d").to_string(),
        Some(Some(form)) => {
            let items: Vec<Item<'_>> = StrftimeItems::new(form.inner()).collect();
            if form.inner().len() > 200 || items.contains(&Item::Error) {
                return Err(fail(
                    "date",
                    "the form of `date` is wrong; for example %Y-%m-%d %H:%M",
                ));
            }
            let mut text = String::new();
            if std::fmt::write(
                &mut text,
                format_args!("{}", found.format_with_items(items.iter())),
            )
            .is_err()
            {
                return Err(fail(
                    "date",
                    "the form of `date` is wrong; for example %Y-%m-%d %H:%M",
                ));
            }
            text
        }
        Some(None) => {
            return Err(fail(
                "date",
                "the form of `date` must be text, for example %Y-%m-%d %H:%M",
            ));
        }
    };
    Ok(CowVal::owned(CelString::from(text)))
}

/// Text is read as JSON; anything else becomes JSON text.
fn json<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let value = one(args)?;
    if let Some(text) = value.downcast_ref::<CelString>() {
        let parsed: serde_json::Value = serde_json::from_str(text.inner())
            .map_err(|error| fail("json", format!("this text is not JSON: {error}")))?;
        return Ok(CowVal::Owned(owned(&parsed)));
    }
    let text = convert::to_json(value.as_ref())
        .map_err(|message| fail("json", message))?
        .to_string();
    Ok(CowVal::owned(CelString::from(text)))
}

/// A JSON value as a value of the language that owns its parts.
fn owned<'v>(value: &serde_json::Value) -> Box<dyn Val + 'v> {
    use serde_json::Value;
    match value {
        Value::Array(items) => Box::new(CelList::from(items.iter().map(owned).collect::<Vec<_>>())),
        Value::Object(fields) => {
            let entries = fields
                .iter()
                .map(|(key, value)| (key.clone().into(), owned(value)));
            Box::new(cel::common::types::CelMap::from(
                entries.collect::<std::collections::HashMap<_, _>>(),
            ))
        }
        Value::String(text) => Box::new(CelString::from(text.clone())),
        scalar => super::view::scalar(scalar),
    }
}

/// The moment of an evaluation as a value.
pub(super) fn now_value(now_ms: u64) -> Option<CelTimestamp> {
    let moment = DateTime::from_timestamp_millis(i64::try_from(now_ms).ok()?)?;
    Some(CelTimestamp::from(moment.fixed_offset()))
}

/// A moment in the form it has in JSON.
pub(crate) fn moment_text(ms: u64) -> Option<String> {
    let moment = DateTime::from_timestamp_millis(i64::try_from(ms).ok()?)?;
    Some(moment.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}
