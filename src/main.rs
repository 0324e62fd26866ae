//! The binary: protects the process, then hands over to [`agevault::cli`].

#[global_allocator]
static ALLOCATOR: agevault::harden::WipingAllocator = agevault::harden::WipingAllocator;

fn main() -> std::process::ExitCode {
    // First of all: before any secret is in memory and while there is one thread.
    let protected = agevault::harden::protect_process();
    agevault::cli::run(protected)
}
