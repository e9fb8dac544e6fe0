//! Logistic regression on few columns, to the optimum.

/// Steps at most; from a cold start some ten are taken.
const STEPS: usize = 200;
/// How far the loss is above its least where full steps are safe, a share of it; and how many of them are taken then.
const NEAR: f64 = 1e-9;
const LAST_STEPS: usize = 3;

/// A fitted probe: `P(a) = 1/(1 + exp(−(w·x + intercept)))`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LogisticFit {
    /// A weight for each column.
    pub weights: Vec<f64>,
    /// The intercept, which is not penalised.
    pub intercept: f64,
    /// Whether the optimum was reached.
    pub converged: bool,
}

impl LogisticFit {
    /// `w·x + intercept`: above 0 says `a`.
    pub fn decision(&self, x: &[f64]) -> f64 {
        self.intercept + dot(&self.weights, x)
    }
}

/// Minimises `½|w|² + c·Σ log(1 + exp(−y(w·x + intercept)))` with y = ±1, as sklearn's `LogisticRegression(C=c)` does: Newton's method with steps
/// that are halved until they descend. `x` is row after row of `k` values.
///
/// # Panics
/// If `x` is not `k` values for each label.
pub fn logistic_regression(x: &[f64], k: usize, labels: &[bool], c: f64) -> LogisticFit {
    assert_eq!(x.len(), k * labels.len(), "k values for each label");
    let problem = Problem { x, k, labels, c };
    // The intercept last.
    let mut at = vec![0.0; k + 1];
    let mut loss = problem.loss(&at);
    let (mut converged, mut last_steps) = (false, 0);
    for _ in 0..STEPS {
        let (gradient, mut hessian) = problem.derivatives(&at);
        // Where every prompt is told apart for certain, the intercept has no curvature left.
        hessian[k * (k + 1) + k] += 1e-12 * c;
        let Some(step) = solve(hessian, gradient.clone()) else {
            break;
        };
        // Twice what the loss is above its least, nearly.
        let decrement = dot(&gradient, &step);
        let stepped = |length: f64| -> Vec<f64> {
            at.iter().zip(&step).map(|(x, s)| x - length * s).collect()
        };
        // So near, each full step doubles the digits, and the loss has none left to compare.
        if decrement <= NEAR * (1.0 + loss.abs()) {
            at = stepped(1.0);
            loss = problem.loss(&at);
            last_steps += 1;
            if last_steps == LAST_STEPS {
                converged = true;
                break;
            }
            continue;
        }
        let mut length = 1.0;
        let descended = loop {
            let next = stepped(length);
            let next_loss = problem.loss(&next);
            if next_loss <= loss - 1e-4 * length * decrement {
                break Some((next, next_loss));
            }
            length /= 2.0;
            if length < 1e-12 {
                break None;
            }
        };
        let Some(next) = descended else {
            break;
        };
        (at, loss) = next;
    }
    LogisticFit {
        intercept: at[k],
        weights: at[..k].to_vec(),
        converged,
    }
}

struct Problem<'a> {
    x: &'a [f64],
    k: usize,
    labels: &'a [bool],
    c: f64,
}

impl Problem<'_> {
    fn rows(&self) -> impl Iterator<Item = (&[f64], f64)> {
        self.labels.iter().enumerate().map(|(row, &label)| {
            let x = &self.x[row * self.k..][..self.k];
            (x, if label { 1.0 } else { -1.0 })
        })
    }

    fn loss(&self, at: &[f64]) -> f64 {
        let (w, intercept) = (&at[..self.k], at[self.k]);
        let losses = self.rows().map(|(x, y)| {
            let margin = y * (dot(w, x) + intercept);
            // log(1 + e^−m), without overflow.
            (-margin.abs()).exp().ln_1p() + (-margin).max(0.0)
        });
        dot(w, w) / 2.0 + self.c * losses.sum::<f64>()
    }

    /// The gradient, and the Hessian as `(k+1)²` values.
    fn derivatives(&self, at: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (k, n) = (self.k, self.k + 1);
        let mut gradient = at.to_vec();
        gradient[k] = 0.0;
        let mut hessian = vec![0.0; n * n];
        for i in 0..k {
            hessian[i * n + i] = 1.0;
        }
        for (x, y) in self.rows() {
            let margin = y * (dot(&at[..k], x) + at[k]);
            let wrong = 1.0 / (1.0 + margin.exp());
            let (slope, curve) = (-self.c * y * wrong, self.c * wrong * (1.0 - wrong));
            let value = |i: usize| if i < k { x[i] } else { 1.0 };
            for i in 0..n {
                gradient[i] += slope * value(i);
                for j in 0..=i {
                    hessian[i * n + j] += curve * value(i) * value(j);
                }
            }
        }
        (gradient, hessian)
    }
}

/// Solves a symmetric positive system by Cholesky's decomposition of its lower half; none if it is not positive.
fn solve(mut a: Vec<f64>, mut b: Vec<f64>) -> Option<Vec<f64>> {
    let n = b.len();
    for i in 0..n {
        for j in 0..=i {
            let before: f64 = (0..j).map(|k| a[i * n + k] * a[j * n + k]).sum();
            let rest = a[i * n + j] - before;
            a[i * n + j] = if i == j {
                if rest.is_nan() || rest <= 0.0 {
                    return None;
                }
                rest.sqrt()
            } else {
                rest / a[j * n + j]
            };
        }
    }
    for i in 0..n {
        let before: f64 = (0..i).map(|k| a[i * n + k] * b[k]).sum();
        b[i] = (b[i] - before) / a[i * n + i];
    }
    for i in (0..n).rev() {
        let after: f64 = (i + 1..n).map(|k| a[k * n + i] * b[k]).sum();
        b[i] = (b[i] - after) / a[i * n + i];
    }
    Some(b)
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::logistic_regression;

    #[test]
    fn the_gradient_vanishes_even_where_a_column_tells_all() {
        let x = [0.0, 0.0, 0.0, 900.0, 1000.0, 1100.0];
        let labels = [false, false, false, true, true, true];
        let fit = logistic_regression(&x, 1, &labels, 1.0);
        assert!(fit.converged);
        let mut gradient = [fit.weights[0], 0.0];
        for (x, label) in x.iter().zip(labels) {
            let p = 1.0 / (1.0 + (-fit.decision(&[*x])).exp());
            let error = p - f64::from(u8::from(label));
            gradient[0] += error * x;
            gradient[1] += error;
        }
        assert!(gradient.iter().all(|g| g.abs() < 1e-9), "{gradient:?}");
        assert!(
            x.iter()
                .zip(labels)
                .all(|(x, label)| (fit.decision(&[*x]) > 0.0) == label)
        );
    }

    #[test]
    fn without_columns_the_intercept_is_the_odds() {
        let fit = logistic_regression(&[], 0, &[true, true, true, false], 1.0);
        assert!((fit.intercept - 3.0_f64.ln()).abs() < 1e-10, "{fit:?}");
    }
}
