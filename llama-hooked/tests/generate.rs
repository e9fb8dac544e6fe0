//! Text that goes on: what is kept is what a run on the whole would have, with edits and without, alone and in batches.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

use burn::tensor::{Device, FloatDType, Int, Tensor};
use llama_hooked::generate::{
    DrawOptions, GenerateError, GenerateOptions, Generated, Generator, Sampling, StopReason,
};
use llama_hooked::{
    Activation, Capture, Edit, ForwardError, ForwardOptions, Hook, HookPoint, KvCache, Llama,
    LlamaConfig, NoHooks, Run, Unobserved,
};
use std::ops::ControlFlow;

fn model(tied: bool) -> Llama {
    let config = format!(
        r#"{{"vocab_size": 60, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3, "num_attention_heads": 6,
        "num_key_value_heads": 2, "head_dim": 8, "tie_word_embeddings": {tied}, "rope_theta": 1000.0}}"#
    );
    let config = LlamaConfig::from_json(&config).unwrap();
    Llama::random(config, 3, &Device::flex(), FloatDType::F32)
}

/// Logits at every position of a run on the whole.
fn whole<H: Hook>(model: &Llama, ids: &[u32], hooks: &mut H) -> Tensor<2> {
    let tokens: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
    let tokens = Tensor::<1, Int>::from_ints(tokens.as_slice(), &model.device()).unsqueeze::<2>();
    let output = model
        .forward(tokens, &ForwardOptions::default(), hooks)
        .unwrap();
    output.logits().unwrap().squeeze_dim(0)
}

/// The largest difference, by the largest number.
fn error<const D: usize>(found: Tensor<D>, expected: Tensor<D>) -> f32 {
    let largest: f32 = expected.clone().abs().max().into_scalar();
    let difference: f32 = (found - expected).abs().max().into_scalar();
    difference / largest
}

fn ids(n: usize, seed: u32) -> Vec<u32> {
    (0..n as u32)
        .map(|i| (i * 7 + seed * 13 + i * i) % 60)
        .collect()
}

/// Logits at every position of several rows, read in pieces of these sizes.
fn in_pieces<H: Hook>(
    model: &Llama,
    rows: &[Vec<u32>],
    pieces: &[usize],
    hooks: &mut H,
) -> Vec<Tensor<2>> {
    let mut cache = KvCache::new(model.config(), rows.len());
    let mut found: Vec<Vec<Tensor<2>>> = vec![Vec::new(); rows.len()];
    let mut start = vec![0; rows.len()];
    for piece in pieces {
        let ends: Vec<usize> = start
            .iter()
            .zip(rows)
            .map(|(start, row)| (start + piece).min(row.len()))
            .collect();
        let input: Vec<&[u32]> = rows
            .iter()
            .zip(start.iter().zip(&ends))
            .map(|(row, (&start, &end))| &row[start..end])
            .collect();
        let normed = model.extend(&input, &mut cache, hooks).unwrap();
        let p = normed.dims()[1];
        let logits = model.unembed(normed);
        for (row, found) in found.iter_mut().enumerate() {
            let n = input[row].len();
            if n > 0 {
                found.push(
                    logits
                        .clone()
                        .narrow(0, row, 1)
                        .narrow(1, p - n, n)
                        .squeeze_dim(0),
                );
            }
        }
        start = ends;
    }
    assert!(
        start
            .iter()
            .zip(rows)
            .all(|(&start, row)| start == row.len() && cache.n_positions(0) > 0)
    );
    found
        .into_iter()
        .map(|parts| Tensor::cat(parts, 0))
        .collect()
}

#[test]
fn pieces_give_what_the_whole_gives() {
    let model = model(true);
    let rows = [ids(23, 1)];
    let expected = whole(&model, &rows[0], &mut NoHooks);
    for pieces in [vec![23], vec![10, 13], vec![4, 1, 1, 9, 8], vec![1; 23]] {
        let found = in_pieces(&model, &rows, &pieces, &mut NoHooks).remove(0);
        assert!(error(found, expected.clone()) < 1e-5, "{pieces:?}");
    }
}

