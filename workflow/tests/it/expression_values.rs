//! Texts, numbers, moments and identifiers in expressions.

use std::collections::{BTreeMap, BTreeSet};

use flowforge_workflow::expr::{Context, Expression, Template};
use serde_json::{Value, json};

use crate::expressions::{Names, failure, names, value};

/// A text was cut up before the language saw it, so that quotes, braces or a backslash at its end broke it.
#[test]
fn every_form_of_text_works_inside_an_expression() {
    let in_template = |source: &str| {
        let template = Template::compile(&Value::from(format!("${{{source}}}")))
            .unwrap_or_else(|errors| panic!("{source}: {errors:?}"));
        template
            .evaluate(&names(), 0)
            .unwrap_or_else(|error| panic!("{source}: {error:?}"))
    };
    assert_eq!(
        in_template(r#""""he said "a=b" ok""""#),
        json!("he said \"a=b\" ok")
    );
    assert_eq!(in_template("'''it's {x} fine'''"), json!("it's {x} fine"));
    assert_eq!(in_template(r#"r"C:\temp\" + "new""#), json!("C:\\temp\\new"));
    assert_eq!(in_template(r#"json("""{"k": "}"}""").k"#), json!("}"));
    assert_eq!(in_template(r#""a\u00e9\x41\101\U0001F600".size()"#), json!(5));
    assert_eq!(in_template(r#""tab\tquote\"end""#), json!("tab\tquote\"end"));
    assert_eq!(in_template(r#""a+b".matches(r"^a\+b$")"#), json!(true));
    assert_eq!(in_template(r"string(b'\xc3\xa9') + R'\n'"), json!("é\\n"));
    assert_eq!(in_template("{'a': '}'}.a + '{{'"), json!("}{{"));
    assert_eq!(in_template("'$${and}' + '$'"), json!("$${and}$"));
    assert_eq!(in_template("fetch.`feed-url` + fetch['feed-url']"), json!("uu"));
}

/// A day was a moment for `parse_date` alone, and a text of another form was refused without saying what to do.
#[test]
fn a_day_is_a_moment_everywhere() {
    assert_eq!(value("date('2018-02-06')"), json!("2018-02-06"));
    assert_eq!(value("format_date('2026-03-29', '%d.%m.')"), json!("29.03."));
    assert_eq!(
        value("add_time('2026-01-31', 1, 'month')"),
        json!("2026-02-28T00:00:00Z")
    );
    assert_eq!(value("parse_date(' 2026-02-28 ')"), json!("2026-02-28T00:00:00Z"));
    for wrong in ["parse_date('2026-02-28 10:00')", "add_time('soon', '1h')"] {
        let failure = failure(wrong);
        assert!(
            failure.contains("for other forms write parse_date(text, form)"),
            "{failure}"
        );
    }
    // What has the form and names no moment was told to have another form.
    for wrong in ["date('2026-02-30')", "parse_date('2026-02-28T25:00:00Z')"] {
        let failure = failure(wrong);
        assert!(failure.contains("which is in no calendar"), "{failure}");
    }
}

/// `parse_date('2026-01-02 17', '%Y-%m-%d %H')` gave midnight: an hour without minutes was passed over, and so was the
/// offset of a text without an hour.
#[test]
fn everything_that_a_form_names_counts() {
    for (expression, expected) in [
        (
            "parse_date('2026-01-02 17', '%Y-%m-%d %H')",
            "2026-01-02T17:00:00Z",
        ),
        (
            "parse_date('2026-01-02 5 PM', '%Y-%m-%d %I %p')",
            "2026-01-02T17:00:00Z",
        ),
        (
            "parse_date('2026-01-02 +05:30', '%Y-%m-%d %z')",
            "2026-01-01T18:30:00Z",
        ),
        (
            "parse_date('2026-01-02', '%Y-%m-%d', 'Europe/Berlin')",
            "2026-01-01T23:00:00Z",
        ),
        (
            "parse_date('02.01.2026 17:30', '%d.%m.%Y %H:%M', '+02:00')",
            "2026-01-02T15:30:00Z",
        ),
        (
            "parse_date('1767375000', '%s', 'Europe/Berlin')",
            "2026-01-02T17:30:00Z",
        ),
        (
            "parse_date('2026-01-02T17:30:00-03:00', '%+', 'Europe/Berlin')",
            "2026-01-02T20:30:00Z",
        ),
    ] {
        assert_eq!(value(expression), json!(expected), "{expression}");
    }
    // Which half of the day it is, or which hour, is not told: that is no day either.
    for unclear in [
        "parse_date('2026-01-02 5', '%Y-%m-%d %I')",
        "parse_date('2026-01-02 30', '%Y-%m-%d %M')",
    ] {
        assert!(failure(unclear).contains("does not have the form"), "{unclear}");
    }
}

/// `format_date(t, 'YYYY-MM-DD')` gave the text `YYYY-MM-DD`.
#[test]
fn a_form_that_names_no_part_of_a_moment_is_refused() {
    for call in [
        "format_date('2026-01-02', 'YYYY-MM-DD')",
        "date('2026-01-02', 'yyyy')",
        "parse_date('02.01.2026', 'DD.MM.YYYY')",
        "format_date('2026-01-02', '100%%')",
    ] {
        let error = Expression::compile(call).expect_err(call);
        assert!(error.message.contains("names no part of a moment"), "{error:?}");
        assert!(
            error.fix.as_ref().is_some_and(|fix| fix.contains("%Y-%m-%d")),
            "{error:?}"
        );
        let later = call.replace(", '", ", '' + '");
        assert!(
            failure(&later).contains("names no part of a moment; for example %Y"),
            "{later}"
        );
    }
}

/// The end of what was shown was cut: `1/(fetch.none - 3`.
#[test]
fn a_part_in_parentheses_is_shown_with_both() {
    assert_eq!(
        failure("[1 / (0 * (2 - 3))]"),
        "division by zero, in `1 / (0 * (2 - 3))`"
    );
}

/// `add_time(x, 1, 'day', 'Europe/Berlin')` failed in the one night of the year in which the clocks go forward.
#[test]
fn counting_into_a_gap_of_the_clock_ends_right_after_it() {
    let next = |start: &str, zone: &str| value(&format!("add_time('{start}', 1, 'day', '{zone}')"));
    assert_eq!(
        next("2026-03-28T01:30:00Z", "Europe/Berlin"),
        json!("2026-03-29T01:00:00Z")
    );
    assert_eq!(
        next("2026-03-28T01:30:15.5Z", "Europe/Berlin"),
        json!("2026-03-29T01:00:00Z")
    );
    assert_eq!(
        next("2026-03-28T02:30:00Z", "Europe/Berlin"),
        json!("2026-03-29T01:30:00Z")
    );
    // Samoa left out the 30th of December 2011.
    assert_eq!(
        next("2011-12-29T22:00:00Z", "Pacific/Apia"),
        json!("2011-12-30T10:00:00Z")
    );
    assert!(failure("add_time('9999-12-31T10:00:00Z', 1, 'day')").contains("beyond the calendar"));
}

/// A whole number above 2^63 was of another type than the ones below, and `-x` said that it is no number.
#[test]
fn a_whole_number_is_an_int_whatever_its_size() {
    assert_eq!(value("type(18446744073709551615) == int"), json!(true));
    assert_eq!(value("type(5u) == type(18446744073709551615)"), json!(true));
    assert!(failure("-18446744073709551615").contains("above the 64 bits that arithmetic has"));
}

/// `getDayOfMonth('+11:00')` was not known, although the language has it.
#[test]
fn a_moment_is_read_in_any_time_zone() {
    let at = "timestamp('2009-02-13T23:31:30Z')";
    assert_eq!(value(&format!("{at}.getDayOfMonth('+11:00')")), json!(13));
    assert_eq!(value(&format!("{at}.getHours('Europe/Berlin')")), json!(0));
    assert_eq!(value(&format!("{at}.getHours('-05:30')")), json!(18));
    assert_eq!(value(&format!("{at}.getDate() + {at}.getDayOfWeek()")), json!(18));
    assert_eq!(value(&format!("{at}.getDayOfYear('UTC')")), json!(43));
    assert_eq!(
        value("timestamp('2024-02-29T12:00:00+05:45')"),
        json!("2024-02-29T06:15:00Z")
    );
    assert_eq!(
        value("timestamp('2024-03-01T00:00:00Z') - timestamp('2024-02-29T00:00:00Z')"),
        json!("86400s")
    );
    assert_eq!(value("duration('1h30m') - duration('1.25s')"), json!("5398.75s"));
    assert!(failure(&format!("{at}.getHours('Mars/Base')")).contains("`Mars/Base` is not a time zone"));
    // The night the clocks go forward has no 02:30, the one they go back has two of them.
    assert!(
        failure("parse_date('2026-03-29 02:30', '%Y-%m-%d %H:%M', 'Europe/Berlin')")
            .contains("does not exist")
    );
    assert_eq!(
        value("parse_date('2026-10-25 02:30', '%Y-%m-%d %H:%M', 'Europe/Berlin')"),
        json!("2026-10-25T00:30:00Z")
    );
    assert_eq!(
        value("add_time('2026-03-28T11:00:00Z', 1, 'day', 'Europe/Berlin')"),
        json!("2026-03-29T10:00:00Z"),
        "noon stays noon"
    );
    assert!(failure("timestamp('9999-12-31T23:59:59Z') + duration('1h')").contains("beyond the calendar"));
    assert!(failure("add_time('0001-01-01T00:00:00Z', -1, 'years')").contains("beyond the calendar"));
}

/// A whole number above 2^53 became another one, or stopped the run. Now 64 bits are exact, signed and unsigned, and
/// arithmetic above the signed ones says so instead of giving a wrong number.
#[test]
fn whole_numbers_are_exact_to_64_bits() {
    let big = Names(BTreeMap::from([
        ("id", Some(json!(9_007_199_254_740_993_u64))),
        ("most", Some(json!(u64::MAX))),
        ("least", Some(json!(i64::MIN))),
    ]));
    let of = |source: &str| {
        let expression = Expression::compile(source).unwrap_or_else(|error| panic!("{source}: {error:?}"));
        expression.evaluate(&big, 0).map_err(|error| error.message)
    };
    assert_eq!(of("id + 0"), Ok(json!(9_007_199_254_740_993_u64)));
    assert_eq!(of("id == 9007199254740992.0"), Ok(json!(false)));
    assert_eq!(of("id > 9007199254740992.0 && id < most"), Ok(json!(true)));
    assert_eq!(of("[most, least]"), Ok(json!([u64::MAX, i64::MIN])));
    assert_eq!(
        of("most == 18446744073709551615 && most in [most]"),
        Ok(json!(true))
    );
    assert_eq!(
        of("string(most) + json([least])"),
        Ok(json!("18446744073709551615[-9223372036854775808]"))
    );
    assert_eq!(
        of("parse_json('[18446744073709551615]')[0] == most"),
        Ok(json!(true))
    );
    assert_eq!(of("int('18446744073709551615')"), Ok(json!(u64::MAX)));
    assert_eq!(of("-9223372036854775808"), Ok(json!(i64::MIN)));
    assert_eq!(
        of("unique([9007199254740993, 9007199254740992, 1, 1.0])"),
        Ok(json!([9_007_199_254_740_993_u64, 9_007_199_254_740_992_u64, 1]))
    );
    assert_eq!(of("avg([9007199254740993, -9007199254740993])"), Ok(json!(0.0)));
    let all: Vec<String> = [
        "[1].map(x, most + x)",
        "least - 1",
        "sum([most, 1])",
        "-least",
        "parse_json('{\"a\": [99999999999999999999]}')",
        "int('99999999999999999999')",
        "round(1e19)",
    ]
    .iter()
    .map(|source| format!("{source:<50} {}\n", of(source).expect_err(source)))
    .collect();
    insta::assert_snapshot!(all.concat());
}

/// Two attempts of a step, or two hosts, must send the same identifier; two places must not.
#[test]
fn an_identifier_is_the_same_in_every_attempt_and_another_at_each_place() {
    let template = Template::compile(&json!({
        "a": "${uuid()}",
        "b": ["${uuid()}", "${uuid()} ${uuid()}"],
        "each": "${[1, 2].map(x, uuid())}",
    }))
    .expect("it compiles");
    let of = |seed| {
        template
            .evaluate(&names(), Context::from(0).with_seed(seed))
            .expect("it has a seed")
    };
    let (first, again, other) = (of("run 1/step"), of("run 1/step"), of("run 2/step"));
    assert_eq!(first, again);
    let text = format!("{first} {other}");
    let found: BTreeSet<&str> = text
        .split(|c: char| !c.is_ascii_hexdigit() && c != '-')
        .filter(|part| part.len() == 36)
        .collect();
    assert_eq!(found.len(), 12, "{found:?}");
    assert!(
        found.iter().all(|uuid| uuid.as_bytes()[14] == b'8'),
        "version 8: derived by a hash"
    );
    let error = template
        .evaluate(&names(), 0)
        .expect_err("nothing to derive it from");
    assert_eq!(error.path, ".a");
}
