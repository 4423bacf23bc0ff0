//! A small random generator with a printed, overridable seed.

/// xorshift64*: enough for tests.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// From `HEADGATE_SEED`, or `default`; prints what it is, so that a failure can be repeated.
    pub fn seeded(default: u64) -> Self {
        let seed = std::env::var("HEADGATE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(default);
        println!("HEADGATE_SEED={seed}");
        Self::new(seed)
    }

    pub fn new(seed: u64) -> Self {
        let mut rng = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        rng.next();
        rng
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, n: u32) -> u32 {
        (((self.next() >> 32) * u64::from(n)) >> 32) as u32
    }
}
