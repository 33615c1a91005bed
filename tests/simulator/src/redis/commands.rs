//! The commands that the cache-node's scripts give, and those that its tests give besides.

use bytes::Bytes;

use super::database::{Database, Value, WrongKind, now, time};
use super::resp::Reply;
use super::streams::Place;

/// Why a command is not obeyed.
enum Refusal {
    Kind,
    Syntax,
    Unknown,
}

impl From<WrongKind> for Refusal {
    fn from(_: WrongKind) -> Self {
        Self::Kind
    }
}

type Answer = Result<Reply, Refusal>;

impl Database {
    pub(super) fn obey(&mut self, command: &[Bytes]) -> Reply {
        let Some((name, arguments)) = command.split_first() else { return Reply::error("ERR empty") };
        let name = String::from_utf8_lossy(name).to_ascii_uppercase();
        let answer = match name.chars().next() {
            Some('H') => self.hashes(&name, arguments),
            Some('Z') => self.sorted_sets(&name, arguments),
            Some('X') => self.streams(&name, arguments),
            _ => self.keys_and_texts(&name, arguments),
        };
        answer.unwrap_or_else(|refusal| match refusal {
            Refusal::Kind => {
                Reply::error("WRONGTYPE Operation against a key holding the wrong kind of value")
            }
            Refusal::Syntax => Reply::error(format!("ERR syntax error in {name}")),
            Refusal::Unknown => Reply::error(format!("ERR unknown command '{name}'")),
        })
    }

    fn keys_and_texts(&mut self, name: &str, arguments: &[Bytes]) -> Answer {
        Ok(match (name, arguments) {
            ("PING", _) => Reply::Status("PONG"),
            ("SELECT" | "CLIENT", _) => Reply::Status("OK"),
            ("ROLE", _) => {
                Reply::Array(vec![Reply::bulk("master"), Reply::Number(0), Reply::Array(Vec::new())])
            }
            ("TIME", []) => {
                let time = time();
                let parts = [time / 1_000_000, time % 1_000_000];
                Reply::Array(parts.map(|part| Reply::bulk(part.to_string())).into())
            }
            ("FLUSHALL" | "FLUSHDB", _) => {
                self.clear();
                Reply::Status("OK")
            }
            ("KEYS", [_]) => Reply::Array(self.keys().into_iter().map(Reply::Bulk).collect()),
            ("DBSIZE", []) => number(self.keys().len()),
            ("EXISTS", keys) => number(keys.iter().filter(|key| self.get(key).is_some()).count()),
            ("DEL" | "UNLINK", keys) => number(keys.iter().filter(|key| self.remove(key)).count()),
            ("TYPE", [key]) => Reply::Status(match self.get(key) {
                None => "none",
                Some(Value::Text(_)) => "string",
                Some(Value::Hash(_)) => "hash",
                Some(Value::Sorted(_)) => "zset",
                Some(Value::Stream(_)) => "stream",
            }),
            ("GET", [key]) => Reply::optional(self.text(key)?),
            ("SET", [key, value, options @ ..]) => {
                let ends = match options {
                    [] => None,
                    [px, ms] if px.eq_ignore_ascii_case(b"PX") => Some(now() + read::<u64>(ms)?),
                    [ex, s] if ex.eq_ignore_ascii_case(b"EX") => Some(now() + 1000 * read::<u64>(s)?),
                    _ => return Err(Refusal::Syntax),
                };
                self.put(key, Value::Text(value.clone()), ends);
                Reply::Status("OK")
            }
            ("PTTL", [key]) => Reply::Number(self.left(key)),
            ("PEXPIRE", [key, ms]) => number(self.expire(key, read(ms)?).into()),
            ("EXPIRE", [key, s]) => number(self.expire(key, 1000 * read::<i64>(s)?).into()),
            _ => return Err(Refusal::Unknown),
        })
    }

    fn hashes(&mut self, name: &str, arguments: &[Bytes]) -> Answer {
        let [key, rest @ ..] = arguments else { return Err(Refusal::Syntax) };
        let hash = self.hash(key)?;
        let answer = match (name, rest) {
            ("HGET", [field]) => Reply::optional(hash.get(field).cloned()),
            ("HMGET", fields) => {
                let values = fields.iter().map(|field| Reply::optional(hash.get(field).cloned()));
                Reply::Array(values.collect())
            }
            ("HSET", pairs) if pairs.len() % 2 == 0 => {
                let pairs = pairs.chunks_exact(2);
                number(pairs.filter(|pair| hash.insert(pair[0].clone(), pair[1].clone()).is_none()).count())
            }
            ("HDEL", fields) => number(fields.iter().filter(|field| hash.remove(*field).is_some()).count()),
            ("HEXISTS", [field]) => number(hash.contains_key(field).into()),
            ("HLEN", []) => number(hash.len()),
            ("HGETALL", []) => {
                let pairs = hash.iter().flat_map(|(field, value)| [field.clone(), value.clone()]);
                Reply::Array(pairs.map(Reply::Bulk).collect())
            }
            _ => return Err(Refusal::Unknown),
        };
        self.tidy(key);
        Ok(answer)
    }

