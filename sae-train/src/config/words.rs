//! SAELens' words for types of other crates.

/// SAELens' words for the formats we train in.
#[derive(serde::Deserialize)]
pub(super) enum DtypeWord {
    #[serde(rename = "float32", alias = "torch.float32")]
    Float32,
    #[serde(rename = "bfloat16", alias = "torch.bfloat16")]
    Bfloat16,
}

impl From<DtypeWord> for sae_backend::Dtype {
    fn from(word: DtypeWord) -> Self {
        match word {
            DtypeWord::Float32 => Self::F32,
            DtypeWord::Bfloat16 => Self::Bf16,
        }
    }
}

/// SAELens' words for the shapes we train on.
#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReshapeWord {
    None,
    HookZ,
}

impl From<ReshapeWord> for sae_core::ReshapeActivations {
    fn from(word: ReshapeWord) -> Self {
        match word {
            ReshapeWord::None => Self::None,
            ReshapeWord::HookZ => Self::HookZ,
        }
    }
}
