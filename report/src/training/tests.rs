//! Of the page as a whole.

use super::{TrainingRecord, TrainingRun, TrainingState, training_page};

const HOSTILE: &str =
    "</script></style></svg><!--<script>owned=1</script><img src=x onerror='owned=1'>\"&\u{202e}";

fn state(runs: Vec<TrainingRun>) -> TrainingState {
    let mut state = TrainingState::new("standard SAE", 1_000_000);
    state.runs = runs;
    state
}

fn run(name: &str, values: &[(u64, f64)]) -> TrainingRun {
    let mut run = TrainingRun::new(name, "standard");
    let record = |&(step, value): &(u64, f64)| {
        let values = vec![
            ("losses/overall_loss".to_owned(), value),
            ("losses/mse_loss".to_owned(), value / 2.0),
        ];
        TrainingRecord::new(step, step * 4096, values)
    };
    run.records = values.iter().map(record).collect();
    run
}

#[test]
fn text_stays_text() {
    let mut hostile = run(HOSTILE, &[(1, 2.0), (2, 1.0)]);
    hostile.architecture = HOSTILE.to_owned();
    hostile.settings = vec![(HOSTILE.to_owned(), HOSTILE.to_owned())];
    hostile.warnings = vec![HOSTILE.to_owned()];
    hostile.records[0].values.push((HOSTILE.to_owned(), 1.0));
    let clean = training_page(&state(vec![run("r", &[(1, 2.0), (2, 1.0)])]));
    for runs in [vec![hostile.clone()], vec![hostile.clone(), hostile]] {
        let mut state = state(runs);
        state.title = HOSTILE.to_owned();
        let page = training_page(&state);
        assert!(!page.contains("<script>owned") && !page.contains("<img"));
        assert!(!page.contains("<!--") && !page.contains('\u{202e}'));
        for tag in ["</script>", "</style>"] {
            assert_eq!(
                page.matches(tag).count(),
                clean.matches(tag).count(),
                "{tag}"
            );
        }
    }
}

#[test]
fn every_training_has_a_page() {
    let nothing = training_page(&TrainingState::default());
    assert!(nothing.contains("Nothing was logged yet.") && nothing.contains("stopped"));
    let empty = training_page(&state(vec![TrainingRun::new("r", "topk")]));
    assert!(empty.contains("Nothing was logged yet.") && !empty.contains("<svg"));
    let one = training_page(&state(vec![run("r", &[(1, 2.0)])]));
    assert!(one.contains("h0\"/>"), "one record is a dot");
    let same = training_page(&state(vec![run("r", &[(1, 0.0), (2, 0.0)])]));
    for page in [nothing, empty, one, same] {
        assert!(!page.contains("NaN") && !page.contains("inf,"));
        assert!(
            !page.contains("http://") || page.contains("www.w3.org"),
            "no network"
        );
    }
}

#[test]
fn what_is_not_finite_is_a_gap_and_is_said() {
    let values = [(1, 2.0), (2, f64::NAN), (3, 1.0), (4, f64::INFINITY)];
    let page = training_page(&state(vec![run("r", &values)]));
    assert!(page.contains("overall_loss: 2 of 4, the first at step 2; mse_loss: 2 of 4"));
    assert!(page.contains("\"values\":[2,null,1,null]"), "{page}");
    let d = page.split("class=\"line s0\"").nth(1).unwrap();
    let d = d.split("d=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(d.matches('M').count(), 2, "{d}");
    let nothing = training_page(&state(vec![run("r", &[(1, f64::NAN)])]));
    assert!(nothing.contains("no value can be drawn"));
}

#[test]
fn the_scale_is_logarithmic_where_values_allow() {
    let log = |values: &[(u64, f64)]| {
        let page = training_page(&state(vec![run("r", values)]));
        page.contains("id=\"losses-log\" type=\"button\" aria-pressed=\"true\"")
    };
    assert!(log(&[(1, 3.0), (2, 0.1)]));
    assert!(log(&[(1, 0.0), (2, 3.0), (3, 0.1)]), "a zero is left out");
    assert!(!log(&[(1, -1.0), (2, 3.0), (3, 0.1)]));
}

#[test]
fn of_one_run_a_group_is_a_chart_of_several_a_name() {
    let one = training_page(&state(vec![run("r", &[(1, 2.0), (2, 1.0)])]));
    assert_eq!(one.matches("<svg class=\"chart\"").count(), 1);
    let runs = vec![run("a", &[(1, 2.0)]), run("b", &[(1, 3.0)])];
    let two = training_page(&state(runs));
    assert_eq!(two.matches("<svg class=\"chart\"").count(), 2);
    assert_eq!(two.matches("data-key=\"run-1\"").count(), 1 + 2 * 3);
}

#[test]
fn only_what_runs_loads_itself_again() {
    let mut state = state(vec![run("r", &[(1, 2.0)])]);
    let refresh = "http-equiv=\"refresh\"";
    assert!(training_page(&state).contains(refresh));
    state.running = false;
    let page = training_page(&state);
    assert!(!page.contains(refresh) && page.contains("\"running\":false"));
}

#[test]
fn many_long_runs_stay_below_a_megabyte() {
    const NAMES: [&str; 12] = [
        "losses/overall_loss",
        "losses/mse_loss",
        "losses/l1_loss",
        "losses/auxiliary_reconstruction_loss",
        "metrics/l0",
        "metrics/explained_variance",
        "metrics/explained_variance_legacy",
        "sparsity/dead_features",
        "sparsity/mean_passes_since_fired",
        "details/current_learning_rate",
        "details/l1_coefficient",
        "details/tokens_per_second",
    ];
    let mut noise = 1_u64;
    let mut random = || {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (noise >> 33) as f64 / (1_u64 << 31) as f64
    };
    let mut runs = Vec::new();
    for n in 0..8 {
        let mut run = TrainingRun::new(format!("l1 {n}"), "standard");
        for i in 1..=100_000_u64 {
            let values = NAMES.iter().map(|name| ((*name).to_owned(), random()));
            run.records
                .push(TrainingRecord::new(i * 10, i * 40_960, values.collect()));
        }
        runs.push(run);
    }
    let page = training_page(&state(runs));
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
}
