//! Values of a run as its records hold them: by salted digest, size and media type, with the bytes beside the chain.
//!
//! Owns: [`Datum`], the place of a value in a record; the *value line* that carries its bytes in front of that record.
//! Leaves to others where lines are stored and who may erase them. Invariant: a record line never contains a value's
//! bytes, so that erasing them, or keeping them on the site, leaves the chain whole. The salt is random and goes with the
//! bytes: without it a digest says nothing about a short value.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

pub use crate::depth::{MAX_VALUE_DEPTH, check_depth};
use crate::digest::TEXT_BYTES;
use crate::{Digest, hex_array};

/// Media type of every value that is JSON.
pub const JSON_MEDIA_TYPE: &str = "application/json";

/// Values up to this size stand beside their record; larger ones are kept once, by their digest. In bytes: 32 KiB. A
/// host may set another threshold.
pub const INLINE_BYTES: usize = 32 * 1024;

/// No value line whose bytes are kept elsewhere is longer than this, in bytes: two digests, a salt and the names of the
/// three.
const STORED_LINE_BYTES_MAX: usize = 256;

/// What stands in every value line whose bytes are kept elsewhere, and in few others.
const STORED_NAME: &[u8] = b"\"stored\":";

/// Separates digests of values from all other digests.
const PURPOSE: &[u8] = b"flowforge.value.v1\n";

/// How every value line begins; no record line does.
pub(crate) const VALUE_LINE_START: &[u8] = b"{\"value\":";

/// What the chain covers of a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueRef {
    /// SHA-256 over a purpose, the salt and the bytes.
    pub digest: Digest,
    /// Number of bytes.
    pub bytes: u64,
    /// Media type; [`JSON_MEDIA_TYPE`] for what expressions can read.
    #[serde(rename = "type", deserialize_with = "media_type")]
    pub media_type: Cow<'static, str>,
}

/// Nearly every value is JSON: that name is not copied.
fn media_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'static, str>, D::Error> {
    crate::text::read(deserializer, |text| {
        Ok::<_, std::convert::Infallible>(if text == JSON_MEDIA_TYPE {
            JSON_MEDIA_TYPE.into()
        } else {
            text.to_owned().into()
        })
    })
}

/// 16 random bytes that make a digest say nothing about a value that could be guessed. Written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt([u8; 16]);

impl Salt {
    /// A salt from entropy.
    #[must_use]
    pub fn from_entropy(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The digest of a value's bytes under this salt.
    #[must_use]
    pub fn digest(&self, bytes: &[u8]) -> Digest {
        Digest::of_parts(&[PURPOSE, &self.0, bytes])
    }
}

impl fmt::Display for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(crate::hex_text(&self.0, &mut [0; 32]))
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt")
    }
}

/// Why a text is no salt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a salt is 32 lower-case hexadecimal digits")]
pub struct ParseSaltError;

impl FromStr for Salt {
    type Err = ParseSaltError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        hex_array(text).map(Self).ok_or(ParseSaltError)
    }
}

impl Serialize for Salt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(crate::hex_text(&self.0, &mut [0; 32]))
    }
}

impl<'de> Deserialize<'de> for Salt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::parse(deserializer)
    }
}

/// A value at its place in a record.
///
/// Made from a value it has only content; [`Sealer::seal`] gives it its reference, which is all that a record line says
/// of it. Read from a record line it has only its reference until [`Datum::fill`] finds the bytes; they may be erased,
/// or may have stayed on the site.
#[derive(Debug, Clone, Default)]
pub struct Datum {
    reference: Option<ValueRef>,
    content: Option<Arc<Value>>,
}

impl Datum {
    /// A value that no record holds yet.
    #[must_use]
    pub fn new(value: impl Into<Arc<Value>>) -> Self {
        Self {
            reference: None,
            content: Some(value.into()),
        }
    }

    /// A value whose bytes are elsewhere.
    #[must_use]
    pub fn reference_only(reference: ValueRef) -> Self {
        Self {
            reference: Some(reference),
            content: None,
        }
    }

