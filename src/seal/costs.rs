//! What a derivation may cost, and what it should cost here.

use super::bounds::MAX_COST_SLOT;
use super::{Error, Slot};
use crate::harden::total_mib;
use std::time::Duration;

const MIB: u32 = 1024;
/// How long a derivation should take on this machine.
const TARGET: Duration = Duration::from_secs(1);

/// What one derivation costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Costs {
    m: u32,
    t: u32,
    p: u32,
}

impl Costs {
    /// `m` in KiB, `t` passes, `p` lanes, within the bounds of F4.
    ///
    /// # Errors
    /// [`Error::Bound`] naming the one that is broken.
    pub fn new(m: u32, t: u32, p: u32) -> Result<Self, Error> {
        if !(8 * MIB..=1024 * MIB).contains(&m) {
            return Err(Error::Bound("Argon2id memory in KiB (8192 to 1048576)", u64::from(1024 * MIB)));
        }
        if !(1..=16).contains(&t) {
            return Err(Error::Bound("Argon2id passes (1 to 16)", 16));
        }
        if !(1..=8).contains(&p) || m < 8 * p {
            return Err(Error::Bound("Argon2id lanes (1 to 8)", 8));
        }
        let costs = Self { m, t, p };
        if costs.total() > MAX_COST_SLOT {
            return Err(Error::Bound("Argon2id cost of one slot", MAX_COST_SLOT));
        }
        Ok(costs)
    }

    /// The usual passes and lanes with this much memory, in MiB.
    ///
    /// # Errors
    /// As [`Costs::new`].
    pub fn with_memory(mib: u32) -> Result<Self, Error> {
        Self::new(mib.saturating_mul(MIB), 3, 1)
    }

    /// Memory in MiB.
    pub fn memory_mib(self) -> u32 {
        self.m.div_ceil(MIB)
    }

    /// Memory in KiB, passes, lanes.
    pub fn parts(self) -> (u32, u32, u32) {
        (self.m, self.t, self.p)
    }

    pub(super) fn total(self) -> u64 {
        u64::from(self.m) * u64::from(self.t)
    }
}

/// Costs at which a derivation takes about a second here: memory first, at least 64 MiB, at
/// most 512 MiB and a quarter of the machine's.
///
/// # Errors
/// When not even the probe of 64 MiB can be run.
pub fn calibrate() -> Result<Costs, Error> {
    const LEAST: u32 = 64;
    let quarter = total_mib().map_or(512, |mib| u32::try_from(mib / 4).unwrap_or(512));
    let most = quarter.clamp(LEAST, 512);
    let taken = Slot::time(Costs::with_memory(LEAST)?)?.as_millis().max(1);
    let scaled = u128::from(LEAST) * TARGET.as_millis() / taken;
    // Steps of 16 MiB: the costs are public and need not tell machines apart.
    let mib = u32::try_from(scaled).unwrap_or(most).clamp(LEAST, most) / 16 * 16;
    Costs::with_memory(mib)
}
