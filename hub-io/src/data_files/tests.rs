use super::*;

fn files(paths: &[&str]) -> Vec<HubFile> {
    let file = |path: &&str| HubFile {
        path: (*path).to_owned(),
        size: 1,
        lfs: None,
    };
    paths.iter().map(file).collect()
}

/// Configuration, split and paths, or the message.
fn found(
    readme: &str,
    paths: &[&str],
    config: Option<&str>,
    split: Option<&str>,
) -> Result<(String, String, Vec<String>), String> {
    let found =
        data_files(Some(readme), &files(paths), config, split).map_err(|e| e.to_string())?;
    let paths = found.files.into_iter().map(|f| f.path).collect();
    Ok((found.config, found.split, paths))
}

fn paths(readme: &str, all: &[&str], config: Option<&str>, split: Option<&str>) -> Vec<String> {
    found(readme, all, config, split).unwrap().2
}

const SEVERAL: &str = "---\r\nlicense: mit\r\nconfigs:\r\n- config_name: en\r\n  data_files:\r\n  - split: train\r\n    path: en/train-*\r\n  - split: test\r\n    path:\r\n    - en/b.jsonl\r\n    - \"en/*.jsonl\"\r\n- config_name: 2023\r\n  data_files: \"**/*.gz\"\r\n- config_name: list\r\n  data_files: [x.csv, en/a.jsonl]\r\n- config_name: dir\r\n  data_dir: ./en/\r\n---\r\n# Text\r\n";
const TREE: [&str; 9] = [
    ".gitattributes",
    "README.md",
    "en/train-1.parquet",
    "en/train-0.parquet",
    "en/a.jsonl",
    "en/b.jsonl",
    "x.csv",
    "deep/er/z.json.gz",
    "top.json.gz",
];

#[test]
fn the_readme_decides() {
    let files = |config, split| paths(SEVERAL, &TREE, Some(config), split);
    assert_eq!(
        files("en", None),
        ["en/train-0.parquet", "en/train-1.parquet"]
    );
    assert_eq!(files("en", Some("test")), ["en/b.jsonl", "en/a.jsonl"]);
    assert_eq!(files("2023", None), ["deep/er/z.json.gz", "top.json.gz"]);
    assert_eq!(files("list", Some("train")), ["x.csv", "en/a.jsonl"]);
    assert_eq!(
        files("dir", None),
        ["en/train-0.parquet", "en/train-1.parquet"]
    );
}

#[test]
fn the_default_configuration() {
    assert_eq!(
        found(SEVERAL, &TREE, None, None).unwrap_err(),
        "the data set has several configurations; name one of en, 2023, list, dir"
    );
    assert_eq!(
        found(SEVERAL, &TREE, Some("fr"), None).unwrap_err(),
        "the data set has no configuration \"fr\"; it has en, 2023, list, dir"
    );
    let marked = SEVERAL.replace("  data_files: [x", "  default: true\r\n  data_files: [x");
    assert_eq!(found(&marked, &TREE, None, None).unwrap().0, "list");
    let named = SEVERAL.replace("config_name: list", "config_name: default");
    assert_eq!(found(&named, &TREE, None, None).unwrap().0, "default");
    let only = "---\nconfigs:\n- config_name: one\n  data_files: x.csv\n---\n";
    assert_eq!(found(only, &TREE, None, None).unwrap().0, "one");
    assert_eq!(
        found("", &TREE, Some("en"), None).unwrap_err(),
        "the data set has no configuration \"en\"; it has default"
    );
}

#[test]
fn splits_are_listed() {
    assert_eq!(
        found(SEVERAL, &TREE, Some("en"), Some("dev")).unwrap_err(),
        "the data set has no split \"dev\" in its configuration \"en\"; it has train, test"
    );
    assert_eq!(
        found("", &["val.csv", "test.csv"], None, None).unwrap_err(),
        "the data set has several splits in its configuration \"default\"; name one of validation, test"
    );
}

#[test]
fn patterns_that_lead_nowhere() {
    for (pattern, reason) in [
        ("none/*", "no file of the repository matches"),
        ("none.csv", "no file of the repository matches"),
        ("README.md", "no file of the repository matches"),
        (
            "https://h/x.csv",
            "only files of the repository itself are known",
        ),
        ("../x.csv", "only files of the repository itself are known"),
        ("x[", "Pattern syntax error"),
    ] {
        let readme = format!("---\nconfigs:\n- config_name: c\n  data_files: \"{pattern}\"\n---\n");
        let message = found(&readme, &TREE, None, None).unwrap_err();
        let start =
            format!("the README's configuration \"c\" has the pattern {pattern:?}: {reason}");
        assert!(message.starts_with(&start), "{message}");
    }
}

