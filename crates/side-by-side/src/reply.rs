//! An answer to a request, as a client saw it.

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case, in the order of the answer.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// All values of a field, in one line.
    pub fn field(&self, name: &str) -> Option<String> {
        let found = self.fields.iter().filter(|(known, _)| known == name);
        let values: Vec<&str> = found.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// Puts another text in the place of a port, wherever it stands: both programs then name the same.
    #[must_use]
    pub fn with_port(mut self, from: u16, to: &str) -> Self {
        let from = from.to_string();
        for (_, value) in &mut self.fields {
            *value = value.replace(&from, to);
        }
        // Byte by byte: what is told of a path need not be UTF-8.
        let mut body = Vec::with_capacity(self.body.len());
        let mut rest = self.body.as_slice();
        while let Some(at) = rest.windows(from.len()).position(|window| window == from.as_bytes()) {
            let (before, behind) = rest.split_at(at);
            body.extend_from_slice(before);
            body.extend_from_slice(to.as_bytes());
            rest = behind.get(from.len()..).unwrap_or_default();
        }
        body.extend_from_slice(rest);
        self.body = body;
        self
    }
}
