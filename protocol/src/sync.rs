//! Sync: what a host and its control plane say to each other, call by call.
//!
//! Owns the documents of the one call that goes on for ever: what the host has made durable goes up, orders come down.
//! Leaves to others who calls when, and what is stored. Nothing in here is signed as a whole, because nothing in here is
//! believed: orders and receipts carry their own signatures, records their chain. The documents say whose they are, so
//! that neither side takes an answer of another life for its own.
//!
//! Invariants: an answer never takes anything away from the host. A host forgets a record only when
//! [`SyncReply::acknowledged`] covers it; a rejection says what to do with a run, never that its records are of no use.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::batch::RecordBatch;
use crate::hex16::hex16;
use crate::progress::StepProgress;
use crate::{Digest, JobId, RunId};

hex16! {
    /// One life of a store: drawn when it is made or opened alone, so that a store that was lost, restored or cloned shows.
    ///
    /// Written as 32 lower-case hexadecimal digits.
    Incarnation
}

/// How many orders of each lane a call may bring. The lanes are apart, so that neither fills the other's place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lanes {
    /// Orders that bring a run: starts and resumes. 0 while the host has no room for more.
    pub starts: u32,
    /// Orders for runs that are at the host: decisions, cancellations, signals. These are wanted also by a busy host.
    pub changes: u32,
}

impl Lanes {
    /// Whether the call brings nothing.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.starts == 0 && self.changes == 0
    }
}

/// A job that a host will not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefusedJob {
    /// Its id.
    pub job: JobId,
    /// Stable code, `FF-ADM-…` or `FF-JOB-…`.
    pub code: String,
    /// Why, for people.
    pub message: String,
}

/// A receipt on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReceiptUpload {
    /// The run.
    pub run: RunId,
    /// DSSE envelope as JSON text, signed with the host's identity key.
    pub envelope: String,
}

/// A time in which a host had no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Silence {
    /// The last answer before it, milliseconds since 1970 UTC by the host's clock.
    pub from_ms: u64,
    /// The first call after it.
    pub to_ms: u64,
}

/// A run that is on the host and does not go on until something is mended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestingRun {
    /// The run.
    pub run: RunId,
    /// Why it rests, for people; at most 2,000 characters.
    pub reason: String,
}

/// A run of which a host asks how far it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AskedRun {
    /// The run.
    pub run: RunId,
    /// Fencing number under which the host has it.
    pub epoch: u64,
}

/// One call: what the host has to tell, and how much work it wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SyncRequest {
    /// The tenant that the host serves.
    pub workspace: String,
    /// The life of the host's journal.
    pub host_incarnation: Incarnation,
    /// The life of the control plane whose acknowledgements the host rests on; absent before the first.
    pub plane_incarnation: Option<Incarnation>,
    /// Jobs that are durable at the host.
    pub received: Vec<JobId>,
    /// Jobs that the host will not do.
    pub refused: Vec<RefusedJob>,
    /// Records, in order within each run.
    #[serde(serialize_with = "write_batches", deserialize_with = "read_batches")]
    pub batches: Vec<RecordBatch>,
    /// Receipts of runs that ended.
    pub receipts: Vec<ReceiptUpload>,
    /// Runs of which the host asks how far they are stored, without sending anything of them. Each is acknowledged or
    /// rejected.
    pub asked: Vec<AskedRun>,
    /// How many orders may come.
    pub lanes: Lanes,
    /// How long to wait when there is no order, milliseconds.
    pub wait_ms: u32,
    /// The `delivery` of the last answer with orders that arrived at the host; what was lost on the way comes again at once.
    pub seen_delivery: Option<u64>,
    /// Whether new runs are unwelcome; absent: as said before.
    pub busy: Option<bool>,
    /// The time before this call in which the host had no answer, said once.
    pub silence: Option<Silence>,
    /// Every run that rests; absent: as said before.
    pub resting: Option<Vec<RestingRun>>,
    /// How far every attempt is that has said so, at most [`crate::progress::MAX_PROGRESS`]; absent: as said before.
    pub progress: Option<Vec<StepProgress>>,
}

impl SyncRequest {
    /// A call of this host that says nothing and asks for nothing.
    #[must_use]
    pub fn new(workspace: String, host_incarnation: Incarnation) -> Self {
        Self {
            workspace,
            host_incarnation,
            plane_incarnation: None,
            received: Vec::new(),
            refused: Vec::new(),
            batches: Vec::new(),
            receipts: Vec::new(),
            asked: Vec::new(),
            lanes: Lanes::default(),
            wait_ms: 0,
            seen_delivery: None,
            busy: None,
            silence: None,
            resting: None,
            progress: None,
        }
    }
}

