//! The pages of forms: HTML without a script, under a policy that allows nothing but its own style.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_protocol::Digest;
use flowforge_workflow::InputProblem;
use flowforge_workflow::model::InputField;
use serde_json::Value;

use crate::app::forms::{Control, OpenForm, Sent, TOKEN_FIELD, TRAP_FIELD, shown};

const STYLE: &str = include_str!("page/form.css");

/// Only this style, forms to here, no frame around it.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Digest::of(STYLE.as_bytes()).as_bytes());
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
});

/// Text that stands in HTML, also between quotes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A page with this title and body.
pub(super) fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<title>{}</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escaped(title)
    );
    let mut response = (status, html).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(&POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// A page that says one thing.
pub(super) fn message(status: StatusCode, title: &str, text: &str) -> Response {
    let body = format!("<h1>{}</h1>\n<p>{}</p>\n", escaped(title), escaped(text));
    page(status, title, &body)
}

/// What stands above the fields.
pub(super) fn title(open: &OpenForm) -> &str {
    let of_workflow = || match open.release.workflow.title.as_str() {
        "" => open.release.stored.workflow.as_str(),
        title => title,
    };
    open.form.title.as_deref().unwrap_or_else(of_workflow)
}

/// The form, with what was filled in before and what is wrong with it.
pub(super) fn form(open: &OpenForm, token: &str, sent: &Sent, problems: &[InputProblem]) -> Response {
    let title = title(open);
    let mut body = format!("<h1>{}</h1>\n", escaped(title));
    if let Some(docs) = &open.form.docs {
        for part in docs.split("\n\n") {
            let _ = writeln!(body, "<p>{}</p>", escaped(part.trim()));
        }
    }
    if !problems.is_empty() {
        body.push_str("<p class=\"wrong\" role=\"alert\">Something has to be changed below.</p>\n");
    }
    let whole = problems.iter().filter(|problem| problem.path.is_empty());
    for problem in whole {
        let _ = writeln!(body, "<p class=\"wrong\">{}</p>", escaped(&problem.message));
    }
    let _ = writeln!(
        body,
        "<form method=\"post\" accept-charset=\"utf-8\">\n<input type=\"hidden\" name=\"{TOKEN_FIELD}\" value=\"{}\">",
        escaped(token)
    );
    for field in &open.release.workflow.input {
        add_field(&mut body, field, sent, problems);
    }
    let _ = writeln!(
        body,
        "<div class=\"trap\" aria-hidden=\"true\"><label>Leave this empty \
         <input name=\"{TRAP_FIELD}\" tabindex=\"-1\" autocomplete=\"off\"></label></div>"
    );
    body.push_str("<button type=\"submit\">Send</button>\n</form>\n");
    let status = match problems.is_empty() {
        true => StatusCode::OK,
        false => StatusCode::UNPROCESSABLE_ENTITY,
    };
    page(status, title, &body)
}

/// `first_name` is read as "First name", unless the file has a title for it.
fn label(field: &InputField) -> String {
    if let Some(title) = field.schema.get("title").and_then(Value::as_str) {
        return title.to_owned();
    }
    let words = field.name.replace('_', " ");
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => words,
    }
}

