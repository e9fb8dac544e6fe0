//! A stream that resumes from a state gives the rows that would have come next, however often it is interrupted.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_ipc::writer::{FileWriter, StreamWriter};
use dataset_stream::{
    BadRows, Budget, Packing, Pretokenized, SaeLensPacking, Shard, Shuffle, SourceOptions,
    StreamOptions, StreamProgress, StreamState, TextSource, TokenRef, TokenStream, Tokenizer,
};
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use support::{Folder, bytes_tokenizer, gzip, zstd};

struct Data {
    dir: tempfile::TempDir,
    tokenizer: Tokenizer,
}

impl Data {
    fn new(files: &[(&str, Vec<u8>)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write(dir.path().join(name), bytes).unwrap();
        }
        Self {
            dir,
            tokenizer: bytes_tokenizer(&Folder::new()),
        }
    }

    fn source(&self) -> TextSource {
        let mut options = SourceOptions::default();
        options.bad_rows = BadRows::Skip {
            at_most_percent: 100,
        };
        TextSource::open(self.dir.path().to_str().unwrap(), &options).unwrap()
    }

    fn all(&self, options: &StreamOptions) -> (Vec<Vec<u32>>, StreamProgress) {
        let mut stream = TokenStream::new(self.source(), &self.tokenizer, options).unwrap();
        let rows = stream.by_ref().map(Result::unwrap).collect();
        (rows, stream.progress())
    }

    /// In parts of so many rows, each from the state that the one before left, written out and read in again.
    fn in_parts(
        &self,
        options: &StreamOptions,
        parts: &[usize],
    ) -> (Vec<Vec<u32>>, StreamProgress) {
        let mut rows = Vec::new();
        let mut stream = TokenStream::new(self.source(), &self.tokenizer, options).unwrap();
        for (i, &n) in parts.iter().enumerate() {
            rows.extend(stream.by_ref().take(n).map(Result::unwrap));
            let text = serde_json::to_string(&stream.state()).unwrap();
            let state: StreamState = serde_json::from_str(&text).unwrap();
            assert_eq!(state.rows(), rows.len() as u64);
            let mut options = options.clone();
            options.threads = 1 + i % 3;
            stream = TokenStream::resume(self.source(), &self.tokenizer, &options, state).unwrap();
        }
        rows.extend(stream.by_ref().map(Result::unwrap));
        (rows, stream.progress())
    }
}

/// Documents of all lengths, blank lines and bad rows among them.
fn lines(seed: usize, n: usize) -> Vec<u8> {
    let mut text = String::new();
    for i in 0..n {
        let length = (i * 37 + seed * 11) % 90;
        match (i + seed) % 11 {
            3 => text.push('\n'),
            5 => text.push_str("{\"text\": null}\n"),
            7 => text.push_str("{\"text\": \"\"}\n"),
            9 => text.push_str("no JSON\n"),
            _ => text.push_str(&format!(
                "{{\"text\": \"{i} {}\"}}\n",
                "abc ".repeat(length)
            )),
        }
    }
    text.into_bytes()
}

fn options(packing: Packing) -> StreamOptions {
    let mut options = StreamOptions::new(17);
    options.packing = packing;
    options.threads = 2;
    options
}

fn saelens() -> Packing {
    Packing::SaeLens(SaeLensPacking {
        separator: Some(TokenRef::Bos),
        ..SaeLensPacking::default()
    })
}

fn without_bytes(progress: StreamProgress) -> StreamProgress {
    let mut made = progress;
    made.bytes_read = 0;
    made
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_parts_make_the_whole(
        seeds in prop::collection::vec((0_usize..50, 0_usize..60, 0_u8..3), 1..4),
        parts in prop::collection::vec(0_usize..40, 0..5),
        notebook in any::<bool>(),
        shuffle in prop::option::of((any::<u64>(), 1_usize..30)),
        shard in prop::option::of((0_u32..3, 3_u32..5)),
    ) {
        let mut files = vec![("0.jsonl", lines(1, 4))];
        let names = ["1", "2", "3"];
        let mut all = Vec::new();
        for (name, (seed, n, kind)) in names.iter().zip(&seeds) {
            let bytes = lines(*seed, *n);
            all.push(match kind {
                0 => (format!("{name}.jsonl"), bytes),
                1 => (format!("{name}.jsonl.gz"), gzip(&bytes)),
                _ => (format!("{name}.jsonl.zst"), zstd(&bytes)),
            });
        }
        files.extend(all.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())));
        let data = Data::new(&files);
        let mut options = options(if notebook { Packing::Notebook } else { saelens() });
