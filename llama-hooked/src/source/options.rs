//! How to reach the Hub, from the variables that `huggingface_hub` reads.

use super::SourceError;
use hub_io::Cache;
use std::fmt;
use std::path::PathBuf;

/// Where the Hub is, where its files are kept and who is asking.
#[derive(Clone, PartialEq, Eq)]
pub struct HubOptions {
    /// The server, without a slash at the end.
    pub endpoint: String,
    /// The directory of the cache, in `huggingface_hub`'s layout (`models--org--name/{refs,blobs,snapshots}`): models downloaded by
    /// Python are found, and the other way round.
    pub cache: PathBuf,
    /// Sent to the server, for private and gated repositories.
    pub token: Option<String>,
    /// Never ask the server; use the cache only.
    pub offline: bool,
}

impl HubOptions {
    /// From the environment:
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `HF_ENDPOINT` | the server, `https://huggingface.co` by default |
    /// | `HF_HUB_CACHE` | the cache, `$HF_HOME/hub` by default |
    /// | `HF_HOME` | `$XDG_CACHE_HOME/huggingface` or `~/.cache/huggingface` by default |
    /// | `HF_TOKEN` | the token; else the content of `$HF_TOKEN_PATH` or `$HF_HOME/token`, if there |
    /// | `HF_HUB_OFFLINE` | 1, true, yes or on: use the cache only |
    ///
    /// # Errors
    /// If there is no directory to keep files in.
    pub fn from_env() -> Result<Self, SourceError> {
        let hub = hub_io::HubOptions::from_env();
        let cache = Cache::from_env().ok_or(SourceError::NoCache)?;
        Ok(Self {
            endpoint: hub.endpoint.trim_end_matches('/').to_owned(),
            cache: cache.root().to_owned(),
            token: hub.token,
            offline: hub.offline,
        })
    }
}

impl fmt::Debug for HubOptions {
    /// Without the token, which must not end up in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubOptions")
            .field("endpoint", &self.endpoint)
            .field("cache", &self.cache)
            .field("token", &self.token.as_ref().map(|_| "…"))
            .field("offline", &self.offline)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::HubOptions;

    #[test]
    fn the_token_is_never_shown() {
        let options = HubOptions {
            endpoint: "https://huggingface.co".to_owned(),
            cache: "/c".into(),
            token: Some("secret".to_owned()),
            offline: false,
        };
        assert!(!format!("{options:?}").contains("secret"));
    }
}
