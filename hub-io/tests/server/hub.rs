//! What the Hub says of a repository.

use std::collections::BTreeMap;

use super::{Reply, Request};

/// A file of a repository.
#[derive(Debug, Clone)]
pub struct File {
    pub bytes: Vec<u8>,
    /// Without quotes.
    pub etag: String,
    /// Where the bytes are instead: the start of an address.
    pub storage: Option<String>,
}

/// A repository of models at one commit.
#[derive(Debug, Clone)]
pub struct Repository {
    pub id: String,
    pub commit: String,
    pub files: BTreeMap<String, File>,
}

impl Repository {
    pub fn new(id: &str, commit: &str) -> Self {
        Self {
            id: id.to_owned(),
            commit: commit.to_owned(),
            files: BTreeMap::new(),
        }
    }

    /// A file that is named by something that is no hash.
    pub fn file(self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let etag = format!("etag-{}", path.replace('/', "-"));
        self.tagged(path, bytes, etag)
    }

    pub fn tagged(mut self, path: &str, bytes: impl Into<Vec<u8>>, etag: String) -> Self {
        let file = File {
            bytes: bytes.into(),
            etag,
            storage: None,
        };
        self.files.insert(path.to_owned(), file);
        self
    }

    /// A file that is stored elsewhere.
    pub fn linked(self, path: &str, bytes: impl Into<Vec<u8>>, etag: String, to: &str) -> Self {
        let mut repository = self.tagged(path, bytes, etag);
        let file = repository.files.get_mut(path).unwrap();
        file.storage = Some(to.to_owned());
        repository
    }

    /// The file that a request is for.
    pub fn asked(&self, request: &Request) -> Option<(&str, &File)> {
        let prefix = format!("/{}/resolve/{}/", self.id, self.commit);
        let path = request.path.strip_prefix(&prefix)?;
        let (path, file) = self.files.get_key_value(path)?;
        Some((path, file))
    }

    pub fn answer(&self, request: &Request) -> Reply {
        let revision = request
            .path
            .strip_prefix(&format!("/api/models/{}/revision/", self.id));
        if revision.is_some_and(|revision| revision == "main" || revision == self.commit) {
            let names = self.files.keys();
            let names = names.map(|name| format!("{{\"rfilename\": {name:?}}}"));
            let names = names.collect::<Vec<_>>().join(",");
            return Reply::body(format!(
                "{{\"sha\": {:?}, \"siblings\": [{names}]}}",
                self.commit
            ));
        }
        let Some((path, file)) = self.asked(request) else {
            return Reply::new(404);
        };
        let etag = format!("\"{}\"", file.etag);
        match &file.storage {
            Some(storage) => Reply::redirect(format!("{storage}/{path}?Signature=s3cret"))
                .with("X-Linked-Etag", etag)
                .with("X-Linked-Size", file.bytes.len().to_string()),
            None => Reply::file(request, &file.bytes, &etag),
        }
    }
}
