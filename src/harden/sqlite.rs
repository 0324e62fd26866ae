#![allow(unsafe_code)]
//! SQLite's memory. It is a C library with an allocator of its own: pages and rows that it read
//! would stay in freed blocks, out of the reach of the global allocator.

use super::WipingAllocator;
use rusqlite::ffi;
use std::alloc::{GlobalAlloc, Layout};
use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

/// In front of each block stands its size, for C does not give it back.
const HEAD: usize = 16;

/// Makes SQLite take its memory from [`WipingAllocator`]; the first call of a process decides.
///
/// `false` if SQLite was already in use, with memory that nobody wipes: then it must not be
/// given a secret.
pub fn wipe_sqlite_memory() -> bool {
    static ROUTED: OnceLock<bool> = OnceLock::new();
    *ROUTED.get_or_init(|| {
        let methods = ffi::sqlite3_mem_methods {
            xMalloc: Some(allocate),
            xFree: Some(free),
            xRealloc: Some(reallocate),
            xSize: Some(size_of_block),
            xRoundup: Some(round_up),
            xInit: Some(begin),
            xShutdown: Some(end),
            pAppData: std::ptr::null_mut(),
        };
        // SAFETY: the option takes a pointer to methods, which are copied; SQLite itself refuses
        // the call once it is in use.
        let code = unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_MALLOC, &raw const methods) };
        code == ffi::SQLITE_OK
    })
}

fn layout(size: usize) -> Option<Layout> {
    Layout::from_size_align(size.checked_add(HEAD)?, HEAD).ok()
}

/// # Safety
/// `block` must be what [`allocate`] or [`reallocate`] gave, and not freed since.
unsafe fn start_and_size(block: *mut c_void) -> (*mut u8, usize) {
    // SAFETY: the head lies in front of every block that was given out.
    unsafe {
        let start = block.cast::<u8>().sub(HEAD);
        (start, start.cast::<usize>().read())
    }
}

/// # Safety
/// `start` must be null or a live allocation of `size` and the head.
unsafe fn give_out(start: *mut u8, size: usize) -> *mut c_void {
    if start.is_null() {
        return std::ptr::null_mut();
    }
    // SAFETY: the allocation has room for the head, whose alignment is that of the block.
    unsafe {
        start.cast::<usize>().write(size);
        start.add(HEAD).cast()
    }
}

unsafe extern "C" fn allocate(size: c_int) -> *mut c_void {
    let (Ok(size), true) = (usize::try_from(size), size > 0) else { return std::ptr::null_mut() };
    let Some(layout) = layout(size) else { return std::ptr::null_mut() };
    // SAFETY: the layout is not empty: it has a head.
    unsafe { give_out(WipingAllocator.alloc(layout), size) }
}

unsafe extern "C" fn free(block: *mut c_void) {
    if block.is_null() {
        return;
    }
    // SAFETY: SQLite frees what it was given, once; the layout is the one it was made with.
    unsafe {
        let (start, size) = start_and_size(block);
        if let Some(layout) = layout(size) {
            WipingAllocator.dealloc(start, layout);
        }
    }
}

unsafe extern "C" fn reallocate(block: *mut c_void, size: c_int) -> *mut c_void {
    if block.is_null() {
        // SAFETY: no precondition.
        return unsafe { allocate(size) };
    }
    // SAFETY: a live block, as above; the new size fits a layout, and the old block is wiped.
    unsafe {
        let (start, old) = start_and_size(block);
        match (layout(old), usize::try_from(size).ok().and_then(|size| Some((size, layout(size)?)))) {
            (Some(before), Some((size, after))) => give_out(WipingAllocator.realloc(start, before, after.size()), size),
            _ => std::ptr::null_mut(),
        }
    }
}

unsafe extern "C" fn size_of_block(block: *mut c_void) -> c_int {
    if block.is_null() {
        return 0;
    }
    // SAFETY: SQLite asks for live blocks only.
    let (_, size) = unsafe { start_and_size(block) };
    c_int::try_from(size).unwrap_or(c_int::MAX)
}

unsafe extern "C" fn round_up(size: c_int) -> c_int {
    size.checked_add(7).map_or(size, |size| size & !7)
}

unsafe extern "C" fn begin(_: *mut c_void) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn end(_: *mut c_void) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_grows_and_shrinks_with_its_bytes() {
        // SAFETY: each block is used within its size and freed once.
        unsafe {
            let block = allocate(24);
            block.cast::<u8>().write_bytes(7, 24);
            let grown = reallocate(block, 100_000);
            assert_eq!(size_of_block(grown), 100_000);
            let shrunk = reallocate(grown, 10);
            assert_eq!(size_of_block(shrunk), 10);
            assert!((0..10).all(|at| shrunk.cast::<u8>().add(at).read() == 7));
            free(shrunk);
            assert!(allocate(0).is_null() && allocate(-1).is_null());
            free(std::ptr::null_mut());
        }
    }
}
