//! The byte form of a stored value: version tag, digest of its own bytes, body.
//!
//! redb does not check its pages when it reads them, so every value proves itself: the digest covers the table, the key
//! and the body, so that a changed bit, and a value that stands under another key, are both noticed at the read.

use flowforge_protocol::Digest;

use crate::error::Damage;
use crate::key::RunKey;

/// Version tag of every value this crate writes.
const VERSION: u8 = 1;
const HEADER: usize = 1 + 32;

/// The digest of a body under its key, and of parts of what follows it.
fn digest(table: &'static str, key: &[u8], body: &[u8], beside: &[&[u8]]) -> Digest {
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes();
    let own = [table.as_bytes(), &[0, VERSION], &length, key, body];
    if beside.is_empty() {
        return Digest::of_parts(&own);
    }
    Digest::of_parts(&[&own[..], beside].concat())
}

/// The stored form of a body.
pub(crate) fn seal(table: &'static str, key: &[u8], body: &[u8]) -> Vec<u8> {
    let mut writer = BodyWriter::with_capacity(body.len());
    writer.rest(body);
    writer.seal(table, key)
}

/// What a value says when its bytes are not those that were written.
const NO_MATCH: &str = "the value does not match its digest";

/// The stored digest of a value, and what follows it.
fn divided<'v>(table: &'static str, key: &[u8], value: &'v [u8]) -> Result<(&'v [u8], &'v [u8]), Damage> {
    let damage = |what| Damage::new(table, key, what);
    let (&version, rest) = value.split_first().ok_or_else(|| damage("the value is empty"))?;
    if version != VERSION {
        return Err(damage("the value has an unknown version tag"));
    }
    rest.split_at_checked(32)
        .ok_or_else(|| damage("the value is cut short"))
}

/// The body of a stored value, if it is what was written under this key.
pub(crate) fn open<'v>(table: &'static str, key: &[u8], value: &'v [u8]) -> Result<&'v [u8], Damage> {
    let (stored, body) = divided(table, key, value)?;
    if stored != digest(table, key, body, &[]).as_bytes() {
        return Err(Damage::new(table, key, NO_MATCH));
    }
    Ok(body)
}

/// Writes a body in the place that it has in the stored form, so that it is not copied to be sealed.
pub(crate) struct BodyWriter(Vec<u8>);

impl BodyWriter {
    /// For a body of about so many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        let mut value = Vec::with_capacity(HEADER + bytes);
        value.push(VERSION);
        value.resize(HEADER, 0);
        Self(value)
    }

    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(crate) fn digest(&mut self, value: &Digest) -> &mut Self {
        self.0.extend_from_slice(value.as_bytes());
        self
    }

    /// Length, then bytes.
    pub(crate) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
        self.0.extend_from_slice(value);
        self
    }

    /// Bytes without a length; only as the last field.
    pub(crate) fn rest(&mut self, value: &[u8]) -> &mut Self {
        self.0.extend_from_slice(value);
        self
    }

    /// The stored form of what was written.
    pub(crate) fn seal(self, table: &'static str, key: &[u8]) -> Vec<u8> {
        self.seal_with(table, key, &[], &[])
    }

    /// The stored form of what was written, followed by bytes of which the digest covers these parts; the others prove
    /// themselves.
    pub(crate) fn seal_with(
        self,
        table: &'static str,
        key: &[u8],
        tail: &[u8],
        covered: &[&[u8]],
    ) -> Vec<u8> {
        let mut value = self.0;
        if let Some((header, body)) = value.split_at_mut_checked(HEADER)
            && let Some(place) = header.get_mut(1..)
        {
            place.copy_from_slice(digest(table, key, body, covered).as_bytes());
        }
        value.extend_from_slice(tail);
        value
    }

    /// What was written, to be sealed later.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.0.split_off(HEADER)
    }
}

/// Reads a body; a body that ends early or goes on too long is damage.
pub(crate) struct BodyReader<'v> {
    table: &'static str,
    key: &'v [u8],
    stored: &'v [u8],
    body: &'v [u8],
    left: &'v [u8],
}