#[test]
fn rows_of_unequal_length_are_as_they_are_alone() {
    let model = model(false);
    let rows = [ids(17, 1), ids(3, 2), ids(9, 3)];
    for pieces in [vec![17], vec![9, 5, 1, 1, 1]] {
        let found = in_pieces(&model, &rows, &pieces, &mut NoHooks);
        for (found, row) in found.into_iter().zip(&rows) {
            assert!(
                error(found, whole(&model, row, &mut NoHooks)) < 1e-5,
                "{pieces:?}"
            );
        }
    }
}

/// An edit that acts on every position alike.
fn edit(point: HookPoint) -> impl Hook {
    Edit::new(point, |_, x| match x {
        Activation::R3(x) => Activation::R3(x.clone().mul_scalar(0.5) + x.sin()),
        Activation::R4(x) => Activation::R4(x.mul_scalar(0.7)),
    })
}

#[test]
fn edits_hold_at_every_position_and_stay_in_what_is_kept() {
    let model = model(false);
    let rows = [ids(12, 4), ids(7, 5)];
    let points: Vec<HookPoint> = HookPoint::all(3)
        .filter(|point| !matches!(point, HookPoint::AttnScores(_) | HookPoint::UnembedOut))
        .collect();
    for point in points {
        let found = in_pieces(&model, &rows, &[6, 3, 1, 1, 1], &mut edit(point));
        for (found, row) in found.into_iter().zip(&rows) {
            let expected = whole(&model, row, &mut edit(point));
            let error = error(found, expected);
            assert!(error < 2e-5, "{point}: {error}");
        }
    }
}

/// Adds to one position of one row, and remembers where it was.
struct AtPosition {
    position: usize,
    row: usize,
    run: Option<Run>,
    fired: usize,
}

impl Hook for AtPosition {
    fn wants(&self, point: HookPoint) -> bool {
        point == HookPoint::ResidPre(1)
    }

    fn begin(&mut self, run: &Run) {
        self.run = Some(run.clone());
    }

    fn at(&mut self, _: HookPoint, x: Activation) -> Activation {
        let x = x.into_r3().unwrap();
        let [_, p, d] = x.dims();
        let run = self.run.as_ref().unwrap();
        let found = run.rows.iter().position(|row| row.id == self.row);
        let column = found.and_then(|row| {
            (0..p)
                .find(|&c| run.rows[row].position(c) == Some(self.position))
                .map(|c| (row, c))
        });
        let Some((row, column)) = column else {
            return x.into();
        };
        self.fired += 1;
        let ones = Tensor::ones([1, 1, d], &x.device());
        let old = x.clone().narrow(0, row, 1).narrow(1, column, 1);
        x.slice_assign([row..row + 1, column..column + 1, 0..d], old + ones)
            .into()
    }
}

#[test]
fn hooks_know_the_position_whatever_the_pieces_and_the_padding() {
    let model = model(true);
    let rows = [ids(11, 4), ids(6, 5)];
    for position in [0, 3, 5] {
        let hook = |row| AtPosition {
            position,
            row,
            run: None,
            fired: 0,
        };
        let expected = whole(&model, &rows[1], &mut hook(0));
        let mut edit = hook(1);
        let found = in_pieces(&model, &rows, &[4, 1, 6], &mut edit);
        assert_eq!(edit.fired, 1);
        assert!(error(found[1].clone(), expected) < 1e-5);
        assert!(error(found[0].clone(), whole(&model, &rows[0], &mut NoHooks)) < 1e-5);
    }
}

#[test]
fn one_prefix_serves_many() {
    let model = model(true);
    let prefix = ids(9, 1);
    let mut cache = KvCache::new(model.config(), 1);
    model.extend(&[&prefix], &mut cache, &mut NoHooks).unwrap();
    let mut many = cache.clone();
    many.select(&[0, 0, 0]);
    let tails = [ids(4, 2), ids(1, 3), ids(6, 4)];
    let normed = model.extend(&tails, &mut many, &mut NoHooks).unwrap();
    let logits = model.next_logits(normed, &mut NoHooks);
    for (row, tail) in tails.iter().enumerate() {
        let all = whole(&model, &[prefix.as_slice(), tail].concat(), &mut NoHooks);
        let n = all.dims()[0];
        assert!(error(logits.clone().narrow(0, row, 1), all.narrow(0, n - 1, 1)) < 1e-5);
    }
    assert_eq!((cache.n_positions(0), many.n_positions(2)), (9, 15));
}

