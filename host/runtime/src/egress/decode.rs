//! Content encodings: `gzip`, `deflate` and `br`, decoded piece by piece.
//!
//! A few bytes can stand for gigabytes, so output is made in steps of bounded size and the caller counts it before it asks
//! for more. Source: RFC 9110 §8.4; RFC 7932 for `br`.

use std::io::Write as _;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::write::GzDecoder;
use flate2::{Decompress, FlushDecompress, Status};

/// Most output of one step where the decoder lets us say so.
const STEP_BYTES: usize = 64 << 10;

/// Input of one step where output can only be bounded through it: deflate grows at most a thousandfold.
const GZIP_INPUT_BYTES: usize = 1 << 10;

/// One body being decoded.
pub(super) enum Decoder {
    Identity,
    /// One member after the other. Source: RFC 1952 §2.2.
    Gzip {
        inner: Box<GzDecoder<Vec<u8>>>,
        /// The member that is decoded now has bytes.
        begun: bool,
        /// How many members are over.
        members: u64,
        /// What comes now is no further member, and is nothing that was promised.
        ended: bool,
    },
    /// `deflate` is zlib's format by its definition, and bare deflate from some servers: the first two bytes tell.
    Undecided(Vec<u8>),
    Inflate {
        inner: Decompress,
        ended: bool,
    },
    Brotli {
        inner: Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>,
        begun: bool,
        ended: bool,
    },
}

/// Why a body cannot be decoded, for people.
#[derive(Debug)]
pub(super) struct Undecodable(pub(super) String);

impl Decoder {
    /// The decoder for a `content-encoding`, as the header field has it.
    pub(super) fn of(encoding: &str) -> Result<Self, Undecodable> {
        let mut names = encoding
            .split(',')
            .map(|name| name.trim().to_ascii_lowercase())
            .filter(|name| !name.is_empty() && name != "identity");
        let Some(name) = names.next() else {
            return Ok(Self::Identity);
        };
        if names.next().is_some() {
            return Err(Undecodable(format!(
                "the response is encoded more than once: {encoding}"
            )));
        }
        match name.as_str() {
            "gzip" | "x-gzip" => Ok(Self::Gzip {
                inner: Box::new(GzDecoder::new(Vec::new())),
                begun: false,
                members: 0,
                ended: false,
            }),
            "deflate" => Ok(Self::Undecided(Vec::new())),
            "br" => Ok(Self::Brotli {
                inner: Box::new(BrotliState::new(
                    StandardAlloc::default(),
                    StandardAlloc::default(),
                    StandardAlloc::default(),
                )),
                begun: false,
                ended: false,
            }),
            other => Err(Undecodable(format!(
                "the response has the content encoding `{}`; gzip, deflate and br can be decoded",
                other.chars().take(40).collect::<String>()
            ))),
        }
    }

    pub(super) fn is_identity(&self) -> bool {
        matches!(self, Self::Identity)
    }

    /// One step: takes some of the input and appends some output. Tells how much input was taken. Without input it gives
    /// output that was held back; a step that does neither waits for more input.
    pub(super) fn step(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Undecodable> {
        match self {
            Self::Identity => {
                out.extend_from_slice(input);
                Ok(input.len())
            }
            Self::Gzip {
                inner,
                begun,
                members,
                ended,
            } => gunzip(inner, begun, members, ended, input, out),
            Self::Undecided(first) => {
                let wanted = 2_usize.saturating_sub(first.len()).min(input.len());
                first.extend_from_slice(input.get(..wanted).unwrap_or_default());
                if let [one, two] = first[..] {
                    let mut decided = Self::Inflate {
                        inner: Decompress::new(is_zlib(one, two)),
                        ended: false,
                    };
                    decided.step(&[one, two], out)?;
                    *self = decided;
                }
                Ok(wanted)
            }
            Self::Inflate { inner, ended } => inflate(inner, ended, input, out),
            Self::Brotli { inner, begun, ended } => {
                *begun = *begun || !input.is_empty();
                unbrotli(inner, ended, input, out)
            }
        }
    }

    /// The end of the input: appends what was held back. A body without any bytes is whole: that of an answer that has
    /// none.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Undecodable> {
        let whole = match self {
            Self::Identity => true,
            Self::Gzip { inner, begun, .. } => {
                // A member that is over takes no further byte; one that is not ends too early.
                let is_over = !*begun || matches!(inner.write(&[0]), Ok(0));
                if *begun && is_over {
                    close_member(inner, out)?;
                }
                is_over
            }
            Self::Undecided(first) => first.is_empty(),
            Self::Inflate { ended, .. } => *ended,
            Self::Brotli { begun, ended, .. } => *ended || !*begun,
        };
        if whole { Ok(()) } else { Err(too_early()) }
    }
}

