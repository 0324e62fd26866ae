//! How much memory this process may still take.

use std::fs::read_to_string;
use std::path::Path;

const MIB: u64 = 1024 * 1024;

/// The memory that a derivation may use, in MiB: what the machine has available and, on
/// Linux, what the process's cgroup and those above it leave. `None` where the system does not tell.
pub fn available_mib() -> Option<u64> {
    let machine = machine_kib("MemAvailable:").map(|kib| kib / 1024);
    let groups = groups(Path::new("/")).into_iter().map(|group| group.limit.saturating_sub(group.used) / MIB);
    machine.into_iter().chain(groups).min()
}

/// All memory of the machine, or the least limit of a cgroup if that is less, in MiB.
pub fn total_mib() -> Option<u64> {
    let machine = machine_kib("MemTotal:").map(|kib| kib / 1024);
    machine.into_iter().chain(groups(Path::new("/")).into_iter().map(|group| group.limit / MIB)).min()
}

fn machine_kib(name: &str) -> Option<u64> {
    let text = read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// A cgroup with a limit of memory, in bytes.
#[derive(Debug, PartialEq, Eq)]
struct Group {
    limit: u64,
    /// Without the pages of files that the kernel gives up first.
    used: u64,
}

/// What differs between both versions of cgroups.
struct Version {
    filesystem: &'static str,
    limit: &'static str,
    used: &'static str,
    reclaimable: &'static str,
}

const V1: Version = Version {
    filesystem: "cgroup",
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    reclaimable: "total_inactive_file ",
};
const V2: Version =
    Version { filesystem: "cgroup2", limit: "memory.max", used: "memory.current", reclaimable: "inactive_file " };

/// The limited cgroups of this process and those above them, of both versions. `root` is `/`.
fn groups(root: &Path) -> Vec<Group> {
    let read = |path: &str| read_to_string(root.join(path)).unwrap_or_default();
    let (own, mounts) = (read("proc/self/cgroup"), read("proc/self/mountinfo"));
    // ID:CONTROLLERS:PATH, without controllers for version 2.
    let of = |wanted: fn(&str) -> bool| {
        own.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            wanted(controllers).then_some(path)
        })
    };
    let v1 = of(|controllers| controllers.split(',').any(|name| name == "memory")).map(|path| (V1, path));
    let v2 = of(str::is_empty).map(|path| (V2, path));
    v1.into_iter().chain(v2).flat_map(|(version, path)| limited(root, &mounts, &version, path)).collect()
}

/// The limited cgroups of one version, from `path` up to the directory that is mounted.
fn limited(root: &Path, mounts: &str, version: &Version, path: &str) -> Vec<Group> {
    let Some((mounted, point)) = mounts.lines().find_map(|line| mount(line, version)) else { return Vec::new() };
    let top = root.join(point.trim_start_matches('/'));
    // In a container the path may be one of the host, of which this mount shows a part or nothing.
    let below = Path::new(path).strip_prefix(&mounted).ok().filter(|_| !path.contains("/.."));
    let own = below.map_or_else(|| top.clone(), |below| top.join(below));
    own.ancestors().take_while(|dir| dir.starts_with(&top)).filter_map(|dir| group(dir, version)).collect()
}

/// A cgroup by its directory; `None` if it has no limit.
fn group(dir: &Path, version: &Version) -> Option<Group> {
    let number = |file: &str| read_to_string(dir.join(file)).ok()?.trim().parse::<u64>().ok();
    // Without a limit version 2 has the word `max`, version 1 the largest multiple of a page.
    let limit = number(version.limit).filter(|&limit| limit < 1 << 62)?;
    let statistics = read_to_string(dir.join("memory.stat")).unwrap_or_default();
    let reclaimable = statistics.lines().find_map(|line| line.strip_prefix(version.reclaimable)?.trim().parse().ok());
    Some(Group { limit, used: number(version.used).unwrap_or(0).saturating_sub(reclaimable.unwrap_or(0)) })
}