    /// The value, if its bytes are here.
    #[must_use]
    pub fn content(&self) -> Option<&Arc<Value>> {
        self.content.as_ref()
    }

    /// What the record says of it; `None` before it is sealed.
    #[must_use]
    pub fn reference(&self) -> Option<&ValueRef> {
        self.reference.as_ref()
    }

    /// The value, or null when its bytes are not here. For people's eyes only: a run never goes on with it.
    #[must_use]
    pub fn shown(&self) -> Value {
        self.content.as_deref().cloned().unwrap_or_default()
    }

    /// Takes the content from the values that stood before the record.
    pub fn fill(&mut self, values: &HashMap<Digest, Arc<Value>>) {
        if let (Some(reference), None) = (&self.reference, &self.content) {
            self.content = values.get(&reference.digest).cloned();
        }
    }
}

/// Keeps the bytes of a large value and gives the plain digest to find them by; `None` if there is no room.
pub type Keep<'k> = &'k mut dyn FnMut(&[u8]) -> Option<Digest>;

/// How values get their references: where salts come from, and where the bytes of large ones go.
pub struct Sealer<'s> {
    /// The salt of a value with these bytes: random, or derived from the bytes under a key of this host, so that equal
    /// values are kept once.
    pub salt: &'s mut dyn FnMut(&[u8]) -> Salt,
    /// Values above this size, in bytes, are kept elsewhere; [`INLINE_BYTES`] unless set otherwise.
    pub inline_bytes: usize,
    /// Where large values go. Without it every value stands in its line.
    pub keep: Option<Keep<'s>>,
}

impl Sealer<'_> {
    /// Gives a value its reference and writes its value line. Does nothing if it is sealed already or empty.
    ///
    /// # Errors
    /// [`SealError`]; nothing was written then.
    pub fn seal(&mut self, datum: &mut Datum, out: &mut Vec<u8>) -> Result<(), SealError> {
        let (None, Some(value)) = (&datum.reference, &datum.content) else {
            return Ok(());
        };
        check_depth(value).map_err(SealError::TooDeep)?;
        let bytes = serde_json::to_vec(value).map_err(|error| SealError::Json(error.to_string()))?;
        let salt = (self.salt)(&bytes);
        let digest = salt.digest(&bytes);
        let stored = match &mut self.keep {
            Some(keep) if bytes.len() > self.inline_bytes => {
                Some(keep(&bytes).ok_or(SealError::NotKept { bytes: bytes.len() })?)
            }
            _ => None,
        };
        write_line(&digest, &salt, stored.as_ref(), &bytes, out);
        datum.reference = Some(ValueRef {
            digest,
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            media_type: JSON_MEDIA_TYPE.into(),
        });
        Ok(())
    }
}

impl PartialEq for Datum {
    /// Two data are equal when they are the same value; where one has no content, when their references agree.
    fn eq(&self, other: &Self) -> bool {
        match (&self.content, &other.content) {
            (Some(left), Some(right)) => left == right,
            _ => self.reference == other.reference,
        }
    }
}

impl From<Value> for Datum {
    fn from(value: Value) -> Self {
        Self::new(value)
    }
}

impl Serialize for Datum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.reference {
            Some(reference) => reference.serialize(serializer),
            None => Err(S::Error::custom(
                "a value was written into a record before it was sealed",
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Datum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ValueRef::deserialize(deserializer).map(Self::reference_only)
    }
}

/// Why a value cannot enter a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Nested deeper than [`MAX_VALUE_DEPTH`].
    #[error("the value is nested deeper than {MAX_VALUE_DEPTH} levels{}", at_path(.0))]
    TooDeep(String),
    /// It holds what JSON cannot.
    #[error("the value cannot be written as JSON: {0}")]
    Json(String),
    /// It is too large to stand beside its record, and there is no room for it elsewhere.
    #[error("the value of {bytes} bytes could not be kept")]
    NotKept {
        /// Its size.
        bytes: usize,
    },
}

