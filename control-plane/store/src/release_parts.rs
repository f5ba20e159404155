//! What is asked of many releases at once, one part of each.

use std::collections::HashMap;

use flowforge_core::Scope;
use flowforge_protocol::Digest;
use serde_json::json;

use crate::{Store, StoreError, sql};

impl Store {
    /// The workflow files of releases, of those that were published with one.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn sources(
        &self,
        scope: &Scope,
        releases: Vec<Digest>,
    ) -> Result<HashMap<Digest, String>, StoreError> {
        self.read(scope, move |connection, scope| {
            let rows = sql::all(
                connection,
                "select digest, source from release where digest in (select value from json_each(?1)) \
                 and source is not null and workspace = ?2 and project = ?3",
                [
                    json!(releases).to_string().as_str(),
                    scope.workspace(),
                    scope.project(),
                ],
                |row| Ok((sql::parsed(row, 0, "release digest")?, row.get(1)?)),
            )?;
            Ok(rows.into_iter().collect())
        })
        .await
    }

    /// Ids of the keys that signed releases.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn signers(
        &self,
        scope: &Scope,
        releases: Vec<Digest>,
    ) -> Result<HashMap<Digest, String>, StoreError> {
        self.read(scope, move |connection, scope| {
            let rows = sql::all(
                connection,
                "select digest, envelope from release where digest in (select value from json_each(?1)) \
                 and workspace = ?2 and project = ?3",
                [
                    json!(releases).to_string().as_str(),
                    scope.workspace(),
                    scope.project(),
                ],
                |row| Ok((sql::parsed(row, 0, "release digest")?, signer(row.text(1)?))),
            )?;
            Ok(rows
                .into_iter()
                .filter_map(|(digest, signer)| Some((digest, signer?)))
                .collect())
        })
        .await
    }
}

/// Id of the key of an envelope's first signature.
fn signer(envelope: &str) -> Option<String> {
    let envelope: serde_json::Value = serde_json::from_str(envelope).ok()?;
    let key = envelope.pointer("/signatures/0/keyid")?;
    key.as_str().map(str::to_owned)
}
