//! How many features should be active on a token.

use crate::features::Recorded;
use crate::published::Published;
use sae_core::{Architecture, SaeConfig};
use serde::{Deserialize, Serialize};

/// An L0 to compare with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Nominal {
    /// Features on a token.
    pub value: f64,
    /// Its source.
    pub source: NominalSource,
}

/// Where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NominalSource {
    /// k of a top-k SAE.
    K,
    /// What the SAE's authors published.
    Published,
    /// The sum of the densities that the run recorded.
    Recorded,
}

impl Nominal {
    /// k, else the L0 that was published, else what the run recorded.
    pub fn of(
        cfg: &SaeConfig,
        published: Option<&Published>,
        recorded: Option<&Recorded>,
    ) -> Option<Self> {
        let k = match &cfg.architecture {
            Architecture::TopK(top) | Architecture::AbsTopK(top) => Some(top.k),
            Architecture::GroupMax(group) => Some(group.k),
            Architecture::TopKTranscoder(top) => Some(top.k),
            _ => None,
        };
        if let Some(k) = k {
            return Some(Self {
                value: k as f64,
                source: NominalSource::K,
            });
        }
        if let Some(value) = published.and_then(|published| published.sae.l0) {
            return Some(Self {
                value,
                source: NominalSource::Published,
            });
        }
        recorded.map(|recorded| Self {
            value: recorded.l0,
            source: NominalSource::Recorded,
        })
    }

    /// Whether a mean L0 is less than half of it or more than twice as much.
    pub fn is_far_from(&self, l0: f64) -> bool {
        self.value > 0.0 && !(0.5..=2.0).contains(&(l0 / self.value))
    }
}

impl NominalSource {
    /// For a plot.
    pub fn short(self) -> &'static str {
        match self {
            Self::K => "k",
            Self::Published => "published",
            Self::Recorded => "recorded",
        }
    }
}
