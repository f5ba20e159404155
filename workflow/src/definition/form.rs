//! `form`: a public page that asks for the input.

use super::model::{Answer, Form, TriggerKind};
use super::reader::{Reader, if_given, join};
use crate::yaml::Entry;

impl Reader<'_> {
    pub(super) fn form_trigger(&mut self, path: &str, entry: &Entry) -> Option<TriggerKind> {
        self.place(path, Some(entry), &entry.node);
        let mut section = self.section(path, &entry.node)?;
        let place = match section.get("path") {
            Some(entry) => self.text(&join(path, "path"), entry),
            None => {
                let fix = "the address below /forms/, for example `path: my-workflow`";
                self.missing(&section, "path", fix);
                None
            }
        };
        let mut text = |reader: &mut Self, key: &'static str| {
            let entry = section.get(key)?;
            Some(reader.text(&join(path, key), entry))
        };
        let (title, docs, thanks) = (text(self, "title"), text(self, "docs"), text(self, "thanks"));
        let rate = section
            .get("rate")
            .map(|entry| self.rate(&join(path, "rate"), entry));
        let answer = match section.get("answer") {
            None => Some(Answer::AtOnce),
            Some(entry) => self.form_answer(&join(path, "answer"), entry),
        };
        self.finish(section);
        let place = place?;
        self.check_path(path, &place);
        Some(TriggerKind::Form(Form {
            path: place,
            title: if_given(title)?,
            docs: if_given(docs)?,
            thanks: if_given(thanks)?,
            rate: if_given(rate)?,
            answer: answer?,
        }))
    }

    /// A person reads the answer: it is the end of the run or nothing.
    fn form_answer(&mut self, path: &str, entry: &Entry) -> Option<Answer> {
        let answer = self.answer(path, entry)?;
        if answer == Answer::Respond {
            let message = "a form answers a person, and `respond` answers a program";
            let fix = "at_once: with thanks; result: with the run's output, when it has ended";
            self.problem_fix("FF-WF-009", entry.node.span.start, message, fix);
            return None;
        }
        Some(answer)
    }
}
