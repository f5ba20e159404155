//! What the uploader asks and says: what waits, what arrived, what was refused.
//!
//! Nothing is handed out before it is durable, and nothing is ever taken for sent but by the control plane's word. What
//! it has is remembered as one cursor for each run, which rides along with the next commit: one that is lost only repeats
//! an upload.

use std::collections::BTreeMap;
use std::sync::Arc;

use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::chain::{stored_values, without_values};
use flowforge_protocol::{Digest, RunId};

use crate::entry::{ABOUT_BYTES_MAX, Urgency};
use crate::error::{Damage, ReadError, Stopped};
use crate::fill::Purpose;
use crate::journal::Journal;
use crate::key::{self, RunKey};
use crate::lines::{self, ROW_BYTES};
use crate::outbox::{Portion, Ready};
use crate::reader::Reader;
use crate::records_row::RecordsRow;
use crate::rows::Note;
use crate::shared::still_open;
use crate::tables;
use crate::ticket::Ticket;
use crate::work::Request;

/// Code of a run of which something is not what was written.
pub(crate) const DAMAGED_CODE: &str = "FF-JRN-010";

/// What one call of the uploader carries of a run: first the artefacts and values, then the records that name
/// them, then the receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunUploads {
    /// The run.
    pub run: RunId,
    /// Artefacts that the records name, with what was given about them. They are acknowledged with those records.
    pub artefacts: Vec<(Digest, Vec<u8>)>,
    /// Consecutive records, each batch of at most 1 MiB unless a single record is larger.
    pub batches: Vec<RecordBatch>,
    /// Plain digests of the values that these records hold elsewhere than in their lines, each once; see
    /// [`Journal::value`]. They are to be there before the records are.
    pub values: Vec<Digest>,
    /// The receipt to sign, behind the last record.
    pub receipt: Option<Vec<u8>>,
}

/// What the control plane has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ack {
    /// Every record of the run up to and including this `seq`, and what was sent before them.
    Records {
        /// The run.
        run: RunId,
        /// The last `seq` it has.
        through: u64,
    },
    /// The run's receipt.
    Receipt {
        /// The run.
        run: RunId,
    },
    /// It was told `received` for every order before this number.
    Orders {
        /// The first order it was not told of.
        before: u64,
    },
}

/// Why the uploads of a run are parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Park {
    /// A stable code.
    pub code: String,
    /// For people.
    pub reason: String,
}

impl Journal {
    /// Returns when something can be sent.
    ///
    /// # Errors
    /// [`Stopped`].
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn upload_ready(&self) -> Result<(), Stopped> {
        self.until_ready(|ready| ready != Ready::Nothing).await
    }

    /// Returns when what can be sent should not wait for company: the end of a run is in it, or it is much.
    ///
    /// # Errors
    /// [`Stopped`].
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn upload_presses(&self) -> Result<(), Stopped> {
        self.until_ready(|ready| ready == Ready::Now).await
    }

    async fn until_ready(&self, is_ready: impl Fn(Ready) -> bool) -> Result<(), Stopped> {
        let mut ready = self.shared.ready();
        let mut end = self.shared.end();
        tokio::select! {
            ready = ready.wait_for(|ready| is_ready(*ready)) => ready.map(|_| ()).map_err(|_| Stopped::gone()),
            ended = end.wait_for(Option::is_some) => {
                Err(ended.map_or_else(|_| Stopped::gone(), |ended| ended.clone().unwrap_or_else(Stopped::gone)))
            }
        }
    }

    /// The next uploads: of at most `rows` rows and `bytes` bytes, unless a single row is larger, at most 1 MiB of each
    /// run, and each run in turn. What is not acknowledged comes again, in the run's next turn.
    ///
    /// # Errors
    /// [`ReadError`]. A run of which something is not what was written is left out and parked; it stops no other.
    pub async fn uploads(&self, rows: usize, bytes: usize) -> Result<Vec<RunUploads>, ReadError> {
        if let Some(stopped) = &self.shared.queue().stopped {
            return Err(stopped.clone().into());
        }
        let (bytes, run_bytes) = (
            u64::try_from(bytes).unwrap_or(u64::MAX),
            u64::try_from(ROW_BYTES).unwrap_or(u64::MAX),
        );
        let portions = self.shared.outbox().take(rows, bytes, run_bytes);
        self.shared.tell_ready();
        let mut uploads = Vec::with_capacity(portions.len());
        for portion in portions {
            let (number, run) = (portion.number, portion.run);
            match self.fetch(portion).await {
                Ok(Some(found)) => uploads.push(found),
                Ok(None) => {}
                Err(ReadError::Damaged(damage)) => self.set_damaged(number, run, damage).await?,
                Err(error) => return Err(error),
            }
        }
        Ok(uploads)
    }

