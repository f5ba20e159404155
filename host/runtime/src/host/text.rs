//! Bytes to text, by byte order mark, content type, UTF-8, or what a page says of itself.

use encoding_rs::{Encoding, REPLACEMENT, UTF_8};

use super::bindings::flowforge::connector::http::TextError;

/// The text of a body. Source: the WHATWG Encoding Standard for names and decoders.
pub(super) fn decode(
    bytes: &[u8],
    content_type: Option<&str>,
    bytes_max: usize,
) -> Result<String, TextError> {
    if bytes.len() > bytes_max {
        return Err(TextError::TooLarge(bytes_max as u64));
    }
    let (encoding, mark) = match Encoding::for_bom(bytes) {
        Some(found) => found,
        None => (named(content_type)?, 0),
    };
    let text = bytes.get(mark..).unwrap_or_default();
    let decoded =
        |encoding: &'static Encoding| encoding.decode_without_bom_handling_and_without_replacement(text);
    let text = decoded(encoding)
        .or_else(|| decoded(declared(text, content_type)?))
        .ok_or_else(|| TextError::Malformed(encoding.name().to_ascii_lowercase()))?;
    // Two bytes of another charset can become three of UTF-8.
    if text.len() > bytes_max.saturating_mul(2) {
        return Err(TextError::TooLarge(bytes_max as u64));
    }
    Ok(text.into_owned())
}

fn named(content_type: Option<&str>) -> Result<&'static Encoding, TextError> {
    let Some(label) = content_type.and_then(charset) else {
        return Ok(UTF_8);
    };
    Encoding::for_label(label.as_bytes())
        .filter(|encoding| *encoding != REPLACEMENT)
        .ok_or_else(|| TextError::UnknownCharset(label.chars().take(40).collect()))
}

/// How far a page is searched for its charset, in bytes. Source: HTML, "prescan a byte stream to determine its encoding".
const PRESCAN_BYTES: usize = 1024;

/// The charset that a page in HTML or a document in XML names in itself, if its content type names none.
fn declared(bytes: &[u8], content_type: Option<&str>) -> Option<&'static Encoding> {
    let content_type = content_type.unwrap_or("text/html").to_ascii_lowercase();
    let is_markup = content_type.contains("html") || content_type.contains("xml");
    if !is_markup || charset(&content_type).is_some() {
        return None;
    }
    let head = bytes.get(..PRESCAN_BYTES).unwrap_or(bytes);
    let head: String = head
        .iter()
        .map(|byte| char::from(byte.to_ascii_lowercase()))
        .collect();
    let tag = match head.strip_prefix("<?xml") {
        Some(declaration) => declaration.split("?>").next()?.split_once("encoding")?.1,
        None => {
            let tags = head.split("<meta").skip(1);
            tags.map(|tag| tag.split('>').next().unwrap_or_default())
                .find_map(|tag| Some(tag.split_once("charset")?.1))?
        }
    };
    let label = tag.trim_start().strip_prefix('=')?.trim_start();
    let label = label.trim_start_matches(['"', '\'']);
    let end = label.find(['"', '\'', ' ', ';', '/', '>']).unwrap_or(label.len());
    Encoding::for_label(label.get(..end)?.as_bytes()).filter(|encoding| *encoding != REPLACEMENT)
}

/// The parameter `charset` of a content type, without its quotes.
fn charset(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"').trim();
        (name.trim().eq_ignore_ascii_case("charset") && !value.is_empty()).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8], content_type: &str) -> Result<String, String> {
        let content_type = Some(content_type).filter(|text| !text.is_empty());
        decode(bytes, content_type, 100).map_err(|error| format!("{error:?}"))
    }

    /// A price list in ISO-8859-1 failed as "not UTF-8", and JSON behind a byte order mark as "expected value".
    #[test]
    fn mark_then_charset_then_utf_8() {
        let latin = b"Men\xfc f\xfcr 5 \x80";
        assert_eq!(
            text(latin, "text/plain; charset=ISO-8859-1").unwrap(),
            "Menü für 5 €"
        );
        assert_eq!(
            text(latin, "text/plain;x=y; Charset=\"windows-1252\"").unwrap(),
            "Menü für 5 €"
        );
        assert_eq!(text("Žilina".as_bytes(), "").unwrap(), "Žilina");
        assert_eq!(text(b"\xef\xbb\xbf{}", "application/json").unwrap(), "{}");
        assert_eq!(
            text(b"\xef\xbb\xbf\xc3\xbc", "text/plain; charset=iso-8859-1").unwrap(),
            "ü"
        );
        assert_eq!(text(b"\xff\xfea\0b\0", "application/json").unwrap(), "ab");
        assert_eq!(
            text(b"\x83e\x83X\x83g", "text/plain; charset=shift_jis").unwrap(),
            "テスト"
        );
    }

    /// A page that names its charset in itself, as browsers read it, failed as "no text in utf-8".
    #[test]
    fn a_page_may_name_its_charset_in_itself() {
        for (page, content_type, word) in [
            (
                &b"<html><head><meta charset=\"windows-1252\"></head>Gr\xf6\xdfe"[..],
                "text/html",
                "Größe",
            ),
            (
                b"<META http-equiv='Content-Type' content='text/html; charset=iso-8859-2'>\xaeilina",
                "",
                "Žilina",
            ),
            (
                b"<?xml version='1.0' encoding = 'ISO-8859-1' ?><a>\xfc</a>",
                "application/atom+xml",
                "ü",
            ),
            (
                b"<meta name=x content=y><meta charset=latin1 />\xfc",
                "text/html; x=y",
                "ü",
            ),
        ] {
            assert!(text(page, content_type).unwrap().contains(word), "{content_type}");
        }
        // What is said before it counts, and other kinds of text have no such words.
        let page = b"<meta charset=latin1>\xfc";
        assert!(
            text(page, "text/html; charset=utf-8")
                .unwrap_err()
                .contains("Malformed(\"utf-8\")")
        );
        assert!(text(page, "text/plain").is_err());
        assert!(text(b"<p>\xfc", "text/html").is_err());
        assert_eq!(
            text("<meta charset=latin1>ü".as_bytes(), "text/html").unwrap(),
            "<meta charset=latin1>ü"
        );
    }

    #[test]
    fn what_is_no_text_says_why() {
        assert!(text(b"\xff", "").unwrap_err().contains("Malformed(\"utf-8\")"));
        assert!(
            text(b"x", "text/plain; charset=klingon")
                .unwrap_err()
                .contains("klingon")
        );
        assert!(
            text(b"x", "text/plain; charset=iso-2022-kr")
                .unwrap_err()
                .contains("UnknownCharset")
        );
        assert!(text(&[b'x'; 101], "").unwrap_err().contains("TooLarge(100)"));
    }
}
