//! SAEBench's evaluations `sparse_probing` and `tpp`, and the report on both.

use super::{SaeBenchName, SaeBenchResult};
use sae_bench::{ClassProbes, Tpp, TppFigures};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// What one data set of labelled texts has shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DataSetBench {
    /// The data set, as it was given.
    pub dataset: String,
    /// Texts of each class to fit on.
    pub n_train: usize,
    /// Texts of each class to test on.
    pub n_test: usize,
    /// Sparse probing, class by class.
    pub sparse_probing: Vec<ClassProbes>,
    /// Targeted probe perturbation, where it was asked for.
    pub tpp: Option<Tpp>,
}

impl DataSetBench {
    /// Of a data set.
    pub fn new(
        dataset: &str,
        (n_train, n_test): (usize, usize),
        sparse_probing: Vec<ClassProbes>,
        tpp: Option<Tpp>,
    ) -> Self {
        Self {
            dataset: dataset.to_owned(),
            n_train,
            n_test,
            sparse_probing,
            tpp,
        }
    }

    /// SAEBench's figures of sparse probing: of each, its value for each class.
    fn probing(&self) -> Vec<(String, Vec<(String, f64)>)> {
        let of = |get: &dyn Fn(&ClassProbes) -> Option<f64>| {
            let values = self.sparse_probing.iter();
            let values = values.filter_map(|probes| Some((probes.class.clone(), get(probes)?)));
            values.collect::<Vec<_>>()
        };
        let mut figures = vec![
            ("llm_test_accuracy".to_owned(), of(&|p| p.llm_test_accuracy)),
            ("sae_test_accuracy".to_owned(), of(&|p| p.sae_test_accuracy)),
        ];
        let ks = self.sparse_probing.first().map_or(0, |p| p.sae_top.len());
        for at in 0..ks {
            let k = self.sparse_probing[0].sae_top[at].k;
            let llm = of(&|p| Some(p.llm_top[at].test_accuracy));
            let sae = of(&|p| Some(p.sae_top[at].test_accuracy));
            figures.push((format!("llm_top_{k}_test_accuracy"), llm));
            figures.push((format!("sae_top_{k}_test_accuracy"), sae));
        }
        figures.retain(|(_, values)| !values.is_empty());
        figures
    }
}

/// The settings that both evaluations have.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BenchSettings {
    /// The model.
    pub model_name: String,
    /// What texts are drawn by, and probes trained.
    pub random_seed: u64,
    /// Texts to fit a probe on, its own and others.
    pub train_set_size: usize,
    /// Texts to test it on.
    pub test_set_size: usize,
    /// Tokens after which texts are cut.
    pub context_length: usize,
    /// Features of probes.
    pub k_values: Vec<usize>,
    /// Features taken out.
    pub n_values: Vec<usize>,
}

impl BenchSettings {
    /// All of them.
    pub fn new(
        model_name: &str,
        random_seed: u64,
        [train_set_size, test_set_size, context_length]: [usize; 3],
        k_values: &[usize],
        n_values: &[usize],
    ) -> Self {
        Self {
            model_name: model_name.to_owned(),
            random_seed,
            train_set_size,
            test_set_size,
            context_length,
            k_values: k_values.to_vec(),
            n_values: n_values.to_vec(),
        }
    }
}

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BenchReport {
    /// The settings.
    pub settings: BenchSettings,
    /// The data sets.
    pub datasets: Vec<DataSetBench>,
}

impl BenchReport {
    /// Of these data sets.
    pub fn new(settings: BenchSettings, datasets: Vec<DataSetBench>) -> Self {
        Self { settings, datasets }
    }

    /// Each figure as a line: data set, evaluation, class (empty for the mean over classes), figure, value.
    pub fn csv(&self) -> String {
        let rows = self.lines().into_iter();
        let rows = rows.map(|(dataset, evaluation, class, metric, value)| {
            let (dataset, evaluation) = (dataset.to_owned(), evaluation.to_owned());
            vec![dataset, evaluation, class, metric, value.to_string()]
        });
        let header = ["dataset", "evaluation", "class", "metric", "value"];
        crate::csv_table(&header, &rows.collect::<Vec<_>>())
    }

    fn lines(&self) -> Vec<(&str, &'static str, String, String, f64)> {
        let mut lines = Vec::new();
        for of in &self.datasets {
            let name = of.dataset.as_str();
            for (metric, values) in of.probing() {
                lines.push((
                    name,
                    "sparse_probing",
                    String::new(),
                    metric.clone(),
                    mean(&values),
                ));
                for (class, value) in values {
                    lines.push((name, "sparse_probing", class, metric.clone(), value));
                }
            }
            if let Some(tpp) = &of.tpp {
                let overall = (String::new(), tpp.overall.clone());
                for (class, figures) in std::iter::once(&overall).chain(&tpp.classes) {
                    for (metric, value) in tpp_figures(figures) {
                        lines.push((name, "tpp", class.clone(), metric, value));
                    }
                }
            }
        }
        lines
    }

