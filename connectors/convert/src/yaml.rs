//! YAML as values, and values as YAML.

use flowforge_sdk::Failure;
use serde_json::Value;

/// The one document of a text, as YAML 1.2 means it: `no` and `12:30` are texts.
///
/// # Errors
/// `rejected` with the line, when the text is no YAML, has several documents or what JSON cannot hold.
pub(crate) fn read(text: &str) -> Result<Value, Failure> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::Error,
    };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| Failure::rejected("not_yaml", format!("it is no YAML: {error}")))
}

/// A value over several lines.
///
/// # Errors
/// `invalid`, when it cannot be written.
pub(crate) fn write(value: &Value) -> Result<String, Failure> {
    serde_saphyr::to_string(value)
        .map_err(|error| Failure::invalid("value", format!("cannot be written: {error}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(text: &str) -> String {
        let Failure::Rejected(rejected) = read(text).unwrap_err() else {
            panic!("must be rejected")
        };
        assert_eq!(rejected.code, "not_yaml");
        rejected.message
    }

    #[test]
    fn texts_stay_texts_and_numbers_keep_every_digit() {
        let text = "\u{feff}country: no\nat: 12:30\nzip: 01234\non: yes\nbig: 9223372036854775807\nmost: 18446744073709551615\n\
                    less: -5\nratio: 2.50\nnothing:\nflag: true\nday: 2026-11-29\nlong: |\n  a\n  b\nlist:\n- 1\n- {a: b}\n";
        assert_eq!(
            read(text).unwrap(),
            json!({
                "country": "no", "at": "12:30", "zip": "01234", "on": "yes", "big": 9_223_372_036_854_775_807_u64,
                "most": 18_446_744_073_709_551_615_u64, "less": -5, "ratio": 2.5, "nothing": null, "flag": true,
                "day": "2026-11-29", "long": "a\nb\n", "list": [1, { "a": "b" }],
            })
        );
    }

    #[test]
    fn what_is_written_reads_back() {
        let value = json!({
            "texts": ["no", "12:30", "01234", "1e3", "null", "~", "", " x ", "a: b", "- c", "# d", "é", "two\nlines\n", "true", "0x1f", "{a}"],
            "numbers": [0, -1, 2.5, 18_446_744_073_709_551_615_u64], "deep": { "er": { "list": [[], {}, null, false] } },
        });
        let text = write(&value).unwrap();
        assert_eq!(read(&text).unwrap(), value, "{text}");
    }

    #[test]
    fn anchors_are_read_and_bombs_refused() {
        assert_eq!(
            read("a: &x {n: 1}\nb: *x\nc: {<<: *x, m: 2}\n").unwrap(),
            json!({ "a": { "n": 1 }, "b": { "n": 1 }, "c": { "n": 1, "m": 2 } })
        );
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..10 {
            let of = n - 1;
            bomb.push_str(&format!("a{n}: &a{n} [*a{of}, *a{of}, *a{of}, *a{of}, *a{of}, *a{of}, *a{of}, *a{of}, *a{of}, *a{of}]\n"));
        }
        said(&bomb);
    }

    #[test]
    fn what_is_no_yaml_is_named() {
        assert!(
            said("a: [1\nb: 2\n").contains("line 2"),
            "{}",
            said("a: [1\nb: 2\n")
        );
        assert!(
            said("a: 1\na: 2\n").contains("line 2"),
            "{}",
            said("a: 1\na: 2\n")
        );
        said("a: 1\n---\nb: 2\n");
        said("a: .nan\n");
        said("a: !!python/object x\n");
    }
}
