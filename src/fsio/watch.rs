//! Hears of changes in directories. Directories, never files: those are replaced by others.

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// A watch over some directories. It is a hint that comes early, not a promise: where the system
/// gives no watch, or a directory is moved away, nothing is heard, so look now and then as well.
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
    /// What is watched, and its inode at that time.
    dirs: BTreeMap<PathBuf, (u64, u64)>,
}

impl Watch {
    /// Calls `wake`, from a thread of its own, whenever something changes in a directory that is
    /// [followed](Watch::follow). What is only read is no change.
    pub fn new(wake: impl Fn() + Send + 'static) -> Self {
        let heard = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !matches!(event.kind, EventKind::Access(_))) {
                wake();
            }
        };
        Self { watcher: notify::recommended_watcher(heard).ok(), dirs: BTreeMap::new() }
    }

    /// Watches these directories as far as they are there, and nothing else any more. To be called
    /// again now and then: one that was made anew is another directory.
    pub fn follow(&mut self, wanted: &BTreeSet<PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return };
        self.dirs.retain(|dir, _| {
            let stays = wanted.contains(dir);
            if !stays {
                let _ = watcher.unwatch(dir);
            }
            stays
        });
        for dir in wanted {
            // Not opened: that would be heard as well.
            let meta = std::fs::symlink_metadata(dir).ok().filter(std::fs::Metadata::is_dir);
            let inode = meta.map(|meta| (meta.dev(), meta.ino()));
            if self.dirs.get(dir).copied() == inode {
                continue;
            }
            // Another directory under the same name: the watch is still on the one before.
            let _ = watcher.unwatch(dir);
            self.dirs.remove(dir);
            if let Some(inode) = inode
                && watcher.watch(dir, RecursiveMode::NonRecursive).is_ok()
            {
                self.dirs.insert(dir.to_owned(), inode);
            }
        }
    }
}
