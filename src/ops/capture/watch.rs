//! Capturing whenever a view changes, until it is to end.

use super::{Error, Keeper, Report, Request, may_pass};
use crate::fsio::{Stamp, Watch};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Rest after which a change is believed to be complete.
const QUIET: Duration = Duration::from_millis(200);
/// Longest wait for that rest.
const LONGEST: Duration = Duration::from_millis(800);
/// How often the files are looked at without being told.
const TICK: Duration = Duration::from_secs(1);
/// How long to wait after something that may pass by itself.
const AGAIN: Duration = Duration::from_millis(250);
/// How long the last capture waits for a view that is half written.
const LAST: Duration = Duration::from_secs(2);

/// Why the wait ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Something changed in a watched directory.
    Changed,
    /// The watch is to end.
    End,
}

/// What is told to whoever runs the watch.
#[derive(Debug)]
pub enum News<'n> {
    /// Everything was captured once; from now on changes are followed.
    Ready,
    /// Something was done, or is in the way; what was told before and still is so, is left out.
    Report(&'n Report),
    /// Nothing could be captured just now; it is tried again.
    Failed(&'n Error),
}

/// Captures at once, then whenever a view changes, and once more at the end. `wakes` is fed by
/// `watch` and by whoever ends this.
///
/// # Errors
/// As [`Keeper::capture`], but for what may pass by itself; of the last capture, everything.
pub fn watch(
    keeper: &mut Keeper<'_>,
    request: &Request<'_>,
    wakes: &Receiver<Wake>,
    watch: &mut Watch,
    tell: &mut dyn FnMut(News<'_>),
) -> Result<(), Error> {
    let soon = Request { settle: Duration::ZERO, ..*request };
    let (mut told, mut ready) = (Told::default(), false);
    let mut files = vec![keeper.ledger()?];
    let (mut stamps, mut dirs) = (Vec::new(), BTreeSet::new());
    let mut pending = true;
    loop {
        // Before the look: what changes during it is another change.
        let now: Vec<Option<Stamp>> = files.iter().map(|file| Stamp::of(file)).collect();
        if pending || now != stamps {
            stamps = now;
            pending = match keeper.capture(&soon) {
                Ok(report) => {
                    let half = !report.unreadable.is_empty();
                    files.truncate(1);
                    files.extend(report.views.iter().flat_map(|(_, view)| [view.clone(), beside(view)]));
                    dirs = files.iter().take(1).filter_map(|ledger| ledger.parent()).map(Path::to_owned).collect();
                    dirs.extend(report.views.iter().flat_map(|(target, view)| above(target, view)));
                    told.tell(report, false, tell);
                    half
                }
                Err(error) if may_pass(&error) => {
                    tell(News::Failed(&error));
                    true
                }
                Err(error) => return Err(error),
            };
            if !ready && !pending {
                ready = true;
                tell(News::Ready);
            }
        }
        watch.follow(&dirs);
        if wait(wakes, if pending { AGAIN } else { TICK }) == Wake::End {
            let last = keeper.capture(&Request { settle: LAST, ..*request })?;
            told.tell(last, true, tell);
            return Ok(());
        }
    }
}

/// Waits for a change and the rest after it, at most `longest` for the first.
fn wait(wakes: &Receiver<Wake>, longest: Duration) -> Wake {
    match wakes.recv_timeout(longest) {
        Ok(Wake::Changed) => {}
        Ok(Wake::End) | Err(RecvTimeoutError::Disconnected) => return Wake::End,
        Err(RecvTimeoutError::Timeout) => return Wake::Changed,
    }
    let deadline = Instant::now() + LONGEST;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match wakes.recv_timeout(QUIET.min(left)) {
            Ok(Wake::Changed) if !left.is_zero() => {}
            Ok(Wake::End) => return Wake::End,
            _ => return Wake::Changed,
        }
    }
}

/// The directories of a view, up to the one that holds its target: a target that is removed and
/// made again is seen there.
fn above<'p>(target: &'p Path, view: &'p Path) -> impl Iterator<Item = PathBuf> + 'p {
    let top = target.parent().unwrap_or(target);
    view.ancestors().skip(1).take_while(move |dir| dir.starts_with(top)).map(Path::to_owned)
}

/// Where gateways of era A2 keep orders.
fn beside(view: &Path) -> PathBuf {
    view.with_file_name("auth-state.json")
}

/// What was told and still is so.
#[derive(Default)]
struct Told(BTreeSet<String>);

impl Told {
    fn tell(&mut self, mut report: Report, last: bool, tell: &mut dyn FnMut(News<'_>)) {
        if !last {
            // A view that is half written now will be whole in a moment.
            report.unreadable.clear();
        }
        let names = [&mut report.missing, &mut report.conflicts, &mut report.stale, &mut report.passed_over];
        let mut open = BTreeSet::new();
        for list in names {
            open.extend(list.iter().cloned());
            list.retain(|name| !self.0.contains(name));
        }
        self.0 = open;
        let done = [&report.taken, &report.added, &report.removed];
        let open = [&report.missing, &report.conflicts, &report.stale, &report.passed_over];
        if !done.iter().chain(&open).all(|list| list.is_empty()) || !report.unreadable.is_empty() {
            tell(News::Report(&report));
        }
    }
}
