//! Drives the core and the model side by side.

use std::collections::BTreeSet;
use std::time::Duration;

use flowforge_failpoints::FailPoints;
use flowforge_protocol::{Digest, RunId, StepKey};

use super::disk::Disk;
use super::model::{Model, ModelRun, SEMANTICS, contents_beside, difference, opened, order};
use super::ops::{Kind, Op};
use crate::config::{JournalConfig, Retention};
use crate::core::JournalCore;
use crate::entry::{Entry, Snapshot, Space, Standing, Upload};
use crate::flights::Flights;
use crate::key::{RunKey, cell_key, message_key};
use crate::replay::ReplayMemory;
use crate::rows::{MessageRow, Note, RunRow};
use crate::tombstones::Gone;
use crate::work::{Append, JobRow, Request, Work};

mod commits;

/// Core and model.
pub(super) struct Script {
    pub(super) disk: Disk,
    core: JournalCore,
    config: JournalConfig,
    work: Work,
    replay: ReplayMemory,
    flights: Flights,
    next_message: u64,
    rewound: BTreeSet<u64>,
    pub(super) model: Model,
    /// What the model was after each commit, the first being the empty journal.
    pub(super) history: Vec<Model>,
    /// The numbers of those commits.
    pub(super) numbers: Vec<u64>,
    /// Also the number of runs and orders.
    sequence: u64,
    uploads: u64,
    /// Also the time, in milliseconds.
    commits: u64,
    /// How often unused space was given back.
    pub(super) compactions: u64,
    /// Say that a commit is durable before it is: a planted bug.
    pub(super) tell_early: bool,
}

impl Script {
    /// Opens a journal over a storage. `Err` if the storage fails.
    pub(super) fn open(disk: Disk) -> Result<Self, String> {
        let mut config = JournalConfig::at("unused", super::model::INCARNATION);
        // Ended and sent runs go after some commits.
        config.retention = Retention {
            age: Duration::from_millis(12),
            ..Retention::default()
        };
        let (db, loaded) = opened(&disk)?;
        disk.told(0);
        let commit = loaded.state.commit;
        Ok(Self {
            core: JournalCore::new(db, loaded.state, &config, FailPoints::inert()),
            disk,
            config,
            work: Work::default(),
            replay: ReplayMemory::default(),
            flights: Flights::default(),
            next_message: 0,
            rewound: BTreeSet::new(),
            model: Model::default(),
            history: vec![Model::default()],
            numbers: vec![commit],
            sequence: 0,
            uploads: 0,
            commits: 0,
            compactions: 0,
            tell_early: false,
        })
    }

    /// Runs all ops. `Err` when the journal stopped, with what it said.
    pub(super) fn play(&mut self, ops: &[Op]) -> Result<(), String> {
        ops.iter().try_for_each(|op| self.step(*op))?;
        self.commit()
    }

    pub(super) fn step(&mut self, op: Op) -> Result<(), String> {
        match op.kind {
            Kind::Commit => return self.commit(),
            Kind::Reboot => return self.reboot(true),
            Kind::Kill => return self.reboot(false),
            Kind::Compact => return self.compact(),
            Kind::Begin => self.begin(op),
            Kind::Append | Kind::Wait | Kind::Snapshot | Kind::Send | Kind::RaiseEpoch | Kind::End => {
                self.append(op);
            }
            Kind::Rest => self.rest(op),
            Kind::Deliver | Kind::DeliverUnknown => self.deliver(op),
            Kind::Consume => self.consume(op),
            Kind::Ack => self.ack(op),
            Kind::Rewind => self.rewind(op),
            Kind::Park | Kind::Unpark => self.park(op),
            Kind::Forget => self.forget(op),
            Kind::Mark | Kind::EndMark | Kind::StopMark => self.mark(op),
            Kind::Remember => {
                let job = self.next_order();
                self.work.requests.push(Request::Remember(job));
            }
            Kind::Put | Kind::Remove => self.cell(op),
            Kind::Told => {
                self.model.told = self.model.told.max(self.replay.next_number());
                self.work.told = Some(self.model.told);
            }
            Kind::Plane => {
                self.model.plane = Some(vec![op.item; 16]);
                self.work.requests.push(Request::Plane(vec![op.item; 16]));
            }
        }
        Ok(())
    }

