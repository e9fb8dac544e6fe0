//! Text that goes on with steering in place: what one pass over the whole text has, token by token with a cache, in batches and alone.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod interventions;

use burn::tensor::{Int, Tensor, TensorData};
use interventions::{Golden, numbers};
use llama_hooked::generate::{DrawOptions, GenerateOptions, Generated, Sampling};
use llama_hooked::{Edit, ForwardOptions, Hook, HookPoint, KvCache, Llama, NoHooks, Unobserved};
use sae_interventions::{Part, SteeredSae, Steering, Window, compare};

/// The special tokens of the tests: BOS and one that comes in the middle of prompts.
const SPECIAL: [u32; 2] = [1, 9];
const PROMPTS: [&[u32]; 4] = [
    &[1, 17, 42, 9, 63],
    &[1, 5],
    &[1, 9, 88, 3, 64, 20, 11],
    &[7],
];

/// SAEs at two hooks and of several kinds, one of which looks back.
fn steering(model: &Llama, names: &[&str], error_term: bool, part: Part) -> Steering {
    let saes = names.iter().map(|name| {
        let sae = SteeredSae::new(model.config(), &Golden::sae(name)).unwrap();
        let sae = sae.error_term(error_term);
        let sae = sae.edit(3, "clamp:2".parse().unwrap()).unwrap();
        sae.edit(7, "add:1.5".parse().unwrap()).unwrap()
    });
    let mut window = Window::default();
    window.part = part;
    let steering = Steering::new(saes.collect()).special_tokens(SPECIAL);
    steering.window(window).unwrap()
}

fn whole(model: &Llama, ids: &[u32], hooks: &mut impl Hook) -> Vec<f32> {
    let numbers_of: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
    let tokens = TensorData::new(numbers_of, [1, ids.len()]);
    let tokens = Tensor::<2, Int>::from_data(tokens, &model.device());
    let output = model.forward(tokens, &ForwardOptions::default(), hooks);
    numbers(output.unwrap().logits().unwrap())
}

