//! The help texts, word by word.

mod support;

use support::Scratch;

/// Help at a width of 100 columns, whatever the terminal.
fn help(line: &str) -> String {
    let outcome = Scratch::new().ok(line);
    let mut lines = outcome.stdout.lines();
    let wide = lines.find(|line| line.chars().count() > 100 && !line.starts_with("Usage: "));
    assert_eq!(wide, None, "{line}");
    outcome.stdout
}

macro_rules! snapshots {
    ($($verb:ident),*) => {
        $(
            #[test]
            fn $verb() {
                insta::assert_snapshot!(help(concat!(stringify!($verb), " --help")));
            }
        )*
    };
}

snapshots!(
    devices,
    list,
    info,
    convert,
    tokenize,
    train,
    activations,
    encode,
    eval,
    merge,
    prompt,
    lens,
    patch,
    attribute,
    generate,
    graph,
    analyze,
    dashboard,
    serve,
    contrast,
    bench
);

#[test]
fn overview() {
    insta::assert_snapshot!(help("--help"));
}

#[test]
fn every_verb_has_examples_and_a_short_form() {
    for verb in [
        "devices",
        "list",
        "info",
        "convert",
        "tokenize",
        "train",
        "activations",
        "encode",
        "eval",
        "merge",
        "prompt",
        "lens",
        "patch",
        "attribute",
        "generate",
        "graph",
        "analyze",
        "dashboard",
        "serve",
        "contrast",
        "bench",
    ] {
        let long = help(&format!("{verb} --help"));
        assert!(long.contains("\nExamples:\n  sae "), "{verb}");
        let short = help(&format!("{verb} -h"));
        assert!(short.lines().count() < long.lines().count(), "{verb}");
        assert_eq!(help(&format!("help {verb}")), long);
    }
}
