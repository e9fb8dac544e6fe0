//! `sae contrast` on the demo: files, figures, probes, layers, and what goes wrong.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use serde_json::Value;
use support::{Scratch, keys, read_json};

/// Two sets of prompts that differ in how they end, so that some features differ.
fn sets(scratch: &Scratch) {
    let ends = [
        "the king of Judah",
        "unto the children",
        "and the people",
        "in the land of Egypt",
        "of the house of Israel",
        "which he had made",
        "upon the face of the earth",
        "and it came to pass",
        "the word of the LORD",
        "with all his heart",
        "the days of his life",
        "before the altar",
        "and his sons",
        "from the city",
        "among the nations",
        "into the wilderness",
        "by the river",
        "over the waters",
        "in the morning",
        "unto this day",
        "of the covenant",
        "and his servants",
    ];
    let set = |begin: &str| -> String { ends.map(|end| format!("{end} {begin}\n")).concat() };
    scratch.write("a.txt", set("and God said"));
    scratch.write("b.txt", set("these are the names"));
    let pairs = ends.map(|end| {
        serde_json::json!({"a": format!("{end} and God said"), "b": {"text": format!("{end} these are the names")}}).to_string() + "\n"
    });
    scratch.write("pairs.jsonl", pairs.concat());
}

fn csv(scratch: &Scratch, name: &str) -> Vec<Vec<String>> {
    let mut rows = vec![vec![String::new()]];
    let (mut quoted, text) = (false, scratch.read(name));
    for c in text.chars() {
        let row = rows.last_mut().unwrap();
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(String::new()),
            '\n' if !quoted => rows.push(vec![String::new()]),
            c => row.last_mut().unwrap().push(c),
        }
    }
    rows.pop();
    rows
}

fn column<'a>(rows: &'a [Vec<String>], name: &str) -> Vec<&'a str> {
    let at = rows[0].iter().position(|column| column == name).unwrap();
    rows[1..].iter().map(|row| row[at].as_str()).collect()
}

#[test]
fn two_sets_become_files_that_agree() {
    let scratch = Scratch::new();
    sets(&scratch);
    let call =
        "contrast --a a.txt --b b.txt --sae $RUN --model $MODEL --probe 1,2 --out out --top 30";
    let result = scratch.json(call);
    let sae = &result["saes"][0];
    assert_eq!(
        (result["a"]["n_prompts"].as_u64(), sae["layer"].as_u64()),
        (Some(22), Some(2))
    );
    assert!(sae["n_significant"].as_u64().unwrap() > 0, "{sae}");
    assert_eq!(sae["top"].as_array().unwrap().len(), 30);
    assert_eq!(read_json(&scratch.path("out/contrast.json")), result);
    let rows = csv(&scratch, "out/contrast.csv");
    assert_eq!(rows.len() as u64 - 1, sae["n_features"].as_u64().unwrap());
    // The strongest feature is the same in the table.
    let mut tops = sae["top"].as_array().unwrap().iter();
    let top = tops.find(|top| !top["cohens_d"].is_null()).unwrap();
    let number = top["feature"].to_string();
    let at = column(&rows, "feature")
        .iter()
        .position(|f| *f == number)
        .unwrap();
    for name in [
        "mean_a",
        "freq_b",
        "cohens_d",
        "auroc",
        "t",
        "p",
        "q",
        "p_permutation",
    ] {
        let written: f64 = column(&rows, name)[at].parse().unwrap();
        assert!(
            (written - top[name].as_f64().unwrap()).abs() <= 1e-12 * written.abs(),
            "{name}"
        );
    }
    assert_eq!(
        column(&rows, "top_token_a")[at],
        top["top_token_a"].as_str().unwrap_or_default()
    );
    let strengths: Vec<f64> = sae["top"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["cohens_d"].as_f64().map_or(f64::INFINITY, f64::abs))
        .collect();
    assert!(strengths.is_sorted_by(|x, y| x >= y));
    // The prompts differ in their last words alone.
    assert!(sae["probes"][1]["test_accuracy"].as_f64().unwrap() > 0.7);
    assert_eq!(sae["probes"][0]["n_test"], 8);
    let page = scratch.read("out/index.html");
    assert!(page.contains("Strongest features") && page.contains("contrast.csv"));
    assert!(
        scratch
            .path("out/contrast.parquet")
            .metadata()
            .unwrap()
            .len()
            > 1000
    );
    // Again, over the old files: the same table.
    let before = scratch.read("out/contrast.csv");
    let outcome = scratch.ok(&call.replace("--out", "--threads 1 --out"));
    assert!(
        outcome.stdout.contains("open out/index.html"),
        "{}",
        outcome.stdout
    );
    assert_eq!(scratch.read("out/contrast.csv"), before);
}

