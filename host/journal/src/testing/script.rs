//! Drives the core and the model side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use flowforge_failpoints::FailPoints;
use flowforge_protocol::record::chain_start;
use flowforge_protocol::{Digest, RunId};
use proptest::prelude::*;

use super::disk::Disk;
use super::model::{Model, ModelRun, add_line, contents, contents_of, database, difference, order};
use crate::config::{JournalConfig, Retention};
use crate::core::{Append, JournalCore, Request};
use crate::entry::{Ack, Entry, OutboxBody, Space, Upload};
use crate::load::load;
use crate::reader::Reader;
use crate::tables::{RunRow, cell_key};

/// One thing a user of the journal does. `which` picks among what there is.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Begin,
    Append {
        which: u8,
        lines: u8,
        bytes: u16,
    },
    Arm {
        which: u8,
        step: u8,
        due_ms: u64,
    },
    Disarm {
        which: u8,
        step: u8,
    },
    Send {
        which: u8,
        artefact: bool,
    },
    RaiseEpoch {
        which: u8,
    },
    Decide {
        which: u8,
    },
    End {
        which: u8,
    },
    AckRecords {
        which: u8,
        item: u8,
    },
    AckUpload {
        item: u8,
    },
    Forget {
        which: u8,
    },
    Remember,
    Put {
        key: u8,
        bytes: u16,
    },
    Remove {
        key: u8,
    },
    Commit,
    /// Closes, or just lets go as a killed process does, and opens again.
    Reboot {
        clean: bool,
    },
}

/// Any op, commits and records being the most frequent.
pub(super) fn any_op() -> impl Strategy<Value = Op> {
    let which = any::<u8>;
    prop_oneof![
        3 => Just(Op::Begin),
        8 => (which(), 1_u8..5, 1_u16..600).prop_map(|(which, lines, bytes)| Op::Append { which, lines, bytes }),
        1 => (which(), 0_u8..4, any::<u64>()).prop_map(|(which, step, due_ms)| Op::Arm { which, step, due_ms }),
        1 => (which(), 0_u8..4).prop_map(|(which, step)| Op::Disarm { which, step }),
        1 => (which(), any::<bool>()).prop_map(|(which, artefact)| Op::Send { which, artefact }),
        1 => which().prop_map(|which| Op::RaiseEpoch { which }),
        1 => which().prop_map(|which| Op::Decide { which }),
        2 => which().prop_map(|which| Op::End { which }),
        3 => (which(), which()).prop_map(|(which, item)| Op::AckRecords { which, item }),
        2 => which().prop_map(|item| Op::AckUpload { item }),
        1 => which().prop_map(|which| Op::Forget { which }),
        1 => Just(Op::Remember),
        1 => (0_u8..5, 0_u16..300).prop_map(|(key, bytes)| Op::Put { key, bytes }),
        1 => (0_u8..5).prop_map(|key| Op::Remove { key }),
        8 => Just(Op::Commit),
        1 => any::<bool>().prop_map(|clean| Op::Reboot { clean }),
    ]
}

/// The same ops every time for a seed.
pub(super) fn ops_of_seed(seed: u64, count: usize) -> Vec<Op> {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    prop::collection::vec(any_op(), count)
        .new_tree(&mut runner)
        .unwrap()
        .current()
}

/// Core and model.
pub(super) struct Script {
    pub(super) disk: Disk,
    core: JournalCore,
    db: Arc<redb::Database>,
    config: JournalConfig,
    batch: Vec<Request>,
    pub(super) model: Model,
    /// What the model was after each commit, the first being the empty journal.
    pub(super) history: Vec<Model>,
    sequence: u64,
    uploads: u64,
    /// Also the time, in milliseconds.
    commits: u64,
    /// Say that a commit is durable before it is: a planted bug.
    pub(super) tell_early: bool,
}

