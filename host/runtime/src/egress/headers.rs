//! Which header fields a guest may set.

use http::header::{self, HeaderMap, HeaderName};

use crate::limits::Limits;

/// Fields that belong to the connection, not to the message.
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::HOST,
];

/// Whether a guest may not set this field.
pub(crate) fn is_forbidden(name: &HeaderName) -> bool {
    let text = name.as_str();
    HOP_BY_HOP.contains(name)
        || text.starts_with("proxy-")
        || text == "keep-alive"
        || text == "http2-settings"
}

/// Checks number, size and names.
///
/// # Errors
/// Which rule is broken, for people.
pub(crate) fn check(headers: &HeaderMap, limits: &Limits) -> Result<(), String> {
    if headers.len() > limits.header_count {
        return Err(format!(
            "{} header fields, at most {} are allowed",
            headers.len(),
            limits.header_count
        ));
    }
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len().saturating_add(value.len()).saturating_add(4))
        .sum();
    if bytes > limits.header_bytes {
        return Err(format!(
            "{bytes} bytes of header fields, at most {} are allowed",
            limits.header_bytes
        ));
    }
    if let Some(name) = headers.keys().find(|name| is_forbidden(name)) {
        return Err(format!("header `{name}` is set by the host"));
    }
    if headers.get_all(header::CONTENT_LENGTH).iter().count() > 1 {
        return Err("header `content-length` is given twice".to_owned());
    }
    Ok(())
}
