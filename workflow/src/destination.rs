//! Destinations: `scheme://name:port`, the port always written out (R6).

/// Why a text is no destination.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a destination: {reason}")]
pub struct DestinationError {
    text: String,
    reason: &'static str,
}

/// The destination that a URL or a written destination leads to.
///
/// A path behind it is dropped. The name becomes lower-case. `*.` may stand at the beginning of the name.
///
/// # Errors
///
/// What is wrong with it.
pub fn destination(text: &str) -> Result<String, DestinationError> {
    let error = |reason| DestinationError {
        text: text.chars().take(120).collect(),
        reason,
    };
    let (scheme, rest) = text
        .split_once("://")
        .ok_or_else(|| error("write scheme://name or scheme://name:port"))?;
    let default_port = match scheme {
        "http" => Some("80"),
        "https" => Some("443"),
        "tcp" | "tls" => None,
        _ => return Err(error("the scheme must be http, https, tcp or tls")),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(error("a name and a password do not belong in it; use a secret"));
    }
    let (name, port) = split_port(authority).ok_or_else(|| error("the address in [ ] has no end"))?;
    let name_good = |c: char| c.is_ascii_alphanumeric() || "-._:[]*".contains(c);
    if name.is_empty() || !name.chars().all(name_good) {
        return Err(error("the name is missing or has a character that no name has"));
    }
    if name.trim_start_matches("*.").contains('*') {
        return Err(error("`*` may only stand for the whole first part of the name"));
    }
    let port = match (port, default_port) {
        (Some(port), _) => port
            .parse::<u16>()
            .ok()
            .filter(|p| *p > 0)
            .ok_or_else(|| error("the port must be 1 to 65535"))?
            .to_string(),
        (None, Some(port)) => port.to_owned(),
        (None, None) => return Err(error("this scheme needs a port")),
    };
    Ok(format!("{scheme}://{}:{port}", name.to_ascii_lowercase()))
}

/// Name and port; the name of an IPv6 address keeps its brackets.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if authority.starts_with('[') {
        let end = authority.find(']')?;
        let (name, rest) = authority.split_at_checked(end + 1)?;
        return Some((name, rest.strip_prefix(':')));
    }
    match authority.rsplit_once(':') {
        Some((name, port)) => Some((name, Some(port))),
        None => Some((authority, None)),
    }
}

/// Whether an allowed destination covers a wanted one.
#[must_use]
pub fn covers(allowed: &str, wanted: &str) -> bool {
    if allowed == wanted {
        return true;
    }
    let Some((scheme, pattern)) = allowed.split_once("://*.") else {
        return false;
    };
    wanted
        .strip_prefix(scheme)
        .and_then(|rest| rest.strip_prefix("://"))
        .and_then(|rest| rest.strip_suffix(pattern))
        .is_some_and(|first| first.ends_with('.') && first.len() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_have_one_spelling() {
        let good = |text: &str| destination(text).expect(text);
        assert_eq!(
            good("https://Chat.Example.com/hooks/duty?x=1"),
            "https://chat.example.com:443"
        );
        assert_eq!(good("http://127.0.0.1:7481"), "http://127.0.0.1:7481");
        assert_eq!(good("http://[::1]:80/x"), "http://[::1]:80");
        assert_eq!(good("https://[::1]"), "https://[::1]:443");
        assert_eq!(good("tcp://plc.local:4840"), "tcp://plc.local:4840");
        for bad in [
            "chat.example.com",
            "ftp://x",
            "https://",
            "https://a:0",
            "https://a:99999",
            "https://u:p@a",
            "tcp://a",
            "https://a b",
            "https://a.*.b",
        ] {
            assert!(destination(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_star_covers_names_below_it() {
        assert!(covers("https://*.acme.example:443", "https://a.acme.example:443"));
        assert!(!covers("https://*.acme.example:443", "https://acme.example:443"));
        assert!(!covers(
            "https://*.acme.example:443",
            "https://acme.example.evil:443"
        ));
        assert!(!covers("https://*.acme.example:443", "http://a.acme.example:443"));
    }
}
