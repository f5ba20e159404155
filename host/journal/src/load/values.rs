//! Opening: the large values of records, and the runs that hold them.

use redb::ReadableTable as _;

use super::Loaded;
use crate::codec;
use crate::error::{Damage, ReadError};
use crate::key;
use crate::tables::{self, Snapshot};

/// A value that is not what was written concerns the runs that hold it, and its bytes can come again with another record.
/// One that no run holds goes.
pub(super) fn read_values(snapshot: &Snapshot, loaded: &mut Loaded) -> Result<(), ReadError> {
    for entry in snapshot.value_uses.iter()? {
        let (key, value) = entry?;
        let (number, digest) = key::read_value_use_key(tables::VALUE_USES, key.value())?;
        if !loaded.state.heads.contains_key(&number) {
            let damage = Damage::new(tables::VALUE_USES, key.value(), "a value is held by no run");
            return Err(damage.into());
        }
        if let Err(damage) = codec::open(tables::VALUE_USES, key.value(), value.value()) {
            loaded.damaged.entry(number).or_insert(damage);
        }
        loaded.state.values.restore_use(number, digest);
    }
    for entry in snapshot.values.iter()? {
        let (key, value) = entry?;
        let digest = key::read_value_key(tables::VALUES, key.value())?;
        let bytes = u64::try_from(value.value().len()).unwrap_or(u64::MAX);
        let is_whole = codec::open(tables::VALUES, key.value(), value.value()).is_ok();
        if !is_whole || !loaded.state.values.restore(digest, bytes) {
            loaded.bad_values.push(key.value().to_vec());
        }
    }
    for (number, digest) in loaded.state.values.lacking() {
        let what = "a value of the run is missing, or not what was written";
        let damage = Damage::new(tables::VALUES, digest.as_bytes(), what);
        loaded.damaged.entry(number).or_insert(damage);
    }
    Ok(())
}