    /// The content of a portion; `None` if the run went meanwhile.
    async fn fetch(&self, portion: Portion) -> Result<Option<RunUploads>, ReadError> {
        let mut wanted = portion.rows.clone();
        wanted.extend(portion.receipt.filter(|place| !portion.rows.contains(place)));
        let number = portion.number;
        let mut rows: BTreeMap<u64, Arc<RecordsRow>> = {
            let recent = self.shared.recent();
            wanted
                .iter()
                .filter_map(|place| Some((*place, recent.get(number, *place)?)))
                .collect()
        };
        let missing: Vec<u64> = wanted
            .iter()
            .copied()
            .filter(|place| !rows.contains_key(place))
            .collect();
        if !missing.is_empty() {
            let found = self
                .read(move |reader: Reader| reader.rows(number, &missing))
                .await?;
            rows.extend(found.into_iter().map(|(place, row)| (place, Arc::new(row))));
        }
        for place in &wanted {
            if !rows.contains_key(place) {
                if self.number(&portion.run.id()) != Some(number) {
                    return Ok(None);
                }
                let key = key::record_key(number, *place);
                return Err(Damage::new(tables::RECORDS, &key, "the records are missing").into());
            }
        }
        Ok(Some(assemble(&portion, &rows)?))
    }

    /// Takes note of what the control plane has. Rides along with the next commit; only a journal that has no room left
    /// commits for it, because what was sent may then go.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn acknowledge(&self, acks: &[Ack]) -> Result<(), Stopped> {
        still_open(&self.shared.queue())?;
        for ack in acks {
            match ack {
                Ack::Records { run, through } => {
                    let before = through.saturating_add(1);
                    self.move_cursor(run, |outbox, number| outbox.acknowledge(number, before));
                }
                Ack::Receipt { run } => {
                    self.move_cursor(run, |outbox, number| outbox.acknowledge_receipt(number));
                }
                Ack::Orders { before } => self.shared.queue().told(*before),
            }
        }
        self.shared.tell_ready();
        let is_tight = self.shared.check_room(0, Purpose::Run).is_err();
        let mut queue = self.shared.queue();
        if is_tight && queue.has_riders() {
            self.shared.push(&mut queue, Request::Barrier);
        }
        Ok(())
    }

    fn move_cursor(&self, run: &RunId, moved: impl FnOnce(&mut crate::outbox::Outbox, u64) -> Option<u64>) {
        let Some(number) = self.number(run) else { return };
        let cursor = moved(&mut self.shared.outbox(), number);
        if let Some(cursor) = cursor {
            self.shared.recent().sent(number, cursor);
            self.shared.queue().acknowledged(number, cursor);
        }
    }

    /// Every run that is here, ended or not, with its fencing number, oldest first: what the control plane is asked for
    /// when it is another one than before.
    #[must_use]
    pub fn held(&self) -> Vec<(RunId, u64)> {
        let queue = self.shared.queue();
        let here: BTreeMap<u64, (RunId, u64)> = queue
            .runs
            .iter()
            .filter_map(|(key, known)| Some((known.number()?, (key.id(), known.epoch()))))
            .collect();
        here.into_values().collect()
    }

    /// Sends a run's records again from this one on, and all that follows: the control plane does not have them.
    /// Nothing happens if the run is not here.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn rewind(&self, run: &RunId, to_seq: u64) -> Result<Option<Ticket>, Stopped> {
        let room = self.shared.room_for(0).await?;
        let mut queue = self.shared.queue();
        still_open(&queue)?;
        let Some(number) = queue.runs.get(&RunKey::of(run)).and_then(|known| known.number()) else {
            return Ok(None);
        };
        queue.acks.remove(&number);
        let request = Request::Rewind { number, to_seq };
        Ok(Some(self.shared.enqueue(
            &mut queue,
            request,
            room,
            Urgency::Lazy,
        )))
    }

    /// Makes a run's uploads wait until somebody has seen to them: the control plane will not store what it was sent.
    /// Other runs go on, and nothing is taken for sent. Nothing happens if the run is not here.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn park(&self, run: &RunId, why: Park) -> Result<Option<Ticket>, Stopped> {
        let mut text = why.reason;
        text.truncate(floor_char(&text, ABOUT_BYTES_MAX));
        let note = Note {
            code: why.code,
            text: text.into_bytes(),
        };
        self.set_parked(run, Some(note)).await
    }

    /// Sends a run's uploads again. Nothing happens if the run is not here.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn unpark(&self, run: &RunId) -> Result<Option<Ticket>, Stopped> {
        self.set_parked(run, None).await
    }

    async fn set_parked(&self, run: &RunId, why: Option<Note>) -> Result<Option<Ticket>, Stopped> {
        let room = self.shared.room_for(0).await?;
        let key = RunKey::of(run);
        let parked = why.is_some();
        let (number, ticket) = {
            let mut queue = self.shared.queue();
            still_open(&queue)?;
            let Some(number) = queue.runs.get(&key).and_then(|known| known.number()) else {
                return Ok(None);
            };
            let request = Request::Park { number, why };
            (
                number,
                self.shared.enqueue(&mut queue, request, room, Urgency::Lazy),
            )
        };
        if parked {
            // At once: what was refused is not sent again before the commit.
            self.shared.change_outbox(|outbox| outbox.park(number, key, true));
        }
        Ok(Some(ticket))
    }

    /// Something of a run is not what was written: its uploads are parked, and it is named.
    pub(crate) async fn set_damaged(&self, number: u64, run: RunKey, damage: Damage) -> Result<(), Stopped> {
        tracing::error!(run_id = %run.id(), %damage, "stored records of a run are damaged; the run is set aside");
        let why = Park {
            code: DAMAGED_CODE.to_owned(),
            reason: damage.to_string(),
        };
        self.shared.damaged().entry(number).or_insert(damage);
        self.park(&run.id(), why).await.map(|_| ())
    }
}

