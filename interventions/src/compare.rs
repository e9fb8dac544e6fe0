//! What hooks change in a given text, token by token.

use burn::tensor::{FloatDType, Tensor};
use fused_ops::softmax::SoftmaxSums;
use llama_hooked::{ForwardError, Hook, KvCache, Llama, LlamaConfig, NoHooks};
use serde::Serialize;

/// Bytes of logits that are compared at a time, those of both passes together, where a token's are not more.
const LOGITS: usize = 32 << 20;

/// How likely a token of a text is, by the model as it is and with hooks in place.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TokenChange {
    /// ln p of the token by the model as it is, in nats.
    pub log_prob: f64,
    /// ln p of the token with hooks in place, in nats.
    pub changed_log_prob: f64,
    /// KL(as it is ‖ with hooks) of the distributions that the token was drawn from, in nats; not a number where a logit is none.
    pub kl: f64,
}

/// How much hooks change what is said after a prompt, where a given continuation is said: one pass as the model is and one with hooks, which read
/// the prompt first and the continuation after it, as they would while it is generated.
///
/// KL(p ‖ q) = Σ p·(ln p − ln q), p being the model as it is.
///
/// # Errors
/// If the prompt is empty, an id is not of the model, or a hook names a point that does not fire.
///
/// # Panics
/// If a hook returns another shape than it was given.
pub fn compare<H: Hook + ?Sized>(
    model: &Llama,
    prompt: &[u32],
    continuation: &[u32],
    hooks: &mut H,
) -> Result<Vec<TokenChange>, ForwardError> {
    if continuation.is_empty() {
        return Ok(Vec::new());
    }
    let plain = normed(model, prompt, continuation, &mut NoHooks)?;
    let changed = normed(model, prompt, continuation, hooks)?;
    let vocab_size = model.config().vocab_size;
    let rows = (LOGITS / bytes_of_rows(model.config(), 1)).max(1);
    let mut found = Vec::with_capacity(continuation.len());
    for (at, ids) in continuation.chunks(rows).enumerate() {
        let logits = |normed: &Tensor<2>| -> Vec<f32> {
            let normed = normed.clone().narrow(0, at * rows, ids.len());
            let logits = model.unembed(normed).cast(FloatDType::F32).into_data();
            logits.try_into_vec().expect("the logits are f32")
        };
        let (plain, changed) = (logits(&plain), logits(&changed));
        let of_tokens = plain
            .chunks_exact(vocab_size)
            .zip(changed.chunks_exact(vocab_size));
        found.extend(ids.iter().zip(of_tokens).map(|(&id, (p, q))| {
            let (mut of_p, mut of_q) = (SoftmaxSums::<1>::default(), SoftmaxSums::<0>::default());
            of_p.push(p, [q]);
            of_q.push(q, []);
            TokenChange {
                log_prob: -of_p.cross_entropy(p[id as usize]),
                changed_log_prob: -of_q.cross_entropy(q[id as usize]),
                kl: at_least_nothing(of_p.kl_divergence(0, &of_q)),
            }
        }));
    }
    Ok(found)
}

/// Rounding makes a little less than nothing of nothing. What is no number stays so.
fn at_least_nothing(kl: f64) -> f64 {
    if kl < 0.0 { 0.0 } else { kl }
}

/// Bytes that [`compare`] takes besides the passes themselves.
pub fn compare_bytes(model: &LlamaConfig, n_tokens: usize) -> u64 {
    let rows = (LOGITS / bytes_of_rows(model, 1)).clamp(1, n_tokens.max(1));
    let normed = 2 * 4 * (n_tokens * model.d_model) as u64;
    normed + bytes_of_rows(model, rows) as u64
}

fn bytes_of_rows(model: &LlamaConfig, rows: usize) -> usize {
    // Of both passes, as tensors and as vectors.
    2 * 2 * 4 * rows * model.vocab_size
}

/// Outputs of the final norm before each token of the continuation, `[n, d_model]`.
fn normed<H: Hook + ?Sized>(
    model: &Llama,
    prompt: &[u32],
    continuation: &[u32],
    hooks: &mut H,
) -> Result<Tensor<2>, ForwardError> {
    let n = continuation.len();
    let mut cache = KvCache::with_room(model.config(), 1, prompt.len() + n);
    let prompt = model.extend(&[prompt], &mut cache, hooks)?;
    let [_, p, d] = prompt.dims();
    let mut all = vec![prompt.narrow(1, p - 1, 1)];
    if n > 1 {
        all.push(model.extend(&[&continuation[..n - 1]], &mut cache, hooks)?);
    }
    Ok(Tensor::cat(all, 1).reshape([n, d]))
}