fn off(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let pairs = found.iter().zip(expected);
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn options(n: usize) -> GenerateOptions {
    let mut options = GenerateOptions::new(6);
    options.log_probs = Some(101);
    options.n = n;
    if n > 1 {
        options.sampling = Sampling::Draw(DrawOptions::default());
    }
    options
}

/// ln p of every token of the vocabulary, by its id.
fn by_id(row: &Generated, at: usize) -> Vec<f32> {
    let mut all = row.log_probs[at].top.clone();
    all.sort_by_key(|(id, _)| *id);
    all.into_iter().map(|(_, log_prob)| log_prob).collect()
}

fn log_softmax(logits: &[f32]) -> Vec<f32> {
    let sum: f64 = logits.iter().map(|&x| f64::from(x).exp()).sum();
    let of = |&x: &f32| (f64::from(x) - sum.ln()) as f32;
    logits.iter().map(of).collect()
}

const KINDS: [&[&str]; 2] = [&["standard", "topk"], &["standard", "topk", "temporal"]];
const PARTS: [Part; 3] = [Part::All, Part::Prompt, Part::Generated];

#[test]
fn with_a_cache_in_a_batch_it_is_what_a_pass_over_the_whole_text_is() {
    let model = Golden::model();
    for (names, keep) in KINDS
        .iter()
        .zip([true, false])
        .chain(KINDS.iter().zip([false, true]))
    {
        for part in PARTS {
            let mut hooks = steering(&model, names, keep, part);
            let rows = model.generate(&PROMPTS, &options(1), &mut hooks, &mut Unobserved);
            for (row, prompt) in rows.unwrap().iter().zip(PROMPTS) {
                let mut text = prompt.to_vec();
                text.extend(&row.tokens[..5]);
                let mut alone = steering(&model, names, keep, part);
                alone.prompt(&[prompt.len()]);
                let logits = whole(&model, &text, &mut alone);
                let plain = whole(&model, &text, &mut NoHooks);
                let steered = off(&logits, &plain) > 1e-3;
                // The prompt of one token that is not special is steered with all others.
                assert!(
                    steered || (part == Part::Prompt && prompt.len() < 3),
                    "{names:?} {part:?}"
                );
                for at in 0..6 {
                    let expected = &logits[(prompt.len() - 1 + at) * 101..][..101];
                    let error = off(&by_id(row, at), &log_softmax(expected));
                    assert!(
                        error < 2e-5,
                        "{names:?} {keep} {part:?} {prompt:?}, token {at}: {error:e}"
                    );
                }
            }
        }
    }
}

#[test]
fn rows_that_end_and_rows_that_share_a_prompt_keep_their_own() {
    let model = Golden::model();
    for names in KINDS {
        for part in PARTS {
            let mut hooks = steering(&model, names, true, part);
            let mut stops = options(1);
            stops.sampling = Sampling::Draw(DrawOptions::default());
            let all = model.generate(&PROMPTS, &stops, &mut hooks.clone(), &mut Unobserved);
            let all = all.unwrap();
            // A token ends the rows in which it comes, at different times.
            stops.stop_ids = vec![all[0].tokens[1], all[2].tokens[3]];
            let ended = model.generate(&PROMPTS, &stops, &mut hooks, &mut Unobserved);
            let mut lengths = Vec::new();
            for (ended, whole) in ended.unwrap().iter().zip(&all) {
                let n = ended.tokens.len();
                lengths.push(n);
                assert_eq!(ended.tokens, whole.tokens[..n], "{names:?} {part:?}");
                for at in 0..n {
                    assert!(off(&by_id(ended, at), &by_id(whole, at)) < 2e-5);
                }
            }
            lengths.sort_unstable();
            assert_ne!(lengths[0], lengths[3], "none ended early");

            // Three continuations of each prompt, against each made alone.
            let mut hooks = steering(&model, names, true, part);
            let many = model.generate(&PROMPTS, &options(3), &mut hooks, &mut Unobserved);
            for (i, row) in many.unwrap().iter().enumerate() {
                let mut alone = options(1);
                alone.sampling = Sampling::Draw(DrawOptions::default());
                alone.first_stream = i as u64;
                let prompt = [PROMPTS[i / 3]];
                let alone = model.generate(&prompt, &alone, &mut hooks, &mut Unobserved);
                assert_eq!(
                    row.tokens,
                    alone.unwrap()[0].tokens,
                    "{names:?} {part:?} row {i}"
                );
            }
        }
    }
}

/// Behind a prefix that is read once for all, tails of unequal lengths are padded at positions that are not negative.
#[test]
fn unequal_tails_of_a_shared_prefix_are_steered_as_whole_texts() {
    let model = Golden::model();
    let prefix = [1, 17, 42, 9];
    let tails: [&[u32]; 3] = [&[63, 5], &[9], &[8, 20, 11, 3]];
    for names in KINDS {
        let mut hooks = steering(&model, names, true, Part::All);
        let mut cache = KvCache::new(model.config(), 1);
        model.extend(&[prefix], &mut cache, &mut hooks).unwrap();
        cache.select(&[0; 3]);
        cache.renumber();
        let normed = model.extend(&tails, &mut cache, &mut hooks).unwrap();
        let found = numbers(model.next_logits(normed, &mut hooks));
        for (row, tail) in tails.iter().enumerate() {
            let text: Vec<u32> = prefix.iter().chain(*tail).copied().collect();
            let expected = whole(&model, &text, &mut steering(&model, names, true, Part::All));
            let expected = &expected[(text.len() - 1) * 101..];
            let error = off(&found[row * 101..][..101], expected);
            assert!(error < 2e-5, "{names:?}, tail {row}: {error:e}");
        }
    }
}

#[test]
fn a_comparison_is_of_the_two_passes() {
    let model = Golden::model();
    let (prompt, continuation) = (PROMPTS[0], [33, 58, 9, 4]);
    let text: Vec<u32> = prompt.iter().chain(&continuation).copied().collect();
    let mut hooks = steering(&model, KINDS[0], true, Part::Generated);
    let found = compare(&model, prompt, &continuation, &mut hooks).unwrap();
    let plain = whole(&model, &text, &mut NoHooks);
    hooks.prompt(&[prompt.len()]);
    let steered = whole(&model, &text, &mut hooks);
    assert_eq!(found.len(), 4);
    for (at, (change, id)) in found.iter().zip(continuation).enumerate() {
        let row = (prompt.len() - 1 + at) * 101;
        let [p, q] = [&plain, &steered].map(|logits| log_softmax(&logits[row..row + 101]));
        let kl: f64 = p
            .iter()
            .zip(&q)
            .map(|(&p, &q)| f64::from(p).exp() * f64::from(p - q))
            .sum();
        assert!((change.kl - kl).abs() < 1e-5, "{} is not {kl}", change.kl);
        assert!((change.log_prob - f64::from(p[id as usize])).abs() < 1e-5);
        assert!((change.changed_log_prob - f64::from(q[id as usize])).abs() < 1e-5);
        // The prompt is left alone, and so is what is said first.
        assert_eq!(kl > 1e-4, at > 0, "token {at}");
    }
    assert_eq!(compare(&model, prompt, &[], &mut hooks).unwrap(), []);
    let same = compare(&model, prompt, &continuation, &mut NoHooks).unwrap();
    assert!(same.iter().all(|change| change.kl.abs() < 1e-9));
    // What cannot be compared is not called the same.
    let mut broken = Edit::new(HookPoint::ResidPre(1), |_, x| x.scale(f32::NAN));
    let none = compare(&model, prompt, &continuation, &mut broken).unwrap();
    assert!(none.iter().all(|change| change.kl.is_nan()), "{none:?}");
}
