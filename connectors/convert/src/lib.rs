//! `flowforge:convert`: values into files and texts, and files and texts into values.

mod csv;
mod lines;
mod xml;
mod yaml;

use std::io::Write;

use flowforge_sdk::{Artefact, Failure, Json, Writer, connector, json};
use serde_json::{Map, Value};

/// The largest file or text that is read, in bytes: its values must fit in memory beside it.
const INPUT_BYTES_MAX: usize = 8 * 1024 * 1024;

struct Convert;
connector!(Convert);

impl Connector for Convert {
    fn to_csv(
        rows: Vec<Json>,
        columns: Vec<String>,
        file_name: String,
        neutralise_formulas: Option<bool>,
    ) -> Result<Artefact, Failure> {
        if columns.is_empty() {
            return Err(Failure::invalid("columns", "must name at least one column"));
        }
        if let Some((first, again, name)) = twice(&columns) {
            let message =
                format!("name `{name}` twice, as {first} and {again}: a row has one value of that name");
            return Err(Failure::invalid("columns", message));
        }
        let mut file = create(&file_name, "text/csv")?;
        write_rows(&mut file, &rows, &columns, neutralise_formulas == Some(true))?;
        file.finish()
    }

    fn from_csv(file: Artefact, separator: Option<char>) -> Result<Vec<Json>, Failure> {
        let text = file.open()?.text(INPUT_BYTES_MAX)?;
        read_rows(&text, separator.unwrap_or(','))
    }

    fn to_ndjson(rows: Vec<Json>, file_name: String) -> Result<Artefact, Failure> {
        let mut file = create(&file_name, "application/x-ndjson")?;
        for (index, row) in rows.iter().enumerate() {
            file.append(lines::one_line(&format!("rows[{index}]"), row)?.as_bytes())?;
            file.append(b"\n")?;
        }
        file.finish()
    }

    fn from_ndjson(file: Artefact) -> Result<Vec<Json>, Failure> {
        lines::read(&file.open()?.text(INPUT_BYTES_MAX)?)
    }

    fn to_json(value: Json, file_name: String, pretty: Option<bool>) -> Result<Artefact, Failure> {
        let mut file = create(&file_name, "application/json")?;
        let text = if pretty == Some(true) {
            lines::pretty("value", &value)?
        } else {
            lines::one_line("value", &value)?
        };
        file.append(text.as_bytes())?;
        file.append(b"\n")?;
        file.finish()
    }

    fn from_json(file: Artefact) -> Result<Json, Failure> {
        lines::value(&file.open()?.text(INPUT_BYTES_MAX)?)
    }

    fn parse_csv(text: String, separator: Option<char>) -> Result<Vec<Json>, Failure> {
        read_rows(bounded(&text)?, separator.unwrap_or(','))
    }

    fn to_xml(value: Json, file_name: String, pretty: Option<bool>) -> Result<Artefact, Failure> {
        let text = xml::write(&json::parse("value", &value)?, pretty == Some(true))?;
        written(&file_name, "application/xml", &text)
    }

    fn from_xml(file: Artefact, lists: Option<Vec<String>>) -> Result<Json, Failure> {
        let text = file.open()?.text(INPUT_BYTES_MAX)?;
        json::text(&xml::read(&text, &lists.unwrap_or_default())?)
    }

    fn parse_xml(text: String, lists: Option<Vec<String>>) -> Result<Json, Failure> {
        json::text(&xml::read(bounded(&text)?, &lists.unwrap_or_default())?)
    }

    fn to_yaml(value: Json, file_name: String) -> Result<Artefact, Failure> {
        let text = yaml::write(&json::parse("value", &value)?)?;
        written(&file_name, "application/yaml", &text)
    }

    fn from_yaml(file: Artefact) -> Result<Json, Failure> {
        json::text(&yaml::read(&file.open()?.text(INPUT_BYTES_MAX)?)?)
    }

    fn parse_yaml(text: String) -> Result<Json, Failure> {
        json::text(&yaml::read(bounded(&text)?)?)
    }
}

/// The text, unless it is too large to be read.
fn bounded(text: &str) -> Result<&str, Failure> {
    if text.len() <= INPUT_BYTES_MAX {
        return Ok(text);
    }
    let message = format!("has {} bytes, at most {INPUT_BYTES_MAX} are read", text.len());
    Err(Failure::invalid("text", message))
}

/// A file of this text.
fn written(file_name: &str, media_type: &str, text: &str) -> Result<Artefact, Failure> {
    let mut file = create(file_name, media_type)?;
    file.append(text.as_bytes())?;
    file.finish()
}

/// A new file. The name is an input: one that no file can have is the caller's mistake.
fn create(file_name: &str, media_type: &str) -> Result<Writer, Failure> {
    Artefact::create(file_name, media_type).map_err(|failure| match failure {
        Failure::Internal(message) => Failure::invalid("file_name", message),
        other => other,
    })
}

fn write_rows(
    file: &mut impl Write,
    rows: &[Json],
    columns: &[String],
    neutralises: bool,
) -> Result<(), Failure> {
    let shown = |text: String| if neutralises { csv::neutral(text) } else { text };
    let names: Vec<String> = columns.iter().cloned().map(shown).collect();
    csv::write_line(file, names.iter().map(String::as_str))?;
    for (index, row) in rows.iter().enumerate() {
        let fields = json::object(&format!("rows[{index}]"), row)?;
        let cells = columns
            .iter()
            .map(|column| match fields.get(column) {
                Some(Value::String(text)) => Ok(shown(text.clone())),
                other => cell(other),
            })
            .collect::<Result<Vec<_>, _>>()?;
        csv::write_line(file, cells.iter().map(String::as_str))?;
    }
    Ok(())
}

