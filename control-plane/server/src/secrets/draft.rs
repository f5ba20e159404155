//! A secret as somebody wants it, and what may be wrong with it.

use flowforge_protocol::seal::MAX_SECRET_BYTES;
use flowforge_protocol::webhook;
use zeroize::Zeroizing;

/// Kinds of secrets.
const KINDS: [&str; 5] = ["bearer", "basic", "api-key", "hmac-key", "opaque"];

/// What is wrong with a secret that somebody wants to set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldFault {
    pub(crate) path: &'static str,
    pub(crate) message: String,
}

/// A secret as somebody wants it.
pub(crate) struct SecretDraft {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) value: Zeroizing<String>,
    pub(crate) destinations: Vec<String>,
    /// Whether runs of drafts may use it.
    pub(crate) drafts: bool,
}

impl SecretDraft {
    /// Every fault, with the field it is in.
    pub(crate) fn faults(&mut self) -> Vec<FieldFault> {
        let mut faults = Vec::new();
        let mut fault = |path, message: String| faults.push(FieldFault { path, message });
        let good_byte = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let starts = self.name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        if !starts || self.name.len() > 64 || !self.name.bytes().all(good_byte) {
            fault(
                "name",
                "expected snake_case, beginning with a letter, at most 64 characters".to_owned(),
            );
        }
        if !KINDS.contains(&self.kind.as_str()) {
            fault("kind", format!("expected one of {}", KINDS.join(", ")));
        }
        if self.value.is_empty() || self.value.len() > MAX_SECRET_BYTES {
            fault("value", format!("expected 1 to {MAX_SECRET_BYTES} bytes"));
        }
        if self.kind == "hmac-key" && self.value.len() < webhook::MIN_KEY_BYTES {
            fault(
                "value",
                format!(
                    "a key for signatures needs at least {} bytes",
                    webhook::MIN_KEY_BYTES
                ),
            );
        }
        if self.destinations.is_empty() && !matches!(self.kind.as_str(), "hmac-key" | "opaque") {
            fault(
                "destinations",
                "name at least one destination the value may be sent to".to_owned(),
            );
        }
        if self.destinations.len() > 32 {
            fault("destinations", "at most 32".to_owned());
        }
        for destination in &mut self.destinations {
            match normal_destination(destination) {
                Ok(normal) => *destination = normal,
                Err(message) => fault("destinations", message),
            }
        }
        faults
    }
}

/// `scheme://name[:port]` with the port written out.
fn normal_destination(text: &str) -> Result<String, String> {
    let wrong = || {
        format!(
            "`{text}` is not a destination: expected scheme://name or scheme://name:port, nothing after it"
        )
    };
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    let default_port = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return Err(format!("`{text}`: the scheme must be https or http")),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (name, port) = match rest.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse::<u16>().map_err(|_| wrong())?),
        _ => (rest, default_port),
    };
    let good_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'[' | b']' | b':');
    if name.is_empty() || port == 0 || !name.bytes().all(good_byte) {
        return Err(wrong());
    }
    Ok(format!("{scheme}://{}:{port}", name.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(kind: &str, value: &str, destinations: &[&str]) -> SecretDraft {
        SecretDraft {
            name: "chat_token".to_owned(),
            kind: kind.to_owned(),
            value: Zeroizing::new(value.to_owned()),
            drafts: false,
            destinations: destinations.iter().map(|d| (*d).to_owned()).collect(),
        }
    }

    fn paths(mut draft: SecretDraft) -> Vec<&'static str> {
        draft.faults().into_iter().map(|fault| fault.path).collect()
    }

    #[test]
    fn faults_name_their_fields() {
        assert!(paths(draft("bearer", "t", &["https://chat.example.com"])).is_empty());
        assert_eq!(paths(draft("bearer", "t", &[])), ["destinations"]);
        assert_eq!(paths(draft("token", "t", &["https://a"])), ["kind"]);
        assert_eq!(paths(draft("hmac-key", "short", &[])), ["value"]);
        assert!(paths(draft("hmac-key", "0123456789abcdef", &[])).is_empty());
        assert_eq!(paths(draft("opaque", "", &[])), ["value"]);
        let mut wrong_name = draft("opaque", "v", &[]);
        wrong_name.name = "Chat-Token".to_owned();
        assert_eq!(paths(wrong_name), ["name"]);
    }

    #[test]
    fn destinations_get_their_port_and_nothing_else() {
        assert_eq!(
            normal_destination("https://Chat.example.com/").unwrap(),
            "https://chat.example.com:443"
        );
        assert_eq!(
            normal_destination("http://127.0.0.1:7481").unwrap(),
            "http://127.0.0.1:7481"
        );
        assert_eq!(normal_destination("http://[::1]").unwrap(), "http://[::1]:80");
        for wrong in [
            "chat.example.com",
            "ftp://a",
            "https://a/b",
            "https://a?b",
            "https://u@a",
            "https://a:x",
            "https://",
        ] {
            assert!(normal_destination(wrong).is_err(), "{wrong}");
        }
    }
}