    fn sorted_sets(&mut self, name: &str, arguments: &[Bytes]) -> Answer {
        let [key, rest @ ..] = arguments else { return Err(Refusal::Syntax) };
        let sorted = self.sorted(key)?;
        let answer = match (name, rest) {
            ("ZADD", [xx, score, member]) if xx.eq_ignore_ascii_case(b"XX") => {
                if let Some(known) = sorted.get_mut(member) {
                    *known = read(score)?;
                }
                Reply::Number(0)
            }
            ("ZADD", [score, member]) => number(sorted.insert(member.clone(), read(score)?).is_none().into()),
            ("ZREM", members) => {
                number(members.iter().filter(|member| sorted.remove(*member).is_some()).count())
            }
            ("ZCARD", []) => number(sorted.len()),
            ("ZSCORE", [member]) => {
                sorted.get(member).map_or(Reply::Nil, |score| Reply::bulk(score.to_string()))
            }
            ("ZRANGE", [from, to]) => {
                let mut members: Vec<(&Bytes, &f64)> = sorted.iter().collect();
                members.sort_by(|a, b| a.1.total_cmp(b.1).then(a.0.cmp(b.0)));
                let count = i64::try_from(members.len()).unwrap_or(i64::MAX);
                let place = |text| {
                    Ok::<_, Refusal>(match read::<i64>(text)? {
                        end @ ..0 => count + end,
                        start => start,
                    })
                };
                let (from, to) = (place(from)?.max(0), place(to)?);
                let (from, most) =
                    (usize::try_from(from).unwrap_or(0), usize::try_from(to - from + 1).unwrap_or(0));
                let members = members.into_iter().skip(from).take(most);
                Reply::Array(members.map(|(member, _)| Reply::Bulk(member.clone())).collect())
            }
            ("ZREMRANGEBYSCORE", [from, to]) => {
                let ((from, is_open), (to, is_end_open)) = (score(from)?, score(to)?);
                let before = sorted.len();
                sorted.retain(|_, score| {
                    let above = if is_open { *score > from } else { *score >= from };
                    let below = if is_end_open { *score < to } else { *score <= to };
                    !(above && below)
                });
                number(before - sorted.len())
            }
            _ => return Err(Refusal::Unknown),
        };
        self.tidy(key);
        Ok(answer)
    }

    fn streams(&mut self, name: &str, arguments: &[Bytes]) -> Answer {
        let [key, rest @ ..] = arguments else { return Err(Refusal::Syntax) };
        let is_known = self.get(key).is_some();
        if !is_known && name != "XADD" {
            return Ok(if name == "XTRIM" { Reply::Number(0) } else { Reply::Array(Vec::new()) });
        }
        let stream = self.stream(key)?;
        Ok(match (name, rest) {
            ("XADD", [place, fields @ ..]) if place.as_ref() == b"*" => {
                Reply::bulk(stream.add(fields).to_string())
            }
            ("XTRIM", [by, most]) if by.eq_ignore_ascii_case(b"MAXLEN") => number(stream.keep(read(most)?)),
            ("XTRIM", [by, place]) if by.eq_ignore_ascii_case(b"MINID") => {
                number(stream.drop_before(Place::read(place).ok_or(Refusal::Syntax)?))
            }
            ("XRANGE" | "XREVRANGE", [from, to, rest @ ..]) => {
                let most = match rest {
                    [] => usize::MAX,
                    [count, most] if count.eq_ignore_ascii_case(b"COUNT") => read(most)?,
                    _ => return Err(Refusal::Syntax),
                };
                let is_reversed = name == "XREVRANGE";
                let (from, to) = if is_reversed { (to, from) } else { (from, to) };
                stream.range(from, to, is_reversed, most).ok_or(Refusal::Syntax)?
            }
            _ => return Err(Refusal::Unknown),
        })
    }
}

fn number(count: usize) -> Reply {
    Reply::Number(i64::try_from(count).unwrap_or(i64::MAX))
}

fn read<T: std::str::FromStr>(text: &Bytes) -> Result<T, Refusal> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Refusal::Syntax)
}

/// A bound of scores, and whether it is not part of the range.
fn score(text: &Bytes) -> Result<(f64, bool), Refusal> {
    match text.strip_prefix(b"(") {
        Some(open) => Ok((read(&Bytes::copy_from_slice(open))?, true)),
        None => Ok((read(text)?, false)),
    }
}
