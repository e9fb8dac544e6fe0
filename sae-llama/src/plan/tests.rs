use super::{Plan, SaeShape, Work};
use burn::tensor::FloatDType;
use llama_hooked::{LlamaConfig, Placement};
use sae_backend::Memory;

const GIB: u64 = 1 << 30;

fn llama_3_8b() -> LlamaConfig {
    LlamaConfig::from_json(
        r#"{"model_type": "llama", "vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "rms_norm_eps": 1e-5,
        "rope_theta": 500000.0, "tie_word_embeddings": false, "max_position_embeddings": 8192}"#,
    )
    .unwrap()
}

/// The notebook's evaluation, with an SAE of so many latents.
pub(super) fn work(d_sae: usize, dtype: FloatDType) -> Work {
    Work {
        model: llama_3_8b(),
        dtype,
        on_cpu: dtype == FloatDType::F32,
        largest_tensor: None,
        sae: Some(SaeShape {
            n_params: (2 * 4096 * d_sae + d_sae + 4096) as u64,
            d_in: 4096,
            d_sae,
            active: None,
        }),
        context_size: 256,
        rows: Some(32),
        batch_size: None,
        kept_per_row: 0,
        keeps_keys: false,
        text_bytes: 0,
        logit_bytes: super::logit_bytes(true),
        besides: Vec::new(),
    }
}

pub(super) fn within(gib: u64) -> Memory {
    Memory::new(gib * GIB, "the test")
}

fn bytes(plan: &Plan, name: &str) -> u64 {
    plan.parts
        .iter()
        .find(|part| part.name == name)
        .unwrap()
        .bytes
}

#[test]
fn a_plan_stays_within_its_limit_and_says_how() {
    for (dtype, gib, placement) in [
        (FloatDType::F32, 64, Placement::Resident),
        (FloatDType::F32, 24, Placement::Streamed),
        (FloatDType::F32, 5, Placement::Streamed),
        (FloatDType::BF16, 47, Placement::Resident),
        (FloatDType::BF16, 8, Placement::Streamed),
    ] {
        let plan = work(16_384, dtype).plan(&within(gib), false).unwrap();
        assert_eq!(plan.placement, placement, "{dtype:?} in {gib} GiB");
        assert!(plan.total_bytes <= gib * GIB);
        assert_eq!(plan.total_bytes, super::sum(&plan.parts));
        assert!((1..=32).contains(&plan.batch_size));
        assert!(plan.rows_at_once <= plan.batch_size);
    }
}

/// The card that the notebook died on, and a dictionary eight times as large. The buffers by which a GPU is measured come on top, once.
#[test]
fn the_notebook_takes_its_weights_and_two_gigabytes() {
    for d_sae in [16_384, 131_072] {
        let plan = work(d_sae, FloatDType::BF16)
            .plan(&within(47), false)
            .unwrap();
        let weights = bytes(&plan, "weights") + bytes(&plan, "SAE");
        let rest = plan.total_bytes - weights - bytes(&plan, "tuning");
        assert!(
            rest <= 2 * GIB + (300 << 20),
            "{d_sae} latents: {rest} besides the weights"
        );
    }
}

#[test]
fn streaming_can_be_asked_for() {
    let plan = work(16_384, FloatDType::F32)
        .plan(&within(64), true)
        .unwrap();
    assert_eq!(plan.placement, Placement::Streamed);
    assert_eq!(
        plan.batch_size, 32,
        "all rows go through each block together"
    );
    assert!(plan.rows_at_once < 32);
}

#[test]
fn what_cannot_fit_is_refused_with_figures_and_advice() {
    let message = |work: Work, gib| work.plan(&within(gib), false).unwrap_err().to_string();
    let text = message(work(131_072, FloatDType::F32), 4);
    assert!(text.contains("weights streamed block by block"), "{text}");
    assert!(
        text.contains("SAE 4.00 GiB") && text.contains("smaller SAE"),
        "{text}"
    );

    let asked = Work {
        batch_size: Some(512),
        ..work(16_384, FloatDType::F32)
    };
    let error = asked.plan(&within(6), false).unwrap_err();
    let rows = error.fitting_rows.unwrap();
    assert!(
        error
            .to_string()
            .ends_with(&format!("; {rows} rows at a time fit"))
    );
    let advised = |rows| Work {
        batch_size: Some(rows),
        ..asked.clone()
    };
    assert!(advised(rows).plan(&within(6), false).is_ok());
    assert!(advised(rows + 1).plan(&within(6), false).is_err());
}

#[test]
fn a_batch_beyond_all_numbers_is_refused() {
    for (batch, context) in [
        (1 << 40, 256),
        (4_000_000_000, 4_294_967_297),
        (1, usize::MAX),
    ] {
        for stream in [false, true] {
            let mut work = work(16_384, FloatDType::F32);
            work.batch_size = Some(batch);
            work.context_size = context;
            work.kept_per_row = 1 << 40;
            assert!(
                work.plan(&within(64), stream).is_err(),
                "{batch} of {context}"
            );
        }
    }
}
