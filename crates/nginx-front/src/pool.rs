//! The pools of `[wsgi_adapter]`: one for each way in which some location talks to the same servers.

use crate::settings::{Table, Value};

/// Pools as they are asked for: what says the same is one pool.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    pools: Vec<Pool>,
    /// The longest `*_read_timeout`, in milliseconds.
    read: u64,
}

#[derive(Debug)]
struct Pool {
    name: String,
    table: Table,
    sets: Vec<(String, Table)>,
    /// The largest `client_max_body_size` of its locations.
    max_body: u64,
}

impl Pools {
    /// The name of the pool that says this; `wanted` where no other pool has it.
    pub(crate) fn named(&mut self, wanted: &str, table: Table) -> String {
        if let Some(known) = self.pools.iter().find(|known| known.table.says(&table)) {
            return known.name.clone();
        }
        let is_free = |name: &String| self.pools.iter().all(|known| known.name != *name);
        let names =
            std::iter::once(wanted.to_owned()).chain((2..).map(|number| format!("{wanted}-{number}")));
        let name = names.into_iter().find(is_free).unwrap_or_default();
        self.pools.push(Pool { name: name.clone(), table, sets: Vec::new(), max_body: 0 });
        name
    }

    /// The name of the pool's set of variables that says this.
    pub(crate) fn variables(&mut self, pool: &str, variables: Table) -> Option<String> {
        let pool = self.pools.iter_mut().find(|known| known.name == pool)?;
        if let Some((name, _)) = pool.sets.iter().find(|(_, known)| known.says(&variables)) {
            return Some(name.clone());
        }
        let name = format!("set-{}", pool.sets.len() + 1);
        pool.sets.push((name.clone(), variables));
        Some(name)
    }

    pub(crate) fn read_timeout(&mut self, milliseconds: u64) {
        self.read = self.read.max(milliseconds);
    }

    pub(crate) fn longest_read(&self) -> u64 {
        self.read
    }

    /// A location of this pool takes bodies of this size.
    pub(crate) fn takes_bodies(&mut self, pool: &str, bytes: u64) {
        if let Some(pool) = self.pools.iter_mut().find(|known| known.name == pool) {
            pool.max_body = pool.max_body.max(bytes);
        }
    }

    pub(crate) fn into_tables(self) -> Vec<Table> {
        let table = |pool: Pool| {
            let mut table = Table::new(pool.table.remark.clone());
            table.set("name", pool.name, "");
            table.extend(pool.table);
            if pool.max_body > DEFAULT_MAX_BODY {
                table.set("max_body", pool.max_body, "the largest client_max_body_size of its locations");
            }
            if !pool.sets.is_empty() {
                let mut sets = Table::new(None);
                for (name, variables) in pool.sets {
                    sets.set(&name, Value::Section(variables), "");
                }
                table.set("variable_sets", Value::Section(sets), "");
            }
            table
        };
        self.pools.into_iter().map(table).collect()
    }
}

/// Weir's own bound of a pool.
const DEFAULT_MAX_BODY: u64 = 1 << 30;