fn too_early() -> Undecodable {
    Undecodable("the encoded response ends too early".to_owned())
}

fn broken(name: &str) -> Undecodable {
    Undecodable(format!("the response says it is encoded with {name}, but is not"))
}

/// Whether these are the first bytes of zlib's format. Source: RFC 1950 §2.2.
fn is_zlib(one: u8, two: u8) -> bool {
    one & 0x0f == 8 && u16::from_be_bytes([one, two]).is_multiple_of(31)
}

/// The first byte of every member of gzip's format. Source: RFC 1952 §2.3.1.
const GZIP_MARK: u8 = 0x1f;

fn gunzip(
    inner: &mut GzDecoder<Vec<u8>>,
    begun: &mut bool,
    members: &mut u64,
    ended: &mut bool,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Result<usize, Undecodable> {
    let piece = input.get(..input.len().min(GZIP_INPUT_BYTES)).unwrap_or_default();
    loop {
        if !*begun && piece.first().is_some_and(|byte| *byte != GZIP_MARK) {
            if *members == 0 {
                return Err(broken("gzip"));
            }
            *ended = true;
        }
        if *ended {
            return Ok(input.len());
        }
        *begun = *begun || !piece.is_empty();
        let taken = inner.write(piece).map_err(|_| broken("gzip"))?;
        if taken == 0 && !piece.is_empty() {
            // The member is over, and there is more.
            close_member(inner, out)?;
            *inner = GzDecoder::new(Vec::new());
            *begun = false;
            *members += 1;
            continue;
        }
        inner.flush().map_err(|_| broken("gzip"))?;
        out.append(inner.get_mut());
        return Ok(taken);
    }
}

/// The end of a member of which every byte is there: appends what was held back.
fn close_member(inner: &mut GzDecoder<Vec<u8>>, out: &mut Vec<u8>) -> Result<(), Undecodable> {
    let closed = inner.try_finish();
    out.append(inner.get_mut());
    closed.map_err(|_| Undecodable("the encoded response is damaged: its check sum is another".to_owned()))
}

fn inflate(
    inner: &mut Decompress,
    ended: &mut bool,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Result<usize, Undecodable> {
    if *ended {
        // What follows the end is nothing that was promised.
        return Ok(input.len());
    }
    let before = inner.total_in();
    out.reserve(STEP_BYTES);
    let status = inner
        .decompress_vec(input, out, FlushDecompress::None)
        .map_err(|_| broken("deflate"))?;
    *ended = status == Status::StreamEnd;
    Ok(usize::try_from(inner.total_in().saturating_sub(before)).unwrap_or(input.len()))
}

fn unbrotli(
    inner: &mut BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    ended: &mut bool,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Result<usize, Undecodable> {
    if *ended {
        return Ok(input.len());
    }
    let mut piece = vec![0; STEP_BYTES];
    let (mut available_in, mut taken) = (input.len(), 0);
    let (mut available_out, mut written, mut total) = (piece.len(), 0, 0);
    let result = BrotliDecompressStream(
        &mut available_in,
        &mut taken,
        input,
        &mut available_out,
        &mut written,
        &mut piece,
        &mut total,
        inner,
    );
    out.extend_from_slice(piece.get(..written).unwrap_or_default());
    match result {
        BrotliResult::ResultFailure => return Err(broken("br")),
        BrotliResult::ResultSuccess => *ended = true,
        BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    /// Everything that comes out of a body that arrives in pieces of this size, with the largest output of one step.
    fn decoded(encoding: &str, body: &[u8], piece: usize) -> Result<(Vec<u8>, usize), Undecodable> {
        let mut decoder = Decoder::of(encoding)?;
        let (mut all, mut largest) = (Vec::new(), 0);
        for mut input in body.chunks(piece) {
            loop {
                let mut out = Vec::new();
                let taken = decoder.step(input, &mut out)?;
                input = &input[taken..];
                largest = largest.max(out.len());
                let idle = taken == 0 && out.is_empty();
                all.append(&mut out);
                if idle {
                    break;
                }
            }
        }
        decoder.finish(&mut all)?;
        Ok((all, largest))
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    /// `{"town":"Žilina"}` made with the reference program for `br`.
    const BROTLI: &[u8] = &[
        0x8b, 0x08, 0x80, 0x7b, 0x22, 0x74, 0x6f, 0x77, 0x6e, 0x22, 0x3a, 0x22, 0xc5, 0xbd, 0x69, 0x6c, 0x69,
        0x6e, 0x61, 0x22, 0x7d, 0x03,
    ];

    #[test]
    fn every_encoding_comes_out_in_pieces_of_every_size() {
        let content = "{\"town\":\"Žilina\"}".as_bytes();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(content).unwrap();
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::default());
        bare.write_all(content).unwrap();
        let bodies = [
            ("gzip", gzip(content)),
            ("X-GZIP", gzip(content)),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", bare.finish().unwrap()),
            ("identity", content.to_vec()),
            ("br", BROTLI.to_vec()),
        ];
        for (encoding, body) in bodies {
            for piece in [1, 2, 3, 7, 1000] {
                let (all, _) = decoded(encoding, &body, piece)
                    .unwrap_or_else(|error| panic!("{encoding} by {piece}: {error:?}"));
                assert_eq!(all, content, "{encoding} by {piece}");
            }
            if encoding != "identity" {
                let cut = &body[..body.len() - 1];
                assert!(decoded(encoding, cut, 1000).is_err(), "{encoding} cut short");
            }
        }
        assert_eq!(decoded("gzip", b"", 1).unwrap().0, b"", "an answer without body");
    }

    /// Bytes behind the last member, such as zeros up to a whole block, made the body end too early.
    #[test]
    fn what_follows_the_last_member_is_passed_over() {
        let two = [gzip(b"{\"a\":"), gzip(b"1}")].concat();
        for rest in [&b""[..], b"\0\0\0\0", b"more"] {
            let body = [&two, rest].concat();
            for piece in [1, 3, 1000] {
                let (all, _) = decoded("gzip", &body, piece).unwrap();
                assert_eq!(all, b"{\"a\":1}", "{rest:?} by {piece}");
            }
        }
        let mut damaged = gzip(b"text");
        let sum = damaged.len() - 8;
        damaged[sum] ^= 1;
        let error = decoded("gzip", &damaged, 100).err().map(|error| error.0);
        assert!(error.is_some_and(|error| error.contains("damaged")));
        // Cut anywhere, in the check sum too, it ends too early.
        let whole = gzip(b"text");
        for cut in 1..whole.len() {
            let error = decoded("gzip", &whole[..cut], 100).err().map(|error| error.0);
            assert!(error.is_some_and(|error| error.contains("too early")), "{cut}");
        }
    }

    #[test]
    fn a_bomb_comes_out_in_bounded_steps() {
        let body = gzip(&vec![0; 8 << 20]);
        assert!(body.len() < 10_000);
        let (all, largest) = decoded("gzip", &body, body.len()).unwrap();
        assert_eq!(all.len(), 8 << 20);
        assert!(largest <= 2 << 20, "{largest}");
    }

    #[test]
    fn what_cannot_be_decoded_says_so() {
        for (encoding, body, words) in [
            ("zstd", &b"x"[..], "`zstd`"),
            ("gzip, br", b"x", "more than once"),
            ("gzip", b"a text that is not encoded at all", "is not"),
            // Too short for the head of a member: it was said to end too early.
            ("gzip", b"{}", "is not"),
            ("br", b"\xff\xff\xff\xff\xff", "is not"),
        ] {
            let error = decoded(encoding, body, 100)
                .err()
                .map(|error| error.0)
                .unwrap_or_default();
            assert!(error.contains(words), "{encoding}: {error}");
        }
    }
}
