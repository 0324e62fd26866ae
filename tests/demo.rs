//! The README's first command: the main job on the fixture gateway.

#![allow(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn the_demo_tells_the_whole_story() {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/demo");
    let mut command = Command::new(demo);
    command.env("AGEVAULT", env!("CARGO_BIN_EXE_agevault")).stdin(Stdio::null());
    let output = command.output().expect("bash");
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    for scene in [
        "38 imported, 0 unchanged",
        "auth/coder/zai:manual",
        "EXPIRED",
        "new-value",
        "wrote ",
        "removed ",
        "restored ",
        "with 34 entries",
    ] {
        assert!(told.contains(scene), "no {scene:?} in\n{told}");
    }
    // Values that nobody asked for are not told: `get` printed one, `head` a view's first lines.
    assert!(!told.contains("fixture-config-gateway-token"), "{told}");
}
