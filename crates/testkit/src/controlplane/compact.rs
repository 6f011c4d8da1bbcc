//! What etcd forgets.

use http::{Request, header};
use kube::Client;
use kube::config::Config;
use serde_json::{Value, json};

use super::{ControlPlane, ControlPlaneError};

/// The first key there can be, in the base64 of etcd's JSON: one zero byte.
const FIRST_KEY: &str = "AA==";

impl ControlPlane {
    /// Compacts etcd up to its present revision, which is given. An apiserver does the same every five minutes with what
    /// is older than that.
    ///
    /// The apiserver still serves watches from earlier versions, out of its cache. With `--watch-cache=false` it asks etcd,
    /// and answers that the version has expired.
    pub async fn compact_etcd(&self) -> Result<i64, ControlPlaneError> {
        let address = format!("http://127.0.0.1:{}", self.ports.etcd);
        let address = address
            .parse()
            .map_err(|error: http::uri::InvalidUri| ControlPlaneError::Client(error.into()))?;
        let mut config = Config::new(address);
        config.default_retry = false;
        let client = super::client(config)?;
        let answer = post(&client, "/v3/kv/range", &json!({"key": FIRST_KEY})).await?;
        // Its JSON has numbers of 64 bits as text.
        let revision: i64 = answer["header"]["revision"]
            .as_str()
            .and_then(|revision| revision.parse().ok())
            .ok_or_else(|| ControlPlaneError::Etcd(answer.to_string()))?;
        let request = json!({"revision": revision.to_string(), "physical": true});
        post(&client, "/v3/kv/compaction", &request).await?;
        Ok(revision)
    }
}

async fn post(client: &Client, path: &str, body: &Value) -> kube::Result<Value> {
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(body.to_string().into_bytes())
        .map_err(kube::Error::HttpError)?;
    client.request(request).await
}
