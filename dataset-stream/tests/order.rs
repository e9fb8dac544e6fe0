//! Shuffling and shards: every document once, in an order that depends on the seed and on nothing else.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use dataset_stream::{
    Budget, Shard, Shuffle, SourceOptions, StreamOptions, TextSource, TokenStream,
};
use proptest::prelude::*;
use support::{Folder, bytes_tokenizer, gzip};

/// Files of so many documents; every document is one byte, told apart by file and number up to 64 of each.
fn folder(files: &[usize]) -> (Folder, String) {
    let folder = Folder::new();
    for (file, &n) in files.iter().enumerate() {
        let rows: Vec<String> = (0..n)
            .map(|i| format!("{{\"text\": \"{}\"}}", name(file, i)))
            .collect();
        let rows = rows.join("\n");
        folder.write(&format!("data/{file}.jsonl.gz"), gzip(rows.as_bytes()));
    }
    let spec = folder.path("data").to_str().unwrap().to_owned();
    (folder, spec)
}

fn name(file: usize, document: usize) -> String {
    format!("{file}-{document};")
}

/// The documents in the order in which they come.
fn documents(spec: &str, options: &StreamOptions) -> Vec<String> {
    let folder = Folder::new();
    let tokenizer = bytes_tokenizer(&folder);
    let mut options = options.clone();
    options.context_size = 2;
    options.budget = Budget::Everything;
    let source = TextSource::open(spec, &SourceOptions::default()).unwrap();
    let stream = TokenStream::new(source, &tokenizer, &options).unwrap();
    // Rows of BOS and one token: the stream again.
    let bytes: Vec<u8> = stream
        .filter_map(|row| u8::try_from(row.unwrap()[1]).ok())
        .collect();
    let text = String::from_utf8(bytes).unwrap();
    text.split_terminator(';')
        .map(|d| format!("{d};"))
        .collect()
}

fn sorted(mut documents: Vec<String>) -> Vec<String> {
    documents.sort();
    documents
}

fn all(files: &[usize]) -> Vec<String> {
    let documents = files.iter().enumerate();
    sorted(
        documents
            .flat_map(|(file, &n)| (0..n).map(move |i| name(file, i)))
            .collect(),
    )
}

fn shuffled(seed: u64, window: usize) -> StreamOptions {
    let mut options = StreamOptions::new(2);
    options.shuffle = Some(Shuffle { seed, window });
    options
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_document_comes_once(
        files in prop::collection::vec(0_usize..40, 1..6).prop_filter("text", |f| f.iter().sum::<usize>() > 0),
        seed in prop::option::of(any::<u64>()),
        window in 1_usize..60,
        workers in 1_u32..5,
        threads in 1_usize..4,
    ) {
        let (_folder, spec) = folder(&files);
        let mut found = Vec::new();
        for index in 0..workers {
            let mut options = StreamOptions::new(2);
options.shuffle = seed.map(|seed| Shuffle { seed, window });
options.shard = Some(Shard::new(index, workers).unwrap());
options.threads = threads;
            found.extend(documents(&spec, &options));
        }
        prop_assert_eq!(sorted(found), all(&files));
    }
}

#[test]
fn the_order_depends_on_the_seed_alone() {
    let (_folder, spec) = folder(&[30, 30, 30]);
    let in_order = documents(&spec, &StreamOptions::new(2));
    let one = documents(&spec, &shuffled(1, 50));
    assert_ne!(one, in_order);
    assert_ne!(one, documents(&spec, &shuffled(2, 50)));
    for threads in [1, 3] {
        let mut options = shuffled(1, 50);
        options.threads = threads;
        options.bytes_in_flight = 1;
        assert_eq!(documents(&spec, &options), one);
    }
    // A window of one document leaves the order within files, and shuffles files.
    let files: Vec<Vec<String>> = (0..20)
        .map(|seed| documents(&spec, &shuffled(seed, 1)))
        .collect();
    for order in &files {
        let mut firsts: Vec<&[String]> = order.chunks(30).collect();
        firsts.sort();
        assert_eq!(firsts.concat(), in_order);
    }
    assert!(files.iter().any(|order| *order != in_order));
}

#[test]
fn a_window_mixes_documents_of_several_files() {
    let (_folder, spec) = folder(&[20, 20]);
    let order = documents(&spec, &shuffled(5, 40));
    let from_the_first = order[..20].iter().filter(|d| d.starts_with("0-")).count();
    assert!((4..=16).contains(&from_the_first), "{order:?}");
}

/// Files that are not one's own may as well not be there: they are not even opened.
#[test]
fn workers_leave_the_files_of_others_alone() {
    let (folder, spec) = folder(&[3, 3, 3, 3]);
    let tokenizer = bytes_tokenizer(&folder);
    let source = TextSource::open(&spec, &SourceOptions::default()).unwrap();
    for other in [1, 3] {
        std::fs::remove_file(folder.path(&format!("data/{other}.jsonl.gz"))).unwrap();
    }
    let mut options = StreamOptions::new(2);
    options.shard = Some("0/2".parse().unwrap());
    let stream = TokenStream::new(source, &tokenizer, &options).unwrap();
    let total = stream.progress().total_bytes;
    assert_eq!(stream.map(Result::unwrap).count(), 2 * 3 * 5 - 1);
    let size = std::fs::metadata(folder.path("data/0.jsonl.gz"))
        .unwrap()
        .len();
    assert_eq!(total, 2 * size);
}

#[test]
fn splits_of_a_folder_are_found_as_on_the_hub() {
    let folder = Folder::new();
    let row = |text: &str| format!("{{\"text\": \"{text}\"}}\n");
    folder.write("set/train.jsonl", row("a"));
    folder.write("set/test.jsonl", row("b"));
    let spec = folder.path("set").to_str().unwrap().to_owned();
    let open = |config: Option<&str>, split: Option<&str>| {
        let mut options = SourceOptions::default();
        options.config = config.map(str::to_owned);
        options.split = split.map(str::to_owned);
        TextSource::open(&spec, &options).map(|source| source.files().len())
    };
    assert_eq!(
        open(None, None).unwrap(),
        2,
        "all files where nothing is chosen"
    );
    assert_eq!(open(None, Some("test")).unwrap(), 1);
    let said = folder.short(open(None, Some("dev")).unwrap_err());
    assert!(
        said.contains("dev") && said.contains("train, test"),
        "{said}"
    );
    folder.write(
        "set/README.md",
        "---\nconfigs:\n- config_name: both\n  data_files:\n  - split: all\n    path: \"*.jsonl\"\n---\n",
    );
    assert_eq!(open(Some("both"), Some("all")).unwrap(), 2);
    assert!(
        open(Some("neither"), None)
            .unwrap_err()
            .to_string()
            .contains("neither")
    );

    let file = folder.path("set/train.jsonl");
    let mut options = SourceOptions::default();
    options.split = Some("test".into());
    let said = TextSource::open(file.to_str().unwrap(), &options)
        .err()
        .unwrap();
    assert!(said.to_string().contains("no configurations and splits"));
}
