//! `user`: whose rights the threads have that serve requests. The first thread keeps its own, as nginx's
//! master does: it reads certificates and settings.

use std::fs;

use nginx_front::Program;
use rustix::process::{Gid, Uid};

/// Whom nginx serves as if the file does not say.
const DEFAULT: &str = "nobody";
/// Groups of one user; more are not taken.
const MOST_GROUPS: usize = 64;

/// Numbers of a user and its groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
}

/// The user to serve as; `None`: the one that started the process, which is not root or is asked to stay so.
pub(super) fn of(program: &Program) -> Result<Option<User>, String> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let (name, group) = match &program.user {
        Some((name, group)) => (name.as_str(), group.as_deref()),
        None => (DEFAULT, None),
    };
    let text = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let user = find(name, group, &text("/etc/passwd"), &text("/etc/group"))?;
    Ok(Some(user).filter(|user| user.uid != 0))
}

/// Looks a user up in the texts of passwd and group.
fn find(name: &str, group: Option<&str>, passwd: &str, groups: &str) -> Result<User, String> {
    let line = |text: &'_ str, name: &str| -> Option<Vec<String>> {
        let mut lines = text.lines().map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>());
        lines.find(|fields| fields.first().is_some_and(|field| field == name))
    };
    let number = |fields: &[String], at: usize| fields.get(at).and_then(|field| field.parse::<u32>().ok());
    let found = line(passwd, name).and_then(|fields| Some((number(&fields, 2)?, number(&fields, 3)?)));
    let (uid, own) = found.ok_or_else(|| format!("getpwnam(\"{name}\") failed"))?;
    let gid = match group {
        Some(group) => line(groups, group)
            .and_then(|fields| number(&fields, 2))
            .ok_or_else(|| format!("getgrnam(\"{group}\") failed"))?,
        None => own,
    };
    let member = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let holds = fields.get(3).is_some_and(|members| members.split(',').any(|member| member == name));
        if holds { fields.get(2)?.parse().ok() } else { None }
    };
    let further = groups.lines().filter_map(member).take(MOST_GROUPS);
    Ok(User { uid, gid, groups: std::iter::once(gid).chain(further).collect() })
}

impl User {
    /// Gives the calling thread this user's rights, and no others any more.
    pub(super) fn take_on(&self) -> std::io::Result<()> {
        // A thread that one of those has started has them already, and may not set them.
        if rustix::process::geteuid().as_raw() == self.uid {
            return Ok(());
        }
        let groups: Vec<Gid> = self.groups.iter().map(|group| Gid::from_raw(*group)).collect();
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        rustix::thread::set_thread_groups(&groups)?;
        rustix::thread::set_thread_res_gid(gid, gid, gid)?;
        rustix::thread::set_thread_res_uid(uid, uid, uid)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_are_found_by_name() {
        let passwd = "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/false\n";
        let groups = "root:x:0:\nwww-data:x:33:\nssl:x:40:other,www-data\nshared:x:50:www-data\n";
        let user = User { uid: 33, gid: 33, groups: vec![33, 40, 50] };
        assert_eq!(find("www-data", None, passwd, groups), Ok(user));
        assert_eq!(find("www-data", Some("shared"), passwd, groups).map(|user| user.gid), Ok(50));
        assert_eq!(find("none", None, passwd, groups), Err("getpwnam(\"none\") failed".into()));
        assert_eq!(find("root", Some("none"), passwd, groups), Err("getgrnam(\"none\") failed".into()));
    }
}
