//! Large values come with the first record that holds them and go with the last run that does, in the same commits.

use flowforge_protocol::Digest;

use super::Failure;
use super::apply::{Apply, bytes_of};
use crate::codec::seal;
use crate::{key, tables};

impl Apply<'_, '_> {
    /// Keeps the values that records of a run hold, each once.
    pub(super) fn keep_values(&mut self, number: u64, values: Vec<(Digest, Vec<u8>)>) -> Result<(), Failure> {
        for (digest, bytes) in values {
            let place = digest.as_bytes();
            let value = seal(tables::VALUES, place, &bytes);
            let new = self.state.values.hold(number, digest, bytes_of(&value));
            if new.bytes {
                self.tables.values()?.insert(&place[..], &value[..])?;
            }
            if new.of_run {
                let place = key::value_use_key(number, &digest);
                let value = seal(tables::VALUE_USES, &place, &[]);
                self.tables.value_uses()?.insert(&place[..], &value[..])?;
            }
        }
        Ok(())
    }

    /// The large values that only this run held go with it.
    pub(super) fn release_values(&mut self, number: u64) -> Result<(), Failure> {
        for (digest, goes) in self.state.values.release(number) {
            self.tables
                .value_uses()?
                .remove(&key::value_use_key(number, &digest)[..])?;
            if goes {
                self.tables.values()?.remove(&digest.as_bytes()[..])?;
            }
        }
        Ok(())
    }
}