#[test]
fn patterns_are_rows_of_the_whole_pattern() {
    let model = model(true);
    let row = ids(10, 1);
    let point = HookPoint::Pattern(2);
    let mut all = Capture::new(point);
    whole(&model, &row, &mut all);
    let all = all.into_cache().r4(point);
    let mut cache = KvCache::new(model.config(), 1);
    model
        .extend(&[&row[..9]], &mut cache, &mut NoHooks)
        .unwrap();
    let mut last = Capture::new(point);
    model.extend(&[&row[9..]], &mut cache, &mut last).unwrap();
    let last = last.into_cache().r4(point);
    assert_eq!(last.dims(), [1, 6, 1, 10]);
    assert!(error(last, all.narrow(2, 9, 1)) < 1e-5);
}

fn greedy_by_whole_runs(model: &Llama, prompt: &[u32], n: usize) -> Vec<u32> {
    let mut row = prompt.to_vec();
    for _ in 0..n {
        let logits = whole(model, &row, &mut NoHooks);
        let last = logits.dims()[0] - 1;
        let id: i64 = logits.narrow(0, last, 1).argmax(1).into_scalar();
        row.push(id as u32);
    }
    row.split_off(prompt.len())
}

#[test]
fn the_likeliest_tokens_are_those_of_whole_runs() {
    let model = model(true);
    let prompts = [ids(5, 1), ids(12, 2), ids(1, 3)];
    let rows = model
        .generate(
            &prompts,
            &GenerateOptions::new(20),
            &mut NoHooks,
            &mut Unobserved,
        )
        .unwrap();
    for (row, prompt) in rows.iter().zip(&prompts) {
        assert_eq!(row.tokens, greedy_by_whole_runs(&model, prompt, 20));
        assert_eq!(row.stop, StopReason::Length);
    }
}

fn draw(model: &Llama, prompts: &[Vec<u32>], set: impl Fn(&mut GenerateOptions)) -> Vec<Generated> {
    let mut options = GenerateOptions::new(12);
    let mut settings = DrawOptions::default();
    settings.temperature = 2.0;
    options.sampling = Sampling::Draw(settings);
    options.seed = 5;
    set(&mut options);
    model
        .generate(prompts, &options, &mut NoHooks, &mut Unobserved)
        .unwrap()
}

#[test]
fn chance_does_not_depend_on_who_else_is_in_the_batch() {
    let model = model(false);
    let prompts = [ids(5, 1), ids(9, 2), ids(2, 3)];
    let together = draw(&model, &prompts, |o| o.n = 2);
    for (i, prompt) in prompts.iter().enumerate() {
        let alone = draw(&model, std::slice::from_ref(prompt), |o| {
            (o.n, o.first_stream) = (2, 2 * i as u64);
        });
        assert_eq!(alone, together[2 * i..2 * i + 2]);
    }
    assert_ne!(together[0].tokens, together[1].tokens);
    assert_ne!(
        draw(&model, &prompts, |o| o.seed = 6)[0].tokens,
        together[0].tokens
    );
}

#[test]
fn rows_end_by_themselves_and_the_others_go_on() {
    let model = model(true);
    let prompts = [ids(5, 1), ids(12, 2), ids(1, 3)];
    let free = model
        .generate(
            &prompts,
            &GenerateOptions::new(20),
            &mut NoHooks,
            &mut Unobserved,
        )
        .unwrap();
    let stop = free[1].tokens[6];
    let mut options = GenerateOptions::new(20);
    options.stop_ids = vec![stop];
    let rows = model
        .generate(&prompts, &options, &mut NoHooks, &mut Unobserved)
        .unwrap();
    for (row, free) in rows.iter().zip(&free) {
        let end = free.tokens.iter().position(|&id| id == stop);
        assert_eq!(row.tokens, free.tokens[..end.map_or(20, |end| end + 1)]);
        assert_eq!(
            row.stop,
            if end.is_some() {
                StopReason::Token(stop)
            } else {
                StopReason::Length
            }
        );
    }
    // The caller ends one before anything has run, and one on the way.
    let mut options = GenerateOptions::new(20);
    options.n = 2;
    let mut generator = Generator::new(&model, &prompts, &options).unwrap();
    generator.end(1);
    while let [first, ..] = generator.step(&mut NoHooks).unwrap().as_slice() {
        if first.row == 0 {
            generator.end(0);
        }
    }
    let rows = generator.finish();
    assert_eq!((rows[0].tokens.len(), rows[1].tokens.len()), (1, 0));
    assert_eq!(rows[1].stop, StopReason::Caller);
    for row in 2..6 {
        assert_eq!(rows[row].tokens, free[row / 2].tokens, "{row}");
    }
}

