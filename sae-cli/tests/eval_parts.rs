//! `sae eval --parts` and `sae merge`: the figures of one worker, whatever the division, the order and the grouping.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use serde_json::Value;
use std::process::Stdio;
use support::Scratch;

const EVAL: &str = "eval --sae $RUN --model $MODEL --tokens t.st --batch-size 4";

fn with_rows() -> Scratch {
    let scratch = Scratch::new();
    scratch.ok(
        "tokenize --tokenizer $MODEL --dataset $TEXT --context-size 32 --sequences 41 --out t.st",
    );
    scratch
}

/// Every figure to rounding: no sum is in another order than that of batches and parts.
fn assert_close(a: &Value, b: &Value, name: &str) {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            assert_eq!(x.len(), y.len(), "{name}");
            x.iter()
                .for_each(|(key, of)| assert_close(of, &y[key], &format!("{name}.{key}")));
        }
        (Value::Array(x), Value::Array(y)) => {
            assert_eq!(x.len(), y.len(), "{name}");
            x.iter().zip(y).for_each(|(x, y)| assert_close(x, y, name));
        }
        (Value::Number(x), Value::Number(y)) => {
            let (x, y) = (x.as_f64().unwrap(), y.as_f64().unwrap());
            assert!(
                (x - y).abs() <= 1e-12 * x.abs().max(1e-9),
                "{name}: {x}, {y}"
            );
        }
        _ => assert_eq!(a, b, "{name}"),
    }
}

#[test]
fn parts_give_the_figures_of_one_worker() {
    let scratch = with_rows();
    let whole = scratch.json(EVAL);
    let same = |merged: &Value| {
        assert_close(&whole["metrics"], &merged["metrics"], "metrics");
        let name = "feature_metrics";
        assert_close(&whole[name], &merged[name], name);
        assert_eq!(whole["warnings"], merged["warnings"]);
    };
    for n in [1, 3, 8] {
        for i in (0..n).rev() {
            scratch.ok(&format!("{EVAL} --shard {i}/{n} --parts p{n}"));
        }
        same(&scratch.json(&format!("merge p{n}")));
    }
    let part = |i: u32| format!("p8/part-0000{i}-of-00008.cbor");
    let list = |of: &[u32]| of.iter().map(|i| part(*i)).collect::<Vec<_>>().join(" ");
    scratch.ok(&format!("merge {} --out a.cbor", list(&[6, 1])));
    scratch.ok(&format!("merge {} a.cbor --out b.cbor", list(&[7, 0, 3])));
    scratch.ok(&format!("merge {} b.cbor --out m.json", list(&[5, 4, 2])));
    same(&support::read_json(&scratch.path("m.json")));

    // A part that is there is kept; the same work gives the same bytes.
    let before = std::fs::read(scratch.path(&part(2))).unwrap();
    let again = scratch.json(&format!("{EVAL} --shard 2/8 --parts p8"));
    assert_eq!(again["kept"], true);
    scratch.write(&part(2), "");
    let outcome = scratch.sae(&format!("{EVAL} --shard 2/8 --parts p8"));
    assert!(outcome.stderr.contains("measured again"), "{outcome:#?}");

    let found = || std::fs::read(scratch.path(&part(2))).unwrap();
    assert_eq!(found(), before, "the warning is the worker's own");
    // Two workers that do the same piece at once leave it whole.
    std::fs::remove_file(scratch.path(&part(2))).unwrap();
    let line = format!("{EVAL} --shard 2/8 --parts p8");
    let workers = [(), ()].map(|()| {
        scratch
            .command(&line)
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    });
    for mut worker in workers {
        assert!(worker.wait().unwrap().success());
    }
    assert_eq!(found(), before);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let scratch = with_rows();
    scratch.ok(&format!("{EVAL} --shard 0/2 --parts p"));
    scratch.fails(
        1,
        "merge p",
        &["1 of 2 shards are missing: 1", "--allow-missing"],
    );
    let partial = scratch.json("merge p --allow-missing");
    assert_eq!(partial["shards"]["missing"], serde_json::json!([1]));
    assert!(
        partial["warnings"][0]
            .as_str()
            .unwrap()
            .contains("missing: 1")
    );
    scratch.ok(&format!("{EVAL} --shard 1/2 --parts q --keep-all-tokens"));
    scratch.fails(1, "merge p q", &["made with another convention"]);
    scratch.fails(
        1,
        &format!("{EVAL} --shard 1/2 --parts q"),
        &["there already", "another convention"],
    );
    scratch.fails(
        1,
        "merge p p/part-00000-of-00002.cbor",
        &["shard 0 is both in"],
    );
    scratch.ok(&format!("{EVAL} --shard 1/3 --parts r"));
    scratch.fails(1, "merge p r", &["of 3 shards", "of 2"]);
    scratch.write("x.cbor", "nonsense");
    scratch.fails(1, "merge x.cbor", &["x.cbor", "is not a part"]);
    scratch.fails(1, "merge none.cbor", &["none.cbor", "expected a part"]);
    scratch.fails(
        2,
        &format!("{EVAL} --shard 1/4000000 --parts s"),
        &["up to 1048576 shards"],
    );
    scratch.fails(
        2,
        &format!("{EVAL} --sae $RUN --parts p"),
        &["--parts", "one SAE at a time"],
    );
}

#[test]
fn auto_is_what_the_launcher_says() {
    let scratch = with_rows();
    let line = format!("{EVAL} --shard auto --parts p");
    scratch.fails(2, &line, &["Slurm", "give I/N"]);
    let set = [("OMPI_COMM_WORLD_RANK", "1"), ("OMPI_COMM_WORLD_SIZE", "3")];
    let status = scratch.command(&line).envs(set).status().unwrap();
    assert!(status.success());
    let part = scratch.path("p/part-00001-of-00003.cbor");
    let by_launcher = std::fs::read(&part).unwrap();
    // Who started it, and what was passed over, makes no other part.
    std::fs::remove_file(&part).unwrap();
    let more = [("RANK", "0"), ("WORLD_SIZE", "2")];
    let outcome = scratch
        .command(&line)
        .envs(set)
        .envs(more)
        .output()
        .unwrap();
    let said = String::from_utf8(outcome.stderr).unwrap();
    assert!(
        said.contains("torchrun (RANK) are set too and were passed over"),
        "{said}"
    );
    assert_eq!(std::fs::read(&part).unwrap(), by_launcher);
}
