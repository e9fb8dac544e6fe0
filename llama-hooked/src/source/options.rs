//! How to reach the Hub, from the variables that `huggingface_hub` reads.

use super::SourceError;
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
        Self::from_vars(
            |name| std::env::var(name).ok().filter(|value| !value.is_empty()),
            std::env::home_dir(),
        )
    }

    fn from_vars(
        var: impl Fn(&str) -> Option<String>,
        home_dir: Option<PathBuf>,
    ) -> Result<Self, SourceError> {
        let home = var("HF_HOME").map(PathBuf::from).or_else(|| {
            let caches = var("XDG_CACHE_HOME")
                .map(PathBuf::from)
                .or_else(|| Some(home_dir?.join(".cache")));
            Some(caches?.join("huggingface"))
        });
        let cache = var("HF_HUB_CACHE")
            .map(PathBuf::from)
            .or_else(|| Some(home.as_ref()?.join("hub")));
        let token_path = var("HF_TOKEN_PATH")
            .map(PathBuf::from)
            .or_else(|| Some(home?.join("token")));
        let token = var("HF_TOKEN").or_else(|| std::fs::read_to_string(token_path?).ok());
        let offline = var("HF_HUB_OFFLINE").is_some_and(|value| {
            matches!(
                value.to_ascii_lowercase().as_str(),
                "1" | "true" | "yes" | "on"
            )
        });
        let endpoint = var("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        Ok(Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            cache: cache.ok_or(SourceError::NoCache)?,
            token: token
                .map(|token| token.trim().to_owned())
                .filter(|token| !token.is_empty()),
            offline,
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
    use std::path::{Path, PathBuf};

    fn options(vars: &[(&str, &str)]) -> HubOptions {
        let var = |name: &str| {
            vars.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        HubOptions::from_vars(var, Some(PathBuf::from("/home/ada"))).unwrap()
    }

    #[test]
    fn defaults_are_those_of_huggingface_hub() {
        let found = options(&[]);
        assert_eq!(found.endpoint, "https://huggingface.co");
        assert_eq!(found.cache, Path::new("/home/ada/.cache/huggingface/hub"));
        assert_eq!((found.token, found.offline), (None, false));
    }

    #[test]
    fn the_more_specific_variable_wins() {
        assert_eq!(
            options(&[("XDG_CACHE_HOME", "/x")]).cache,
            Path::new("/x/huggingface/hub")
        );
        assert_eq!(
            options(&[("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/h")]).cache,
            Path::new("/h/hub")
        );
        assert_eq!(
            options(&[("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c")]).cache,
            Path::new("/c")
        );
        assert_eq!(
            options(&[("HF_ENDPOINT", "http://mirror/")]).endpoint,
            "http://mirror"
        );
        assert!(options(&[("HF_HUB_OFFLINE", "ON")]).offline);
        assert!(!options(&[("HF_HUB_OFFLINE", "0")]).offline);
    }

    #[test]
    fn the_token_comes_from_the_variable_or_the_file_and_is_never_shown() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("token"), "from-file\n").unwrap();
        let home = home.path().to_str().unwrap();
        assert_eq!(options(&[("HF_HOME", home)]).token.unwrap(), "from-file");
        let found = options(&[("HF_HOME", home), ("HF_TOKEN", "secret")]);
        assert_eq!(found.token.as_deref(), Some("secret"));
        assert!(!format!("{found:?}").contains("secret"));
    }

    #[test]
    fn without_a_home_there_is_no_cache() {
        let message = HubOptions::from_vars(|_| None, None)
            .unwrap_err()
            .to_string();
        assert_eq!(
            message,
            "there is no home directory to keep downloads in; set HF_HOME or HF_HUB_CACHE"
        );
    }
}
