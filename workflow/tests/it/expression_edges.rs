//! The functions of the library at their edges: nothing, one, the last, another kind, other scripts, very large.

use std::collections::BTreeSet;

use flowforge_workflow::expr::{Context, Expression};
use flowforge_workflow::expr_help;

use crate::expressions::names;

const EDGES: &[(&str, &[&str])] = &[
    (
        "group_by",
        &[
            "[].group_by(x, x)",
            "[1, 2, 3, 4].group_by(x, x % 2 == 0 ? 'even' : 'odd')",
            "[1, 2].group_by(x, x)",
            "[true, false].group_by(x, x)",
            "[{'a': 1}].group_by(x, x.b)",
            "[1].group_by(x, [x])",
            "[1].group_by(x, null)",
            "'ab'.group_by(x, x)",
            "{'b': 1, 'a': 2}.group_by(k, 'all')",
        ],
    ),
    (
        "avg",
        &[
            "avg([])",
            "avg([3])",
            "avg([1, 2])",
            "avg([1.5, 2])",
            "avg(['1'])",
            "avg([null])",
            "avg(null)",
            "avg([9223372036854775807, 9223372036854775807])",
        ],
    ),
    (
        "count",
        &[
            "count([])",
            "count([null, null])",
            "[1, 2, 3].count(x, x > 1)",
            "[].count(x, x > 1)",
            "[1].count(x, x)",
            "count('abc')",
            "count(null)",
        ],
    ),
    (
        "flatten",
        &[
            "[].flatten()",
            "[[], [[]]].flatten()",
            "[1, [2, [3, [4]]]].flatten()",
            "[1, [2, [3, [4]]]].flatten(2)",
            "[1, [2, [3, [4]]]].flatten(9)",
            "[[1]].flatten(0)",
            "[[1]].flatten(-1)",
            "'a'.flatten()",
        ],
    ),
    (
        "zip",
        &[
            "zip([], [])",
            "zip([1, 2], ['a', 'b'])",
            "zip([1, 2], ['a'])",
            "zip([1], null)",
        ],
    ),
    (
        "to_map",
        &[
            "[].to_map()",
            "[['a', 1], ['b', 2]].to_map()",
            "[['a', 1], ['a', 2]].to_map()",
            "[['a']].to_map()",
            "[[1, 2]].to_map()",
            "[[null, 2]].to_map()",
            "zip(['a'], [1]).to_map()",
            "[].to_map(x, x)",
            "['a', 'b'].to_map(x, x)",
            "['a', 'b'].to_map(x, x, size(x))",
            "['a', 'a'].to_map(x, x)",
            "[1].to_map(x, {})",
        ],
    ),
    (
        "split",
        &[
            "''.split(',')",
            "'a,b,,c,'.split(',')",
            "'aé日'.split('')",
            "'a,b,c'.split(',', 2)",
            "'a,b'.split(',', 0)",
            "'a,b'.split(',', 1)",
            "'a,b'.split(',', -1)",
            "'a'.split(null)",
            "5.split(',')",
        ],
    ),
    (
        "trim",
        &[
            "''.trim()",
            "' \\t\\n a b \u{a0}\u{3000}'.trim()",
            "null.trim()",
            "'\u{feff}a'.trim().size()",
        ],
    ),
    (
        "lower",
        &["''.lower()", "'ÄİΣ'.lower()", "1.lower()", "'ÄB'.lowerAscii()"],
    ),
    (
        "upper",
        &[
            "''.upper()",
            "'straße'.upper()",
            "null.upper()",
            "'äb'.upperAscii()",
        ],
    ),
    (
        "replace",
        &[
            "'aaa'.replace('a', 'b')",
            "'aaa'.replace('a', 'b', 2)",
            "'aaa'.replace('a', 'b', 0)",
            "'aaa'.replace('a', 'b', -1)",
            "'ab'.replace('', '-')",
            "'a'.replace('a', 1)",
            "'aa'.replace('a', 'aa')",
        ],
    ),
    (
        "parse_json",
        &[
            "parse_json('')",
            "parse_json('null')",
            "parse_json(' [1, 2.50, \"x\"] ')",
            "parse_json('{\"a\": 1, \"a\": 2}')",
            "parse_json('18446744073709551616')",
            "parse_json('{\"a\": [1e400]}')",
            "parse_json('[1,]')",
            "parse_json('NaN')",
            "parse_json(1)",
        ],
    ),
    (
        "parse_number",
        &[
            "parse_number('')",
            "parse_number(' 12 ')",
            "parse_number('-0')",
            "parse_number('1.50')",
            "parse_number('1e3')",
            "parse_number('1,234.5')",
            "parse_number('0x10')",
            "parse_number('18446744073709551615')",
            "parse_number('18446744073709551616')",
            "parse_number('1e999')",
            "parse_number('inf')",
            "parse_number(12)",
            "parse_number(null)",
        ],
    ),
    (
        "format_date",
        &[
            "format_date('2024-02-29T23:30:00Z', '%Y-%m-%d')",
            "format_date('2024-02-29T23:30:00Z', '%d.%m.%Y %H:%M', 'Europe/Berlin')",
            "format_date('2026-10-25T00:30:00Z', '%H:%M %z', 'Europe/Berlin')",
            "format_date('2026-10-25T01:30:00Z', '%H:%M %z', 'Europe/Berlin')",
            "format_date(0, '%Y')",
            "format_date('2024-02-30T00:00:00Z', '%Y')",
            "format_date('2024-01-01T00:00:00Z', '%Q')",
            "format_date('2024-01-01T00:00:00Z', '')",
            "format_date('2024-01-01T00:00:00Z', '%Y', 'Europe/Berln')",
        ],
    ),
    (
        "parse_date",
        &[
            "parse_date('2024-02-29')",
            "parse_date('2023-02-29')",
            "parse_date('2024-02-29T12:00:00+05:45')",
            "parse_date('29.02.2024', '%d.%m.%Y')",
            "parse_date('29.02.2024 07:30', '%d.%m.%Y %H:%M', 'Asia/Kathmandu')",
            "parse_date('07:30', '%H:%M')",
            "parse_date('x', '%Y')",
            "parse_date('')",
            "parse_date(null)",
        ],
    ),
    (
        "add_time",
        &[
            "add_time('2024-01-31T00:00:00Z', 1, 'month')",
            "add_time('2024-02-29T00:00:00Z', 1, 'year')",
            "add_time('2024-02-29T00:00:00Z', -1, 'day')",
            "add_time('2024-01-01T00:00:00Z', 0, 'hours')",
            "add_time('2024-01-01T00:00:00Z', duration('90m'))",
            "add_time('2024-01-01T00:00:00Z', 1, 'fortnight')",
            "add_time('2024-01-01T00:00:00Z', 1.5, 'days')",
            "add_time('2024-01-01T00:00:00Z', 9223372036854775807, 'weeks')",
            "add_time('2026-03-28T01:30:00Z', 1, 'day', 'Europe/Berlin')",
            "add_time('2026-03-29T00:30:00Z', 1, 'hour', 'Europe/Berlin')",
        ],
    ),
    (
        "hash",
        &[
            "hash('')",
            "hash('a') == hash(b'a')",
            "hash({'b': 1, 'a': 2}) == hash({'a': 2, 'b': 1})",
            "hash(1) == hash(1.0)",
            "hash(null)",
        ],
    ),
    (
        "uuid",
        &[
            "uuid().size()",
            "uuid() == uuid()",
            "uuid().matches('^[0-9a-f-]{36}$')",
            "uuid().charAt(14)",
        ],
    ),
];

