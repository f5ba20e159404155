//! The few spellings in which PostgreSQL differs from what the statements of this crate are written in.

/// A statement as PostgreSQL reads it.
pub(super) fn spelled(sql: &str) -> String {
    let sql = sql
        .replace(
            "select value from json_each(",
            "select value #>> '{}' as value from json_each(",
        )
        .replace("substr(?2", "substr(cast(?2 as bytea)");
    let mut spelled = String::with_capacity(sql.len() + 64);
    let mut rest = sql.as_str();
    while let Some(at) = rest.find("json_each(") {
        let (before, after) = rest.split_at(at);
        let argument = after.trim_start_matches("json_each(");
        let (argument, behind) = argument.split_once(')').unwrap_or((argument, ""));
        spelled.push_str(before);
        spelled.push_str("jsonb_array_elements(cast(cast(");
        spelled.push_str(argument);
        spelled.push_str(" as text) as jsonb))");
        rest = behind;
    }
    spelled.push_str(rest);
    spelled.replace('?', "$")
}

/// The numbers of the parameters that are rows as JSON.
pub(super) fn sets(sql: &str) -> Vec<usize> {
    let arguments = sql.split("json_each(?").skip(1);
    let numbers = arguments.filter_map(|rest| rest.split_once(')')?.0.parse().ok());
    numbers.collect()
}

/// JSON text without U+0000, which PostgreSQL cannot keep: `\u0000` becomes the sign for a character that is not known.
pub(super) fn without_nul(json: &str) -> Option<String> {
    const NUL: &str = "\\u0000";
    if !json.contains(NUL) {
        return None;
    }
    let mut kept = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find(NUL) {
        let (before, after) = rest.split_at(at);
        let slashes = before.bytes().rev().take_while(|byte| *byte == b'\\').count();
        kept.push_str(before);
        // Behind an odd number of backslashes it is one of them that is escaped, and `u0000` is text.
        kept.push_str(if slashes % 2 == 0 { "\\ufffd" } else { NUL });
        rest = after.strip_prefix(NUL).unwrap_or_default();
    }
    kept.push_str(rest);
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_sets_are_spelled_anew() {
        let sql = "delete from job where id in (select value from json_each(?1)) and kind = ?2";
        assert_eq!(
            spelled(sql),
            "delete from job where id in (select value #>> '{}' as value from \
             jsonb_array_elements(cast(cast($1 as text) as jsonb))) and kind = $2"
        );
        assert_eq!(sets(sql), [1]);
    }

    #[test]
    fn a_nul_is_replaced_and_the_text_of_its_escape_is_not() {
        assert_eq!(without_nul(r#"["a\u0000b"]"#).as_deref(), Some(r#"["a\ufffdb"]"#));
        assert_eq!(
            without_nul(r#"["a\\u0000b"]"#).as_deref(),
            Some(r#"["a\\u0000b"]"#)
        );
        assert_eq!(without_nul(r#"["ab"]"#), None);
    }
}