/// How far the records of a run are stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Acknowledged {
    /// The run.
    pub run: RunId,
    /// `seq` of the last record stored; absent if none is.
    pub through: Option<u64>,
}

/// Something of a run that was not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rejected {
    /// The run.
    pub run: RunId,
    /// The kind of reason.
    pub code: RejectCode,
    /// Why, for people.
    pub message: String,
}

/// Why something of a run was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RejectCode {
    /// Records before it are missing there: send from behind the acknowledged one.
    Gap,
    /// There is no such run there.
    UnknownRun,
    /// Another host has the run.
    NotOwner,
    /// The run has gone on under a higher epoch.
    StaleEpoch,
    /// The chain value is not what the lines give.
    BrokenChain,
    /// Other records with these numbers are stored, or the run has ended there.
    Conflict,
    /// The lines are no records.
    Malformed,
    /// Larger than one item may be.
    TooLarge,
    /// A value that the records hold is not there: it comes before them.
    MissingValue,
    /// The receipt does not agree with the records, or its signature does not hold.
    InvalidReceipt,
    /// A reason of another version. Kept as it came: the run is parked, shown and tried again later.
    Other(String),
}

impl RejectCode {
    /// Its name on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Gap => "gap",
            Self::UnknownRun => "unknown_run",
            Self::NotOwner => "not_owner",
            Self::StaleEpoch => "stale_epoch",
            Self::BrokenChain => "broken_chain",
            Self::Conflict => "conflict",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::MissingValue => "missing_value",
            Self::InvalidReceipt => "invalid_receipt",
            Self::Other(code) => code,
        }
    }
}

impl fmt::Display for RejectCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&str> for RejectCode {
    fn from(code: &str) -> Self {
        let known = [
            Self::Gap,
            Self::UnknownRun,
            Self::NotOwner,
            Self::StaleEpoch,
            Self::BrokenChain,
            Self::Conflict,
            Self::Malformed,
            Self::TooLarge,
            Self::MissingValue,
            Self::InvalidReceipt,
        ];
        known
            .into_iter()
            .find(|known| known.as_str() == code)
            .unwrap_or_else(|| Self::Other(code.to_owned()))
    }
}

impl Serialize for RejectCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for RejectCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::read(deserializer, |code| {
            Ok::<_, std::convert::Infallible>(Self::from(code))
        })
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SyncReply {
    /// The tenant of the control plane.
    pub workspace: String,
    /// The life of the control plane's store. Another than before: what the host knows as acknowledged may be missing.
    pub plane_incarnation: Incarnation,
    /// The control plane's clock, milliseconds since 1970 UTC. For people; nothing is judged by it.
    pub time_ms: u64,
    /// Signed orders that bring a run: DSSE envelopes as JSON text, by ascending sequence.
    pub starts: Vec<String>,
    /// Signed orders for runs that are at the host, in the same form.
    pub changes: Vec<String>,
    /// Number of this answer; 0 if it carries no orders.
    pub delivery: u64,
    /// For each run with a batch in the call, and each one asked for: how far it is stored.
    pub acknowledged: Vec<Acknowledged>,
    /// What was not stored.
    pub rejected: Vec<Rejected>,
    /// Runs whose receipt is stored.
    pub receipts_stored: Vec<RunId>,
}

impl SyncReply {
    /// An answer that says and brings nothing.
    #[must_use]
    pub fn new(workspace: String, plane_incarnation: Incarnation, time_ms: u64) -> Self {
        Self {
            workspace,
            plane_incarnation,
            time_ms,
            starts: Vec::new(),
            changes: Vec::new(),
            delivery: 0,
            acknowledged: Vec::new(),
            rejected: Vec::new(),
            receipts_stored: Vec::new(),
        }
    }
}

/// Records of a run on their way to a host that is to go on with it, or that takes results from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPage(pub RecordBatch);

impl Serialize for RecordPage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        BatchOut::of(&self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RecordPage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let batch = BatchIn::deserialize(deserializer)?.read();
        batch.map(Self).map_err(serde::de::Error::custom)
    }
}

/// A batch as it stands on the wire: its lines in base64 (standard alphabet).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchOut<'b> {
    run: &'b RunId,
    epoch: u64,
    first_seq: u64,
    count: u32,
    chain: Digest,
    lines: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BatchIn {
    run: RunId,
    epoch: u64,
    first_seq: u64,
    count: u32,
    chain: Digest,
    lines: String,
}

