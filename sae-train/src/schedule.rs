//! Learning rates and coefficients of each step, as SAELens has them.

use crate::options::{LrScheduler, TrainOptions};
use std::f64::consts::PI;

/// The learning rate at a step, counted from 0.
///
/// With T steps, W of warm-up and d of decay: `lr·(i+1)/W` below W; from T − d on `e·(1 − (i−T+d)/d)`, where e is `lr`, or `lr_end` after
/// a cosine; between them `lr`, or `lr_end + (lr − lr_end)·(1 + cos(π·(i−W)/n))/2` with n = T − W − d, which restarts with n divided by
/// the number of cycles. SAELens runs one step more than T where the tokens are no whole number of batches, and goes on by the formula.
pub fn learning_rate(options: &TrainOptions, step: u64) -> f64 {
    let (lr, lr_end) = (options.lr, options.lr_end());
    let (steps, warm, decay) = (
        options.scheduled_steps(),
        options.lr_warm_up_steps,
        options.lr_decay_steps,
    );
    if step < warm {
        return lr * (step + 1) as f64 / warm as f64;
    }
    if decay > 0 && step >= steps - decay {
        let from = if options.lr_scheduler_name == LrScheduler::Constant {
            lr
        } else {
            lr_end
        };
        let done = (step - (steps - decay)) as f64 / decay as f64;
        return from * (1.0 - done).max(0.0);
    }
    let (at, n) = ((step - warm) as f64, (steps - warm - decay) as f64);
    let cosine = |at: f64, n: f64| lr_end + (lr - lr_end) * (1.0 + (PI * at / n).cos()) / 2.0;
    match options.lr_scheduler_name {
        LrScheduler::Constant => lr,
        LrScheduler::CosineAnnealing => cosine(at, n),
        LrScheduler::CosineAnnealingWarmRestarts => {
            let cycle = (n / options.n_restart_cycles as f64).floor();
            cosine(at % cycle, cycle)
        }
    }
}

/// A coefficient that rises from 0 over its warm-up: `value · min(step / warm_up, 1)`.
pub fn coefficient(value: f64, warm_up_steps: u64, step: u64) -> f64 {
    if step >= warm_up_steps {
        value
    } else {
        value * (step as f64 / warm_up_steps as f64)
    }
}
