//! The triggers of a workflow: webhooks with what they ask of a request, and time tables. What a connector finds is in `finders`.

use flowforge_protocol::webhook::Scheme;
use serde_json::Map;

use super::model::{
    Answer, CatchUp, Check, HookSignal, Overlap, Rate, Timetable, Trigger, TriggerKind, Webhook,
};
use super::reader::{Reader, if_given, join};
use crate::yaml::{Entry, Value};

/// What can be asked of the requests of a webhook, for people.
const SCHEMES: &str = "flowforge, github, stripe, slack, standard-webhooks, token, or none";

impl Reader<'_> {
    pub(super) fn triggers(&mut self, entry: &Entry) -> Vec<Trigger> {
        self.place("triggers", Some(entry), &entry.node);
        if matches!(entry.node.value, Value::Null) {
            return Vec::new();
        }
        let Some(entries) = self.entries("triggers", &entry.node) else {
            return Vec::new();
        };
        entries.iter().filter_map(|entry| self.trigger(entry)).collect()
    }

    fn trigger(&mut self, entry: &Entry) -> Option<Trigger> {
        let name = self.snake_name(entry, "a trigger");
        let path = join("triggers", &name);
        self.place(&path, Some(entry), &entry.node);
        let mut section = self.section(&path, &entry.node)?;
        let webhook = section.get("webhook");
        let schedule = section.get("schedule");
        let poll = section.get("poll");
        let form = section.get("form");
        let kind = match (webhook, schedule, poll, form) {
            (Some(webhook), None, None, None) => self.webhook(&section.path("webhook"), webhook),
            (None, Some(schedule), None, None) => self.schedule(&section.path("schedule"), schedule),
            (None, None, Some(poll), None) => self.poll(&section.path("poll"), &name, poll),
            (None, None, None, Some(form)) => self.form_trigger(&section.path("form"), form),
            _ => {
                let fix = "`webhook: { path: … }`, `schedule: { cron: … }`, `poll: { call: …, every: 1m }`, \
                           `form: { path: … }`";
                self.not_one_of(&section, &["webhook", "schedule", "poll", "form"], fix);
                None
            }
        };
        self.finish(section);
        Some(Trigger { name, kind: kind? })
    }

    fn webhook(&mut self, path: &str, entry: &Entry) -> Option<TriggerKind> {
        self.place(path, Some(entry), &entry.node);
        let mut section = self.section(path, &entry.node)?;
        let hook = match section.get("path") {
            Some(entry) => self.text(&join(path, "path"), entry),
            None => {
                self.missing(
                    &section,
                    "path",
                    "the address below /hooks/, for example `path: my-workflow`",
                );
                None
            }
        };
        let hmac = section.get("hmac");
        let asked = Asked {
            scheme: section.get("scheme"),
            secret: section.get("secret"),
            header: section.get("header"),
        };
        let check = match hmac {
            Some(_) => asked.none_with_hmac(self),
            None => self.check(path, asked),
        };
        let hmac = hmac.and_then(|entry| self.text(&join(path, "hmac"), entry));
        let rate = section
            .get("rate")
            .map(|entry| self.rate(&join(path, "rate"), entry));
        let answer = match section.get("answer") {
            None => Some(Answer::AtOnce),
            Some(entry) => self.answer(&join(path, "answer"), entry),
        };
        let signal = section
            .get("signal")
            .map(|entry| self.hook_signal(&join(path, "signal"), entry));
        self.finish(section);
        let hook = hook?;
        self.check_path(path, &hook);
        Some(TriggerKind::Webhook(Webhook {
            path: hook,
            hmac,
            check: check?,
            rate: if_given(rate)?,
            answer: answer?,
            signal: if_given(signal)?,
        }))
    }

    pub(super) fn check_path(&mut self, path: &str, hook: &str) {
        let good = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        if hook.len() > 200 || !hook.split('/').all(good) {
            let at = self.places.value_at(&join(path, "path"));
            let fix = "letters, digits, `-`, `_`, with `/` between parts, at most 200 characters";
            self.problem_fix("FF-WF-009", at, format!("`{hook}` is not a path"), fix);
        }
    }

    pub(super) fn answer(&mut self, path: &str, entry: &Entry) -> Option<Answer> {
        match self.text(path, entry)?.as_str() {
            "at_once" => Some(Answer::AtOnce),
            "result" => Some(Answer::Result),
            "respond" => Some(Answer::Respond),
            other => {
                let message = format!("`{other}` is not an answer");
                let fix = "at_once: with the run's id; result: with the run's output, when it has ended; respond: when a `respond` node says so";
                self.problem_fix("FF-WF-009", entry.node.span.start, message, fix);
                None
            }
        }
    }

    pub(super) fn rate(&mut self, path: &str, entry: &Entry) -> Option<Rate> {
        let text = self.text(path, entry)?;
        match Rate::parse(&text) {
            Ok(rate) => Some(rate),
            Err(message) => {
                self.problem("FF-WF-009", entry.node.span.start, message);
                None
            }
        }
    }

    /// What is asked of a request. `None` if something is wrong with it, which is reported.
    fn check(&mut self, path: &str, asked: Asked<'_>) -> Option<Option<Check>> {
        let Asked {
            scheme,
            secret,
            header,
        } = asked;
        let Some(scheme_entry) = scheme else {
            for (key, entry) in [("secret", secret), ("header", header)] {
                let Some(entry) = entry else { continue };
                let message = format!("`{key}` says nothing without a `scheme`");
                let fix = format!("add `scheme:`, one of {SCHEMES}");
                self.problem_fix("FF-WF-009", entry.key_span.start, message, fix);
            }
            return (secret.is_none() && header.is_none()).then_some(None);
        };
        let at = scheme_entry.node.span.start;
        let word = self.text(&join(path, "scheme"), scheme_entry)?;
        let Ok(scheme) = word.parse::<Scheme>() else {
            let message = format!("`{word}` is not a scheme by which a request proves who sent it");
            self.problem_fix("FF-WF-009", at, message, format!("one of {SCHEMES}"));
            return None;
        };
        let secret = match secret {
            Some(entry) if scheme == Scheme::None => {
                let message = "`scheme: none` asks for nothing, so it has no `secret`";
                self.problem("FF-WF-009", entry.key_span.start, message);
                return None;
            }
            Some(entry) => Some(self.text(&join(path, "secret"), entry)?),
            None if scheme == Scheme::None => None,
            None => {
                let message = format!("`scheme: {scheme}` needs the key to check with");
                let fix = "name a secret of the workflow: `secret: hook_key`";
                self.problem_fix("FF-WF-009", at, message, fix);
                return None;
            }
        };
        let header = match header {
            Some(entry) => Some(self.token_header(&join(path, "header"), entry, scheme)?),
            None => None,
        };
        Some(Some(Check {
            scheme,
            secret,
            header,
        }))
    }

    fn token_header(&mut self, path: &str, entry: &Entry, scheme: Scheme) -> Option<String> {
        let name = self.text(path, entry)?.to_ascii_lowercase();
        if scheme != Scheme::Token {
            let message = format!("`scheme: {scheme}` says itself which headers it reads");
            let fix = "leave `header` out; it is for `scheme: token`";
            self.problem_fix("FF-WF-009", entry.key_span.start, message, fix);
            return None;
        }
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if name.is_empty() || name.len() > 100 || !name.bytes().all(good) {
            let message = format!("`{name}` is not the name of a header");
            let fix = "letters, digits, `-` and `_`, for example `x-gitlab-token`";
            self.problem_fix("FF-WF-009", entry.node.span.start, message, fix);
            return None;
        }
        Some(name)
    }

    fn hook_signal(&mut self, path: &str, entry: &Entry) -> Option<HookSignal> {
        self.place(path, Some(entry), &entry.node);
        let mut section = self.section(path, &entry.node)?;
        let name = match section.get("name") {
            Some(entry) => self.text(&join(path, "name"), entry).inspect(|name| {
                self.check_snake(name, entry.node.span.start, "a signal");
            }),
            None => {
                let fix = "the name that a `wait` node has, for example `name: payment_received`";
                self.missing(&section, "name", fix);
                None
            }
        };
        let correlate = section
            .get("correlate")
            .map(|entry| self.text(&join(path, "correlate"), entry));
        self.finish(section);
        Some(HookSignal {
            name: name?,
            correlate: if_given(correlate)?,
        })
    }

    fn schedule(&mut self, path: &str, entry: &Entry) -> Option<TriggerKind> {
        self.place(path, Some(entry), &entry.node);
        let mut section = self.section(path, &entry.node)?;
        let cron = match section.get("cron") {
            Some(entry) => self.text(&join(path, "cron"), entry),
            None => {
                let fix = "minute, hour, day of month, month, day of week: `cron: \"0 7 * * MON-FRI\"`";
                self.missing(&section, "cron", fix);
                None
            }
        };
        let time_zone = match section.get("time_zone") {
            Some(entry) => self.text(&join(path, "time_zone"), entry),
            None => Some("UTC".to_owned()),
        };
        let input = match section.get("input") {
            Some(entry) => self.free_map(&join(path, "input"), entry),
            None => Some(Map::new()),
        };
        let catch_up = section.get("catch_up").map(|entry| {
            let what = "what becomes of times that were missed";
            let fix = "skip: nothing; one: the last of them starts a run; all: each does";
            let word = self.text(&join(path, "catch_up"), entry)?;
            let known = CatchUp::ALL.into_iter().find(|known| known.as_str() == word);
            self.known_word(known, &word, entry, what, fix)
        });
        let overlap = section.get("overlap").map(|entry| {
            let what = "what becomes of a time while the run before is open";
            let fix = "skip: it starts nothing; queue: it waits for its end; cancel: that run is stopped; left out, both run";
            let word = self.text(&join(path, "overlap"), entry)?;
            let known = Overlap::ALL.into_iter().find(|known| known.as_str() == word);
            self.known_word(known, &word, entry, what, fix)
        });
        self.finish(section);
        let (cron, time_zone, input) = (cron?, time_zone?, input?);
        if let Err(problem) = crate::schedule::check(&cron, &time_zone) {
            let (key, message) = match problem {
                crate::schedule::ScheduleError::Cron(message) => ("cron", message),
                crate::schedule::ScheduleError::TimeZone(message) => ("time_zone", message),
            };
            let at = self.places.value_at(&join(path, key));
            self.problem("FF-WF-035", at, message);
        }
        Some(TriggerKind::Schedule(Timetable {
            cron,
            time_zone,
            input,
            catch_up: if_given(catch_up)?.unwrap_or_default(),
            overlap: if_given(overlap)?,
        }))
    }

    /// What a word stands for; one that is not known is reported.
    fn known_word<T>(
        &mut self,
        known: Option<T>,
        word: &str,
        entry: &Entry,
        what: &str,
        fix: &str,
    ) -> Option<T> {
        if known.is_none() {
            let message = format!("`{word}` is not {what}");
            self.problem_fix("FF-WF-009", entry.node.span.start, message, fix);
        }
        known
    }
}

/// What stands in a webhook about how its requests are checked.
#[derive(Clone, Copy)]
struct Asked<'e> {
    scheme: Option<&'e Entry>,
    secret: Option<&'e Entry>,
    header: Option<&'e Entry>,
}

impl Asked<'_> {
    /// Beside `hmac`, which says it all, nothing of this may stand.
    fn none_with_hmac(self, reader: &mut Reader<'_>) -> Option<Option<Check>> {
        let Some(entry) = self.scheme.or(self.secret).or(self.header) else {
            return Some(None);
        };
        let message = format!("`{}` and `hmac` cannot stand together", entry.key);
        let fix = "`hmac: KEY` is the short way to say that requests are signed in the form of FlowForge or GitHub; \
            for any other write `scheme` and `secret`";
        reader.problem_fix("FF-WF-009", entry.key_span.start, message, fix);
        None
    }
}