impl<'v> BodyReader<'v> {
    /// Checks the digest and begins to read.
    pub(crate) fn open(table: &'static str, key: &'v [u8], value: &'v [u8]) -> Result<Self, Damage> {
        open(table, key, value)?;
        Self::unproven(table, key, value)
    }

    /// Begins to read a value that [`BodyReader::prove`] is to check: until then nothing that it says counts.
    pub(crate) fn unproven(table: &'static str, key: &'v [u8], value: &'v [u8]) -> Result<Self, Damage> {
        let (stored, body) = divided(table, key, value)?;
        Ok(Self {
            table,
            key,
            stored,
            body,
            left: body,
        })
    }

    /// Checks the digest over what was read and over the parts of the rest that it covers, as `covered` finds them;
    /// answers the rest. `None` says that the rest does not prove itself.
    pub(crate) fn prove(
        self,
        covered: impl FnOnce(&'v [u8]) -> Option<Vec<&'v [u8]>>,
    ) -> Result<&'v [u8], Damage> {
        let read = self.body.len() - self.left.len();
        let body = self.body.get(..read).unwrap_or_default();
        let covered = covered(self.left).ok_or_else(|| self.damage(NO_MATCH))?;
        if self.stored != digest(self.table, self.key, body, &covered).as_bytes() {
            return Err(self.damage(NO_MATCH));
        }
        Ok(self.left)
    }

    pub(crate) fn damage(&self, what: &'static str) -> Damage {
        Damage::new(self.table, self.key, what)
    }

    fn take(&mut self, count: usize) -> Result<&'v [u8], Damage> {
        let Some((taken, left)) = self.left.split_at_checked(count) else {
            return Err(self.damage("a field is cut short"));
        };
        self.left = left;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| self.damage("a field is cut short"))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Damage> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Damage> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Damage> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(crate) fn digest(&mut self) -> Result<Digest, Damage> {
        Ok(Digest::from_bytes(self.array()?))
    }

    pub(crate) fn bytes(&mut self) -> Result<&'v [u8], Damage> {
        let length = self.u32()?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// A text field, parsed.
    pub(crate) fn text<T: std::str::FromStr>(&mut self) -> Result<T, Damage> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| self.damage("a text field cannot be read"))
    }

    /// A run's id.
    pub(crate) fn run(&mut self) -> Result<RunKey, Damage> {
        let bytes = self.bytes()?;
        RunKey::read(bytes).ok_or_else(|| self.damage("a run id cannot be read"))
    }

    pub(crate) fn rest(self) -> &'v [u8] {
        self.left
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), Damage> {
        if self.left.is_empty() {
            Ok(())
        } else {
            Err(self.damage("the value goes on too long"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_and_every_other_key_is_noticed() {
        let value = seal("t", b"key", b"some body");
        assert_eq!(open("t", b"key", &value), Ok(&b"some body"[..]));
        for index in 0..value.len() {
            for bit in 0..8 {
                let mut changed = value.clone();
                changed[index] ^= 1 << bit;
                assert!(open("t", b"key", &changed).is_err(), "byte {index} bit {bit}");
            }
        }
        assert!(open("t", b"kez", &value).is_err());
        assert!(open("u", b"key", &value).is_err());
        for end in 0..value.len() {
            assert!(open("t", b"key", &value[..end]).is_err());
        }
    }

    #[test]
    fn fields_come_back_and_a_short_body_is_damage() {
        let fields = || {
            let mut body = BodyWriter::with_capacity(0);
            body.u8(7).u32(8).u64(9).bytes(b"text").rest(b"end");
            body
        };
        let value = fields().seal("t", b"k");
        assert_eq!(value, seal("t", b"k", &fields().finish()));
        let mut reader = BodyReader::open("t", b"k", &value).unwrap();
        assert_eq!(reader.u8(), Ok(7));
        assert_eq!(reader.u32(), Ok(8));
        assert_eq!(reader.u64(), Ok(9));
        assert_eq!(reader.text::<String>(), Ok("text".to_owned()));
        assert!(reader.end().is_err());
        assert!(reader.digest().is_err());
        assert_eq!(reader.rest(), b"end");
    }
}
