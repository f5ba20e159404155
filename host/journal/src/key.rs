//! The keys of rows.
//!
//! Runs have a number, given at acceptance and growing, so that what is written together lies together in the file. Keys
//! are big-endian, so that their order is that of the numbers in them.

use flowforge_protocol::{Digest, RunId, StepKey};

use crate::error::Damage;

/// A run's id in the least space: its text, without an allocation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RunKey([u8; RunKey::LENGTH]);

impl RunKey {
    /// Every run id has this many characters.
    pub(crate) const LENGTH: usize = 26;

    pub(crate) fn of(run: &RunId) -> Self {
        let mut key = [0; Self::LENGTH];
        for (to, from) in key.iter_mut().zip(run.as_str().bytes()) {
            *to = from;
        }
        Self(key)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let key = Self(bytes.try_into().ok()?);
        key.try_id().map(|_| key)
    }

    fn try_id(self) -> Option<RunId> {
        std::str::from_utf8(&self.0).ok()?.parse().ok()
    }

    /// The id. A key is only ever made of one.
    pub(crate) fn id(self) -> RunId {
        self.try_id().unwrap_or_else(|| RunId::from_entropy([0; 16]))
    }
}

impl std::fmt::Debug for RunKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// Key of a numbered row.
pub(crate) fn number_key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

pub(crate) fn read_number_key(table: &'static str, key: &[u8]) -> Result<u64, Damage> {
    let bytes = key
        .try_into()
        .map_err(|_| Damage::new(table, key, "the key has the wrong length"))?;
    Ok(u64::from_be_bytes(bytes))
}

/// Key of a row of records.
pub(crate) fn record_key(number: u64, first_seq: u64) -> [u8; 16] {
    (u128::from(number) << 64 | u128::from(first_seq)).to_be_bytes()
}

pub(crate) fn read_record_key(table: &'static str, key: &[u8]) -> Result<(u64, u64), Damage> {
    let bytes = key
        .try_into()
        .map_err(|_| Damage::new(table, key, "the key has the wrong length"))?;
    let both = u128::from_be_bytes(bytes);
    let low = u64::try_from(both & u128::from(u64::MAX)).unwrap_or(u64::MAX);
    Ok((u64::try_from(both >> 64).unwrap_or(u64::MAX), low))
}

/// Key of a use of a value: run number and digest.
pub(crate) fn value_use_key(number: u64, digest: &Digest) -> Vec<u8> {
    [&number_key(number)[..], digest.as_bytes()].concat()
}

pub(crate) fn read_value_use_key(table: &'static str, key: &[u8]) -> Result<(u64, Digest), Damage> {
    let (number, digest) = key
        .split_at_checked(8)
        .ok_or_else(|| Damage::new(table, key, "the key has the wrong length"))?;
    Ok((read_number_key(table, number)?, read_value_key(table, digest)?))
}

/// The digest that is the key of a value.
pub(crate) fn read_value_key(table: &'static str, key: &[u8]) -> Result<Digest, Damage> {
    let bytes = key
        .try_into()
        .map_err(|_| Damage::new(table, key, "the key has the wrong length"))?;
    Ok(Digest::from_bytes(bytes))
}

/// Key of a mark: run number and step.
pub(crate) fn flight_key(number: u64, step: &StepKey) -> Vec<u8> {
    let mut key = number_key(number).to_vec();
    key.extend_from_slice(step.to_string().as_bytes());
    key
}

pub(crate) fn read_flight_key(table: &'static str, key: &[u8]) -> Result<(u64, StepKey), Damage> {
    let damage = || Damage::new(table, key, "the key cannot be read");
    let (number, step) = key.split_first_chunk::<8>().ok_or_else(damage)?;
    let step = std::str::from_utf8(step)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(damage)?;
    Ok((u64::from_be_bytes(*number), step))
}

/// Key of a message: run and number of the message.
pub(crate) fn message_key(run: RunKey, message: u64) -> Vec<u8> {
    let mut key = run.bytes().to_vec();
    key.extend_from_slice(&message.to_be_bytes());
    key
}

pub(crate) fn read_message_key(table: &'static str, key: &[u8]) -> Result<(RunKey, u64), Damage> {
    let damage = || Damage::new(table, key, "the key cannot be read");
    let (run, message) = key.split_last_chunk::<8>().ok_or_else(damage)?;
    let run = RunKey::read(run).ok_or_else(damage)?;
    Ok((run, u64::from_be_bytes(*message)))
}

/// Key of a cell.
pub(crate) fn cell_key(space: u8, key: &str) -> Vec<u8> {
    let mut bytes = vec![space];
    bytes.extend_from_slice(key.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back() {
        let run = RunId::from_entropy([7; 16]);
        let key = RunKey::of(&run);
        assert_eq!((key.id(), RunKey::read(key.bytes())), (run, Some(key)));
        assert_eq!(RunKey::read(b"short"), None);
        let step: StepKey = "labels[3].label".parse().unwrap();
        assert_eq!(read_flight_key("t", &flight_key(7, &step)), Ok((7, step)));
        assert_eq!(read_record_key("t", &record_key(7, 9)), Ok((7, 9)));
        assert!(record_key(7, u64::MAX) < record_key(8, 0));
        assert_eq!(read_message_key("t", &message_key(key, 5)), Ok((key, 5)));
        assert!(read_message_key("t", b"x").is_err());
    }
}