/// A text as it is, nothing for null, everything else as JSON.
fn cell(value: Option<&Value>) -> Result<String, Failure> {
    match value {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => json::text(other),
    }
}

fn read_rows(text: &str, separator: char) -> Result<Vec<Json>, Failure> {
    let mut lines = csv::Lines::new(text, separator);
    let Some(columns) = lines.next().transpose()? else {
        return Ok(Vec::new());
    };
    if let Some((first, again, name)) = twice(&columns) {
        return Err(Failure::rejected(
            "same_column_twice",
            format!("the first line names `{name}` twice, as column {first} and column {again}"),
        ));
    }
    let mut rows = Vec::new();
    while let Some(cells) = lines.next() {
        let cells = cells?;
        if cells.len() > columns.len() {
            return Err(Failure::rejected(
                "too_many_values",
                format!(
                    "line {} has {} values, the first line names {}",
                    lines.line(),
                    cells.len(),
                    columns.len()
                ),
            ));
        }
        let fields: Map<String, Value> = columns
            .iter()
            .cloned()
            .zip(cells.into_iter().chain(std::iter::repeat(String::new())))
            .map(|(name, cell)| (name, Value::String(cell)))
            .collect();
        rows.push(json::text(&fields)?);
    }
    Ok(rows)
}

/// The first name that stands twice, with both places, from 1.
fn twice(columns: &[String]) -> Option<(usize, usize, &str)> {
    columns.iter().enumerate().find_map(|(index, name)| {
        let earlier = columns.iter().take(index).position(|other| other == name)?;
        Some((earlier + 1, index + 1, name.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(rows: &[&str], columns: &[&str]) -> Result<String, Failure> {
        written_for(rows, columns, false)
    }

    fn written_for(rows: &[&str], columns: &[&str], neutralises: bool) -> Result<String, Failure> {
        let rows: Vec<Json> = rows.iter().map(|row| (*row).to_owned()).collect();
        let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
        let mut out = Vec::new();
        write_rows(&mut out, &rows, &columns, neutralises)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn columns_keep_their_order_and_absent_values_are_empty() {
        let text = written(
            &[r#"{"b":1,"a":"x, \"y\""}"#, r#"{"a":null,"b":[1]}"#],
            &["a", "b", "c"],
        )
        .unwrap();
        assert_eq!(text, "a,b,c\r\n\"x, \"\"y\"\"\",1,\r\n,[1],\r\n");
    }

    #[test]
    fn a_row_that_is_no_object_is_named() {
        let Err(Failure::Invalid(invalid)) = written(&["{}", "3"], &["a"]) else {
            panic!("must fail")
        };
        assert_eq!(
            (invalid.path.as_str(), invalid.message.as_str()),
            ("rows[1]", "must be an object, not a number")
        );
    }

    #[test]
    fn what_was_written_reads_back() {
        let rows = [
            r#"{"a":"1","b":"two\nlines, \"quoted\""}"#,
            r#"{"a":"","b":" x "}"#,
        ];
        let text = written(&rows, &["a", "b"]).unwrap();
        assert_eq!(read_rows(&text, ',').unwrap(), rows);
    }

    /// A row of one empty value was written as a blank line, which is no row when it is read.
    #[test]
    fn one_empty_value_is_still_a_row() {
        let rows = [r#"{"a":"x"}"#, r#"{"a":""}"#, r#"{"a":"y"}"#];
        let text = written(&rows, &["a"]).unwrap();
        assert_eq!(text, "a\r\nx\r\n\"\"\r\ny\r\n");
        assert_eq!(read_rows(&text, ',').unwrap(), rows);
    }

    #[test]
    fn a_row_with_too_many_values_is_named() {
        let failure = read_rows("a;b\n\n1;2;3\n", ';').unwrap_err();
        assert_eq!(
            failure,
            Failure::rejected("too_many_values", "line 3 has 3 values, the first line names 2")
        );
    }

    /// A text that a stranger had put into a row ran as a formula when the report was opened.
    #[test]
    fn formulas_are_neutralised_where_the_switch_says_so() {
        let rows = [r#"{"a":"=HYPERLINK(\"http://x\")","b":-2}"#];
        assert_eq!(
            written_for(&rows, &["a", "b"], true).unwrap(),
            "a,b\r\n\"'=HYPERLINK(\"\"http://x\"\")\",-2\r\n"
        );
        assert_eq!(
            written_for(&rows, &["a", "b"], false).unwrap(),
            "a,b\r\n\"=HYPERLINK(\"\"http://x\"\")\",-2\r\n"
        );
    }

    /// Of two columns of one name only the last was kept.
    #[test]
    fn a_column_named_twice_is_named() {
        let failure = read_rows("id,name,id\n1,Ann,2\n", ',').unwrap_err();
        assert_eq!(
            failure,
            Failure::rejected(
                "same_column_twice",
                "the first line names `id` twice, as column 1 and column 3"
            )
        );
    }

    /// A short line gave a row without the rest of the columns, and a blank line a row.
    #[test]
    fn every_row_has_every_column_and_blank_lines_are_none() {
        let text = "name,age,city\r\nAnn,26,Bonn\r\nBob\r\n\r\nCy,30,Ulm\r\n\n";
        assert_eq!(
            read_rows(text, ',').unwrap(),
            [
                r#"{"name":"Ann","age":"26","city":"Bonn"}"#,
                r#"{"name":"Bob","age":"","city":""}"#,
                r#"{"name":"Cy","age":"30","city":"Ulm"}"#,
            ]
        );
        assert_eq!(read_rows("a\n\n\"\"\n", ',').unwrap(), [r#"{"a":""}"#]);
    }
}
