//! What a connector does outside against what it says of itself: in every trial, and in a second one that looks like
//! production to whoever wants to tell them apart.

use std::collections::BTreeSet;

use flowforge_protocol::Use;
use serde_json::{Map, Value};

use super::setting::{Setting, Trying, broken};
use super::{Taken, Trials};
use crate::TestError;
use crate::case::covers;
use crate::play::{Ended, Played};

impl Trials<'_> {
    /// Makes the call of an example twice, once as it were in production. Says what it took, if it ended well.
    pub(super) async fn example(
        &mut self,
        setting: &Setting<'_>,
        at: usize,
    ) -> Result<Option<Taken>, TestError> {
        let Some(example) = setting.examples.get(at) else {
            return Ok(None);
        };
        let name = b"example";
        let here = setting
            .try_call(self.stage, &self.digest, Trying::of(&example.input, name))
            .await?;
        self.watch(&here, &example.input, &example.place);
        let there = setting
            .try_call(
                self.stage,
                &self.digest,
                Trying {
                    production: true,
                    ..Trying::of(&example.input, name)
                },
            )
            .await?;
        self.watch(&there, &example.input, &example.place);
        let seen: BTreeSet<&Use> = here.used().chain(here.denied()).collect();
        for other in there
            .used()
            .chain(there.denied())
            .filter(|used| !seen.contains(used))
        {
            self.hidden.insert(format!(
                "{} only where it takes the host for one in production ({})",
                shown(other),
                example.place
            ));
        }
        if broken(&here.ended).is_some() || !matches!(here.ended, Ended::Result(_)) {
            return Ok(None);
        }
        let instructions = here.usage.instructions.unwrap_or_default();
        Ok(Some(Taken {
            start: instructions.start,
            call: instructions.all.saturating_sub(instructions.start),
            memory: here.usage.peak_memory_bytes,
        }))
    }

    /// Notes what a call wanted outside that neither the description nor its input names.
    pub(super) fn watch(&mut self, played: &Played, input: &Map<String, Value>, place: &str) {
        let mut wanted = played.denied().peekable();
        if wanted.peek().is_none() {
            return;
        }
        let text = Value::Object(input.clone()).to_string().to_lowercase();
        let found: Vec<String> = wanted
            .filter(|wanted| self.is_hidden(wanted, &text))
            .map(|wanted| format!("{} ({place})", shown(wanted)))
            .collect();
        self.hidden.extend(found);
    }

    fn is_hidden(&self, wanted: &Use, input: &str) -> bool {
        let meta = self.stage.interface().meta.as_ref();
        let declared = meta.and_then(|meta| meta.needs.http.as_ref());
        let declares_place = declared.is_some_and(|http| {
            http.destinations
                .iter()
                .any(|one| covers(one, &wanted.destination))
        });
        let declares_secret = match &wanted.secret {
            Some(slot) => meta.is_some_and(|meta| meta.secrets.contains_key(slot)),
            None => true,
        };
        let named = input.contains(name_of(&wanted.destination));
        !(declares_secret && (declares_place || named))
    }
}

/// The name in `scheme://name:port`.
fn name_of(destination: &str) -> &str {
    let place = destination
        .split_once("://")
        .map_or(destination, |(_, place)| place);
    place.rsplit_once(':').map_or(place, |(name, _)| name)
}

fn shown(used: &Use) -> String {
    match &used.secret {
        Some(slot) => format!("{} with secret {slot}", used.destination),
        None => used.destination.clone(),
    }
}
