//! What a power cut may take: nothing gets its name before it is on the disk.

use super::trace::Job;
use super::world::World;
use regex_lite::Regex;

/// What this host remembers of the vault is written loosely: it can be done without.
///
/// `kill` cannot show this, since the kernel keeps what a dead process wrote: so the order of
/// the calls is read from the trace.
#[test]
fn nothing_is_renamed_before_it_is_synced_and_read_back_and_its_directory_is_synced_after() {
    let world = World::with_vault();
    world.ok(&["set", "env/A", "-q"], b"old");
    let trace = Job { args: &["set", "env/A"], stdin: b"new" }.trace(&world);
    let renamed = Regex::new(r#"^renameat2?\(\d+<([^>]+)>, "([^"]+)", \d+<[^>]+>, "([^"]+)""#).unwrap();
    let at = |from: usize, call: &str, path: &str| {
        let found =
            trace.iter().skip(from).position(|line| line.starts_with(call) && line.contains(&format!("<{path}>")));
        found.map(|found| from + found)
    };
    // The copy of the new state need not be synced either: the vault file has that state, and the next save syncs it.
    let is_copy = |found: &regex_lite::Captures<'_>| found[1].ends_with(".d") && found[3].ends_with(".age");
    // A temp file is first renamed to a name with its inode number.
    let is_temp = |found: &regex_lite::Captures<'_>| found[3].ends_with("-tmp");
    let remembered = |found: &regex_lite::Captures<'_>| found[3].ends_with(".json") || is_copy(found);
    let mut names = Vec::new();
    for (line, found) in trace.iter().enumerate().filter_map(|(line, text)| Some((line, renamed.captures(text)?))) {
        if is_temp(&found) {
            continue;
        }
        if remembered(&found) {
            names.push((found[3].to_owned(), line, line));
            continue;
        }
        let (dir, temp) = (&found[1], format!("{}/{}", &found[1], &found[2]));
        let written = at(0, "write(", &temp).expect("written");
        let synced = at(written, "fsync(", &temp).expect("synced");
        let read = at(synced, "read(", &temp).expect("read back");
        assert!(read < line, "read back before it gets its name");
        assert_eq!(at(synced, "write(", &temp), None, "nothing is written after it was synced");
        let settled = at(line, "fsync(", dir).expect("the directory is synced");
        names.push((found[3].to_owned(), line, settled));
    }
    let vault = names.iter().find(|(name, ..)| name == "vault.age").expect("the vault is renamed");
    let kept = Regex::new(r#"^fsync\(\d+<([^>]+\.d)/2-[0-9a-f]+\.age>"#).unwrap();
    let (kept, generations) = trace
        .iter()
        .enumerate()
        .find_map(|(line, text)| Some((line, kept.captures(text)?[1].to_owned())))
        .expect("kept");
    let settled = at(kept, "fsync(", &generations).expect("the generations are synced");
    assert!(settled < vault.1, "the old vault is kept for good before the new one takes its name");
    let seen = names.iter().find(|(name, ..)| name.ends_with(".json")).expect("local state is written");
    assert!(vault.2 < seen.1, "local state follows the vault, or a power cut would look like a rollback");
}