/// The longest prefix of at most so many bytes that ends between two characters.
fn floor_char(text: &str, bytes: usize) -> usize {
    (0..=bytes.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0)
}

/// Makes batches of rows: consecutive ones of one fencing number become one, up to the size of a batch.
pub(crate) fn assemble(
    portion: &Portion,
    rows: &BTreeMap<u64, Arc<RecordsRow>>,
) -> Result<RunUploads, Damage> {
    let run = portion.run.id();
    let mut uploads = RunUploads {
        run: run.clone(),
        artefacts: Vec::new(),
        batches: Vec::new(),
        values: Vec::new(),
        receipt: None,
    };
    // Whether the last batch holds large values.
    let mut holds = false;
    for place in &portion.rows {
        let Some(row) = rows.get(place) else { continue };
        uploads.artefacts.extend(row.artefacts.iter().cloned());
        let skipped = portion.cursor.saturating_sub(*place);
        let bytes = lines::from(&row.lines, *place, portion.cursor).map_err(|_| {
            let key = key::record_key(portion.number, *place);
            Damage::new(
                tables::RECORDS,
                &key,
                "its lines are not the records that belong here",
            )
        })?;
        let bare;
        let bytes = if row.values_stay {
            // The lines were read as frames before.
            bare = without_values(bytes, place + skipped).unwrap_or_default();
            &bare[..]
        } else {
            bytes
        };
        let (first_seq, count) = (
            place + skipped,
            row.count
                .saturating_sub(u32::try_from(skipped).unwrap_or(u32::MAX)),
        );
        // The lines were read as frames before.
        let values = stored_values(bytes, first_seq).unwrap_or_default();
        let held = std::mem::replace(&mut holds, !values.is_empty());
        for digest in values {
            if !uploads.values.contains(&digest) {
                uploads.values.push(digest);
            }
        }
        match uploads.batches.last_mut() {
            Some(batch)
                if batch.epoch == row.epoch
                    && batch.next_seq() == first_seq
                    && batch.lines.len() + bytes.len() <= ROW_BYTES
                    // With its values beside it, too, a batch is no larger than a row may be.
                    && !holds
                    && !held =>
            {
                batch.lines.extend_from_slice(bytes);
                batch.count = batch.count.saturating_add(count);
                batch.chain = row.chain;
            }
            _ => uploads.batches.push(RecordBatch {
                run: run.clone(),
                epoch: row.epoch,
                first_seq,
                count,
                chain: row.chain,
                lines: bytes.to_vec(),
            }),
        }
    }
    uploads.receipt = portion
        .receipt
        .and_then(|place| rows.get(&place)?.receipt.clone());
    Ok(uploads)
}