options.shuffle = shuffle.map(|(seed, window)| Shuffle { seed, window });
options.shard = shard.map(|(index, of)| Shard::new(index, of).unwrap());
        let (rows, progress) = data.all(&options);
        let (found, found_progress) = data.in_parts(&options, &parts);
        prop_assert_eq!(found, rows);
        prop_assert_eq!(without_bytes(found_progress), without_bytes(progress));
    }
}

/// A table of texts, nulls among them, in batches or row groups of so many rows.
fn table(kind: u8, seed: usize, n: usize, batch: usize) -> (&'static str, Vec<u8>) {
    let rows = (0..n).map(|i| {
        let length = (i * 37 + seed * 11) % 90;
        (!(i + seed).is_multiple_of(7)).then(|| format!("{i} {}", "abc ".repeat(length)))
    });
    let column: ArrayRef = Arc::new(rows.collect::<StringArray>());
    let all = RecordBatch::try_from_iter_with_nullable([("text", column, true)]).unwrap();
    let batches = (0..n)
        .step_by(batch)
        .map(|at| all.slice(at, batch.min(n - at)));
    let (schema, mut bytes) = (all.schema(), Vec::new());
    let name = match kind {
        0 => {
            let mut writer = StreamWriter::try_new(&mut bytes, &schema).unwrap();
            batches.for_each(|batch| writer.write(&batch).unwrap());
            writer.finish().unwrap();
            "arrow"
        }
        1 => {
            let mut writer = FileWriter::try_new(&mut bytes, &schema).unwrap();
            batches.for_each(|batch| writer.write(&batch).unwrap());
            writer.finish().unwrap();
            "arrow"
        }
        _ => {
            let mut writer = ArrowWriter::try_new(&mut bytes, schema, None).unwrap();
            batches.for_each(|batch| {
                writer.write(&batch).unwrap();
                writer.flush().unwrap();
            });
            writer.close().unwrap();
            "parquet"
        }
    };
    (name, bytes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_parts_of_tables_make_the_whole(
        sizes in prop::collection::vec((0_usize..50, 0_usize..80, 1_usize..30), 1..4),
        kind in 0_u8..3,
        parts in prop::collection::vec(0_usize..60, 0..5),
    ) {
        let files: Vec<_> = sizes
            .iter()
            .enumerate()
            .map(|(i, &(seed, n, batch))| {
                let (ending, bytes) = table(kind, seed, n, batch);
                (format!("{i}.{ending}"), bytes)
            })
            .collect();
        let files: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
        let data = Data::new(&files);
        let options = options(Packing::Notebook);
        let (rows, progress) = data.all(&options);
        let (found, found_progress) = data.in_parts(&options, &parts);
        prop_assert_eq!(found, rows);
        prop_assert_eq!(without_bytes(found_progress), without_bytes(progress));
    }
}

/// Many blocks in a file, and a state in each of them.
#[test]
fn large_files_of_every_format_go_on_in_the_middle() {
    let text = lines(2, 6000);
    let values: Vec<&str> = std::str::from_utf8(&text)
        .unwrap()
        .lines()
        .filter(|line| line.starts_with('{'))
        .collect();
    let array = format!("[{}]", values.join(",\n")).into_bytes();
    for (name, bytes) in [
        ("a.jsonl", text.clone()),
        ("a.jsonl.zst", zstd(&text)),
        ("a.json", array),
        ("a.arrow", table(0, 2, 6000, 900).1),
        ("b.arrow", table(1, 2, 6000, 6000).1),
        ("a.parquet", table(2, 2, 6000, 900).1),
    ] {
        let data = Data::new(&[(name, bytes)]);
        let options = options(Packing::Notebook);
        let (rows, progress) = data.all(&options);
        let part = rows.len() / 9;
        let (found, found_progress) = data.in_parts(&options, &[part; 8]);
        assert!(found == rows, "{name}: other rows");
        assert_eq!(without_bytes(found_progress), without_bytes(progress));
    }
}

#[test]
fn rows_that_are_tokenised_already_go_on_too() {
    let rows: Vec<String> = (0..500)
        .map(|i| {
            format!(
                "{{\"tokens\": [{}]}}",
                (0..17)
                    .map(|j| ((i + j) % 200).to_string())
                    .collect::<Vec<_>>()
                    .join(",")
            )
        })
        .collect();
    let data = Data::new(&[("ids.jsonl", rows.join("\n").into_bytes())]);
    for pretokenized in [Pretokenized::Rows, Pretokenized::Documents] {
        let mut options = options(Packing::Notebook);
        options.pretokenized = pretokenized;
        let (rows, _) = data.all(&options);
        assert_eq!(data.in_parts(&options, &[0, 1, 200, 3]).0, rows);
    }
}

#[test]
fn a_budget_counts_from_the_first_beginning() {
    let data = Data::new(&[("a.jsonl", lines(3, 300))]);
    let budget = |n| {
        let mut made = options(Packing::Notebook);
        made.budget = Budget::Sequences(n);
        made
    };
    let (rows, _) = data.all(&options(Packing::Notebook));
    let mut stream = TokenStream::new(data.source(), &data.tokenizer, &budget(10)).unwrap();
    assert_eq!(stream.by_ref().count(), 10);
    let state = stream.state();
    let more =
        TokenStream::resume(data.source(), &data.tokenizer, &budget(25), state.clone()).unwrap();
    let more: Vec<_> = more.map(Result::unwrap).collect();
    assert_eq!(more, rows[10..25]);
    let none = TokenStream::resume(data.source(), &data.tokenizer, &budget(10), state).unwrap();
    assert_eq!(none.count(), 0);
}

#[test]
fn what_is_not_the_same_is_refused() {
    let data = Data::new(&[("a.jsonl", lines(3, 300))]);
    let options = options(Packing::Notebook);
    let mut stream = TokenStream::new(data.source(), &data.tokenizer, &options).unwrap();
    stream.next();
    let state = stream.state();
    let said = |data: &Data, options: &StreamOptions, state: &StreamState| {
        let resumed = TokenStream::resume(data.source(), &data.tokenizer, options, state.clone());
        resumed
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    let mut longer = options.clone();
    longer.context_size = 18;
    assert!(said(&data, &longer, &state).contains("other settings"));
    let other = Data::new(&[("a.jsonl", lines(3, 301))]);
    assert!(said(&other, &options, &state).contains("other files"));
    let mut json = serde_json::to_value(&state).unwrap();
    json["version"] = 1.into();
    assert!(said(&data, &options, &serde_json::from_value(json).unwrap()).contains("version 1"));
    let mut shuffled = options.clone();
    shuffled.shuffle = Some(Shuffle::new(1));
    assert!(said(&data, &shuffled, &state).contains("shuffling"));
    // Numbers that no stream has written lead to an error or to nothing, never to a panic.
    let mut json = serde_json::to_value(&state).unwrap();
    json["packer"]["row"] = vec![1; 17].into();
    assert!(said(&data, &options, &serde_json::from_value(json).unwrap()).contains("damaged"));
    for (key, value) in [("file", 99), ("document", u64::MAX), ("document", 1 << 40)] {
        let mut json = serde_json::to_value(&state).unwrap();
        json[key] = value.into();
        json["within"]["offset"] = 1_000_000.into();
        let state = serde_json::from_value(json).unwrap();
        let resumed = TokenStream::resume(data.source(), &data.tokenizer, &options, state).unwrap();
        assert!(resumed.map(Result::unwrap).count() < 1000);
    }
    let documents = TextSource::from_documents(Vec::new());
    let error = TokenStream::resume(documents, &data.tokenizer, &options, state)
        .err()
        .unwrap();
    assert!(error.to_string().contains("from memory"));
    assert!(Path::new(data.dir.path()).exists());
}
