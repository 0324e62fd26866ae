//! Who the users of this host are, as far as its own files tell.

use std::path::Path;

/// Largest file that is read, in bytes.
const MOST: usize = 4 * 1024 * 1024;
/// The user id that stands for every user whom a user namespace does not map.
const UNMAPPED: u32 = 65_534;
/// The group that may change `/usr/local` on Debian; nobody is in it unless somebody says so.
const STAFF: &str = "staff";

/// `/etc/passwd`, `/etc/group` and the map of this user namespace; `None` for what cannot be read.
pub(super) struct Accounts {
    users: Option<String>,
    groups: Option<String>,
    map: Option<String>,
}

impl Accounts {
    /// Those of this host.
    pub(super) fn of_host() -> Self {
        // Real names may be in any encoding, and are not looked at.
        let text = |path| {
            let bytes = super::read_capped(Path::new(path), MOST).ok()?;
            Some(String::from_utf8_lossy(bytes.expose()).into_owned())
        };
        Self { users: text("/etc/passwd"), groups: text("/etc/group"), map: text("/proc/self/uid_map") }
    }

    /// Whether group `gid` of a file of user `owner` consists of nobody but `owner`, `own` and root: the private group
    /// that systems make for each user, and those of root. Of any other group the host's files tell too little.
    pub(super) fn are_alone(&self, owner: u32, gid: u32, own: u32) -> bool {
        let (Some(users), Some(groups)) = (&self.users, &self.groups) else { return false };
        // Stands for every group that a user namespace does not map.
        if gid == UNMAPPED {
            return false;
        }
        // NAME:x:UID:GID:...
        let users = users.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let (name, _) = (fields.next()?, fields.next()?);
            Some((name, fields.next()?.parse::<u32>().ok()?, fields.next()?.parse::<u32>().ok()?))
        });
        let users: Vec<_> = users.collect();
        let trusted = |uid: u32| [owner, own, 0].contains(&uid);
        // Somebody with two ids could be anybody.
        let is_trusted = |name: &str| {
            let mut ids = users.iter().filter(|user| user.0 == name).peekable();
            ids.peek().is_some() && ids.all(|user| trusted(user.1))
        };
        // NAME:x:GID:MEMBER,MEMBER
        let groups = groups.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let (name, _) = (fields.next()?, fields.next()?);
            Some((name, fields.next()?.parse::<u32>().ok()?, fields.next().unwrap_or_default()))
        });
        let groups: Vec<_> = groups.filter(|group| group.1 == gid).collect();
        let named = |name: &str| {
            let of_owner = users.iter().any(|user| user.0 == name && user.1 == owner);
            of_owner || (owner == 0 && name == STAFF)
        };
        let private = gid == owner || groups.iter().any(|group| named(group.0));
        let members = groups.iter().flat_map(|group| group.2.split(',')).map(str::trim);
        let mut members = members.filter(|member| !member.is_empty());
        let mut primary = users.iter().filter(|user| user.2 == gid);
        private && members.all(is_trusted) && primary.all(|user| trusted(user.1))
    }

    /// Whether `uid` stands for the root of the host, who has no id in this user namespace.
    pub(super) fn is_foreign_root(&self, uid: u32) -> bool {
        // INSIDE OUTSIDE COUNT
        let Some(map) = self.map.as_ref().filter(|_| uid == UNMAPPED) else { return false };
        let rows: Option<Vec<_>> = map.lines().map(row).collect();
        // Where root has an id, or this one is somebody's, it is not root's.
        let is_free = |(inside, outside, count): &(u64, u64, u64)| {
            let maps = |first: u64, id: u64| (first..first.saturating_add(*count)).contains(&id);
            !maps(*inside, 0) && !maps(*outside, 0) && !maps(*inside, UNMAPPED.into())
        };
        rows.is_some_and(|rows| !rows.is_empty() && rows.iter().all(is_free))
    }
}

fn row(line: &str) -> Option<(u64, u64, u64)> {
    let mut numbers = line.split_whitespace().map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/sh\nclaw:x:1000:1000::/home/claw:/bin/sh\n\
                         bob:x:1001:1001::/home/bob:/bin/sh\neve:x:1002:100::/home/eve:/bin/sh\n+::::::\nodd\n";

    fn host(groups: &str) -> Accounts {
        Accounts { users: Some(USERS.to_owned()), groups: Some(groups.to_owned()), map: None }
    }

    #[test]
    fn a_group_is_private_where_nobody_else_is_in_it() {
        let alone = |groups: &str, owner, gid| host(groups).are_alone(owner, gid, 1000);
        let usual = "root:x:0:\nstaff:x:50:\nusers:x:100:\nclaw:x:1000:\nbob:x:1001:\n";
        assert!(alone(usual, 1000, 1000), "a user's own");
        assert!(alone(usual, 0, 0) && alone(usual, 0, 50), "those of root");
        assert!(alone("claw:x:77:claw\n", 1000, 77), "known by its name");
        assert!(alone("", 1000, 1000), "a user whom another service knows");
        assert!(alone("staff:x:50:claw,root\n", 0, 50), "whom we need not fear");
        assert!(!alone(usual, 1000, 100) && !alone(usual, 1000, 50), "groups of others");
        assert!(!alone(usual, 0, 1001) && !alone(usual, 1000, 4711) && !alone(usual, 0, 100));
        assert!(!alone("claw:x:1000:bob\n", 1000, 1000) && !alone("claw:x:1000:claw, bob\n", 1000, 1000));
        assert!(!alone("claw:x:1000:\nsame:x:1000:bob\n", 1000, 1000), "by another name");
        assert!(!alone("claw:x:1000:stranger\n", 1000, 1000), "a member who is nobody here");
        assert!(!alone("claw:x:100:\n", 1000, 100), "the first group of another");
        assert!(!alone("nogroup:x:65534:\n", 65_534, 65_534), "any group");
        assert!(!alone("staff:x:50:bob\n", 0, 50) && !alone("root:x:0:bob\n", 0, 0));
        let unknown = Accounts { users: None, groups: Some(usual.to_owned()), map: None };
        assert!(!unknown.are_alone(1000, 1000, 1000), "nothing is known");
    }

    #[test]
    fn an_id_of_nobody_is_root_where_root_has_none() {
        let root =
            |map: &str, uid| Accounts { users: None, groups: None, map: Some(map.to_owned()) }.is_foreign_root(uid);
        assert!(root("      1000       1000          1\n", 65_534));
        assert!(!root("1000 1000 1\n", 1001), "somebody else");
        assert!(!root("0 0 4294967295\n", 65_534), "the host itself");
        assert!(!root("0 0 1\n1000 1000 1\n", 65_534), "root has an id");
        assert!(!root("0 1000 1\n1 100000 65536\n", 65_534), "a container with a nobody of its own");
        assert!(!root("5 100000 65536\n", 65_534), "it is somebody's");
        assert!(!root("", 65_534) && !root("what", 65_534));
    }
}