impl Script {
    /// Opens a journal over a storage. `Err` if the storage fails.
    pub(super) fn open(disk: Disk) -> Result<Self, String> {
        let mut config = JournalConfig::at("unused");
        // Ended and sent runs go after some commits.
        config.retention = Retention {
            runs: 1000,
            age: Duration::from_millis(12),
        };
        let db = database(&disk)?;
        let loaded = load(&db).map_err(|error| format!("cannot load: {error:?}"))?;
        disk.told(0);
        Ok(Self {
            core: JournalCore::new(Arc::clone(&db), loaded.state, &config, FailPoints::inert()),
            disk,
            db,
            config,
            batch: Vec::new(),
            model: Model::default(),
            history: vec![Model::default()],
            sequence: 0,
            uploads: 0,
            commits: 0,
            tell_early: false,
        })
    }

    /// Runs all ops. `Err` when the journal stopped, with what it said.
    pub(super) fn play(&mut self, ops: &[Op]) -> Result<(), String> {
        ops.iter().try_for_each(|op| self.step(op))?;
        self.commit()
    }

    pub(super) fn step(&mut self, op: &Op) -> Result<(), String> {
        match op {
            Op::Commit => return self.commit(),
            Op::Reboot { clean } => return self.reboot(*clean),
            Op::Begin => self.begin(),
            Op::Append { which, lines, bytes } => {
                let text = "x".repeat(usize::from(*bytes));
                self.append(*which, Entry::default(), *lines, &text);
            }
            Op::Arm { which, step, due_ms } => {
                let step = format!("step_{step}").parse().unwrap();
                self.append(*which, Entry::default().arming(step, *due_ms), 0, "");
            }
            Op::Disarm { which, step } => {
                let step = format!("step_{step}").parse().unwrap();
                self.append(*which, Entry::default().disarming(step), 0, "");
            }
            Op::Send { which, artefact } => {
                let upload = self.upload(*artefact);
                self.append(*which, Entry::default().sending(upload), 1, "sent");
            }
            Op::RaiseEpoch { which } => self.raise(*which),
            Op::Decide { which } => {
                if self.pick(*which).is_some() {
                    self.sequence += 1;
                    let entry = Entry::default().ordered_by(order(self.sequence));
                    self.append(*which, entry, 1, "decided");
                }
            }
            Op::End { which } => {
                let upload = self.upload(false);
                self.append(*which, Entry::default().ending().sending(upload), 1, "ended");
            }
            Op::AckRecords { which, item } => self.ack_records(*which, *item),
            Op::AckUpload { item } => self.ack_upload(*item),
            Op::Forget { which } => {
                if let Some(id) = self.pick(*which) {
                    let number = self.model.runs.remove(&id).unwrap().number;
                    self.batch.push(Request::Forget(number));
                }
            }
            Op::Remember => {
                self.sequence += 1;
                self.model.orders.insert(self.sequence);
                self.batch.push(Request::Remember(order(self.sequence)));
            }
            Op::Put { key, bytes } => {
                let (key, value) = (format!("key_{key}"), vec![*key; usize::from(*bytes)]);
                self.batch.push(Request::Put {
                    key: cell_key(Space::Host.tag(), &key),
                    value: value.clone(),
                });
                self.model.cells.insert(key, value);
            }
            Op::Remove { key } => {
                let key = format!("key_{key}");
                self.batch.push(Request::Remove {
                    key: cell_key(Space::Host.tag(), &key),
                });
                self.model.cells.remove(&key);
            }
        }
        Ok(())
    }

    /// An unfinished run.
    fn pick(&self, which: u8) -> Option<RunId> {
        let open: Vec<_> = self
            .model
            .runs
            .iter()
            .filter(|(_, run)| !run.ended)
            .map(|(id, _)| id)
            .collect();
        open.get(usize::from(which) % open.len().max(1))
            .map(|id| (*id).clone())
    }

