use super::{
    Card, ContrastFolder, ContrastReport, ContrastRow, ContrastSettings, PromptSet, SaeContrast,
    ShownPrompt, contrast_csv, contrast_page, contrast_parquet, contrast_warnings,
};
use crate::ModelDescription;
use sae_contrast::{Active, ContrastOptions, Groups, Observations, contrast};

/// Two SAEs with features that differ, tokens that want to be markup, and one card each.
fn report(source: &str, token: &str) -> ContrastReport {
    let prompts: Vec<Vec<Active>> = (0..30)
        .map(|prompt: u32| {
            let value = |feature: u32| match feature {
                0 => f32::from(u8::from(prompt < 15)) * (1.0 + prompt as f32 / 10.0),
                1 => (prompt * 7 % 5) as f32,
                _ => 0.0,
            };
            (0..2)
                .map(|feature| Active {
                    feature,
                    value: value(feature),
                    position: 1,
                })
                .collect()
        })
        .collect();
    let observed = Observations::new(8, &prompts).unwrap();
    let groups = Groups::independent(15, 15).unwrap();
    let found = contrast(&observed, &groups, &ContrastOptions::default()).unwrap();
    let settings = ContrastSettings::default();
    let sae = |layer: usize| {
        let rows = found
            .features
            .iter()
            .map(|f| ContrastRow::new(f.clone(), Some(token.to_owned()), None));
        let about = (
            source.to_owned(),
            format!("blocks.{layer}.hook_resid_pre"),
            Some(layer),
            8,
        );
        let mut sae = SaeContrast::new(about, &found, rows.collect(), &settings, 1);
        let shown = ShownPrompt::new(3, vec![token.to_owned(), "x".into()], vec![0.0, 2.0]);
        sae.cards.push(Card::new(
            sae.order[0],
            [vec![1.0, 2.0], vec![]],
            [vec![shown], vec![]],
        ));
        sae
    };
    let set = |source: &str| PromptSet::new(source, 15, 150, 0);
    let model = ModelDescription::new("model", [1, 2, 3], "cpu", "f32");
    ContrastReport::new(
        model,
        [set(source), set("b.txt")],
        settings.clone(),
        vec![sae(1), sae(2)],
    )
}

#[test]
fn what_is_in_files_is_shown_and_not_obeyed() {
    let hostile = "</script><img src=x onerror=alert(1)>\u{202e}\"'";
    let page = contrast_page(&report(hostile, hostile), &[hostile.to_owned()]);
    assert!(!page.contains("<img") && !page.contains("\u{202e}") && page.contains("&lt;img"));
    assert!(page.contains("id=\"f-0-0\"") && page.contains("href=\"#f-0-0\""));
    assert!(page.contains("It is zero in every prompt."));
}

#[test]
fn the_files_have_every_feature_of_every_sae() {
    let report = report("run,1", " a\n");
    let csv = contrast_csv(&report);
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("sae,layer,feature,mean_a,mean_b,sd_a,sd_b,n_fired_a"));
    assert!(lines[1].starts_with("\"run,1\",1,0,1.7,0,"), "{}", lines[1]);
    assert!(csv.contains("\" a\n\""));
    let bytes = contrast_parquet(&report).unwrap();
    assert_eq!(&bytes[..4], b"PAR1");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["saes"][1]["layer"], 2);
    assert_eq!(json["saes"][0]["n_features"], 2);
    assert_eq!(json["saes"][0]["top"][0]["feature"], 0);
    assert_eq!(json["settings"]["rank_by"], "cohens_d");
}

#[test]
fn a_folder_appears_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x/out");
    drop(ContrastFolder::make(&path).unwrap());
    assert!(!dir.path().join("x").exists());
    let report = report("a", "b");
    ContrastFolder::make(&path)
        .unwrap()
        .write(&report, &report, &[])
        .unwrap();
    for name in super::folder::NAMES {
        assert!(path.join(name).is_file(), "{name}");
    }
}

#[test]
fn what_may_mislead_is_said() {
    let mut report = report("a", "b");
    let warnings = contrast_warnings(&report);
    assert!(
        warnings[0].starts_with("set a has 15 prompts: "),
        "{warnings:?}"
    );
    assert_eq!(warnings.len(), 2);
    report.a = PromptSet::new("a", 40, 800, 2);
    report.b = PromptSet::new("b", 40, 400, 0);
    for sae in &mut report.saes {
        sae.n_significant = 0;
    }
    let warnings = contrast_warnings(&report);
    let begins = [
        "2 of the 40 prompts of set a are longer",
        "prompts of a have 20 tokens",
        "no feature differs significantly (q ≤ 0.05)",
    ];
    assert_eq!(warnings.len(), 3);
    for (warning, begin) in warnings.iter().zip(begins) {
        assert!(warning.starts_with(begin), "{warning}");
    }
}
