//! Jobs that take turns in a shuffled order, so that a slow moment of the machine hits all of them alike.

use crate::Result;
use std::time::{Duration, Instant};

/// Short jobs take more rounds, so that a burst of other work does not fill half of them.
const LEAST_TIME: Duration = Duration::from_secs(5);

/// One thing that is measured; without a value if it does not work here.
pub struct Measure {
    pub label: &'static str,
    pub value: Option<Spread>,
}

/// The middle half of the values of all rounds.
#[derive(Clone, Copy)]
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Spread {
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * (values.len() as f64 - 1.0);
            let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        (!values.is_empty()).then(|| Self { low: at(0.25), median: at(0.5), high: at(0.75) })
    }
}

type Run<'a> = Box<dyn FnMut() -> Result<Duration> + 'a>;

#[derive(Default)]
pub struct Contest<'a> {
    entries: Vec<(&'static str, Option<Run<'a>>)>,
}

impl<'a> Contest<'a> {
    /// Enters `run` if the first try of it, `checked`, did what it should.
    pub fn enter(&mut self, label: &'static str, checked: Result<()>, run: impl FnMut() -> Result<Duration> + 'a) {
        if let Err(error) = &checked {
            eprintln!("{label}: {error}");
        }
        self.entries.push((label, checked.is_ok().then(|| Box::new(run) as Run<'a>)));
    }

    /// The milliseconds of each entry. At least `rounds` of them are counted; the first one is not.
    pub fn run(mut self, rounds: usize, random: &mut Random) -> Result<Vec<Measure>> {
        let mut times = vec![Vec::with_capacity(rounds); self.entries.len()];
        let mut order: Vec<usize> = (0..self.entries.len()).collect();
        let mut round = 0;
        let start = Instant::now();
        while round <= rounds || start.elapsed() < LEAST_TIME {
            random.shuffle(&mut order);
            for &index in &order {
                let Some(run) = &mut self.entries[index].1 else {
                    continue;
                };
                let time = run()?;
                if round > 0 {
                    times[index].push(time.as_secs_f64() * 1e3);
                }
            }
            round += 1;
        }
        let labels = self.entries.into_iter().map(|(label, _)| label);
        Ok(labels.zip(times).map(|(label, times)| Measure { label, value: Spread::of(times) }).collect())
    }
}

/// SplitMix64: the same data and the same order in every run, and no secret comes from it.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((word ^ (word >> 31)) % bound as u64) as usize
    }

    pub fn text(&mut self, length: usize) -> String {
        const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        (0..length).map(|_| char::from(ALPHABET[self.below(ALPHABET.len())])).collect()
    }

    fn shuffle(&mut self, items: &mut [usize]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
