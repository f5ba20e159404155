//! The control plane's side of the line.

use std::path::Path;

use async_trait::async_trait;
use flowforge_host::link::control::{
    ControlLink, LinkError, Registration, Rejected, Session, SyncReply, SyncRequest,
};
use flowforge_host::release::ReleaseDocuments;
use flowforge_host::secrets::SealedCopy;
use flowforge_protocol::Digest;
use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::record::chain_start;
use flowforge_protocol::seal::{SealContext, SealPublicKey, seal};
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
        let reject = |code: &str| Rejected {
            run: batch.run.clone(),
            code: code.into(),
            message: code.into(),
        };
        if self.not_owner.contains(&batch.run) {
            reply.rejected.push(reject("not_owner"));
            return;
        }
        let stored = self.runs.entry(batch.run.clone()).or_insert_with(|| Stored {
            batches: Vec::new(),
            receipt: None,
        });
        let (next, chain) = stored.batches.last().map_or_else(
            || (0, chain_start(&batch.run)),
            |last| (last.next_seq(), last.chain),
        );
        if batch.next_seq() > next {
            assert_eq!(
                batch.first_seq, next,
                "records of {} leave a hole or repeat in part",
                batch.run
            );
            batch.verify(&chain).expect("the chain holds");
            stored.batches.push(batch.clone());
        } else {
            let same = stored.batches.contains(&batch);
            assert!(
                same,
                "other records came for {} from {} on",
                batch.run, batch.first_seq
            );
        }
        let last = stored.batches.last().map(|last| last.next_seq() - 1);
        reply.acknowledged.push((batch.run.clone(), last));
    }
}

#[async_trait]
impl ControlLink for Plane {
    async fn register(&self, registration: &Registration) -> Result<Session, LinkError> {
        self.online()?;
        self.with(|state| {
            state.seal_key = Some(registration.seal_key);
            state.identity_key = Some(registration.identity_key);
            state.delivered.clear();
        });
        Ok(Session {
            host: host_id(),
            session: "session".into(),
            workspace: WORKSPACE.into(),
        })
    }

    async fn sync(&self, _session: &str, request: &SyncRequest) -> Result<SyncReply, LinkError> {
        self.online()?;
        let mut reply = SyncReply::default();
        self.with(|state| {
            state.jobs.retain(|(id, _)| {
                !request.received.contains(id) && !request.refused.iter().any(|r| r.job == *id)
            });
            state.received.extend(request.received.clone());
            state.refused.extend(request.refused.clone());
            if !request.batches.is_empty() {
                state.uploads += 1;
            }
            for batch in &request.batches {
                state.store(batch.clone(), &mut reply);
            }
            for receipt in &request.receipts {
                if let Some(stored) = state.runs.get_mut(&receipt.run) {
                    stored.receipt = Some(receipt.envelope.clone());
                    reply.receipts_stored.push(receipt.run.clone());
                }
            }
        });
        if request.max_jobs > 0 {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            reply.jobs = self.with_quietly(|state| {
                state.waits.push(request.wait);
                state.deliver()
            });
            if reply.jobs.is_empty() {
                // Whatever changed, the host asks again at once.
                let _ = tokio::time::timeout(request.wait, changed).await;
                self.online()?;
                reply.jobs = self.with_quietly(State::deliver);
            }
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

    async fn sealed_secrets(&self, _: &str, names: &[String]) -> Result<Vec<SealedCopy>, LinkError> {
        self.online()?;
        let key = self.with_quietly(|state| state.seal_key).expect("registered");
        let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let key: SealPublicKey = format!("x25519:{text}").parse().expect("key");
        Ok(self.with_quietly(|state| {
            let found = names
                .iter()
                .filter_map(|name| state.secrets.get(name).map(|secret| (name, secret)));
            let sealed = found.map(|(name, (version, kind, value))| {
                let context = SealContext {
                    workspace: WORKSPACE,
                    host: &host_id(),
                    secret: name,
                    version: u64::from(*version),
                };
                let sealed = seal(&key, &context, value, &[5; 32]).expect("seals");
                SealedCopy {
                    name: name.clone(),
                    version: *version,
                    kind: kind.clone(),
                    sealed: json!(sealed).to_string(),
                }
            });
            sealed.collect()
        }))
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

    async fn put_artefact(&self, _: &str, digest: Digest, file: &Path) -> Result<(), LinkError> {
        self.online()?;
        let bytes = std::fs::read(file).expect("the artefact is on the disk");
        self.with(|state| state.artefacts.insert(digest, bytes));
        Ok(())
    }
}
