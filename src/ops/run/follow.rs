//! Captures what a command changes in its views while this process waits for its end.

use crate::fsio::Watch;
use crate::ops::capture::watch::{News, Wake, watch};
use crate::ops::capture::{Error, Keeper, Removals, Request};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

/// How long after a failure that does not pass by itself the watch is tried again: somebody may
/// have put the vault right meanwhile, and a gateway runs for months.
const AGAIN: Duration = Duration::from_secs(30);

/// A watch in a thread of its own.
pub struct Follow<'scope> {
    end: Sender<Wake>,
    ended: Arc<AtomicBool>,
    thread: ScopedJoinHandle<'scope, Result<(), Error>>,
}

impl<'scope> Follow<'scope> {
    /// Captures changes of the views in `dir` into the vault of `keeper`, and gives each news to
    /// `tell`. `None` where the system has no thread left.
    pub fn begin<'k: 'scope>(
        scope: &'scope Scope<'scope, '_>,
        keeper: &'scope mut Keeper<'k>,
        dir: &'scope Path,
        mut tell: impl FnMut(News<'_>) + Send + 'scope,
    ) -> Option<Self> {
        let (wakes, heard) = channel();
        let (end, ended) = (wakes.clone(), Arc::new(AtomicBool::new(false)));
        let mut files = Watch::new(move || _ = wakes.send(Wake::Changed));
        let over = Arc::clone(&ended);
        let run = move || follow(keeper, dir, &heard, &over, &mut files, &mut tell);
        let thread = Builder::new().name("capture".to_owned()).spawn_scoped(scope, run).ok()?;
        Some(Self { end, ended, thread })
    }

    /// Captures once more, and ends.
    ///
    /// # Errors
    /// Why that last capture was not done, or not whole.
    pub fn end(self) -> Result<(), Error> {
        self.ended.store(true, Ordering::SeqCst);
        let _ = self.end.send(Wake::End);
        // A thread that has panicked has said so.
        self.thread.join().unwrap_or(Ok(()))
    }
}

fn follow(
    keeper: &mut Keeper<'_>,
    dir: &Path,
    heard: &Receiver<Wake>,
    over: &AtomicBool,
    files: &mut Watch,
    tell: &mut dyn FnMut(News<'_>),
) -> Result<(), Error> {
    let request = Request { dir: Some(dir), removals: Removals::Name, settle: Duration::ZERO };
    loop {
        let Err(error) = watch(keeper, &request, heard, files, tell) else { return Ok(()) };
        let again = Instant::now() + AGAIN;
        while !over.load(Ordering::SeqCst) {
            tell(News::Failed(&error));
            // Changes are heard of as well; only the end is not waited for.
            let left = again.saturating_duration_since(Instant::now());
            if left.is_zero() || matches!(heard.recv_timeout(left), Err(RecvTimeoutError::Timeout)) {
                break;
            }
        }
        if over.load(Ordering::SeqCst) {
            return Err(error);
        }
    }
}