#[test]
fn observers_hear_every_token_and_may_stop() {
    let model = model(true);
    let mut heard = Vec::new();
    let mut observer = |token: &llama_hooked::generate::NewToken| {
        heard.push(token.id);
        if heard.len() == 4 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let rows = model
        .generate(
            &[ids(4, 1)],
            &GenerateOptions::new(20),
            &mut NoHooks,
            &mut observer,
        )
        .unwrap();
    assert_eq!(
        (rows[0].tokens.clone(), rows[0].stop),
        (heard, StopReason::Caller)
    );
}

#[test]
fn log_probabilities_are_the_models_own() {
    let model = model(true);
    let prompt = ids(4, 1);
    let rows = draw(&model, std::slice::from_ref(&prompt), |o| {
        o.log_probs = Some(3);
    });
    let mut all = prompt.clone();
    all.extend(&rows[0].tokens);
    let logits = whole(&model, &all, &mut NoHooks);
    let expected = burn::tensor::activation::log_softmax(logits, 1);
    for (i, found) in rows[0].log_probs.iter().enumerate() {
        let row: Vec<f32> = expected
            .clone()
            .narrow(0, prompt.len() - 1 + i, 1)
            .into_data()
            .iter::<f32>()
            .collect();
        assert!((row[rows[0].tokens[i] as usize] - found.log_prob).abs() < 1e-4);
        let mut sorted: Vec<usize> = (0..row.len()).collect();
        sorted.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
        assert_eq!(
            found
                .top
                .iter()
                .map(|&(id, _)| id as usize)
                .collect::<Vec<_>>(),
            sorted[..3]
        );
    }
}

#[test]
fn what_cannot_be_generated_is_said() {
    let model = model(true);
    let error = |prompts: &[Vec<u32>], set: &dyn Fn(&mut GenerateOptions)| {
        let mut options = GenerateOptions::new(3);
        set(&mut options);
        model
            .generate(prompts, &options, &mut NoHooks, &mut Unobserved)
            .unwrap_err()
            .to_string()
    };
    let nothing = |_: &mut GenerateOptions| ();
    assert_eq!(error(&[], &nothing), "there is no prompt to go on from");
    assert_eq!(
        error(&[vec![1], vec![]], &nothing),
        "prompt 1 has no tokens: give it one at least, such as the BOS token"
    );
    assert!(
        error(&[vec![1, 60]], &nothing)
            .starts_with("token 60 is not in the model's vocabulary of 60")
    );
    assert!(error(&[vec![1]], &|o| o.n = 0).contains("at least 1"));
    assert_eq!(
        error(&[vec![1]], &|o| o.repetition_penalty = 0.0),
        "repetition_penalty is 0: it must be above 0"
    );
    let mut cache = KvCache::new(model.config(), 2);
    let other = model
        .extend(&[vec![1]], &mut cache, &mut NoHooks)
        .unwrap_err();
    assert!(matches!(
        other,
        ForwardError::CacheRows {
            found: 1,
            expected: 2
        }
    ));
    let mut break_it = Edit::r3(HookPoint::ResidPost(2), |x| x.mul_scalar(f32::NAN));
    let broken = model.generate(
        &[vec![1]],
        &GenerateOptions::new(1),
        &mut break_it,
        &mut Unobserved,
    );
    assert_eq!(
        broken.unwrap_err(),
        GenerateError::NotNumbers {
            row: 0,
            position: 1
        }
    );
}

#[test]
fn other_dtypes_go_the_other_way_to_the_same() {
    let config = model(true).config().clone();
    let model = Llama::random(config, 3, &Device::flex(), FloatDType::BF16);
    let rows = [ids(9, 1), ids(4, 2)];
    let found = in_pieces(&model, &rows, &[5, 3, 1], &mut NoHooks);
    for (found, row) in found.into_iter().zip(&rows) {
        let expected = whole(&model, row, &mut NoHooks).cast(FloatDType::F32);
        assert!(error(found.cast(FloatDType::F32), expected) < 3e-2);
    }
}