fn add_field(body: &mut String, field: &InputField, sent: &Sent, problems: &[InputProblem]) {
    let of_field = |problem: &&InputProblem| {
        let rest = problem.path.strip_prefix(field.name.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let wrong: Vec<&InputProblem> = problems.iter().filter(of_field).collect();
    let (name, label) = (escaped(&field.name), escaped(&label(field)));
    let is_needed = field.default.is_none() && !field.optional;
    let control = Control::of(field);
    // What was sent stands there again; before that, the default.
    let value = match sent.is_empty() {
        true => field.default.as_ref().map(shown).unwrap_or_default(),
        false => sent.get(&field.name).cloned().unwrap_or_default(),
    };
    let mut attributes = format!(" id=\"f-{name}\" name=\"{name}\"");
    if is_needed && control != Control::Check {
        attributes.push_str(" required");
    }
    let docs = field.schema.get("description").and_then(Value::as_str);
    let mut described = Vec::new();
    if docs.is_some() {
        described.push(format!("d-{name}"));
    }
    if !wrong.is_empty() {
        described.push(format!("w-{name}"));
        attributes.push_str(" aria-invalid=\"true\"");
    }
    if !described.is_empty() {
        let _ = write!(attributes, " aria-describedby=\"{}\"", described.join(" "));
    }
    // A default stands there already.
    let may_be_empty = field.optional && field.default.is_none() && control != Control::Check;
    let optional = if may_be_empty {
        " <span>(optional)</span>"
    } else {
        ""
    };
    let input = control_html(control, field, &attributes, &value);
    let _ = match control {
        Control::Check => writeln!(
            body,
            "<div class=\"field check\">{input} <label for=\"f-{name}\">{label}</label>"
        ),
        _ => writeln!(
            body,
            "<div class=\"field\"><label for=\"f-{name}\">{label}{optional}</label>\n{input}"
        ),
    };
    if let Some(docs) = docs {
        let _ = writeln!(body, "<p class=\"docs\" id=\"d-{name}\">{}</p>", escaped(docs));
    }
    if !wrong.is_empty() {
        let said: Vec<String> = wrong.iter().map(|problem| escaped(&problem.message)).collect();
        let _ = writeln!(
            body,
            "<p class=\"wrong\" id=\"w-{name}\">{}</p>",
            said.join("<br>")
        );
    }
    body.push_str("</div>\n");
}

fn control_html(control: Control, field: &InputField, attributes: &str, value: &str) -> String {
    let bound = |keyword: &str, attribute: &str| {
        let bound = field.schema.get(keyword).filter(|bound| bound.is_number());
        bound.map_or_else(String::new, |bound| format!(" {attribute}=\"{bound}\""))
    };
    match control {
        Control::Check => {
            let checked = matches!(value, "on" | "true");
            format!(
                "<input type=\"checkbox\" value=\"on\"{attributes}{}>",
                if checked { " checked" } else { "" }
            )
        }
        Control::Choice => {
            let mut html = format!("<select{attributes}>\n<option value=\"\"></option>\n");
            let choices = field.schema.get("enum").and_then(Value::as_array);
            for choice in choices.into_iter().flatten() {
                let text = shown(choice);
                let selected = if text == value { " selected" } else { "" };
                let _ = writeln!(html, "<option{selected}>{}</option>", escaped(&text));
            }
            html.push_str("</select>");
            html
        }
        Control::Number => {
            let whole = field.schema.get("type").and_then(Value::as_str) == Some("integer");
            let step = if whole { "1" } else { "any" };
            let bounds = bound("minimum", "min") + &bound("maximum", "max");
            format!(
                "<input type=\"number\" step=\"{step}\"{bounds}{attributes} value=\"{}\">",
                escaped(value)
            )
        }
        Control::Line(kind) => {
            let bounds = bound("minLength", "minlength") + &bound("maxLength", "maxlength");
            format!(
                "<input type=\"{kind}\"{bounds}{attributes} value=\"{}\">",
                escaped(value)
            )
        }
        Control::Lines | Control::Json => {
            let bounds = match control {
                Control::Lines => bound("minLength", "minlength") + &bound("maxLength", "maxlength"),
                _ => " placeholder=\"JSON\" spellcheck=\"false\"".to_owned(),
            };
            // The first line end after the tag is not part of the value.
            format!(
                "<textarea rows=\"5\"{bounds}{attributes}>\n{}</textarea>",
                escaped(value)
            )
        }
    }
}

/// The output of a run, field by field.
pub(super) fn result(open: &OpenForm, output: &Value) -> Response {
    let mut body = format!("<h1>{}</h1>\n", escaped(title(open)));
    match output {
        Value::Object(fields) if !fields.is_empty() => {
            body.push_str("<dl>\n");
            for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
                let text = escaped(&shown(value));
                let _ = writeln!(
                    body,
                    "<dt>{}</dt>\n<dd>{text}</dd>",
                    escaped(&name.replace('_', " "))
                );
            }
            body.push_str("</dl>\n");
        }
        Value::Object(_) | Value::Null => body.push_str("<p>Done.</p>\n"),
        other => {
            let _ = writeln!(body, "<p>{}</p>", escaped(&shown(other)));
        }
    }
    page(StatusCode::OK, title(open), &body)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_that_somebody_wrote_becomes_part_of_the_page() {
        let field = InputField {
            name: "note".to_owned(),
            schema: json!({"type": "string", "title": "<b>", "description": "\"&'"})
                .as_object()
                .unwrap()
                .clone(),
            default: None,
            optional: true,
        };
        let sent = Sent::from([("note".to_owned(), "\"><script>".to_owned())]);
        let problems = [InputProblem {
            path: "note".to_owned(),
            message: "</p>".to_owned(),
        }];
        let mut body = String::new();
        add_field(&mut body, &field, &sent, &problems);
        for wrong in ["<b>", "<script>", "\"&'", "</p></p>"] {
            assert!(!body.contains(wrong), "{body}");
        }
        assert!(body.contains("&quot;&gt;&lt;script&gt;"), "{body}");
        assert!(body.contains("aria-describedby=\"d-note w-note\""), "{body}");
    }
}
