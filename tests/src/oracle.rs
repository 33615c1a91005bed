//! What tests/apps/oracle.py remembers of the requests that reached it, read from its files.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::{Uwsgi, until};

/// The oracle's memory.
pub struct Oracle(PathBuf);

impl Oracle {
    pub fn of(uwsgi: &Uwsgi) -> Self {
        Self(uwsgi.oracle_directory())
    }

    /// How often /count/NAME was called.
    pub fn calls(&self, name: &str) -> u64 {
        self.record(name)["count"].as_u64().unwrap_or(0)
    }

    /// Calls of /count/NAME that run now.
    pub fn running(&self, name: &str) -> u64 {
        self.record(name)["running"].as_u64().unwrap_or(0)
    }

    /// The most calls of /count/NAME that ran at the same time.
    pub fn most_at_once(&self, name: &str) -> u64 {
        self.record(name)["most_at_once"].as_u64().unwrap_or(0)
    }

    /// The `n`th call of /count/NAME, from 0: "method", "uri", and "fields" with its HTTP_ variables.
    pub fn call(&self, name: &str, n: usize) -> Value {
        self.record(name)["calls"][n].clone()
    }

    /// The value of an HTTP_ variable that the `n`th call had.
    pub fn field(&self, name: &str, n: usize, variable: &str) -> Option<String> {
        self.call(name, n)["fields"][variable].as_str().map(str::to_owned)
    }

    /// Waits until /count/NAME was called so often.
    pub fn wait_for_calls(&self, name: &str, calls: u64) {
        until(&format!("{calls} calls of {name}"), || (self.calls(name) >= calls).then_some(()));
    }

    /// Names of all that was ever counted.
    pub fn names(&self) -> Vec<String> {
        let files = fs::read_dir(&self.0).into_iter().flatten().flatten();
        files
            .map(|file| file.file_name().to_string_lossy().replace(".json", "").replace("%2F", "/"))
            .collect()
    }

    /// Waits until this many calls of /count/NAME run at the same time.
    pub fn wait_for_running(&self, name: &str, calls: u64) {
        until(&format!("{calls} calls of {name} run"), || (self.running(name) >= calls).then_some(()));
    }

    /// From now on /count/NAME behaves as if these parameters were in its URL.
    pub fn set(&self, name: &str, parameters: &str) {
        self.change(name, "set", parameters.into());
    }

    /// Lets those of the calls of /count/NAME go on that hold (`hold=1`), up to the `calls`th; or as many
    /// pieces after the first of those that hold there (`hold-body=1`).
    pub fn release(&self, name: &str, calls: u64) {
        self.change(name, "released", calls.into());
    }

    /// Lets all calls of /count/NAME go on, those to come too.
    pub fn release_all(&self, name: &str) {
        self.release(name, u64::from(u32::MAX));
    }

    fn change(&self, name: &str, key: &str, value: Value) {
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(self.path(name))
            .unwrap();
        file.lock().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        let empty = json!({"count": 0, "running": 0, "most_at_once": 0, "calls": [], "set": ""});
        let mut record: Value = if text.is_empty() { empty } else { serde_json::from_str(&text).unwrap() };
        record[key] = value;
        file.set_len(0).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(record.to_string().as_bytes()).unwrap();
    }

    fn record(&self, name: &str) -> Value {
        let Ok(mut file) = File::open(self.path(name)) else { return Value::Null };
        // The oracle writes under the same lock.
        file.lock_shared().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{}.json", name.replace('/', "%2F")))
    }
}
