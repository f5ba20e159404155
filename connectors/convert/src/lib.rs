//! `flowforge:convert`: rows into files and files into rows.

mod csv;

use std::io::Write;

use flowforge_sdk::{Artefact, Failure, Json, connector, json};
use serde_json::{Map, Value};

/// The largest file that `from-csv` reads, in bytes: its rows must fit in memory beside it.
const INPUT_BYTES_MAX: usize = 8 * 1024 * 1024;

struct Convert;
connector!(Convert);

impl Connector for Convert {
    fn to_csv(rows: Vec<Json>, columns: Vec<String>, file_name: String) -> Result<Artefact, Failure> {
        if columns.is_empty() {
            return Err(Failure::invalid("columns", "must name at least one column"));
        }
        let mut file = Artefact::create(&file_name, "text/csv")?;
        write_rows(&mut file, &rows, &columns)?;
        file.finish()
    }

    fn from_csv(file: Artefact, separator: Option<char>) -> Result<Vec<Json>, Failure> {
        let text = file.open()?.text(INPUT_BYTES_MAX)?;
        read_rows(&text, separator.unwrap_or(','))
    }
}

fn write_rows(file: &mut impl Write, rows: &[Json], columns: &[String]) -> Result<(), Failure> {
    csv::write_line(file, columns.iter().map(String::as_str))?;
    for (index, row) in rows.iter().enumerate() {
        let fields: Map<String, Value> = json::parse(&format!("rows[{index}]"), row)?;
        let cells = columns
            .iter()
            .map(|column| cell(fields.get(column)))
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
    let mut rows = Vec::new();
    for cells in lines {
        let cells = cells?;
        if cells.len() > columns.len() {
            return Err(Failure::rejected(
                "too_many_values",
                format!(
                    "row {} has {} values, the first line names {}",
                    rows.len() + 1,
                    cells.len(),
                    columns.len()
                ),
            ));
        }
        let fields: Map<String, Value> = columns
            .iter()
            .cloned()
            .zip(cells.into_iter().map(Value::String))
            .collect();
        rows.push(json::text(&fields)?);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(rows: &[&str], columns: &[&str]) -> Result<String, Failure> {
        let rows: Vec<Json> = rows.iter().map(|row| (*row).to_owned()).collect();
        let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
        let mut out = Vec::new();
        write_rows(&mut out, &rows, &columns)?;
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
        assert_eq!(invalid.path, "rows[1]");
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

    #[test]
    fn a_row_with_too_many_values_is_named() {
        let failure = read_rows("a;b\n1;2;3\n", ';').unwrap_err();
        assert_eq!(
            failure,
            Failure::rejected("too_many_values", "row 1 has 3 values, the first line names 2")
        );
    }
}