/// What a line of `mountinfo` mounts and where, if it is the hierarchy of a version that counts memory.
fn mount(line: &str, version: &Version) -> Option<(String, String)> {
    // ID PARENT DEVICE ROOT POINT OPTIONS [TAG...] - FILESYSTEM SOURCE OPTIONS
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut filesystem = filesystem.split(' ');
    let is_kind = filesystem.next() == Some(version.filesystem);
    let counts = version.filesystem == V2.filesystem || filesystem.nth(1)?.split(',').any(|option| option == "memory");
    let mut fields = mount.split(' ').skip(3).map(unescaped);
    Some((fields.next()?, fields.next()?)).filter(|_| is_kind && counts)
}

/// A field of `mountinfo`, in which blanks and backslashes are octal escapes.
fn unescaped(field: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(field.to_owned(), |field, (escape, character)| field.replace(escape, character))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs;

    /// A root directory with these files.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn mib(files: &[(&str, &str)]) -> Vec<(u64, u64)> {
        let all = groups(tree(files).path());
        all.into_iter().map(|group| (group.limit / MIB, group.used / MIB)).collect()
    }

    const M100: &str = "104857600\n";
    const M40: &str = "41943040\n";
    const V2_MOUNT: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn every_group_from_the_own_one_up_counts_in_version_2() {
        let slice = "sys/fs/cgroup/user.slice/user-1000.slice";
        let (max, current, statistics) =
            (format!("{slice}/memory.max"), format!("{slice}/memory.current"), format!("{slice}/memory.stat"));
        let own = format!("{slice}/session-2.scope/memory.max");
        let files = [
            ("proc/self/cgroup", "0::/user.slice/user-1000.slice/session-2.scope\n"),
            ("proc/self/mountinfo", V2_MOUNT),
            (&max, M100),
            (&current, M40),
            (&statistics, "anon 1\nfile 31457280\ninactive_file 20971520\nactive_file 10485760\n"),
            (&own, "max\n"),
        ];
        assert_eq!(mib(&files), [(100, 20)]);
        let both = [&files[..5], &[(own.as_str(), M40)]].concat();
        assert_eq!(mib(&both), [(40, 0), (100, 20)]);
    }

    #[test]
    fn version_1_has_a_hierarchy_for_memory_alone() {
        let mounts = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
            32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
            35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let files = [
            ("proc/self/cgroup", "5:cpu:/other\n4:memory:/outer/inner\n0::/\n"),
            ("proc/self/mountinfo", mounts),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/outer/memory.limit_in_bytes", M40),
            ("sys/fs/cgroup/memory/outer/inner/memory.limit_in_bytes", M100),
            ("sys/fs/cgroup/memory/outer/inner/memory.usage_in_bytes", M40),
            ("sys/fs/cgroup/memory/outer/inner/memory.stat", "inactive_file 0\ntotal_inactive_file 41943040\n"),
            ("sys/fs/cgroup/memory/other/memory.limit_in_bytes", "1\n"),
        ];
        assert_eq!(mib(&files), [(100, 0), (40, 0)]);
    }

    #[test]
    fn a_container_sees_its_part_of_the_hierarchy() {
        let part = "30 23 0:26 /docker/1f /a\\040mount rw - cgroup2 cgroup2 rw\n";
        for own in ["0::/docker/1f\n", "0::/\n", "0::/../..\n"] {
            let files = [("proc/self/cgroup", own), ("proc/self/mountinfo", part), ("a mount/memory.max", M100)];
            assert_eq!(mib(&files), [(100, 0)], "{own}");
        }
    }

    #[test]
    fn a_system_that_does_not_tell_has_no_limits() {
        assert_eq!(mib(&[]), []);
        assert_eq!(mib(&[("proc/self/cgroup", "0::/\n"), ("proc/self/mountinfo", V2_MOUNT)]), []);
        assert_eq!(mib(&[("proc/self/cgroup", "0:/\nx\n"), ("proc/self/mountinfo", "x - cgroup2\n- -\n")]), []);
    }
}
