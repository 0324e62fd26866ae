#![allow(unsafe_code)]
//! A global allocator that overwrites memory before it gives it back.

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator with every block overwritten when it is freed or moved.
///
/// Parsers, formatters and the age crate keep copies of secrets in buffers of their own;
/// this is the one place that reaches them all. The stack, `argv` and `environ` it does not.
pub struct WipingAllocator;

/// Overwrites `bytes` in a way that the optimiser keeps, at the speed of memory.
pub fn wipe(bytes: &mut [u8]) {
    // SAFETY: a slice is valid for writes of its length.
    unsafe { wipe_block(bytes.as_mut_ptr(), bytes.len()) };
}

/// Overwrites `len` bytes from `block` in a way that the optimiser keeps.
///
/// # Safety
/// `block` must be valid for writes of `len` bytes.
unsafe fn wipe_block(block: *mut u8, len: usize) {
    // SAFETY: the caller's promise; a plain memset that the barrier below keeps alive.
    unsafe { std::ptr::write_bytes(block, 0, len) };
    // An empty asm block that could read memory: the stores above may not be removed.
    // SAFETY: no instruction at all.
    unsafe { std::arch::asm!("/* {0} */", in(reg) block, options(nostack, preserves_flags)) };
}

// SAFETY: every call is passed on to `System` with the same layout; only memory that is
// about to be freed is written to.
unsafe impl GlobalAlloc for WipingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise about `layout`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise about `layout`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `block` is a live allocation of `layout.size()` bytes.
        unsafe {
            wipe_block(block, layout.size());
            System.dealloc(block, layout);
        }
    }

    /// Never grows in place through the system's `realloc`, which moves without wiping.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: size and alignment are valid by the caller's promise; both blocks are
        // live and distinct, and the smaller size is copied.
        unsafe {
            let new_layout = Layout::from_size_align_unchecked(new_size, layout.align());
            let moved = System.alloc(new_layout);
            if !moved.is_null() {
                std::ptr::copy_nonoverlapping(block, moved, layout.size().min(new_size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Freed memory cannot be read, so this wipes a block that it still owns; what is left in
    /// a whole process is counted by the memory tests.
    #[test]
    fn a_wiped_block_holds_nothing() {
        let mut block = vec![0xA5_u8; 4096];
        wipe(&mut block);
        assert!(block.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_grown_block_keeps_its_bytes() {
        let layout = Layout::from_size_align(64, 8).expect("layout");
        // SAFETY: alloc, realloc and dealloc with matching layouts.
        unsafe {
            let block = WipingAllocator.alloc(layout);
            std::ptr::write_bytes(block, 7, 64);
            let grown = WipingAllocator.realloc(block, layout, 4096);
            assert!((0..64).all(|at| *grown.add(at) == 7));
            WipingAllocator.dealloc(grown, Layout::from_size_align(4096, 8).expect("layout"));
        }
    }
}
