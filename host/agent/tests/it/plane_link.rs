//! The control plane's side of the line.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use flowforge_host::link::control::{ControlLink, LinkError, Registration, Session};
use flowforge_host::release::ReleaseDocuments;
use flowforge_host::secrets::{SealedCopy, SecretAnswer};
use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::chain::{chain_start, frames, stored_values, with_values};
use flowforge_protocol::envelope::Signed;
use flowforge_protocol::job::Job;
use flowforge_protocol::pieces::{KeptValue, ValuePieces};
use flowforge_protocol::seal::{SealContext, SealPublicKey, seal};
use flowforge_protocol::sync::{Acknowledged, RejectCode, Rejected, SyncReply, SyncRequest};
use flowforge_protocol::{Digest, RunId, VerifyingKey};
use serde_json::json;

use crate::plane::{Plane, State, Stored, WORKSPACE, host_id};

impl State {
    fn deliver(&mut self) -> Vec<String> {
        let fresh = self
            .jobs
            .iter()
            .filter(|(id, _)| !self.delivered.contains(id))
            .cloned()
            .collect::<Vec<_>>();
        self.delivered.extend(fresh.iter().map(|(id, _)| id.clone()));
        fresh.into_iter().map(|(_, envelope)| envelope).collect()
    }

    fn store(&mut self, batch: RecordBatch, reply: &mut SyncReply) {
        if let Some(code) = self.verdicts.get(&batch.run) {
            reply.rejected.push(rejected(&batch, code.clone()));
            return;
        }
        let stored = self.runs.entry(batch.run.clone()).or_insert_with(|| Stored {
            batches: Vec::new(),
            receipt: None,
        });
        // Values stand beside their records here.
        let named = stored_values(&batch.lines, batch.first_seq).expect("records");
        if named.iter().any(|digest| !self.values.contains_key(digest)) {
            reply.rejected.push(rejected(&batch, RejectCode::MissingValue));
            return;
        }
        let fetch = |digest: &Digest| self.values.get(digest).cloned();
        let batch = RecordBatch {
            lines: with_values(&batch.lines, batch.first_seq, &fetch).expect("records"),
            ..batch
        };
        let (next, chain) = stored.batches.last().map_or_else(
            || (0, chain_start(&batch.run)),
            |last| (last.next_seq(), last.chain),
        );
        if batch.first_seq > next {
            reply.rejected.push(rejected(&batch, RejectCode::Gap));
        } else {
            // What is here already must be the same; what is new must follow.
            let known = stored.frames();
            let mut new = RecordBatch::after(batch.run.clone(), batch.epoch, next, chain);
            for frame in frames(&batch.lines, batch.first_seq) {
                let frame = frame.expect("records");
                match known.get(&frame.seq) {
                    Some(known) => assert_eq!(
                        known, frame.bytes,
                        "another record {} came for {}",
                        frame.seq, batch.run
                    ),
                    None => {
                        new.lines.extend_from_slice(frame.bytes);
                        new.count += 1;
                    }
                }
            }
            if new.count > 0 {
                new.chain = batch.chain;
                new.verify(&chain).expect("the chain holds");
                stored.batches.push(new);
            }
        }
        let last = stored.batches.last().map(|last| last.next_seq() - 1);
        reply.acknowledged.push(Acknowledged {
            run: batch.run.clone(),
            through: last,
        });
    }

    fn head(&self, run: &RunId) -> Option<u64> {
        let last = self.runs.get(run)?.batches.last()?;
        Some(last.next_seq() - 1)
    }
}

fn rejected(batch: &RecordBatch, code: RejectCode) -> Rejected {
    Rejected {
        run: batch.run.clone(),
        message: format!("{code}, on purpose"),
        code,
    }
}

/// Whether an envelope brings a run; of one that cannot be read it is said that it does.
fn brings_a_run(envelope: &str, key: &VerifyingKey) -> bool {
    let signed = Signed::<Job>::open(envelope.as_bytes(), std::slice::from_ref(key));
    signed.map_or(true, |job| job.order.begins())
}