#[test]
fn shards_come_before_keywords() {
    let all = [
        "data/test-00000-of-00001-0a1b.parquet",
        "data/train-00001-of-00002.parquet",
        "data/train-00000-of-00002.parquet",
        "data/train_sft-00000-of-00001.jsonl.zst",
        "data/valid.csv",
        "train.csv",
        "data/train-0-of-1.parquet",
    ];
    let files = |split| paths("# No head", &all, None, split);
    assert_eq!(
        files(None),
        [
            "data/train-00000-of-00002.parquet",
            "data/train-00001-of-00002.parquet"
        ]
    );
    assert_eq!(
        files(Some("test")),
        ["data/test-00000-of-00001-0a1b.parquet"]
    );
    assert_eq!(
        files(Some("train_sft")),
        ["data/train_sft-00000-of-00001.jsonl.zst"]
    );
    let message = found("", &all, None, Some("validation")).unwrap_err();
    assert!(
        message.ends_with("it has train, test, train_sft"),
        "{message}"
    );
}

#[test]
fn keywords_in_file_names_come_before_those_in_directories() {
    let all = [
        "test/a-train.csv",
        "x/my_validation2.json",
        "x/retrain.csv",
        "x/trainer.csv",
        "eval.jsonl.gz",
        "train/README.md",
    ];
    let files = |split| paths("", &all, None, Some(split));
    assert_eq!(files("train"), ["test/a-train.csv"]);
    assert_eq!(files("validation"), ["x/my_validation2.json"]);
    assert_eq!(files("test"), ["eval.jsonl.gz"]);
}

#[test]
fn keywords_in_directories() {
    let all = [
        "a/training/0.csv",
        "a/dev-2/1.csv",
        "b/Test/2.csv",
        "testing/3.csv",
        "LICENSE.txt",
        "x.py",
    ];
    let files = |split| paths("", &all, None, Some(split));
    assert_eq!(files("train"), ["a/training/0.csv"]);
    assert_eq!(files("validation"), ["a/dev-2/1.csv"]);
    assert_eq!(files("test"), ["testing/3.csv"]);
}

#[test]
fn everything_else_is_train() {
    let all = [
        "b.parquet",
        "a/c.parquet",
        "README.md",
        "config.json",
        "dataset_info.json",
        "a/dataset_infos.json",
        ".hidden/d.csv",
        "__pycache__/e.json",
        "load.py",
        "image.png",
        "LICENSE",
    ];
    assert_eq!(
        found("", &all, None, None).unwrap(),
        (
            "default".to_owned(),
            "train".to_owned(),
            vec!["a/c.parquet".to_owned(), "b.parquet".to_owned()]
        )
    );
    let message = found("", &["README.md", "x.py"], None, None).unwrap_err();
    assert!(
        message.starts_with(
            "the data set has no data files in its configuration \"default\"; looked for are"
        ),
        "{message}"
    );
}

#[test]
fn heads_of_all_kinds() {
    for readme in [
        "",
        "---",
        "---\n",
        "---\n---\n",
        "---\nconfigs:\n---\n",
        "---\n# nothing\n---\n",
        "text\n---\nconfigs: 7\n---\n",
        "---\nlicense: mit\n",
    ] {
        assert_eq!(
            paths(readme, &["x.csv"], None, None),
            ["x.csv"],
            "{readme:?}"
        );
    }
    for readme in [
        "---\nconfigs: 7\n---\n",
        "---\n: : :\n\t-\n---\n",
        "---\nconfigs:\n- data_files: {a: b}\n---\n",
        "---\n- a\n---\n",
        "---\nconfigs:\n- config_name: a\n  data_files: [{split: x}]\n---\n",
    ] {
        let message = found(readme, &["x.csv"], None, None).unwrap_err();
        assert!(
            message.starts_with("the YAML at the head of the data set's README.md: "),
            "{message}"
        );
        assert!(message.contains("line"), "{message}");
    }
}

#[test]
fn heads_that_unfold_or_nest_without_end_are_errors() {
    let mut laughs = "---\na0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..30 {
        let alias = format!("*a{}, ", i - 1).repeat(9);
        laughs += &format!("a{i}: &a{i} [{}]\n", alias.trim_end_matches(", "));
    }
    laughs += "---\n";
    assert!(found(&laughs, &["x.csv"], None, None).is_err());
    let deep = format!("---\na: {}\n---\n", "[".repeat(100_000));
    assert!(found(&deep, &["x.csv"], None, None).is_err());
}

#[test]
fn a_head_as_the_hub_has_them() {
    let readme = "---\nlanguage:\n- en\n- no\nsize_categories:\n- 1M<n<10M\nlicense: mit\ndataset_info:\n  features:\n  - name: text\n    dtype: string\n  - name: label\n    dtype:\n      class_label:\n        names:\n          '0': neg\n          '1': pos\n  splits:\n  - name: train\n    num_bytes: 1.0e+3\n  download_size: 5\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/train-*\n  - split: validation\n    path: data/validation-*\nextra: 1\nextra: 2\n---\n\n# Dataset\n---\n";
    let all = [
        "data/train-00000-of-00001.parquet",
        "data/validation-00000-of-00001.parquet",
    ];
    assert_eq!(paths(readme, &all, None, Some("validation")), [all[1]]);
}