    /// A run that is here, open or not.
    fn any_run(&self, which: u8) -> Option<RunId> {
        let ids: Vec<_> = self.model.runs.keys().collect();
        ids.get(usize::from(which) % ids.len().max(1))
            .map(|id| (*id).clone())
    }

    /// An unfinished run.
    fn open_run(&self, which: u8) -> Option<RunId> {
        let open: Vec<_> = self.model.runs.iter().filter(|(_, run)| !run.ended).collect();
        open.get(usize::from(which) % open.len().max(1))
            .map(|(id, _)| (*id).clone())
    }

    fn next_order(&mut self) -> JobRow {
        self.sequence += 1;
        self.model.orders.insert(self.sequence);
        let job = order(self.sequence);
        let number = self.replay.take(&job);
        // A small table, so that its overflow is part of every campaign.
        let forgotten = self.replay.forget(self.commits, 6, 4);
        JobRow {
            number,
            job,
            forgotten,
        }
    }

    fn begin(&mut self, op: Op) {
        let job = self.next_order();
        let run = RunId::from_entropy(u128::from(self.sequence).to_be_bytes());
        let envelope = format!("order {}", self.sequence).into_bytes();
        let row = RunRow {
            run: RunKey::of(&run),
            accepted_at_ms: self.commits,
            documents: vec![cell_key(Space::Release.tag(), "release")],
            envelope: envelope.clone(),
        };
        let model = ModelRun::new(self.sequence, &run, envelope);
        self.model.runs.insert(run.clone(), model);
        self.add(
            &run,
            Entry::now(""),
            1,
            "accepted",
            op.bytes,
            Some(job),
            Some(row),
        );
    }

