//! Where a connector is published: the control plane's registry, or another one at which an account signs in.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use flowforge_client::{Api, Context};
use flowforge_protocol::SigningKey;
use flowforge_registry::Client;
use zeroize::Zeroizing;

use crate::args::Global;
use crate::connectors::registry_of;
use crate::output::Usage;

/// Variable with the password of the account.
const PASSWORD: &str = "FLOWFORGE_REGISTRY_PASSWORD";

/// Another registry, and who publishes there.
#[derive(Debug, Args)]
pub(super) struct Elsewhere {
    /// Publish in this registry instead of the control plane's, such as https://market.example
    #[arg(long, value_name = "URL", env = "FLOWFORGE_REGISTRY")]
    registry: Option<String>,
    /// The account there; its password is read from FLOWFORGE_REGISTRY_PASSWORD
    #[arg(
        long,
        value_name = "NAME",
        env = "FLOWFORGE_REGISTRY_ACCOUNT",
        requires = "registry"
    )]
    account: Option<String>,
    /// PEM file of the publisher's private key; without it, the one on this machine
    #[arg(long, value_name = "FILE", env = "FLOWFORGE_PUBLISHER_KEY")]
    key: Option<PathBuf>,
}

/// Where something is published.
pub(super) enum Place {
    /// In the registry of a control plane.
    Plane(Api),
    /// In a registry alone.
    Registry(Client),
}

impl Elsewhere {
    /// The registry that is meant.
    pub(super) fn place(&self, global: &Global) -> Result<Place> {
        let Some(url) = &self.registry else {
            return Ok(Place::Plane(global.api()?));
        };
        if !is_private(url) {
            return Err(Usage(format!(
                "{url} is neither this machine nor https: no password is sent there; use https://"
            ))
            .into());
        }
        let client = Client::new(url)?;
        let Some(account) = &self.account else {
            return Ok(Place::Registry(client));
        };
        let password = std::env::var(PASSWORD).map(Zeroizing::new).map_err(|_| {
            Usage(format!(
                "the password of `{account}` is read from the variable {PASSWORD}, which is not set"
            ))
        })?;
        Ok(Place::Registry(client.with_account(account, &password)?))
    }

    /// The key of the file, if one is named.
    pub(super) fn key(&self) -> Result<Option<SigningKey>> {
        let Some(path) = &self.key else { return Ok(None) };
        let text = std::fs::read_to_string(path)
            .map(Zeroizing::new)
            .with_context(|| format!("cannot read the key {}", path.display()))?;
        SigningKey::from_pem(&text)
            .map(Some)
            .with_context(|| format!("{} holds no usable key", path.display()))
    }
}

impl Place {
    /// A client of the registry.
    pub(super) fn client(&self) -> Result<Client> {
        Ok(match self {
            Self::Plane(api) => registry_of(api)?,
            Self::Registry(client) => client.clone(),
        })
    }

    /// Where the keys of this machine are.
    pub(super) fn context(&self, global: &Global) -> Result<Context> {
        match self {
            Self::Plane(api) => Ok(api.context().clone()),
            Self::Registry(_) => global.context(),
        }
    }
}

/// True if what is sent to this address cannot be read on its way: TLS, or this machine.
fn is_private(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else {
        return url.starts_with("https://");
    };
    let host = rest.split('/').next().unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_goes_over_tls_or_stays_on_this_machine() {
        for good in [
            "https://market.example",
            "http://127.0.0.1:7500",
            "http://localhost",
            "http://[::1]:7500/",
        ] {
            assert!(is_private(good), "{good}");
        }
        for wrong in [
            "http://market.example",
            "http://127.0.0.1.market.example",
            "http://10.0.0.1:7500",
            "http://localhost@market.example",
            "market.example",
            "ftp://127.0.0.1",
        ] {
            assert!(!is_private(wrong), "{wrong}");
        }
    }
}