#[test]
fn pairs_have_paired_figures() {
    let scratch = Scratch::new();
    sets(&scratch);
    let result = scratch.json("contrast --pairs pairs.jsonl --sae $RUN --model $MODEL --rank-by d_z --out out --examples 0");
    assert_eq!(result["settings"]["paired"], true);
    let top = &result["saes"][0]["top"][0];
    assert_eq!(top["df"], 21.0);
    let (d_z, t) = (top["d_z"].as_f64().unwrap(), top["t"].as_f64().unwrap());
    assert!((t - d_z * 22_f64.sqrt()).abs() < 1e-9 * t.abs());
    // The same pairs as two files.
    let lines = scratch.read("pairs.jsonl");
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let side = |text: fn(&Value) -> &Value| {
        let texts = lines.iter().map(|pair| text(pair).as_str().unwrap());
        texts.flat_map(|text| [text, "\n"]).collect::<String>()
    };
    scratch.write("x.txt", side(|pair| &pair["a"]));
    scratch.write("y.txt", side(|pair| &pair["b"]["text"]));
    let again = scratch.json("contrast --a x.txt --b y.txt --paired --sae $RUN --model $MODEL --rank-by d_z --out two --examples 0");
    assert_eq!(again["saes"][0]["top"], result["saes"][0]["top"]);
}

#[test]
fn several_saes_go_through_one_pass() {
    let scratch = Scratch::new();
    sets(&scratch);
    for layer in [1, 2] {
        scratch.copy_demo("run");
        scratch.edit(
            "run/final_sae/cfg.json",
            "blocks.2.hook_resid_pre",
            &format!("blocks.{layer}.hook_resid_pre"),
        );
        std::fs::rename(scratch.path("run"), scratch.path(&format!("l{layer}"))).unwrap();
    }
    let result = scratch
        .json("contrast --a a.txt --b b.txt --sae l{layer} --layers 1..3 --model $MODEL --out out");
    let saes = result["saes"].as_array().unwrap();
    assert_eq!(
        saes.iter()
            .map(|sae| sae["layer"].as_u64().unwrap())
            .collect::<Vec<_>>(),
        [1, 2]
    );
    // The second by itself.
    let one = scratch.json("contrast --a a.txt --b b.txt --sae l2 --model $MODEL --out one");
    assert_eq!(one["saes"][0]["n_features"], saes[1]["n_features"]);
    assert_eq!(
        one["saes"][0]["top"][0]["feature"],
        saes[1]["top"][0]["feature"]
    );
    let rows = csv(&scratch, "out/contrast.csv");
    let layers = column(&rows, "layer");
    assert!(layers.contains(&"1") && layers.contains(&"2"));
    assert!(scratch.read("out/index.html").contains("Across layers"));
}

#[test]
fn what_is_left_out_is_left_out() {
    let scratch = Scratch::new();
    sets(&scratch);
    let call = "contrast --a a.txt --b b.txt --sae $RUN --model $MODEL --examples 0 --out";
    let with_bos = scratch.json(&format!("{call} x"));
    let without = scratch.json(&format!("{call} y --no-bos"));
    // Without BOS the same tokens count, at other positions of the model.
    assert_eq!(with_bos["a"]["n_tokens"], without["a"]["n_tokens"]);
    let cut = scratch.json(&format!("{call} z --context-size 4"));
    assert_eq!(
        (cut["a"]["n_cut"].as_u64(), cut["a"]["n_tokens"].as_u64()),
        (Some(22), Some(66))
    );
    let warnings = cut["warnings"].to_string();
    assert!(
        warnings.contains("22 of the 22 prompts of set a are longer than the context"),
        "{warnings}"
    );
    assert!(
        scratch
            .read("z/index.html")
            .contains("longer than the context")
    );
    let last = scratch.json(&format!("{call} l --reduce last"));
    assert!(last["saes"][0]["n_features"].as_u64() < with_bos["saes"][0]["n_features"].as_u64());
}

