//! A save as the vault makes it, without its lock.

use crate::age::{self, Identity};
use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Seals `text`, reads it back and opens it, keeps the old file as a generation, replaces `out`: three fsyncs.
pub fn replace(identity: &Identity, text: &[u8], out: &Path) {
    let sealed = age::seal(identity, text);
    let temp = out.with_extension("tmp");
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temp)
        .expect("temp file");
    file.write_all(&sealed).expect("write");
    file.sync_all().expect("fsync");
    drop(file);

    let read_back = fs::read(&temp).expect("read back");
    assert!(read_back == sealed, "read back");
    assert!(age::open(identity, read_back) == text, "opened again");

    // A save that has all its generations drops one for each that it adds.
    let generations = out.with_extension("age.d");
    let kept = generations.join("previous.age");
    if !generations.exists() {
        fs::create_dir(&generations).expect("directory of generations");
    }
    if kept.exists() {
        fs::remove_file(&kept).expect("oldest generation");
    }
    if out.exists() {
        fs::hard_link(out, &kept).expect("generation");
    }
    fs::rename(&temp, out).expect("rename");
    for directory in [generations.as_path(), out.parent().expect("a directory")] {
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .expect("fsync of a directory");
    }
}
