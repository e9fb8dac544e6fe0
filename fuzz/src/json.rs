//! Readers of one JSON text or CBOR value.

use dataset_stream::StreamState;
use llama_hooked::LlamaConfig;
use llama_hooked::generate::GenerationConfig;
use sae_metrics::Evaluation;
use sae_report::{GraphPage, graph_page};

pub(crate) fn stream_state(data: &[u8]) {
    let _: Result<StreamState, _> = ciborium::from_reader(data);
}

pub(crate) fn evaluation_state(data: &[u8]) {
    let _: Result<Evaluation, _> = ciborium::from_reader(data);
}

pub(crate) fn graph(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(page) = GraphPage::from_json(text)
    {
        std::hint::black_box(graph_page(&page));
    }
}

pub(crate) fn generation_config(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(config) = GenerationConfig::from_json(text)
    {
        let _ = (config.draw(), config.sampling());
    }
}

pub(crate) fn model_config(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(config) = LlamaConfig::from_json(text)
    {
        std::hint::black_box((
            config.n_params(),
            config.memory(burn::tensor::FloatDType::F32),
        ));
    }
}