    fn append(&mut self, op: Op) {
        let Some(id) = self.open_run(op.which) else { return };
        let mut entry = Entry::default();
        let mut lines = 1 + op.item % 3;
        match op.kind {
            Kind::Wait => {
                let due_ms = (op.item.is_multiple_of(2)).then_some(u64::from(op.bytes));
                entry = entry.waiting(due_ms, format!("for {}", op.item));
                lines %= 3;
            }
            Kind::RaiseEpoch => {
                let run = self.model.runs.get_mut(&id).unwrap();
                run.epoch += 1;
                lines %= 3;
            }
            Kind::Snapshot => {
                let seq = self.model.runs[&id].lines.len() as u64 + u64::from(lines);
                entry.snapshot = Some(Snapshot {
                    seq,
                    semantics: SEMANTICS,
                    bytes: vec![op.item; usize::from(op.bytes)],
                });
            }
            Kind::Send => entry.uploads.push(self.upload(true)),
            Kind::End => {
                entry.ended = true;
                if !op.item.is_multiple_of(4) {
                    entry.uploads.push(self.upload(false));
                }
            }
            _ => {}
        }
        self.add(&id, entry, lines, "more", op.bytes, None, None);
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
            Upload::Receipt { document: label }
        }
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "one place that builds an append, for every kind of one"
    )]
    fn add(
        &mut self,
        id: &RunId,
        mut entry: Entry,
        lines: u8,
        text: &str,
        bytes: u16,
        job: Option<JobRow>,
        new: Option<RunRow>,
    ) {
        let mut dropped_messages = Vec::new();
        let run = self.model.runs.get_mut(id).unwrap();
        let first_seq = run.lines.len() as u64;
        for _ in 0..lines {
            let filling = "x".repeat(usize::from(bytes));
            let line = format!("{{\"seq\":{},\"{text}\":\"{filling}\"}}", run.lines.len());
            entry.lines.extend_from_slice(line.as_bytes());
            entry.lines.push(b'\n');
            run.add_line(line);
        }
        if lines > 0 && bytes.is_multiple_of(2) {
            // One of a few values, so that runs share them.
            let value = format!("value {} ", bytes % 5).repeat(300);
            let digest = Digest::of(value.as_bytes());
            entry.values.push((digest, value.clone().into_bytes()));
            run.values.insert(value);
        }
        for upload in &entry.uploads {
            match upload {
                Upload::Artefact { about, .. } => {
                    run.artefacts.push(String::from_utf8(about.clone()).unwrap())
                }
                Upload::Receipt { document } => {
                    run.receipt = Some(String::from_utf8(document.clone()).unwrap())
                }
            }
        }
        if let Some(snapshot) = &entry.snapshot {
            run.snapshot = Some((snapshot.seq, snapshot.bytes.clone()));
        }
        match &entry.standing {
            Some(standing) => run.standing = standing.clone(),
            None if lines > 0 => run.standing = Standing::Running,
            None => {}
        }
        if entry.ended {
            (run.ended, run.standing, run.snapshot) = (true, Standing::Running, None);
            let number = run.number;
            self.flights.forget(number);
            self.model.flights.retain(|(of, _), _| *of != number);
            self.model.inbox.retain(|(of, message), _| {
                if of == id {
                    dropped_messages.push(*message);
                }
                of != id
            });
        }
        let run = &self.model.runs[id];
        let append = Append {
            number: run.number,
            epoch: run.epoch,
            first_seq,
            count: u32::from(lines),
            chain: run.chain,
            entry,
            pieces: Vec::new(),
            value_bytes: 0,
            job,
            dropped_messages,
            new: new.map(|row| (row, 0, false)),
        };
        self.work.requests.push(Request::Append(Box::new(append)));
    }

    fn rest(&mut self, op: Op) {
        let Some(id) = self.open_run(op.which) else { return };
        let standing = Standing::Resting {
            code: "FF-TEST-001".to_owned(),
            reason: format!("because of {}", op.item),
        };
        let run = self.model.runs.get_mut(&id).unwrap();
        run.standing = standing.clone();
        let number = run.number;
        self.work.requests.push(Request::Stand { number, standing });
    }

    fn deliver(&mut self, op: Op) {
        let unknown = RunId::from_entropy([op.which; 16]);
        let id = match op.kind {
            Kind::Deliver => self.open_run(op.which),
            _ => Some(unknown),
        };
        let Some(id) = id else { return };
        let job = self.next_order();
        let (message, bytes) = (self.next_message, vec![op.item; usize::from(op.bytes)]);
        self.next_message += 1;
        let row = MessageRow {
            job: job.job.job_id.clone(),
            at_ms: self.commits,
            keep_until_ms: u64::MAX,
            bytes: bytes.clone(),
        };
        let key = message_key(RunKey::of(&id), message);
        self.model.inbox.insert((id, message), bytes);
        self.work.requests.push(Request::Deliver { key, row, job });
    }

    fn consume(&mut self, op: Op) {
        let messages: Vec<_> = self.model.inbox.keys().cloned().collect();
        let Some((id, message)) = messages.get(usize::from(op.item) % messages.len().max(1)) else {
            return;
        };
        self.model.inbox.remove(&(id.clone(), *message));
        if self.model.runs.get(id).is_some_and(|run| !run.ended) {
            let mut entry = Entry::default();
            entry.consumes.push(*message);
            self.add(id, entry, 1, "decided", op.bytes, None, None);
        } else {
            let run = RunKey::of(id);
            let messages = vec![*message];
            self.work.requests.push(Request::Consume { run, messages });
        }
    }

    /// The control plane can only have what is durable here.
    fn ack(&mut self, op: Op) {
        let Some(id) = self.any_run(op.which) else { return };
        let run = self.model.runs.get_mut(&id).unwrap();
        let Some(head) = self.core.state.heads.get(&run.number) else {
            return;
        };
        if self.rewound.contains(&run.number) || head.end() <= run.cursor {
            return;
        }
        let more = 1 + u64::from(op.item) % (head.end() - run.cursor);
        run.cursor += more;
        self.work.acks.insert(run.number, run.cursor);
    }

    fn rewind(&mut self, op: Op) {
        let Some(id) = self.any_run(op.which) else { return };
        let run = self.model.runs.get_mut(&id).unwrap();
        let to_seq = u64::from(op.item) % (run.lines.len() as u64 + 1);
        run.cursor = to_seq;
        self.work.acks.remove(&run.number);
        self.rewound.insert(run.number);
        let number = run.number;
        self.work.requests.push(Request::Rewind { number, to_seq });
    }

    fn park(&mut self, op: Op) {
        let Some(id) = self.any_run(op.which) else { return };
        let run = self.model.runs.get_mut(&id).unwrap();
        run.park = (op.kind == Kind::Park).then(|| format!("because of {}", op.item));
        let why = run.park.clone().map(|text| Note {
            code: "FF-TEST-002".to_owned(),
            text: text.into_bytes(),
        });
        let number = run.number;
        self.work.requests.push(Request::Park { number, why });
    }

    /// A run goes on elsewhere: one that is here, or one that was never here or is gone already.
    fn forget(&mut self, op: Op) {
        let open = self.open_run(op.which).filter(|_| !op.item.is_multiple_of(4));
        let id = open.unwrap_or_else(|| RunId::from_entropy([op.which % 8; 16]));
        let here = self.model.runs.remove(&id);
        let before = self.model.gone.get(&id).copied().unwrap_or_default();
        let own = here.as_ref().map_or(0, |run| run.epoch);
        let epoch = own + u64::from(op.item % 3);
        let number = here.map(|run| run.number);
        if let Some(number) = number {
            self.flights.forget(number);
            self.model.flights.retain(|(of, _), _| *of != number);
        }
        let mut messages = Vec::new();
        self.model.inbox.retain(|(of, message), _| {
            if *of == id {
                messages.push(*message);
            }
            *of != id
        });
        self.model
            .gone
            .insert(id.clone(), (before.0.max(epoch), before.1));
        let gone = Gone {
            run: RunKey::of(&id),
            epoch,
            ended: false,
        };
        self.work.requests.push(Request::Forget {
            number,
            gone,
            messages,
        });
    }

    fn mark(&mut self, op: Op) {
        let Some(id) = self.open_run(op.which) else { return };
        let number = self.model.runs[&id].number;
        let step: StepKey = format!("step_{}", op.item % 3).parse().unwrap();
        match op.kind {
            Kind::Mark => self.flights.begin(number, &step, u32::from(op.item) + 1),
            Kind::EndMark => self.flights.end(number, &step),
            _ => self.flights.stop(number, &step),
        }
    }

    fn cell(&mut self, op: Op) {
        let name = format!("key_{}", op.item % 5);
        let key = cell_key(Space::Host.tag(), &name);
        if op.kind == Kind::Put {
            let value = vec![op.item; usize::from(op.bytes)];
            self.model.cells.insert(name, value.clone());
            let leaving = Vec::new();
            self.work.requests.push(Request::Put { key, value, leaving });
        } else {
            self.model.cells.remove(&name);
            self.work.requests.push(Request::Remove { key });
        }
    }

    /// Whether a stopped journal refuses everything.
    #[cfg(test)]
    pub(super) fn refuses_everything(&mut self) -> bool {
        self.core.commit(Work::default(), 0).is_err() && self.core.compact().is_err()
    }
}

/// Checks that a storage, found after a fault, holds what was confirmed, or that and the commit that was under way;
/// answers whether it holds the latter.
pub(super) fn check_found(
    disk: &Disk,
    told: (&[Model], &[u64]),
    confirmed: usize,
    under_way: Option<&Model>,
) -> Result<bool, String> {
    let (history, numbers) = told;
    let found = contents_beside(disk, Some(numbers[confirmed]))?;
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
    let dropped: Vec<(RunId, u64)> = expected
        .runs
        .iter()
        .filter(|(id, run)| !found.runs.contains_key(*id) && run.is_done())
        .map(|(id, run)| (id.clone(), run.epoch))
        .collect();
    for (id, epoch) in dropped {
        expected.runs.remove(&id);
        expected.gone.insert(id, (epoch, true));
    }
    *found == expected
}