fn at_path(path: &str) -> String {
    if path.is_empty() {
        String::new()
    } else {
        format!(" at `{path}`")
    }
}

/// A value line, read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueLine<'a> {
    /// The digest that a record refers to.
    pub value: Digest,
    /// The salt.
    pub salt: Salt,
    /// The bytes, if they stand here.
    #[serde(default, borrow, deserialize_with = "present")]
    pub json: Option<&'a RawValue>,
    /// Under which plain digest the bytes are kept beside the journal or in the content store, if they do not stand here.
    #[serde(default)]
    pub stored: Option<Digest>,
}

/// Keeps a value that is null apart from an absent one.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Why a value line is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueLineError {
    /// It is no value line.
    #[error("a value line cannot be read: {0}")]
    Shape(String),
    /// The bytes are not those that the record speaks of.
    #[error("the bytes of value {0} were changed")]
    Changed(Digest),
}

impl<'a> ValueLine<'a> {
    /// Reads a line without its line end.
    ///
    /// # Errors
    /// [`ValueLineError::Shape`].
    pub fn read(line: &'a [u8]) -> Result<Self, ValueLineError> {
        serde_json::from_slice(line).map_err(|error| ValueLineError::Shape(crate::strict::brief(&error)))
    }

    /// Under which plain digest the bytes of a line, given without its line end, are kept elsewhere; `None` if they stand
    /// in it, and for what is no value line. Costs next to nothing for a line that holds bytes.
    #[must_use]
    pub fn stored_in(line: &'a [u8]) -> Option<Digest> {
        if line.len() > STORED_LINE_BYTES_MAX || memchr::memmem::find(line, STORED_NAME).is_none() {
            return None;
        }
        Self::read(line).ok()?.stored
    }

    /// Checks the bytes that stand in the line, and gives the value; `None` if they are kept elsewhere.
    ///
    /// # Errors
    /// [`ValueLineError`].
    pub fn open(&self) -> Result<Option<Value>, ValueLineError> {
        self.json
            .map(|json| self.check(json.get().as_bytes()))
            .transpose()
    }

    /// Checks bytes that were kept elsewhere, and gives the value.
    ///
    /// # Errors
    /// [`ValueLineError`].
    pub fn check(&self, bytes: &[u8]) -> Result<Value, ValueLineError> {
        if self.salt.digest(bytes) != self.value {
            return Err(ValueLineError::Changed(self.value));
        }
        serde_json::from_slice(bytes).map_err(|error| ValueLineError::Shape(crate::strict::brief(&error)))
    }

    /// Writes the line with these bytes in it, if they are those that its record speaks of.
    pub(crate) fn write_with(&self, bytes: &[u8], out: &mut Vec<u8>) -> bool {
        let fits = self.salt.digest(bytes) == self.value;
        if fits {
            write_line(&self.value, &self.salt, None, bytes, out);
        }
        fits
    }

    /// Writes the line with its bytes kept elsewhere.
    pub(crate) fn write_stored(&self, stored: &Digest, out: &mut Vec<u8>) {
        write_line(&self.value, &self.salt, Some(stored), &[], out);
    }
}