#[test]
fn chat_prompts_go_through_the_template() {
    let scratch = Scratch::new();
    sets(&scratch);
    scratch.write("chat.jinja", "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}");
    scratch.write("system.txt", "Be brief.\n");
    let call = "contrast --a a.txt --b b.txt --chat --chat-template chat.jinja --sae $RUN --model $MODEL --examples 1 --out";
    let plain = scratch.json(&format!("{call} x"));
    let told = scratch.json(&format!("{call} y --system system.txt"));
    let shorter = scratch.json(&format!("{call} z --no-generation-prompt"));
    let n = |result: &Value| result["a"]["n_tokens"].as_u64().unwrap();
    assert!(n(&told) > n(&plain) && n(&plain) > n(&shorter));
    assert_eq!(told["settings"]["system"], "Be brief.");
    // The demo's model has no template of its own.
    let outcome =
        scratch.sae("contrast --a a.txt --b b.txt --chat --sae $RUN --model $MODEL --out w");
    assert_eq!(outcome.code, 1);
    assert!(outcome.stderr.contains("--chat"), "{}", outcome.stderr);
    assert!(!scratch.path("w").exists());
}

#[test]
fn what_is_wrong_is_said_before_the_work() {
    let scratch = Scratch::new();
    sets(&scratch);
    scratch.write("few.txt", "one\n");
    scratch.write("bad.jsonl", "{\"text\": \"x\"}\n{\"prompt\": 1}\n");
    scratch.write(
        "messages.jsonl",
        "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}\n",
    );
    scratch.write("empty.txt", "\n");
    let call = "contrast --sae $RUN --model $MODEL --out out";
    let wrong = [
        ("--a a.txt", 2, "--b"),
        (
            "--a a.txt --b b.txt --pairs pairs.jsonl",
            2,
            "cannot be used with",
        ),
        (
            "--a a.txt --b few.txt --paired",
            2,
            "a.txt has 22 prompts and few.txt has 1; pairs need as many of both",
        ),
        (
            "--a a.txt --b missing.txt",
            1,
            "missing.txt: cannot be read",
        ),
        ("--a a.txt --b empty.txt", 1, "empty.txt: has no prompts"),
        (
            "--a a.txt --b bad.jsonl",
            1,
            "bad.jsonl, line 2: has neither \"text\" nor \"messages\"",
        ),
        (
            "--a a.txt --b messages.jsonl",
            1,
            "messages.jsonl: prompt 1",
        ),
        ("--a a.txt --b b.txt --template none", 1, "has no {text}"),
        (
            "--a a.txt --b b.txt --rank-by d_z",
            2,
            "--rank-by d_z: is of pairs",
        ),
        (
            "--a a.txt --b b.txt --layers 0..2",
            2,
            "--layers needs a {layer} in it",
        ),
        ("--a a.txt --b b.txt --hook nonsense", 1, "--hook"),
        (
            "--a few.txt --b b.txt --probe 1",
            2,
            "--probe: set a has 1 prompts",
        ),
        ("--a a.txt --b b.txt --system few.txt", 2, "--chat"),
        (
            "--a a.txt --b b.txt --dashboard nowhere",
            1,
            "--dashboard nowhere",
        ),
        ("--a a.txt --b b.txt --alpha 2", 2, "between 0 and 1"),
    ];
    for (options, code, message) in wrong {
        let outcome = scratch.sae(&format!("{call} {options}"));
        assert_eq!(outcome.code, code, "{options}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains(message),
            "{options}: {}",
            outcome.stderr
        );
        assert!(!scratch.path("out").exists(), "{options}");
    }
    let plan = scratch.json(&format!("{call} --a a.txt --b b.txt --plan"));
    assert!(keys(&plan).contains(&"parts") && !scratch.path("out").exists());
    let outcome =
        scratch.sae("contrast --a a.txt --b b.txt --sae $RUN --model $MODEL --out . --json a.txt");
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
}

#[test]
fn pages_of_features_are_linked() {
    let scratch = Scratch::new();
    sets(&scratch);
    scratch.ok("dashboard --sae $RUN --model $MODEL --dataset $TEXT --sequences 4 --context-size 32 --out pages");
    scratch
        .ok("contrast --a a.txt --b b.txt --sae $RUN --model $MODEL --dashboard pages --out out");
    assert!(
        scratch
            .read("out/index.html")
            .contains("href=\"./../pages/index.html#feature=")
    );
}
