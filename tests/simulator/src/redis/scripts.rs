//! Scripts: run by Lua 5.1 as Redis runs them, with its rules of what becomes of values.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use mlua::{Function, Lua, MultiValue, Table, Value};
use ring::digest;

use super::Server;
use super::resp::Reply;
use crate::script_faults::{ScriptFault, with_fault};

/// The scripts that the server knows, by their hash, and what runs them.
pub(super) struct Scripts {
    lua: Lua,
    known: HashMap<String, Function>,
    fault: Option<ScriptFault>,
}

impl Scripts {
    pub(super) fn new(server: Arc<Server>, fault: Option<ScriptFault>) -> Self {
        let lua = Lua::new();
        // Neither can fail but for want of memory.
        if let Err(error) = provide(&lua, server) {
            panic!("Lua: {error}");
        }
        Self { lua, known: HashMap::new(), fault }
    }

    pub(super) fn eval(&mut self, arguments: &[Bytes]) -> Reply {
        let Some((source, rest)) = arguments.split_first() else { return Reply::error("ERR no script") };
        let hash: String = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, source)
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        if !self.known.contains_key(&hash) {
            let source = with_fault(&String::from_utf8_lossy(source), self.fault);
            match self.lua.load(source).into_function() {
                Ok(function) => drop(self.known.insert(hash.clone(), function)),
                Err(error) => return Reply::error(format!("ERR Error compiling script: {error}")),
            }
        }
        self.run(&hash, rest)
    }

    pub(super) fn eval_known(&self, arguments: &[Bytes]) -> Reply {
        let Some((hash, rest)) = arguments.split_first() else { return Reply::error("ERR no script") };
        self.run(&String::from_utf8_lossy(hash).to_ascii_lowercase(), rest)
    }

    fn run(&self, hash: &str, arguments: &[Bytes]) -> Reply {
        let Some(function) = self.known.get(hash) else {
            return Reply::error("NOSCRIPT No matching script. Please use EVAL.");
        };
        let keys = arguments.first().and_then(|count| std::str::from_utf8(count).ok()?.parse().ok());
        let Some((keys, rest)) = keys.zip(arguments.get(1..)).filter(|(keys, rest)| *keys <= rest.len())
        else {
            return Reply::error("ERR Number of keys can't be greater than number of args");
        };
        let (keys, rest) = rest.split_at(keys);
        let result = self.set("KEYS", keys).and_then(|()| self.set("ARGV", rest));
        match result.and_then(|()| function.call::<Value>(())) {
            Ok(value) => from_lua(&value),
            Err(error) => Reply::error(format!("ERR {}", error.to_string().replace(['\r', '\n'], " "))),
        }
    }

    fn set(&self, name: &str, values: &[Bytes]) -> mlua::Result<()> {
        let values = values.iter().map(|value| self.lua.create_string(value));
        let values = values.collect::<mlua::Result<Vec<_>>>()?;
        self.lua.globals().set(name, self.lua.create_sequence_from(values)?)
    }
}

/// `redis.call`.
fn provide(lua: &Lua, server: Arc<Server>) -> mlua::Result<()> {
    let redis = lua.create_table()?;
    let call = lua.create_function(move |lua, arguments: MultiValue| {
        let command = arguments.iter().map(argument).collect::<mlua::Result<Vec<_>>>()?;
        to_lua(lua, &server.obey(&command))
    })?;
    redis.set("call", call)?;
    lua.globals().set("redis", redis)
}

fn argument(value: &Value) -> mlua::Result<Bytes> {
    Ok(match value {
        Value::String(text) => Bytes::copy_from_slice(&text.as_bytes()),
        Value::Integer(number) => Bytes::from(number.to_string()),
        // As Redis writes them: whole ones as such, others with 17 digits.
        Value::Number(number) if number.fract() == 0.0 && number.abs() < 1e17 => {
            Bytes::from(format!("{number:.0}"))
        }
        Value::Number(number) => Bytes::from(number.to_string()),
        _ => {
            return Err(mlua::Error::runtime("Lua redis lib command arguments must be strings or integers"));
        }
    })
}

fn to_lua(lua: &Lua, reply: &Reply) -> mlua::Result<Value> {
    Ok(match reply {
        Reply::Nil => Value::Boolean(false),
        Reply::Number(number) => Value::Number(*number as f64),
        Reply::Bulk(text) => Value::String(lua.create_string(text)?),
        Reply::Error(text) => return Err(mlua::Error::runtime(text)),
        Reply::Status(text) => {
            let table = lua.create_table()?;
            table.set("ok", *text)?;
            Value::Table(table)
        }
        Reply::Array(all) => {
            let all = all.iter().map(|each| to_lua(lua, each)).collect::<mlua::Result<Vec<_>>>()?;
            Value::Table(lua.create_sequence_from(all)?)
        }
    })
}

/// Numbers lose their fraction; a table ends at its first nil.
fn from_lua(value: &Value) -> Reply {
    match value {
        Value::Boolean(true) => Reply::Number(1),
        Value::Integer(number) => Reply::Number(*number),
        #[allow(clippy::cast_possible_truncation, reason = "as Redis does")]
        Value::Number(number) => Reply::Number(*number as i64),
        Value::String(text) => Reply::bulk(text.as_bytes().to_vec()),
        Value::Table(table) => from_table(table),
        _ => Reply::Nil,
    }
}

fn from_table(table: &Table) -> Reply {
    if let Ok(text) = table.raw_get::<mlua::String>("err") {
        return Reply::error(text.to_string_lossy());
    }
    if table.raw_get::<mlua::String>("ok").is_ok() {
        return Reply::Status("OK");
    }
    let mut all = Vec::new();
    for index in 1.. {
        match table.raw_get::<Value>(index) {
            Ok(Value::Nil) | Err(_) => break,
            Ok(value) => all.push(from_lua(&value)),
        }
    }
    Reply::Array(all)
}
