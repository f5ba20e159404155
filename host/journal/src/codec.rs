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

fn digest(table: &'static str, key: &[u8], body: &[u8]) -> Digest {
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes();
    Digest::of_parts(&[table.as_bytes(), &[0, VERSION], &length, key, body])
}

/// The stored form of a body.
pub(crate) fn seal(table: &'static str, key: &[u8], body: &[u8]) -> Vec<u8> {
    let mut writer = BodyWriter::with_capacity(body.len());
    writer.rest(body);
    writer.seal(table, key)
}

/// The body of a stored value, if it is what was written under this key.
pub(crate) fn open<'v>(table: &'static str, key: &[u8], value: &'v [u8]) -> Result<&'v [u8], Damage> {
    let damage = |what| Damage::new(table, key, what);
    let (&version, rest) = value.split_first().ok_or_else(|| damage("the value is empty"))?;
    if version != VERSION {
        return Err(damage("the value has an unknown version tag"));
    }
    let (stored, body) = rest
        .split_at_checked(32)
        .ok_or_else(|| damage("the value is cut short"))?;
    if stored != digest(table, key, body).as_bytes() {
        return Err(damage("the value does not match its digest"));
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
        let mut value = self.0;
        if let Some((header, body)) = value.split_at_mut_checked(HEADER)
            && let Some(place) = header.get_mut(1..)
        {
            place.copy_from_slice(digest(table, key, body).as_bytes());
        }
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
    left: &'v [u8],
}

impl<'v> BodyReader<'v> {
    /// Checks the digest and begins to read.
    pub(crate) fn open(table: &'static str, key: &'v [u8], value: &'v [u8]) -> Result<Self, Damage> {
        Ok(Self {
            table,
            key,
            left: open(table, key, value)?,
        })
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