#[async_trait]
impl ControlLink for Plane {
    async fn register(&self, registration: &Registration) -> Result<Session, LinkError> {
        self.online()?;
        self.with(|state| {
            state.seal_key = Some(registration.seal_key);
            state.identity_key = Some(registration.identity_key);
            state.delivered.clear();
            state.tokens.push(registration.token.clone());
        });
        Ok(Session {
            host: self.host(),
            session: "session".into(),
            workspace: WORKSPACE.into(),
        })
    }

    async fn sync(&self, _session: &str, request: &SyncRequest) -> Result<SyncReply, LinkError> {
        self.online()?;
        assert_eq!(request.workspace, WORKSPACE);
        let uploads = !request.batches.is_empty() || !request.refused.is_empty();
        if uploads && self.with_quietly(|state| state.offline_uploads) {
            return Err(LinkError::Unreachable("the cable is out".into()));
        }
        if let Some(code) = self.with_quietly(|state| state.refuses_with.clone()) {
            return Err(LinkError::Refused {
                message: "on purpose".to_owned(),
                code,
            });
        }
        let mut reply = SyncReply::new(WORKSPACE.to_owned(), self.incarnation(), 0);
        self.with(|state| {
            state.jobs.retain(|(id, _)| {
                !request.received.contains(id) && !request.refused.iter().any(|r| r.job == *id)
            });
            state.received.extend(request.received.clone());
            state.refused.extend(request.refused.clone());
            if let Some(progress) = &request.progress {
                state.progress.clone_from(progress);
            }
            state.silences += u64::from(request.silence.is_some());
            if !request.batches.is_empty() {
                state.uploads += 1;
            }
            for batch in &request.batches {
                state.batches_of.insert(batch.run.clone());
                state.store(batch.clone(), &mut reply);
            }
            for receipt in &request.receipts {
                if state.verdicts.contains_key(&receipt.run) {
                    continue;
                }
                // A receipt is stored behind the last record, and not before what it speaks of.
                let stored = state.runs.get_mut(&receipt.run);
                if let Some(stored) = stored.filter(|stored| stored.has_ended()) {
                    stored.receipt = Some(receipt.envelope.clone());
                    reply.receipts_stored.push(receipt.run.clone());
                }
            }
            for asked in &request.asked {
                if let Some(code) = state.verdicts.get(&asked.run) {
                    reply.rejected.push(Rejected {
                        run: asked.run.clone(),
                        code: code.clone(),
                        message: format!("{code}, on purpose"),
                    });
                    continue;
                }
                if state
                    .runs
                    .get(&asked.run)
                    .is_some_and(|stored| stored.receipt.is_some())
                {
                    reply.receipts_stored.push(asked.run.clone());
                }
                reply.acknowledged.push(Acknowledged {
                    run: asked.run.clone(),
                    through: state.head(&asked.run),
                });
            }
        });
        if !request.lanes.is_closed() {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let known = request.plane_incarnation;
            if known.is_some_and(|known| known != self.incarnation()) {
                // The host's cursors rest on another life; it is to hear that now, and nothing else would wake the call.
                return Ok(reply);
            }
            let mut orders = self.with_quietly(|state| {
                state.waits.push(request.wait_ms);
                state.deliver()
            });
            if orders.is_empty() {
                // Whatever changed, the host asks again at once.
                let wait = Duration::from_millis(u64::from(request.wait_ms));
                let _ = tokio::time::timeout(wait, changed).await;
                self.online()?;
                orders = self.with_quietly(State::deliver);
            }
            let key = self.scheduler.verifying_key();
            (reply.starts, reply.changes) = orders.into_iter().partition(|order| brings_a_run(order, &key));
        }
        Ok(reply)
    }

    async fn release_documents(
        &self,
        _: &str,
        release: Digest,
        grants: Digest,
    ) -> Result<ReleaseDocuments, LinkError> {
        self.online()?;
        let find = |digest: Digest| {
            let absent = || LinkError::Absent(digest.to_string());
            self.with_quietly(|state| state.documents.get(&digest).cloned())
                .ok_or_else(absent)
        };
        Ok(ReleaseDocuments {
            release: find(release)?,
            grants: find(grants)?,
        })
    }

