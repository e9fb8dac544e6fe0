//! Samples that depend on what is sampled, never on the order in which it comes.

/// A number for a thing: the same for the same thing, evenly spread over things.
pub(crate) fn rank(seed: u64, salt: u64, feature: u32, context: u64, position: u32) -> u64 {
    let parts = [salt, u64::from(feature), context, u64::from(position)];
    parts.into_iter().fold(mix(seed), |hash, part| {
        mix(hash ^ mix(part.wrapping_add(hash)))
    })
}

/// The finaliser of `SplitMix64` (Steele, Lea and Flood 2014).
fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
