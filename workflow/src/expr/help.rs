//! What `flowforge expr help` lists.

use serde::Serialize;

/// One function or operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct HelpEntry {
    /// How it is written.
    pub form: &'static str,
    /// What it does, one sentence.
    pub summary: &'static str,
    /// An expression that stands on its own.
    pub example: &'static str,
    /// Its value, as JSON; absent where it depends on the moment.
    pub value: Option<&'static str>,
}

const fn entry(
    form: &'static str,
    summary: &'static str,
    example: &'static str,
    value: &'static str,
) -> HelpEntry {
    HelpEntry {
        form,
        summary,
        example,
        value: Some(value),
    }
}

/// Everything an expression can use, in the order it is taught. Every example is evaluated by the tests.
#[must_use]
pub fn expr_help() -> &'static [HelpEntry] {
    &ENTRIES
}

static ENTRIES: [HelpEntry; 36] = [
    entry(
        "a + b, a - b, a * b, a / b, a % b",
        "Arithmetic; int and double mix to double, int / int is an int.",
        "7 / 2 + 0.5",
        "3.5",
    ),
    entry(
        "a == b, a != b, a < b, a <= b, a > b, a >= b",
        "Comparison; lists and objects are equal if what they hold is.",
        "[1, 2] == [1, 2.0]",
        "true",
    ),
    entry("a && b, a || b, !a", "Logic.", "true && !false", "true"),
    entry(
        "condition ? a : b",
        "One of two values. In YAML the whole value must be quoted.",
        "3 > 2 ? \"yes\" : \"no\"",
        "\"yes\"",
    ),
    entry(
        "x in list, key in object",
        "Whether it is there.",
        "2 in [1, 2]",
        "true",
    ),
    entry(
        "has(x.field)",
        "Whether the field is there.",
        "has({\"a\": 1}.a)",
        "true",
    ),
    entry(
        "x.?field.orValue(y)",
        "The field, or another value if it is absent.",
        "{\"a\": 1}.?b.orValue(0)",
        "0",
    ),
    entry(
        "default(x, y)",
        "x, or y if any part of x is absent or null.",
        "default({\"a\": null}.a, 5)",
        "5",
    ),
    entry(
        "size(x), x.size()",
        "Length of a text, a list or an object.",
        "size([1, 2, 3])",
        "3",
    ),
    entry(
        "list.map(e, value)",
        "A value for each element.",
        "[1, 2].map(e, e * 2)",
        "[2,4]",
    ),
    entry(
        "list.filter(e, condition)",
        "The elements for which the condition is true.",
        "[1, 2, 3].filter(e, e > 1)",
        "[2,3]",
    ),
    entry(
        "list.all(e, condition)",
        "Whether it is true for all.",
        "[1, 2].all(e, e > 0)",
        "true",
    ),
    entry(
        "list.exists(e, condition)",
        "Whether it is true for one at least.",
        "[1, 2].exists(e, e > 1)",
        "true",
    ),
    entry(
        "list.exists_one(e, condition)",
        "Whether it is true for exactly one.",
        "[1, 2].exists_one(e, e > 1)",
        "true",
    ),
    entry(
        "list.join(separator)",
        "The elements as one text; numbers too.",
        "[1, 2].join(\", \")",
        "\"1, 2\"",
    ),
    entry(
        "sum(list)",
        "The sum; 0 for an empty list.",
        "sum([1, 2.5])",
        "3.5",
    ),
    entry("min(list), min(a, b, …)", "The smallest.", "min([3, 1, 2])", "1"),
    entry("max(list), max(a, b, …)", "The largest.", "max(3, 1.5)", "3"),
    entry(
        "round(x), round(x, digits)",
        "Rounded to a whole number, or to so many digits.",
        "round(2.345, 1)",
        "2.3",
    ),
    entry(
        "unique(list)",
        "Each element once, in order.",
        "unique([2, 1, 2])",
        "[2,1]",
    ),
    entry(
        "list.sort_by(e, key)",
        "Sorted by a key of each element, smallest first.",
        "[{\"n\": 2}, {\"n\": 1}].sort_by(e, e.n)",
        "[{\"n\":1},{\"n\":2}]",
    ),
    entry(
        "list.reverse()",
        "In the opposite order.",
        "[1, 2].reverse()",
        "[2,1]",
    ),
    entry("first(list)", "The first element.", "first([5, 6])", "5"),
    entry(
        "list.slice(from, to)",
        "The elements from one index up to before another.",
        "[1, 2, 3].slice(0, 2)",
        "[1,2]",
    ),
    entry(
        "list.flatten()",
        "The elements of its lists in one list.",
        "[[1], [2]].flatten()",
        "[1,2]",
    ),
    entry(
        "text.contains(x), .startsWith(x), .endsWith(x)",
        "Whether a text has a part.",
        "\"flow\".startsWith(\"fl\")",
        "true",
    ),
    entry(
        "text.matches(pattern)",
        "Whether a regular expression is found in it.",
        "\"a1\".matches(\"[0-9]\")",
        "true",
    ),
    entry(
        "text.lowerAscii(), .upperAscii(), .trim()",
        "The text in lower or upper case, or without blanks at its ends.",
        "\" Ab \".trim().lowerAscii()",
        "\"ab\"",
    ),
    entry(
        "text.replace(a, b), .split(separator)",
        "The text with parts replaced, or its parts.",
        "\"a-b\".split(\"-\")",
        "[\"a\",\"b\"]",
    ),
    entry(
        "text.substring(from, to)",
        "Part of a text.",
        "\"flowforge\".substring(0, 4)",
        "\"flow\"",
    ),
    entry(
        "string(x), int(x), double(x), bool(x)",
        "Conversion.",
        "int(\"42\") + 1",
        "43",
    ),
    entry(
        "date(moment), date(moment, form)",
        "A day in UTC, or another form; from milliseconds, a timestamp or text.",
        "date(1517932242400)",
        "\"2018-02-06\"",
    ),
    HelpEntry {
        form: "now()",
        summary: "The moment the step became due: recorded, so it is the same in every attempt.",
        example: "now()",
        value: None,
    },
    entry(
        "timestamp(text), duration(text)",
        "A moment and a length of time; they add and compare.",
        "timestamp(\"2026-11-26T09:14:00Z\") + duration(\"1h\")",
        "\"2026-11-26T10:14:00Z\"",
    ),
    entry(
        "json(x)",
        "Text read as JSON; anything else as JSON text.",
        "json(\"[1]\")",
        "[1]",
    ),
    entry(
        "math.abs(x), math.ceil(x), math.floor(x), math.sqrt(x)",
        "More arithmetic.",
        "math.abs(-3)",
        "3",
    ),
];