impl<'b> BatchOut<'b> {
    fn of(batch: &'b RecordBatch) -> Self {
        Self {
            run: &batch.run,
            epoch: batch.epoch,
            first_seq: batch.first_seq,
            count: batch.count,
            chain: batch.chain,
            lines: STANDARD.encode(&batch.lines),
        }
    }
}

impl BatchIn {
    fn read(self) -> Result<RecordBatch, base64::DecodeError> {
        Ok(RecordBatch {
            run: self.run,
            epoch: self.epoch,
            first_seq: self.first_seq,
            count: self.count,
            chain: self.chain,
            lines: STANDARD.decode(self.lines)?,
        })
    }
}

fn write_batches<S: Serializer>(batches: &[RecordBatch], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(batches.iter().map(BatchOut::of))
}

fn read_batches<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RecordBatch>, D::Error> {
    let batches = Vec::<BatchIn>::deserialize(deserializer)?;
    let read = batches.into_iter().map(BatchIn::read);
    read.collect::<Result<_, _>>().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reason_of_another_version_is_kept() {
        for code in [
            "gap",
            "unknown_run",
            "not_owner",
            "stale_epoch",
            "too_large",
            "missing_value",
            "quota",
        ] {
            let read: RejectCode = serde_json::from_value(json!(code)).unwrap();
            assert_eq!(matches!(read, RejectCode::Other(_)), code == "quota");
            assert_eq!(serde_json::to_value(&read).unwrap(), json!(code));
        }
    }

    #[test]
    fn a_page_of_records_reads_as_it_was_written() {
        let mut batch = RecordBatch::beginning(RunId::from_entropy([1; 16]), 3);
        (batch.count, batch.lines) = (1, b"{}\n".to_vec());
        let page = RecordPage(batch);
        let text = serde_json::to_value(&page).unwrap();
        assert_eq!((&text["firstSeq"], &text["lines"]), (&json!(0), &json!("e30K")));
        assert_eq!(serde_json::from_value::<RecordPage>(text.clone()).unwrap(), page);
        let mut broken = text;
        broken["lines"] = json!("e30");
        assert!(serde_json::from_value::<RecordPage>(broken).is_err());
    }

    #[test]
    fn a_call_reads_as_it_was_written() {
        let (run, job) = (RunId::from_entropy([1; 16]), JobId::from_entropy([2; 16]));
        let request = SyncRequest {
            plane_incarnation: Some(Incarnation::from_entropy([4; 16])),
            received: vec![job.clone()],
            refused: vec![RefusedJob {
                job,
                code: "FF-ADM-001".to_owned(),
                message: "no".to_owned(),
            }],
            batches: vec![RecordBatch {
                run: run.clone(),
                epoch: 3,
                first_seq: 4,
                count: 1,
                chain: Digest::of(b"chain"),
                lines: b"{}\n".to_vec(),
            }],
            receipts: vec![ReceiptUpload {
                run: run.clone(),
                envelope: "signed".to_owned(),
            }],
            asked: vec![AskedRun {
                run: run.clone(),
                epoch: 2,
            }],
            lanes: Lanes {
                starts: 5,
                changes: 6,
            },
            wait_ms: 7,
            seen_delivery: Some(8),
            busy: Some(true),
            silence: Some(Silence { from_ms: 1, to_ms: 2 }),
            resting: Some(vec![RestingRun {
                run: run.clone(),
                reason: "why".to_owned(),
            }]),
            progress: Some(vec![StepProgress {
                run: run.clone(),
                step: "each[2].pay".parse().unwrap(),
                attempt: 1,
                percent: Some(40),
                message: None,
                at_ms: 9,
            }]),
            ..SyncRequest::new("acme".to_owned(), Incarnation::from_entropy([3; 16]))
        };
        let text = serde_json::to_value(&request).unwrap();
        assert_eq!(text["batches"][0]["lines"], "e30K");
        assert_eq!(text["batches"][0]["firstSeq"], 4);
        assert_eq!(serde_json::from_value::<SyncRequest>(text).unwrap(), request);
        let reply = SyncReply {
            starts: vec!["s".to_owned()],
            acknowledged: vec![Acknowledged {
                run: run.clone(),
                through: None,
            }],
            rejected: vec![Rejected {
                run: run.clone(),
                code: RejectCode::Gap,
                message: "send again".to_owned(),
            }],
            receipts_stored: vec![run],
            ..SyncReply::new("acme".to_owned(), Incarnation::from_entropy([4; 16]), 9)
        };
        let text = serde_json::to_value(&reply).unwrap();
        assert_eq!(text["planeIncarnation"], "04040404040404040404040404040404");
        assert_eq!(serde_json::from_value::<SyncReply>(text).unwrap(), reply);
    }
}
