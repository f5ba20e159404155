//! Small damage: what happens to bytes on bad days, and what people try on purpose.

use crate::dice::Dice;

/// Pieces that parsers treat in a special way.
const PIECES: [&[u8]; 38] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"(",
    b")",
    b"\"",
    b"'",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b",",
    b":",
    b": ",
    b"\n",
    b"\r\n",
    b"  ",
    b"\t",
    b"- ",
    b"#",
    b"&a ",
    b"*a",
    b"!!str ",
    b"|",
    b">-",
    b"---\n",
    b"${",
    b"null",
    b"true",
    b"9007199254740993",
    b"18446744073709551616",
    b"-0",
    b"1e400",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\0",
    b".map(x, ",
    b"? 1 : ",
];
/// Most changes to one input.
const CHANGES_MAX: u64 = 6;

/// One of the inputs with a few changes, at most `bytes_max` long.
pub(super) fn damaged(inputs: &[Vec<u8>], bytes_max: usize, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = choose(inputs, dice);
    for _ in 0..=dice.roll(CHANGES_MAX) {
        change(&mut bytes, inputs, dice);
    }
    bytes.truncate(bytes_max);
    bytes
}

fn choose(inputs: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    inputs.get(below(inputs.len(), dice)).cloned().unwrap_or_default()
}

fn change(bytes: &mut Vec<u8>, inputs: &[Vec<u8>], dice: &mut Dice) {
    let at = below(bytes.len() + 1, dice);
    let end = at + below((bytes.len() - at).min(64) + 1, dice);
    match dice.roll(8) {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << dice.roll(8);
            }
        }
        1 => bytes.insert(at, u8::try_from(dice.roll(256)).unwrap_or_default()),
        2 => drop(bytes.drain(at..end)),
        3 | 4 => {
            let piece = PIECES.get(below(PIECES.len(), dice)).copied().unwrap_or_default();
            bytes.splice(at..at, piece.iter().copied());
        }
        5 => {
            let again: Vec<u8> = bytes.get(at..end).unwrap_or_default().to_vec();
            let times = 1 + below(8, dice);
            bytes.splice(at..at, again.repeat(times));
        }
        6 => {
            let other = choose(inputs, dice);
            let from = below(other.len() + 1, dice);
            let part = other.get(from..).unwrap_or_default();
            let part = part
                .get(..below(part.len().min(128) + 1, dice))
                .unwrap_or_default();
            bytes.splice(at..end, part.iter().copied());
        }
        _ => bytes.truncate(at),
    }
}

fn below(sides: usize, dice: &mut Dice) -> usize {
    usize::try_from(dice.roll(sides as u64)).unwrap_or(0)
}