    fn upload(&mut self, artefact: bool) -> Upload {
        self.uploads += 1;
        let label = format!("upload {}", self.uploads).into_bytes();
        if artefact {
            Upload::Artefact {
                digest: Digest::of(&label),
                about: label,
            }
        } else {
            Upload::Receipt { envelope: label }
        }
    }

    fn begin(&mut self) {
        self.sequence += 1;
        let run = RunId::from_entropy(u128::from(self.sequence).to_be_bytes());
        let envelope = format!("order {}", self.sequence).into_bytes();
        let row = RunRow {
            run: run.clone(),
            epoch: 1,
            accepted_at_ms: self.commits,
            envelope: envelope.clone(),
        };
        self.model.runs.insert(
            run.clone(),
            ModelRun {
                number: self.sequence,
                epoch: 1,
                envelope,
                lines: Vec::new(),
                unsent_from: 0,
                chain: chain_start(&run),
                timers: BTreeMap::new(),
                uploads: BTreeSet::new(),
                ended: false,
            },
        );
        let mut entry = Entry::now("");
        entry.job = Some(order(self.sequence));
        self.add(&run, entry, 1, "accepted", Some(row));
    }

    fn append(&mut self, which: u8, entry: Entry, lines: u8, text: &str) {
        if let Some(run) = self.pick(which) {
            self.add(&run, entry, lines, text, None);
        }
    }

    fn add(&mut self, id: &RunId, mut entry: Entry, lines: u8, text: &str, new: Option<RunRow>) {
        let run = self.model.runs.get_mut(id).unwrap();
        let first_seq = run.lines.len() as u64;
        for _ in 0..lines {
            let line = format!("{{\"seq\":{},\"text\":\"{text}\"}}", run.lines.len());
            run.chain = add_line(&run.chain, &line);
            entry.lines.extend_from_slice(line.as_bytes());
            entry.lines.push(b'\n');
            run.lines.push(line);
        }
        for step in &entry.disarm {
            run.timers.remove(step);
        }
        run.timers.extend(entry.arm.iter().cloned());
        for upload in &entry.uploads {
            let (Upload::Receipt { envelope: label } | Upload::Artefact { about: label, .. }) = upload;
            run.uploads.insert(String::from_utf8(label.clone()).unwrap());
        }
        if entry.ended {
            run.ended = true;
            run.timers.clear();
        }
        self.model.orders.extend(entry.job.iter().map(|job| job.sequence));
        let append = Append {
            number: run.number,
            epoch: run.epoch,
            first_seq,
            count: u32::from(lines),
            chain: run.chain,
            entry,
            new,
        };
        self.batch.push(Request::Append(Box::new(append)));
    }

    /// A higher fencing number, which the next record carries.
    fn raise(&mut self, which: u8) {
        if let Some(id) = self.pick(which) {
            self.model.runs.get_mut(&id).unwrap().epoch += 1;
            self.add(&id, Entry::default(), 1, "again", None);
        }
    }

    fn ack_records(&mut self, which: u8, item: u8) {
        let ids: Vec<_> = self.model.runs.keys().cloned().collect();
        let Some(id) = ids.get(usize::from(which) % ids.len().max(1)) else {
            return;
        };
        let run = self.model.runs.get_mut(id).unwrap();
        let Some(head) = self.core.state.runs.get(&run.number) else {
            return;
        };
        let ends: Vec<u64> = head.unsent.values().filter_map(|last| *last).collect();
        if let Some(&through) = ends.get(usize::from(item) % ends.len().max(1)) {
            run.unsent_from = run.unsent_from.max(through + 1);
            self.batch.push(Request::Ack(vec![Ack::Records {
                run: id.clone(),
                through,
            }]));
        }
    }

