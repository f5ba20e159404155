//! Asking the registry what a push would hear.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flowforge_gates::Report;

use super::{Client, ClientError, payload_of};
use crate::http::judgement::PUBLICATION;

impl Client {
    /// What the registry says of a component with its publisher's statement. Nothing is kept there.
    ///
    /// # Errors
    /// [`ClientError`]. A component that is not let through is no error: that stands in the report.
    pub async fn judge(&self, component: Bytes, publication: &str) -> Result<Report, ClientError> {
        let statement = payload_of(publication)?;
        // A name has no letter that a query would have to escape, and a version only one.
        let version = statement.version.replace('+', "%2B");
        let place = format!(
            "{}/connectors/judgement?name={}&version={version}",
            self.base, statement.name
        );
        let ask = self
            .http
            .post(place)
            .header(PUBLICATION, STANDARD.encode(publication));
        let answer = self.send(ask.body(component)).await?;
        self.json("a judgement", answer).await
    }
}