/// Each line is a value, or after `✗` what a person reads.
#[test]
fn functions_at_their_edges() {
    let mut out = String::new();
    for (function, sources) in EDGES {
        out.push_str(&format!("{function}\n"));
        for source in *sources {
            let context = Context::from(1_795_425_600_000).with_seed("run/step");
            let found = match Expression::compile(source) {
                Ok(expression) => match expression.evaluate(&names(), context) {
                    Ok(value) => value.to_string(),
                    Err(error) => format!("✗ {error}"),
                },
                Err(error) => format!("✗ {} | {}", error.message, error.fix.unwrap_or_default()),
            };
            out.push_str(&format!("  {:<62} {found}\n", source));
        }
    }
    insta::assert_snapshot!(out);
}

/// What the help calls a function of workflows stands in the table above.
#[test]
fn no_function_of_the_library_is_left_out() {
    let tested: BTreeSet<&str> = EDGES.iter().map(|(function, _)| *function).collect();
    let help: String = expr_help()
        .iter()
        .map(|entry| entry.form)
        .collect::<Vec<_>>()
        .join(" ");
    for function in [
        "group_by",
        "avg",
        "count",
        "flatten",
        "zip",
        "to_map",
        "split",
        "trim",
        "lower",
        "upper",
        "replace",
        "parse_json",
        "parse_number",
        "format_date",
        "parse_date",
        "add_time",
        "hash",
        "uuid",
    ] {
        assert!(help.contains(function) && tested.contains(function), "{function}");
    }
}
