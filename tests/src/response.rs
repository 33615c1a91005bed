//! A response as the client saw it, down to whether it ended well.

use serde_json::Value;

/// Names in lower case, values as latin-1, in order, repeats kept.
#[derive(Clone, Debug, Default)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    /// All values of a field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a field; panics if it is there more than once.
    #[track_caller]
    pub fn get(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(values.len() < 2, "{name} is there {} times: {values:?}", values.len());
        values.first().copied()
    }
}

#[derive(Clone, Debug)]
pub struct Response {
    /// "HTTP/1.1".
    pub version: String,
    pub status: u16,
    pub fields: Fields,
    /// Chunks decoded.
    pub body: Vec<u8>,
    /// The body ended as its framing says. False: the connection broke off before.
    pub whole: bool,
}

impl Response {
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Cache-Status, or "" if there is none.
    #[track_caller]
    pub fn cache_status(&self) -> &str {
        self.field("cache-status").unwrap_or("")
    }

    /// Panics unless the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?} {}", self.fields, self.text());
        self
    }

    /// Panics unless Cache-Status holds all these words. A page can be read to its end a moment before it is
    /// stored: whoever asks then is given it all the same, as `collapsed`, which counts as `hit`.
    #[track_caller]
    pub fn expect_cache(self, words: &[&str]) -> Self {
        let status = self.cache_status();
        let parameters: Vec<_> = status.split(';').map(str::trim).collect();
        for word in words {
            assert!(
                parameters.contains(word) || (*word == "hit" && parameters.contains(&"collapsed")),
                "no {word:?} in Cache-Status {status:?} of {} {}",
                self.status,
                self.text()
            );
        }
        self
    }
}