    fn ack_upload(&mut self, item: u8) {
        let items = Reader(Arc::clone(&self.db))
            .outbox(0, usize::MAX, usize::MAX)
            .unwrap();
        let uploads: Vec<_> = items
            .into_iter()
            .filter_map(|item| match item.body {
                OutboxBody::Receipt { run, envelope: label }
                | OutboxBody::Artefact {
                    run, about: label, ..
                } => Some((item.position, run, label)),
                OutboxBody::Batch(_) => None,
            })
            .collect();
        if let Some((position, run, label)) = uploads.get(usize::from(item) % uploads.len().max(1)) {
            if let Some(run) = self.model.runs.get_mut(run) {
                run.uploads.remove(std::str::from_utf8(label).unwrap());
            }
            self.batch.push(Request::Ack(vec![Ack::Item(*position)]));
        }
    }

    pub(super) fn commit(&mut self) -> Result<(), String> {
        self.commits += 1;
        if self.tell_early {
            self.disk.told(self.history.len());
        }
        let batch = std::mem::take(&mut self.batch);
        let committed = self
            .core
            .commit(batch, self.commits)
            .map_err(|stopped| stopped.to_string())?;
        for id in committed.dropped {
            if let Some(run) = self.model.runs.remove(&id) {
                let sent = run.unsent_from == run.lines.len() as u64 && run.uploads.is_empty();
                assert!(run.ended && sent, "run {id} was dropped before its time");
            }
        }
        self.history.push(self.model.clone());
        self.disk.told(self.history.len() - 1);
        Ok(())
    }

    fn reboot(&mut self, clean: bool) -> Result<(), String> {
        self.commit()?;
        // A killed process leaves what it wrote; a clean end also what closing writes.
        let killed = Disk::with(self.disk.bytes());
        let disk = if clean { self.disk.clone() } else { killed };
        let empty = database(&Disk::default())?;
        self.core = JournalCore::new(
            Arc::clone(&empty),
            load_state(&empty)?,
            &self.config,
            FailPoints::inert(),
        );
        self.db = empty;
        self.db = database(&disk)?;
        let loaded = load(&self.db).map_err(|error| format!("cannot load: {error:?}"))?;
        let found = contents_of(&loaded, &Reader(Arc::clone(&self.db)))?;
        if found != self.model {
            return Err(format!("after a reboot: {}", difference(&found, &self.model)));
        }
        self.core = JournalCore::new(
            Arc::clone(&self.db),
            loaded.state,
            &self.config,
            FailPoints::inert(),
        );
        self.disk = disk;
        Ok(())
    }

    /// Whether a stopped journal refuses everything.
    pub(super) fn refuses_everything(&mut self) -> bool {
        self.core.commit(vec![Request::Barrier], 0).is_err() && self.core.commit(Vec::new(), 0).is_err()
    }
}

fn load_state(db: &redb::Database) -> Result<crate::state::State, String> {
    load(db)
        .map(|loaded| loaded.state)
        .map_err(|error| format!("{error:?}"))
}

/// Checks that a storage, found after a fault, holds what was confirmed, or that and the commit that was under way;
/// answers whether it holds the latter.
pub(super) fn check_found(
    disk: &Disk,
    history: &[Model],
    confirmed: usize,
    under_way: Option<&Model>,
) -> Result<bool, String> {
    let found = contents(disk)?;
    if found == history[confirmed] {
        return Ok(false);
    }
    if history.get(confirmed + 1) == Some(&found) || under_way.is_some_and(|model| holds(&found, model)) {
        return Ok(true);
    }
    Err(format!(
        "after commit {confirmed}: {}",
        difference(&found, &history[confirmed])
    ))
}

/// Whether this is what the model says, but for runs that the commit, which was never confirmed, may have dropped.
fn holds(found: &Model, model: &Model) -> bool {
    let mut expected = model.clone();
    expected.runs.retain(|id, run| {
        let sent = run.unsent_from == run.lines.len() as u64 && run.uploads.is_empty();
        found.runs.contains_key(id) || !(run.ended && sent)
    });
    *found == expected
}
