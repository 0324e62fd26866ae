#![allow(unsafe_code)]
//! A few pages that are neither swapped nor dumped, for what opens a vault.

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap_anonymous, munlock, munmap};
use std::ffi::c_void;
use std::fmt;
use std::ops::Deref;
use zeroize::Zeroize;

/// Bytes on pages of their own, locked where the limits allow it, wiped when dropped.
///
/// `mlock` may fail under a tight limit; the bytes are then still wiped and not dumped, and
/// [`LockedBytes::is_locked`] says so.
pub struct LockedBytes {
    start: *mut c_void,
    mapped: usize,
    len: usize,
    locked: bool,
}

// SAFETY: the pages are owned by this value alone and only reached through it.
unsafe impl Send for LockedBytes {}
// SAFETY: shared access only reads.
unsafe impl Sync for LockedBytes {}

impl LockedBytes {
    /// Room for `len` bytes, filled in place by `fill`, which returns how many it used.
    ///
    /// # Errors
    /// The system's error when no page can be mapped, or the error of `fill`.
    pub fn fill<E: From<std::io::Error>>(
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<Self, E> {
        let page = rustix::param::page_size();
        let mapped = len.max(1).next_multiple_of(page);
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a fresh anonymous mapping; nothing else points to it.
        let start = unsafe { mmap_anonymous(std::ptr::null_mut(), mapped, protection, MapFlags::PRIVATE) }
            .map_err(std::io::Error::from)?;
        // SAFETY: the whole mapping, which is live.
        let locked = unsafe { mlock(start, mapped) }.is_ok();
        #[cfg(target_os = "linux")]
        // SAFETY: the whole mapping, which is live. Failure only means no extra protection.
        let _ = unsafe { madvise(start, mapped, Advice::LinuxDontDump) };
        let mut bytes = Self { start, mapped, len, locked };
        let used = fill(bytes.as_mut_slice())?;
        bytes.len = used.min(len);
        Ok(bytes)
    }

    /// Whether the pages are locked into memory.
    pub fn is_locked(&self) -> bool {
        self.locked
    }

    fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is live, zero-filled, and at least `len` long.
        unsafe { std::slice::from_raw_parts_mut(self.start.cast(), self.len) }
    }
}

impl Deref for LockedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: as in `as_mut_slice`.
        unsafe { std::slice::from_raw_parts(self.start.cast(), self.len) }
    }
}

impl Drop for LockedBytes {
    fn drop(&mut self) {
        self.len = self.mapped;
        self.as_mut_slice().zeroize();
        // SAFETY: the mapping made in `fill`, not used afterwards.
        unsafe {
            if self.locked {
                let _ = munlock(self.start, self.mapped);
            }
            let _ = munmap(self.start, self.mapped);
        }
    }
}

impl fmt::Debug for LockedBytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("LockedBytes(..)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn pages_are_locked_and_kept_out_of_cores() {
        let kept = LockedBytes::fill::<std::io::Error>(32, |_| Ok(32)).unwrap();
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let start = format!("{:x}-", kept.start.addr());
        let mut lines = maps.lines().skip_while(|line| !line.starts_with(&start));
        let flags = lines.find_map(|line| line.strip_prefix("VmFlags:")).unwrap();
        let has = |flag: &str| flags.split_whitespace().any(|one| one == flag);
        assert!(kept.is_locked() && has("lo") && has("dd"), "{flags}");
    }
}
