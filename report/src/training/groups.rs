//! Which names belong to one chart, and how it is drawn at first.

/// Names that are shown together.
#[derive(Debug)]
pub(super) struct Group {
    /// Of elements of the page.
    pub(super) slug: &'static str,
    pub(super) title: &'static str,
    /// Whether its scale is logarithmic at first, where values allow.
    pub(super) log: bool,
    /// Values below this are not worth the space: they lie at the lower edge.
    pub(super) floor: Option<f64>,
    has: fn(&str) -> bool,
}

/// In the order of the page.
pub(super) const GROUPS: [Group; 9] = [
    group("losses", "Losses", true, None, |name| {
        name.starts_with("losses/")
    }),
    group("l0", "Active features (L0)", true, None, |name| {
        matches!(part(name), "l0" | "min_l0" | "max_l0")
    }),
    group(
        "explained-variance",
        "Explained variance",
        false,
        Some(-0.25),
        |name| name.contains("explained_variance") && !name.ends_with("_std"),
    ),
    group("recovered", "Loss recovered", false, Some(-0.25), |name| {
        evaluates(name) && name.ends_with("_score")
    }),
    group("cross-entropy", "Cross-entropy", false, None, |name| {
        evaluates(name) && name.contains("ce_loss_with")
    }),
    group("dead", "Dead features", false, None, |name| {
        name.starts_with("sparsity/dead")
    }),
    group("learning-rate", "Learning rate", false, None, |name| {
        name.ends_with("learning_rate")
    }),
    group("coefficients", "Coefficients", false, None, |name| {
        name.starts_with("details/") && name.ends_with("coefficient")
    }),
    group("speed", "Tokens per second", false, None, |name| {
        name == "details/tokens_per_second"
    }),
];

const fn group(
    slug: &'static str,
    title: &'static str,
    log: bool,
    floor: Option<f64>,
    has: fn(&str) -> bool,
) -> Group {
    Group {
        slug,
        title,
        log,
        floor,
        has,
    }
}

fn evaluates(name: &str) -> bool {
    name.starts_with("model_performance_preservation/")
}

/// A name without what groups it.
pub(super) fn part(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, part)| part)
}

/// The place of a name's group among [`GROUPS`].
pub(super) fn group_of(name: &str) -> Option<usize> {
    GROUPS.iter().position(|group| (group.has)(name))
}

/// Whether a name has a chart: tokens are an axis already.
pub(super) fn charted(name: &str) -> bool {
    name != "details/n_training_samples"
}

#[cfg(test)]
mod tests {
    use super::{GROUPS, group_of};

    #[test]
    fn names_of_saelens_have_their_charts() {
        for (name, slug) in [
            ("losses/overall_loss", "losses"),
            ("losses/auxiliary_reconstruction_loss", "losses"),
            ("metrics/l0", "l0"),
            ("sparsity/l0", "l0"),
            ("metrics/explained_variance", "explained-variance"),
            ("metrics/explained_variance_legacy", "explained-variance"),
            ("model_performance_preservation/ce_loss_score", "recovered"),
            (
                "model_performance_preservation/ce_loss_with_sae",
                "cross-entropy",
            ),
            ("sparsity/dead_features", "dead"),
            ("details/current_learning_rate", "learning-rate"),
            ("details/l1_coefficient", "coefficients"),
            ("details/tokens_per_second", "speed"),
        ] {
            let group = group_of(name).map(|at| GROUPS[at].slug);
            assert_eq!(group, Some(slug), "{name}");
        }
        for other in ["metrics/topk_threshold", "weights/b_e", "", "l0/x"] {
            assert_eq!(group_of(other), None, "{other}");
        }
    }
}
