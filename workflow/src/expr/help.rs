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
    /// Its value, as JSON; absent where it depends on the moment or the step.
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

/// An entry whose value depends on the step.
const fn recorded(form: &'static str, summary: &'static str, example: &'static str) -> HelpEntry {
    HelpEntry {
        form,
        summary,
        example,
        value: None,
    }
}

/// Everything an expression can use, in the order it is taught. Every example is evaluated by the tests.
#[must_use]
pub fn expr_help() -> &'static [HelpEntry] {
    &ENTRIES
}

static ENTRIES: [HelpEntry; 62] = [
    entry(
        "a + b, a - b, a * b, a / b, a % b",
        "Arithmetic; int and double mix to double. int / int is an int: for a mean write avg(list).",
        "7 / 2 + 0.5",
        "3.5",
    ),
    entry(
        "a == b, a != b, a < b, a <= b, a > b, a >= b",
        "Comparison; numbers by value, lists and objects by what they hold.",
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
        "\"text\", 'text', \"\"\"text\"\"\", r\"raw\", b\"bytes\"",
        "Text in any quotes; three of them hold lines and quotes, r takes backslashes as they are, b makes bytes.",
        "r\"C:\\temp\" + '''it's'''",
        "\"C:\\\\tempit's\"",
    ),
    entry(
        "has(x.field)",
        "Whether the field is there.",
        "has({\"a\": 1}.a)",
        "true",
    ),
    entry(
        "default(x, y)",
        "x, or y if any part of x is absent or null.",
        "default({\"a\": null}.a, 5)",
        "5",
    ),
    entry(
        "x.?field.orValue(y), x[?index].orValue(y)",
        "The field, or another value if it is absent.",
        "{\"a\": 1}.?b.orValue(0)",
        "0",
    ),
    entry(
        "x.?field.hasValue(), .value(), .or(y.?field)",
        "Whether an optional is there, what it holds, or another optional.",
        "{\"a\": 1}.?b.or({\"c\": 2}.?c).value()",
        "2",
    ),
    entry(
        "optional.of(x), optional.none()",
        "An optional that is there or absent; in [?x] and {?\"key\": x} an absent one is left out.",
        "[1, ?optional.none()]",
        "[1]",
    ),
    entry(
        "size(x), x.size()",
        "Length of a text, a list or an object.",
        "size([1, 2, 3])",
        "3",
    ),
    entry(
        "list.map(e, value), list.map(e, condition, value)",
        "A value for each element, or for each one the condition is true of.",
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
        "count(list), list.count(e, condition)",
        "The number of elements, or of those for which the condition is true.",
        "[1, 2, 3].count(e, e > 1)",
        "2",
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
    entry("avg(list)", "The mean, always a double.", "avg([1, 2])", "1.5"),
    entry(
        "min(list), min(a, b, …), math.least(a, b, …)",
        "The smallest.",
        "min([3, 1, 2])",
        "1",
    ),
    entry(
        "max(list), max(a, b, …), math.greatest(a, b, …)",
        "The largest.",
        "max(3, 1.5)",
        "3",
    ),
    entry(
        "round(x), round(x, digits)",
        "Rounded to a whole number, or to so many digits.",
        "round(2.345, 1)",
        "2.3",
    ),
    entry("abs(x)", "Without its sign.", "abs(-3)", "3"),
    entry(
        "unique(list), list.distinct()",
        "Each element once, in order.",
        "unique([2, 1, 2])",
        "[2,1]",
    ),
    entry(
        "list.sort()",
        "Sorted, smallest first.",
        "[3, 1, 2].sort()",
        "[1,2,3]",
    ),
    entry(
        "list.sort_by(e, key)",
        "Sorted by a key of each element, smallest first.",
        "[{\"n\": 2}, {\"n\": 1}].sort_by(e, e.n)",
        "[{\"n\":1},{\"n\":2}]",
    ),
    entry(
        "list.group_by(e, key)",
        "An object of lists: the elements of each key, in order.",
        "[1, 2, 3].group_by(e, e % 2 == 0 ? \"even\" : \"odd\")",
        "{\"even\":[2],\"odd\":[1,3]}",
    ),
    entry(
        "list.to_map(e, key), list.to_map(e, key, value), pairs.to_map()",
        "An object with one field for each element; a key that comes twice is a fault.",
        "[[\"a\", 1], [\"b\", 2]].to_map()",
        "{\"a\":1,\"b\":2}",
    ),
    entry(
        "zip(a, b)",
        "Pairs of the elements of two lists, as many as the shorter one has.",
        "zip([1, 2], [\"a\", \"b\"])",
        "[[1,\"a\"],[2,\"b\"]]",
    ),
    entry(
        "list.flatten(), list.flatten(levels)",
        "The elements of its lists in one list.",
        "[[1], [2]].flatten()",
        "[1,2]",
    ),
    entry(
        "list.reverse(), text.reverse()",
        "In the opposite order.",
        "[1, 2].reverse()",
        "[2,1]",
    ),
    entry(
        "first(list), last(list)",
        "The first or the last element.",
        "first([5, 6]) + last([5, 6])",
        "11",
    ),
    entry(
        "list.slice(from, to)",
        "The elements from one index up to before another.",
        "[1, 2, 3].slice(0, 2)",
        "[1,2]",
    ),
    entry(
        "lists.range(n)",
        "The whole numbers from 0 to n - 1.",
        "lists.range(3)",
        "[0,1,2]",
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
        "\"a1\".matches(r\"^[a-z]\\d$\")",
        "true",
    ),
    entry(
        "text.lower(), .upper(), .lowerAscii(), .upperAscii()",
        "The text in lower or upper case, of all letters or of a to z alone.",
        "\"Größe\".upper()",
        "\"GRÖSSE\"",
    ),
    entry(
        "text.trim()",
        "The text without blanks at its ends.",
        "\" a b \".trim()",
        "\"a b\"",
    ),
    entry(
        "text.replace(a, b), text.replace(a, b, times)",
        "The text with parts replaced.",
        "\"a-b-c\".replace(\"-\", \"+\", 1)",
        "\"a+b-c\"",
    ),
    entry(
        "text.split(separator), text.split(separator, parts)",
        "Its parts.",
        "\"a-b\".split(\"-\")",
        "[\"a\",\"b\"]",
    ),
    entry(
        "text.substring(from), text.substring(from, to)",
        "Part of a text.",
        "\"flowforge\".substring(0, 4)",
        "\"flow\"",
    ),
    entry(
        "text.charAt(index), .indexOf(x), .lastIndexOf(x)",
        "A character, or where a part stands; -1 if it does not.",
        "\"flow\".indexOf(\"ow\")",
        "2",
    ),
    entry(
        "text.format(list)",
        "The text with values put in: %s any value, %d a whole number, %f and %.2f a number, %% a percent sign.",
        "\"%s: %.1f %%\".format([\"use\", 12.34])",
        "\"use: 12.3 %\"",
    ),
    entry(
        "parse_number(text)",
        "The number that a text is, whole or with a fraction.",
        "parse_number(\" 12.50 \")",
        "12.5",
    ),
    entry(
        "parse_json(text)",
        "The value that a JSON text holds.",
        "parse_json(\"{\\\"a\\\": [1]}\").a",
        "[1]",
    ),
    entry(
        "json(x)",
        "Text read as JSON; anything else as JSON text.",
        "json(\"[1]\")",
        "[1]",
    ),
    entry(
        "string(x), int(x), uint(x), double(x), bool(x), bytes(x)",
        "Conversion; int cuts a fraction off and gives the seconds of a moment or a duration.",
        "int(\"42\") + 1",
        "43",
    ),
    entry(
        "type(x), dyn(x)",
        "The kind of a value, to compare with int, double, bool, string, bytes, list, map, null_type; dyn gives x itself.",
        "type(1.5) == double",
        "true",
    ),
    entry(
        "hash(x)",
        "SHA-256 in hexadecimal digits: of a text's UTF-8, of bytes, of other values as canonical JSON (RFC 8785).",
        "hash(\"a\").substring(0, 8)",
        "\"ca978112\"",
    ),
    recorded(
        "uuid()",
        "An identifier, recorded: derived from the run and the place it stands at, so it is the same in every attempt.",
        "size(uuid())",
    ),
    recorded(
        "now()",
        "The moment the step became due: recorded, so it is the same in every attempt.",
        "now()",
    ),
    entry(
        "date(moment), date(moment, form)",
        "A day in UTC, or another form; a moment is a timestamp, milliseconds since 1970, or text with or without its time.",
        "date(1517932242400)",
        "\"2018-02-06\"",
    ),
    entry(
        "format_date(moment, form), format_date(moment, form, zone)",
        "A moment as text on the wall clock of a zone, UTC if none is named.",
        "format_date(\"2026-07-01T10:00:00Z\", \"%d.%m.%Y %H:%M\", \"Europe/Berlin\")",
        "\"01.07.2026 12:00\"",
    ),
    entry(
        "parse_date(text), parse_date(text, form), parse_date(text, form, zone)",
        "The moment that a text names; milliseconds since 1970 are taken too.",
        "parse_date(\"01.07.2026 12:00\", \"%d.%m.%Y %H:%M\", \"Europe/Berlin\")",
        "\"2026-07-01T10:00:00Z\"",
    ),
    entry(
        "add_time(moment, duration), add_time(moment, n, unit), add_time(moment, n, unit, zone)",
        "A moment later or earlier; days to years are counted on the wall clock of the zone, and end right after a time that \
         it skips.",
        "add_time(\"2026-01-31T10:00:00Z\", 1, \"month\")",
        "\"2026-02-28T10:00:00Z\"",
    ),
    entry(
        "timestamp(text), duration(text)",
        "A moment and a length of time; they add, subtract and compare.",
        "timestamp(\"2026-11-26T09:14:00Z\") + duration(\"1h\")",
        "\"2026-11-26T10:14:00Z\"",
    ),
    entry(
        "t.getFullYear(), .getMonth(), .getDate(), .getHours(), .getMinutes(), .getSeconds(), .getMilliseconds()",
        "A part of a moment, in UTC or in a zone: getHours(\"Europe/Berlin\"). Months count from 0, getDate from 1.",
        "timestamp(\"2026-07-01T10:00:00Z\").getHours(\"+02:00\")",
        "12",
    ),
    entry(
        "t.getDayOfWeek(), .getDayOfMonth(), .getDayOfYear()",
        "The day, counted from 0; a week begins on Sunday.",
        "timestamp(\"2009-02-13T23:31:30Z\").getDayOfMonth(\"+11:00\")",
        "13",
    ),
    entry(
        "math.abs(x), math.sign(x), math.ceil(x), math.floor(x), math.round(x), math.trunc(x), math.sqrt(x)",
        "More arithmetic; all but abs and sign give a double.",
        "math.ceil(2.1)",
        "3.0",
    ),
    entry(
        "math.isNaN(x), math.isInf(x), math.isFinite(x)",
        "Whether a double is no number, infinite, or neither.",
        "math.isFinite(1.5)",
        "true",
    ),
];
