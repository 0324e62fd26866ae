//! Capturing whenever a view changes, until it is to end.

use super::{Error, Keeper, Report, Request, may_pass};
use crate::fsio::{Stamp, Watch};
use crate::views;
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
/// First pause after something that may pass by itself; each is twice the one before.
const AGAIN: Duration = Duration::from_millis(250);
/// Longest such pause.
const LATER: Duration = Duration::from_secs(8);
/// How long a view may be half written before that is told, or the last capture goes without it.
const HALF: Duration = Duration::from_secs(2);
/// How long the last capture tries again what may pass by itself.
const LAST: Duration = Duration::from_secs(10);

/// Why a wait ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Something may have changed in a watched directory.
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
/// As [`Keeper::capture`], but for what may pass by itself; of the last capture, everything, and
/// [`views::Error::Unreadable`] after everything else was saved.
pub fn watch(
    keeper: &mut Keeper<'_>,
    request: &Request<'_>,
    wakes: &Receiver<Wake>,
    watch: &mut Watch,
    tell: &mut dyn FnMut(News<'_>),
) -> Result<(), Error> {
    let soon = Request { settle: Duration::ZERO, ..*request };
    let ledger = keeper.ledger();
    let (mut told, mut ready, mut again) = (Told::default(), false, None);
    let (mut files, mut stamps) = (vec![ledger.clone()], Vec::new());
    loop {
        // Before the look: what changes during it is another change.
        let now: Vec<Option<Stamp>> = files.iter().map(|file| Stamp::of(file)).collect();
        if again.is_some() || now != stamps {
            stamps = now;
            match keeper.capture(&soon) {
                Ok(report) => {
                    again = None;
                    files = vec![ledger.clone()];
                    files.extend(report.views.iter().flat_map(|(_, view)| [view.clone(), beside(view)]));
                    let mut dirs: BTreeSet<PathBuf> = ledger.parent().map(Path::to_owned).into_iter().collect();
                    dirs.extend(report.views.iter().flat_map(|(target, view)| above(target, view)));
                    watch.follow(&dirs);
                    told.tell(report, tell);
                    if !std::mem::replace(&mut ready, true) {
                        tell(News::Ready);
                    }
                }
                Err(error) if may_pass(&error) => {
                    again = Some(again.map_or(AGAIN, |pause: Duration| (pause * 2).min(LATER)));
                    tell(News::Failed(&error));
                }
                Err(error) => return Err(error),
            }
        }
        told.tell_half(tell);
        if wait(wakes, again.unwrap_or(TICK)) == Wake::End {
            let report = last(keeper, &Request { settle: HALF, ..*request })?;
            let half = report.unreadable.clone();
            told.tell(report, tell);
            return if half.is_empty() { Ok(()) } else { Err(views::Error::Unreadable(half).into()) };
        }
    }
}

/// The last capture has no later one that would make up for it.
fn last(keeper: &mut Keeper<'_>, request: &Request<'_>) -> Result<Report, Error> {
    let deadline = Instant::now() + LAST;
    loop {
        match keeper.capture(request) {
            Err(error) if may_pass(&error) && Instant::now() < deadline => std::thread::sleep(AGAIN),
            outcome => return outcome,
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
struct Told {
    names: BTreeSet<String>,
    /// Views that are half written, since when, and whether that was told.
    half: Option<(Vec<PathBuf>, Instant, bool)>,
}

impl Told {
    fn tell(&mut self, mut report: Report, tell: &mut dyn FnMut(News<'_>)) {
        let half = std::mem::take(&mut report.unreadable);
        self.half = match self.half.take() {
            _ if half.is_empty() => None,
            Some((before, since, told)) if before == half => Some((half, since, told)),
            _ => Some((half, Instant::now(), false)),
        };
        let mut open = BTreeSet::new();
        let mut is_new = |name: String| {
            let known = self.names.contains(&name);
            open.insert(name);
            !known
        };
        report.missing.retain(|name| is_new(name.clone()));
        report.stale.retain(|name| is_new(name.clone()));
        report.conflicts.retain(|(name, why)| is_new(format!("{name} {}", why.token())));
        report.left_out.retain(|(name, why)| is_new(format!("{name} {}", why.token())));
        self.names = open;
        if report.has_news() {
            tell(News::Report(&report));
        }
    }

    /// A view that is half written will be whole in a moment; one that stays so is told.
    fn tell_half(&mut self, tell: &mut dyn FnMut(News<'_>)) {
        if let Some((paths, since, told)) = &mut self.half
            && !*told
            && since.elapsed() >= HALF
        {
            *told = true;
            tell(News::Report(&Report { unreadable: paths.clone(), ..Report::default() }));
        }
    }
}
