//! What an adapter is told with one request besides the request itself.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use weir_proto::origin::{Field, RequestHead};

/// A value that may differ between two requests with one key is marked: it does not go into shared pages.
#[derive(Clone, Debug, Default)]
pub(crate) struct ToldValues {
    /// Fields in place of the adapter's own. An empty value: nothing is said.
    pub(crate) fields: Vec<(HeaderName, HeaderValue, bool)>,
    /// The values of variables, by their numbers.
    pub(crate) values: Vec<(Vec<u8>, bool)>,
    /// What `hash` looks at.
    pub(crate) hash: Vec<u8>,
}

impl ToldValues {
    pub(super) fn put(&self, head: &mut RequestHead, shared: bool) {
        let fields = self.fields.iter().filter(|(_, _, is_of_the_visitor)| !(shared && *is_of_the_visitor));
        head.told = fields
            .map(|(name, value, _)| Field {
                name: Bytes::copy_from_slice(name.as_str().as_bytes()),
                value: Bytes::copy_from_slice(value.as_bytes()),
            })
            .collect();
        let value = |(value, is_of_the_visitor): &(Vec<u8>, bool)| match shared && *is_of_the_visitor {
            true => Bytes::new(),
            false => Bytes::copy_from_slice(value),
        };
        head.values = self.values.iter().map(value).collect();
        head.hash_key = Bytes::copy_from_slice(&self.hash);
    }
}
