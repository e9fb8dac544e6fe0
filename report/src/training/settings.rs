//! What the runs were told to do, and in what they differ.

use super::TrainingRun;
use super::table::broken;
use crate::escape::visible;
use maud::{Markup, html};
use std::collections::HashMap;

/// A setting: its name, its value in each run that has it, and whether these are not all the same.
struct Setting<'a> {
    name: &'a str,
    values: Vec<Option<&'a str>>,
    differs: bool,
}

fn collected(runs: &[TrainingRun]) -> Vec<Setting<'_>> {
    let mut settings: Vec<Setting> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (at, run) in runs.iter().enumerate() {
        for (name, value) in &run.settings {
            let place = *places.entry(name).or_insert_with(|| {
                settings.push(Setting {
                    name,
                    values: vec![None; runs.len()],
                    differs: false,
                });
                settings.len() - 1
            });
            settings[place].values[at] = Some(value);
        }
    }
    for setting in &mut settings {
        setting.differs = setting.values.windows(2).any(|pair| pair[0] != pair[1]);
    }
    settings
}

pub(super) fn settings(runs: &[TrainingRun]) -> Markup {
    let settings = collected(runs);
    let differ = settings.iter().filter(|setting| setting.differs);
    let differ: Vec<String> = differ.map(|setting| visible(setting.name)).collect();
    let said = match (runs.len(), &differ[..]) {
        (..2, _) => String::new(),
        (_, []) => ": the same in all runs".to_owned(),
        (_, names) if names.len() <= 6 => format!(": {} differ", names.join(", ")),
        (_, names) => format!(": {} of {} differ", names.len(), settings.len()),
    };
    html! {
        @if !settings.is_empty() {
            details #settings {
                summary { "Settings" (said) }
                div.scroll tabindex="0" role="region" aria-label="Settings" {
                    table.values.settings {
                        @if runs.len() > 1 {
                            thead {
                                tr { th { "setting" } @for run in runs { th scope="col" { (visible(&run.name)) } } }
                            }
                        }
                        tbody { @for setting in &settings { (row(setting)) } }
                    }
                }
            }
        }
    }
}

fn row(setting: &Setting) -> Markup {
    html! {
        tr.differs[setting.differs] {
            th.mono scope="row" {
                (broken(setting.name))
                @if setting.differs { span.unseen { " differs" } }
            }
            @for value in &setting.values { td { (value.map_or_else(|| "—".to_owned(), visible)) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{collected, settings};
    use crate::training::TrainingRun;

    fn run(name: &str, settings: &[(&str, &str)]) -> TrainingRun {
        let mut run = TrainingRun::new(name, "standard");
        let settings = settings.iter();
        run.settings = settings
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        run
    }

    #[test]
    fn what_differs_is_marked() {
        let runs = [
            run("a", &[("lr", "1"), ("seed", "0"), ("k", "5")]),
            run("b", &[("lr", "2"), ("seed", "0")]),
        ];
        let found = collected(&runs);
        let differs: Vec<(&str, bool)> = found.iter().map(|s| (s.name, s.differs)).collect();
        assert_eq!(differs, [("lr", true), ("seed", false), ("k", true)]);
        let html = settings(&runs).into_string();
        assert!(html.contains("Settings: lr, k differ"));
        assert_eq!(html.matches("<tr class=\"differs\">").count(), 2);
        let one = settings(&runs[..1]).into_string();
        assert!(!one.contains("differ"), "{one}");
        assert_eq!(settings(&[]).into_string(), "");
    }
}
