//! The key with which a person signs answers: `people/NAME.pem` in the user's own folder, on no server.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use flowforge_client::home_folder;
use flowforge_protocol::SigningKey;
use flowforge_protocol::approval::{Answer, Terms};
use flowforge_protocol::envelope::sign_document;
use flowforge_workflow::approval::Question;
use serde_json::Value;

use crate::key_files;
use crate::output::{Usage, text};

/// The file of somebody's key.
pub(crate) fn file(name: &str) -> Result<PathBuf> {
    let home = home_folder().context("this user has no folder of its own for keys")?;
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\']) {
        bail!(Usage(format!("`{name}` is no name for a key")));
    }
    Ok(home.join("people").join(format!("{name}.pem")))
}

/// The key of this name on this machine.
pub(crate) fn own(name: &str) -> Result<Option<SigningKey>> {
    key_files::read(&file(name)?)
}

/// Makes a key of this name. One that was there stays beside it.
pub(crate) fn make(name: &str) -> Result<SigningKey> {
    let (path, key) = (file(name)?, key_files::fresh()?);
    let cannot = || format!("the key {} cannot be written", path.display());
    key_files::write(&path, &key).with_context(cannot)?;
    Ok(key)
}

/// What somebody answers.
pub(crate) struct Said<'s> {
    /// Who.
    pub(crate) by: &'s str,
    pub(crate) approved: bool,
    pub(crate) comment: Option<&'s str>,
    pub(crate) form: Option<&'s Value>,
}

/// An answer that is signed: the form to the end, as it was signed, and the envelope.
pub(crate) struct SignedAnswer {
    pub(crate) form: Option<Value>,
    pub(crate) envelope: String,
}

/// Signs an answer to a question as it was shown.
pub(crate) fn sign(shown: &Value, said: &Said<'_>, now_ms: u64) -> Result<SignedAnswer> {
    let key = own(said.by)?.with_context(|| {
        format!(
            "there is no key of `{}` on this machine: make one with `flowforge account key`",
            said.by
        )
    })?;
    let unreadable = "the server shows the question in a form that cannot be signed";
    let terms = Terms {
        form: serde_json::from_value(shown.get("form").cloned().unwrap_or_default()).context(unreadable)?,
        ..Terms::default()
    };
    let (run, step) = (text(shown, "/run").parse(), text(shown, "/step").parse());
    let (run, step) = (run.context(unreadable)?, step.context(unreadable)?);
    let approval = text(shown, "/id").parse().context(unreadable)?;
    let nothing = Value::Null;
    let question = Question {
        workspace: text(shown, "/workspace"),
        project: text(shown, "/project"),
        run: &run,
        step: &step,
        approval: &approval,
        title: text(shown, "/title"),
        show: shown.get("show").unwrap_or(&nothing),
        approvers: &[],
        terms: &terms,
        started_by: None,
    };
    let form = question.form(said.approved, said.form).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Usage(format!("--form does not fit: {}", problems.join("; ")))
    })?;
    let answer = Answer {
        by: said.by.to_owned(),
        answers_for: None,
        approved: said.approved,
        comment: said.comment.map(str::to_owned),
        at_ms: now_ms,
        form,
        signature: None,
    };
    Ok(SignedAnswer {
        envelope: sign_document(&question.to_sign(&answer), &key)?,
        form: answer.form,
    })
}