fn write_line(digest: &Digest, salt: &Salt, stored: Option<&Digest>, bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() + 160);
    out.extend_from_slice(VALUE_LINE_START);
    out.push(b'"');
    out.extend_from_slice(digest.text(&mut [0; TEXT_BYTES]).as_bytes());
    out.extend_from_slice(b"\",\"salt\":\"");
    out.extend_from_slice(crate::hex_text(&salt.0, &mut [0; 32]).as_bytes());
    match stored {
        Some(stored) => {
            out.extend_from_slice(b"\",\"stored\":\"");
            out.extend_from_slice(stored.text(&mut [0; TEXT_BYTES]).as_bytes());
            out.push(b'"');
        }
        None => {
            out.extend_from_slice(b"\",\"json\":");
            out.extend_from_slice(bytes);
        }
    }
    out.extend_from_slice(b"}\n");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seal(datum: &mut Datum, out: &mut Vec<u8>) -> Result<(), SealError> {
        Sealer {
            salt: &mut |_| Salt::from_entropy([7; 16]),
            inline_bytes: usize::MAX,
            keep: None,
        }
        .seal(datum, out)
    }

    fn sealed(value: Value) -> (Datum, Vec<u8>) {
        let mut datum = Datum::new(value);
        let mut out = Vec::new();
        seal(&mut datum, &mut out).unwrap();
        (datum, out)
    }

    #[test]
    fn a_sealed_value_comes_back_by_its_reference_only() {
        let (datum, line) = sealed(json!({"text": "a\nb", "big": u64::MAX}));
        let record = serde_json::to_string(&datum).unwrap();
        assert!(!record.contains("text"), "{record}");
        let mut read: Datum = serde_json::from_str(&record).unwrap();
        let value_line = ValueLine::read(line.strip_suffix(b"\n").unwrap()).unwrap();
        let value = value_line.open().unwrap().unwrap();
        read.fill(&HashMap::from([(value_line.value, Arc::new(value))]));
        assert_eq!(read.content(), datum.content());
    }

    #[test]
    fn another_byte_or_another_salt_is_noticed() {
        let (_, line) = sealed(json!([1, 2]));
        let text = String::from_utf8(line).unwrap();
        let changed = text.replace("[1,2]", "[1,3]");
        let read = ValueLine::read(changed.trim_end().as_bytes()).unwrap();
        assert!(matches!(read.open(), Err(ValueLineError::Changed(_))));
        let changed = text.replace("07070707", "07070708");
        let read = ValueLine::read(changed.trim_end().as_bytes()).unwrap();
        assert!(matches!(read.open(), Err(ValueLineError::Changed(_))));
    }

    #[test]
    fn a_large_value_is_kept_once_and_elsewhere() {
        let mut datum = Datum::new(json!("0123456789"));
        let (mut out, mut kept) = (Vec::new(), Vec::new());
        let mut keep = |bytes: &[u8]| {
            kept = bytes.to_vec();
            Some(Digest::of(bytes))
        };
        Sealer {
            salt: &mut |_| Salt::from_entropy([1; 16]),
            inline_bytes: 4,
            keep: Some(&mut keep),
        }
        .seal(&mut datum, &mut out)
        .unwrap();
        let line = ValueLine::read(out.strip_suffix(b"\n").unwrap()).unwrap();
        assert_eq!(
            (line.open().unwrap(), line.stored),
            (None, Some(Digest::of(&kept)))
        );
        assert_eq!(line.check(&kept).unwrap(), json!("0123456789"));
        assert!(out.len() <= STORED_LINE_BYTES_MAX, "{}", out.len());
        assert_eq!(
            ValueLine::stored_in(out.strip_suffix(b"\n").unwrap()),
            line.stored
        );
        let (_, beside) = sealed(json!("0123456789"));
        assert_eq!(ValueLine::stored_in(beside.strip_suffix(b"\n").unwrap()), None);
    }

    #[test]
    fn depth_is_bounded_on_both_sides_of_the_limit_and_the_place_is_named() {
        let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(check_depth(&nested(MAX_VALUE_DEPTH)), Ok(()));
        assert_eq!(
            check_depth(&json!({"rows": [nested(MAX_VALUE_DEPTH)]})),
            Err("rows[0][0][0]".to_owned())
        );
        let mut datum = Datum::new(nested(MAX_VALUE_DEPTH + 1));
        let sealed = seal(&mut datum, &mut Vec::new());
        assert!(matches!(sealed, Err(SealError::TooDeep(_))));
    }

    #[test]
    fn an_unsealed_value_cannot_be_written() {
        assert!(serde_json::to_string(&Datum::new(json!(1))).is_err());
    }
}
