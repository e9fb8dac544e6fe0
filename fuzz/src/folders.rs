//! Folders of ours that other people may have written: labels, logs of activations, caches of activations.

use crate::scratch::{self, files};
use activation_cache::ActivationCache;
use sae_dashboard::ActivationLog;
use sae_dashboard::labels::{LabelSubject, Labels};

pub(crate) fn labels(data: &[u8]) {
    let subject = LabelSubject {
        d_sae: 64,
        ..LabelSubject::default()
    };
    for name in ["labels.json", "labels.jsonl", "labels.csv"] {
        let _ = Labels::read(scratch::file(name, data), &subject);
    }
}

pub(crate) fn activation_log(data: &[u8]) {
    const NAMES: &[&str] = &["log.json", "entries.bin", "tokens.bin", "contexts.bin"];
    let Ok(log) = ActivationLog::open(&[files("log", NAMES, data)]) else {
        return;
    };
    for place in 0..log.n_contexts().min(100) {
        std::hint::black_box((log.context(place), log.entries(place)));
        for token in log.tokens(place) {
            std::hint::black_box(token);
        }
    }
}

pub(crate) fn activation_cache(data: &[u8]) {
    const NAMES: &[&str] = &[
        "manifest.json",
        "activations-00000.safetensors",
        "activations-00001.safetensors",
    ];
    let Ok(cache) = ActivationCache::open(&files("cache", NAMES, data)) else {
        return;
    };
    let _ = cache.verify();
    let settings = cache.settings();
    let mut values = Vec::new();
    for row in 0..cache.settings().rows.min(4) {
        std::hint::black_box(cache.ids(row));
        for (hook, of) in settings.hooks.iter().enumerate() {
            cache.read(hook, row * settings.context_size, 0..of.width, &mut values);
        }
    }
}
