//! A file system without room, really: a small tmpfs that only this test sees.

use super::world::{AGEVAULT, World, run};

/// Runs in a mount namespace of its own. Prints one line for each size of the room that is
/// left; a `set` that wins or loses must leave a vault that the next command can use.
const SCRIPT: &str = r#"
set -eu
mount -t tmpfs -o size=256k,mode=0700 none full
cp -a .local full/
export XDG_DATA_HOME="$PWD/full/.local/share" XDG_STATE_HOME="$PWD/full/.local/state"
vault=$XDG_DATA_HOME/agevault/vault.age
for left in 0 1 2 3 4 5 6 8 12; do
    cat /dev/zero >full/filler 2>/dev/null || :
    size=$(stat -c %s full/filler)
    truncate -s $((size - left * 4096)) full/filler
    before=$(sha256sum <"$vault")
    old=$("$1" get env/A)
    code=0
    printf 'new-%s' "$left" | "$1" set env/A -q 2>said || code=$?
    same=changed
    [ "$before" != "$(sha256sum <"$vault")" ] || same=same
    echo "$left pages: exit $code, $same, was $old, is $("$1" get env/A), $(tr '\n' ' ' <said)"
    rm full/filler
    printf 'room' | "$1" set env/A -q
    [ "$("$1" get env/A)" = room ]
    ! find full | grep -e '-tmp'
done
"#;

#[test]
fn a_full_disk_leaves_the_old_vault_and_says_so() {
    let world = World::with_vault();
    world.ok(&["set", "env/A", "-q"], b"room");
    std::fs::create_dir(world.path("full")).unwrap();
    let mut command = world.command("unshare");
    // As root a mount namespace is enough; others need one of users too.
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh", AGEVAULT]);
    let ran = run(command, b"");
    ran.expect(0).unwrap_or_else(|why| panic!("this machine must allow user namespaces (unshare, mount): {why}"));
    let text = String::from_utf8(ran.stdout).unwrap();
    let (mut refused, mut saved) = (0, 0);
    for line in text.lines() {
        let pages = line.split_once(' ').unwrap().0;
        let new = format!("changed, was room, is new-{pages}, ");
        if line.contains("exit 1, same, was room, is room, agevault: cannot ") {
            refused += 1;
        } else if line.contains(&format!("exit 0, {new}")) {
            saved += 1;
        } else {
            // The vault has found its room, what this host remembers of it has not.
            let honest = line.contains(&format!("exit 1, {new}agevault: ")) && !line.contains("still in place");
            assert!(honest, "{line}");
        }
    }
    assert!(refused > 0 && saved > 0, "too little or too much room:\n{text}");
}
