//! How to reach the Hub, from the variables that `huggingface_hub` reads.

use std::fmt;
use std::path::PathBuf;

use crate::net::options::NetOptions;

/// The Hub's address, the token, and the timeouts.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubOptions {
    /// The server.
    pub endpoint: String,
    /// Sent to the server, and to no other, for private and gated repositories.
    pub token: Option<String>,
    /// Never ask anybody.
    pub offline: bool,
    /// Time-outs and retries.
    pub net: NetOptions,
    /// Pages of a list of files that are read; 1,000. The Hub puts 1,000 files on a page.
    pub max_pages: usize,
    /// Entries of a list of files that are kept; 1,000,000.
    pub max_entries: usize,
}

impl Default for HubOptions {
    /// The Hub, without a token.
    fn default() -> Self {
        Self {
            endpoint: "https://huggingface.co".to_owned(),
            token: None,
            offline: false,
            net: NetOptions::default(),
            max_pages: 1_000,
            max_entries: 1_000_000,
        }
    }
}

impl HubOptions {
    /// From the environment:
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `HF_ENDPOINT` | the server, `https://huggingface.co` by default |
    /// | `HF_TOKEN` | the token; else the content of `$HF_TOKEN_PATH` or `$HF_HOME/token`, if there |
    /// | `HF_HOME` | `$XDG_CACHE_HOME/huggingface` or `~/.cache/huggingface` by default |
    /// | `HF_HUB_OFFLINE` | 1, true, yes or on: make no requests |
    pub fn from_env() -> Self {
        Self::from_vars(variable, std::env::home_dir())
    }

    fn from_vars(var: impl Fn(&str) -> Option<String>, home_dir: Option<PathBuf>) -> Self {
        let home = home(&var, home_dir);
        let token = var("HF_TOKEN").or_else(|| match var("HF_TOKEN_PATH") {
            Some(path) => std::fs::read_to_string(path).ok(),
            None => hf_hub::Cache::new(home?.join("hub")).token(),
        });
        let defaults = Self::default();
        Self {
            endpoint: var("HF_ENDPOINT").unwrap_or(defaults.endpoint),
            token: token
                .map(|token| token.trim().to_owned())
                .filter(|token| !token.is_empty()),
            offline: var("HF_HUB_OFFLINE").is_some_and(|value| {
                matches!(
                    value.to_ascii_lowercase().as_str(),
                    "1" | "true" | "yes" | "on"
                )
            }),
            ..Self::default()
        }
    }
}

/// `HF_HOME`, or its default.
pub(crate) fn home(
    var: &impl Fn(&str) -> Option<String>,
    home_dir: Option<PathBuf>,
) -> Option<PathBuf> {
    var("HF_HOME").map(PathBuf::from).or_else(|| {
        let caches = var("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(home_dir?.join(".cache")));
        Some(caches?.join("huggingface"))
    })
}

/// A variable of the environment that says something.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl fmt::Debug for HubOptions {
    /// Without the token, which must not end up in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubOptions")
            .field("endpoint", &self.endpoint)
            .field("token", &self.token.as_ref().map(|_| "…"))
            .field("offline", &self.offline)
            .field("net", &self.net)
            .field("max_pages", &self.max_pages)
            .field("max_entries", &self.max_entries)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(vars: &[(&str, &str)]) -> HubOptions {
        let var = |name: &str| {
            let found = vars.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        HubOptions::from_vars(var, None)
    }

    #[test]
    fn an_empty_environment_is_the_public_hub() {
        assert_eq!(options(&[]), HubOptions::default());
    }

    #[test]
    fn variables_are_read() {
        let found = options(&[("HF_ENDPOINT", "http://mirror/"), ("HF_HUB_OFFLINE", "ON")]);
        assert_eq!(
            (found.endpoint.as_str(), found.offline),
            ("http://mirror/", true)
        );
        assert!(!options(&[("HF_HUB_OFFLINE", "0")]).offline);
    }

    #[test]
    fn the_token_comes_from_the_variable_or_a_file_and_is_never_shown() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("token"), "from-file\n").unwrap();
        let home = home.path().to_str().unwrap();
        assert_eq!(options(&[("HF_HOME", home)]).token.unwrap(), "from-file");
        let path = format!("{home}/token");
        assert_eq!(
            options(&[("HF_TOKEN_PATH", &path)]).token.unwrap(),
            "from-file"
        );
        let found = options(&[("HF_HOME", home), ("HF_TOKEN", "secret")]);
        assert_eq!(found.token.as_deref(), Some("secret"));
        assert!(!format!("{found:?}").contains("secret"));
        let hub = crate::Hub::new(found).unwrap();
        assert!(!format!("{hub:?}").contains("secret"));
    }

    #[test]
    fn tokens_and_endpoints_are_checked() {
        let with = |token: &str| HubOptions {
            token: Some(token.to_owned()),
            ..HubOptions::default()
        };
        for bad in ["", "a b", "a\r\nHost: x", "é"] {
            let error = crate::Hub::new(with(bad)).unwrap_err();
            assert_eq!(error, crate::HubError::Token, "{bad:?}");
        }
        let error = crate::Hub::new(options(&[("HF_ENDPOINT", "hub.example")])).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("hub.example") && message.contains("HF_ENDPOINT"),
            "{message}"
        );
    }
}
