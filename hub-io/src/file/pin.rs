//! Which state of a file is read.

use ureq::http::HeaderMap;

use crate::net::head::Head;
use crate::net::headers;

/// What a server says about the state of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pin {
    /// The Hub's tag for the content, wherever it is stored.
    linked: Option<String>,
    /// As sent, with its quotes.
    pub(super) etag: Option<String>,
    last_modified: Option<String>,
    /// Bytes of the whole file.
    pub(super) total: Option<u64>,
}

impl Pin {
    pub(super) fn of(headers: &HeaderMap, linked: Option<&str>, total: Option<u64>) -> Self {
        let text = |name| headers::text(headers, name).map(|value| value.trim().to_owned());
        Self {
            linked: linked.map(str::to_owned),
            etag: text("etag").filter(|etag| !etag.is_empty()),
            last_modified: text("last-modified"),
            total,
        }
    }

    pub(super) fn of_head(head: &Head) -> Self {
        Self {
            linked: head.linked.clone(),
            etag: head.etag.clone(),
            last_modified: None,
            total: head.size,
        }
    }

    pub(super) fn of_length(total: Option<u64>) -> Self {
        Self {
            total,
            ..Self::default()
        }
    }

    /// The `ETag`, if equal ones mean equal bytes.
    pub(super) fn strong(&self) -> Option<&str> {
        self.etag.as_deref().filter(|etag| etag.starts_with('"'))
    }

    /// The difference in a later answer, for messages. A value that one of the two does not give is no difference.
    pub(super) fn differs(&self, later: &Self) -> Option<String> {
        if let (Some(was), Some(is)) = (self.total, later.total)
            && was != is
        {
            return Some(format!("it had {was} bytes and has {is}"));
        }
        let linked = (self.linked.as_deref(), later.linked.as_deref());
        let (was, is) = match (linked, self.strong(), later.strong()) {
            // Storages may have tags of their own.
            ((Some(was), Some(is)), ..) | (_, Some(was), Some(is)) => (was, is),
            // Without strong tags on both sides the date has to do.
            _ => (
                self.last_modified.as_deref()?,
                later.last_modified.as_deref()?,
            ),
        };
        (was != is).then(|| format!("it was {was:.80} and is {is:.80}"))
    }

    /// The tag of the state: the Hub's, or else the storage's.
    pub(super) fn tag(&self) -> Option<&str> {
        self.linked.as_deref().or(self.etag.as_deref())
    }

    /// Takes from a later answer what was not known.
    pub(super) fn learn(&mut self, later: Self) {
        self.total = self.total.or(later.total);
        // A tag or date alone is never mixed from two answers.
        if self.etag.is_none() && self.last_modified.is_none() {
            (self.etag, self.last_modified) = (later.etag, later.last_modified);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(etag: Option<&str>, date: Option<&str>, total: Option<u64>) -> Pin {
        Pin {
            linked: None,
            etag: etag.map(str::to_owned),
            last_modified: date.map(str::to_owned),
            total,
        }
    }

    #[test]
    fn strong_tags_decide_and_dates_only_without_them() {
        let a = pin(Some("\"a\""), Some("Mon"), Some(9));
        assert_eq!(a.differs(&pin(Some("\"a\""), Some("Tue"), None)), None);
        let what = a.differs(&pin(Some("\"b\""), Some("Mon"), Some(9)));
        assert_eq!(what.unwrap(), "it was \"a\" and is \"b\"");
        assert!(
            a.differs(&pin(Some("W/\"a\""), Some("Tue"), None))
                .is_some()
        );
        assert_eq!(a.differs(&pin(Some("W/\"b\""), Some("Mon"), None)), None);
        assert_eq!(a.differs(&pin(None, None, None)), None);
        let what = a.differs(&pin(Some("\"a\""), None, Some(8)));
        assert_eq!(what.unwrap(), "it had 9 bytes and has 8");
    }

    #[test]
    fn the_unknown_is_learned_once() {
        let mut known = pin(None, None, None);
        known.learn(pin(Some("\"a\""), None, Some(3)));
        known.learn(pin(Some("\"b\""), Some("Mon"), Some(4)));
        assert_eq!(known, pin(Some("\"a\""), None, Some(3)));
    }
}