    /// The means over classes, for the terminal.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for of in &self.datasets {
            text += &format!(
                "{}: {} classes, {} texts of each to fit on, {} to test on\n",
                crate::escape::visible(&of.dataset),
                of.sparse_probing.len(),
                of.n_train,
                of.n_test
            );
            for (metric, values) in of.probing() {
                text += &format!("  {metric:<42} {:.4}\n", mean(&values));
            }
            for (metric, value) in of.tpp.iter().flat_map(|tpp| tpp_figures(&tpp.overall)) {
                text += &format!("  {metric:<42} {value:.4}\n");
            }
        }
        text
    }

    /// SAEBench's file of sparse probing.
    pub fn sparse_probing(&self, name: &SaeBenchName, sae_cfg: Value) -> SaeBenchResult {
        let of_data = self.datasets.iter().map(|of| {
            let figures = of.probing();
            let means = figures
                .iter()
                .map(|(key, values)| (key.clone(), mean(values)));
            (format!("{}_results", of.dataset), means.collect())
        });
        let of_data: Vec<(String, Vec<(String, f64)>)> = of_data.collect();
        let groups = |side: &str| -> Map<String, Value> {
            let all = averages(&of_data);
            let own = all.into_iter().filter(|(key, _)| key.starts_with(side));
            own.map(|(key, value)| (key, json!(value))).collect()
        };
        let metrics = json!({ "llm": groups("llm_"), "sae": groups("sae_") });
        let s = &self.settings;
        let config = json!({
            "random_seed": s.random_seed, "dataset_names": self.names(), "probe_train_set_size": s.train_set_size,
            "probe_test_set_size": s.test_set_size, "context_length": s.context_length, "sae_batch_size": 125,
            "llm_batch_size": 32, "llm_dtype": "", "model_name": s.model_name, "k_values": s.k_values, "lower_vram_usage": false,
        });
        let figures = (config, metrics, details(&of_data));
        let mut result = SaeBenchResult::new("sparse_probing", name, figures, sae_cfg);
        let per_class = self.datasets.iter().map(|of| {
            let figures = of.probing().into_iter();
            let figures = figures.map(|(key, values)| (key, object(values)));
            (
                format!("{}_results", of.dataset),
                Value::Object(figures.collect()),
            )
        });
        result.eval_result_unstructured = Value::Object(per_class.collect());
        result
    }

    /// SAEBench's file of TPP; none if no data set has it.
    pub fn tpp(&self, name: &SaeBenchName, sae_cfg: Value) -> Option<SaeBenchResult> {
        let found = self
            .datasets
            .iter()
            .filter_map(|of| Some((of, of.tpp.as_ref()?)));
        let found: Vec<_> = found.collect();
        if found.is_empty() {
            return None;
        }
        let means = found.iter().map(|(of, tpp)| {
            let name = format!("{}_tpp_results", of.dataset);
            (name, tpp_figures(&tpp.overall))
        });
        let of_data: Vec<(String, Vec<(String, f64)>)> = means.collect();
        let s = &self.settings;
        let config = json!({
            "random_seed": s.random_seed, "dataset_names": self.names(), "perform_scr": false, "early_stopping_patience": 20,
            "train_set_size": s.train_set_size, "test_set_size": s.test_set_size, "context_length": s.context_length,
            "probe_train_batch_size": 16, "probe_test_batch_size": 500, "probe_epochs": 20, "probe_lr": 1e-3, "probe_l1_penalty": 1e-3,
            "sae_batch_size": 125, "llm_batch_size": 32, "llm_dtype": "", "lower_vram_usage": false, "model_name": s.model_name,
            "n_values": s.n_values, "column1_vals_lookup": {},
        });
        let metrics = json!({ "tpp_metrics": object(averages(&of_data)) });
        let figures = (config, metrics, details(&of_data));
        let mut result = SaeBenchResult::new("tpp", name, figures, sae_cfg);
        let per_class = found.iter().map(|(of, tpp)| {
            let classes = tpp.classes.iter();
            let classes =
                classes.map(|(class, figures)| (class.clone(), object(tpp_figures(figures))));
            (of.dataset.clone(), Value::Object(classes.collect()))
        });
        result.eval_result_unstructured = Value::Object(per_class.collect());
        Some(result)
    }

    fn names(&self) -> Vec<&str> {
        self.datasets.iter().map(|of| of.dataset.as_str()).collect()
    }
}

fn tpp_figures(figures: &[TppFigures]) -> Vec<(String, f64)> {
    let each = figures.iter().flat_map(|of| {
        let key = |what: &str| format!("tpp_threshold_{}_{what}", of.n);
        [
            (key("total_metric"), of.total_metric),
            (key("intended_diff_only"), of.intended_diff_only),
            (key("unintended_diff_only"), of.unintended_diff_only),
        ]
    });
    each.collect()
}

fn mean(values: &[(String, f64)]) -> f64 {
    values.iter().map(|(_, value)| value).sum::<f64>() / values.len() as f64
}

/// The mean of each figure over data sets, which all have the same.
fn averages(of_data: &[(String, Vec<(String, f64)>)]) -> Vec<(String, f64)> {
    let Some((_, first)) = of_data.first() else {
        return Vec::new();
    };
    let average = |(at, (key, _)): (usize, &(String, f64))| {
        let values = of_data.iter().map(|(_, figures)| figures[at].1);
        (key.clone(), values.sum::<f64>() / of_data.len() as f64)
    };
    first.iter().enumerate().map(average).collect()
}

fn details(of_data: &[(String, Vec<(String, f64)>)]) -> Value {
    let one = |(name, figures): &(String, Vec<(String, f64)>)| {
        let mut one = Map::new();
        one.insert("dataset_name".to_owned(), json!(name));
        one.extend(
            figures
                .iter()
                .map(|(key, value)| (key.clone(), json!(value))),
        );
        Value::Object(one)
    };
    of_data.iter().map(one).collect()
}

fn object(pairs: Vec<(String, f64)>) -> Value {
    let pairs = pairs.into_iter().map(|(key, value)| (key, json!(value)));
    Value::Object(pairs.collect())
}
