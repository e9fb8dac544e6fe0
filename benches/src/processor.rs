//! The processor time of this process. On a machine that others use, it is the steadier figure.

/// Seconds that all threads of this process have run for so far, to the nanosecond; 0 where the system does not say.
#[cfg(unix)]
pub fn seconds() -> f64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the structure is the one that the call fills.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    if failed == 0 {
        time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
    } else {
        0.0
    }
}

/// As above.
#[cfg(not(unix))]
pub fn seconds() -> f64 {
    0.0
}

/// The least time of each of these pieces of work, which take turns until they have taken `limit` seconds, three times at least.
pub fn least<const N: usize>(limit: f64, mut work: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut best = [f64::INFINITY; N];
    let (mut all, mut turns) = (0.0, 0);
    while turns < 3 || all < limit && turns < 100_000 {
        for (best, work) in best.iter_mut().zip(&mut work) {
            let start = seconds();
            work();
            let taken = seconds() - start;
            *best = best.min(taken);
            all += taken;
        }
        turns += 1;
    }
    best
}