    async fn run_records(&self, _: &str, run: &RunId, from_seq: u64) -> Result<RecordBatch, LinkError> {
        self.online()?;
        let page = self.with_quietly(|state| {
            let batches = &state.runs.get(run)?.batches;
            batches.iter().find(|batch| batch.first_seq == from_seq).cloned()
        });
        page.ok_or_else(|| LinkError::Absent(format!("record {from_seq} of {run}")))
    }

    async fn sealed_secrets(&self, _: &str, names: &[String]) -> Result<Vec<SecretAnswer>, LinkError> {
        self.online()?;
        if self.with_quietly(|state| state.secrets_silent) {
            return Err(LinkError::Unreachable("the cable is out".into()));
        }
        let key = self.with_quietly(|state| state.seal_key).expect("registered");
        let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let key: SealPublicKey = format!("x25519:{text}").parse().expect("key");
        let answer = |state: &State, name: &String| {
            if state.not_granted.contains(name) {
                return SecretAnswer::NotGranted { name: name.clone() };
            }
            let Some(secret) = state.secrets.get(name) else {
                return SecretAnswer::Absent { name: name.clone() };
            };
            let context = SealContext {
                workspace: WORKSPACE,
                project: "default",
                host: &state.host.clone().unwrap_or_else(host_id),
                secret: name,
                version: u64::from(secret.version),
                kind: &secret.kind,
                destinations: &secret.destinations,
            };
            let sealed = seal(&key, &context, &secret.value, &[5; 32]).expect("seals");
            SecretAnswer::Sealed(SealedCopy {
                name: name.clone(),
                version: secret.version,
                kind: secret.kind.clone(),
                destinations: state
                    .claimed_destinations
                    .clone()
                    .unwrap_or_else(|| secret.destinations.clone()),
                sealed: json!(sealed).to_string(),
            })
        };
        Ok(self.with_quietly(|state| names.iter().map(|name| answer(state, name)).collect()))
    }

    async fn component(&self, name: &str, digest: Digest) -> Result<Vec<u8>, LinkError> {
        self.online()?;
        self.with_quietly(|state| state.components.get(&digest).cloned())
            .ok_or_else(|| LinkError::Absent(name.into()))
    }

    async fn publication(&self, digest: Digest) -> Result<String, LinkError> {
        self.online()?;
        self.with_quietly(|state| state.publications.get(&digest).cloned())
            .ok_or_else(|| LinkError::Absent(digest.to_string()))
    }

    async fn keep_values(&self, _: &str, pieces: &ValuePieces) -> Result<Vec<KeptValue>, LinkError> {
        self.online()?;
        self.with(|state| {
            let mut named = pieces.asked.clone();
            for piece in &pieces.pieces {
                if state.pieces_left == Some(0) {
                    return Err(LinkError::Unreachable("the cable is out".into()));
                }
                state.pieces_left = state.pieces_left.map(|left| left - 1);
                *state.pieces.entry(piece.value).or_default() += 1;
                let there = state.values.entry(piece.value).or_default();
                assert_eq!(piece.from, there.len() as u64, "a piece that is not the next one");
                there.extend_from_slice(&piece.piece);
                named.push(piece.value);
            }
            let kept = |value: &Digest| {
                let there = state.values.get(value);
                KeptValue {
                    value: *value,
                    through: there.map_or(0, |bytes| bytes.len() as u64),
                    whole: there.is_some_and(|bytes| Digest::of(bytes) == *value),
                }
            };
            Ok(named.iter().map(kept).collect())
        })
    }

    async fn put_artefact(&self, _: &str, digest: Digest, file: &Path) -> Result<(), LinkError> {
        self.online()?;
        if self.with_quietly(|state| state.no_artefacts) {
            return Err(LinkError::Unreachable("artefacts are not taken now".into()));
        }
        let bytes = std::fs::read(file).expect("the artefact is on the disk");
        self.with(|state| state.artefacts.insert(digest, bytes));
        Ok(())
    }
}
