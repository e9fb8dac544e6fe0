//! Rows of ids from documents: the same for any number of threads, within bounds, to the budget.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dataset_stream::{
    Budget, Content, Packer, Packing, Pretokenized, SaeLensPacking, SourceOptions, SpecialText,
    StreamOptions, StreamProgress, TextSource, TokenRef, TokenStream,
};
use proptest::prelude::*;
use support::{BOS, EOS, Folder, bytes_tokenizer, lines};

fn memory(texts: impl IntoIterator<Item = impl Into<String>>) -> TextSource {
    let contents: Vec<_> = texts
        .into_iter()
        .map(|text| Content::Text(text.into()))
        .collect();
    TextSource::from_documents(contents)
}

fn ids(text: &str) -> Vec<u32> {
    text.bytes().map(u32::from).collect()
}

fn row(parts: &[&[u32]]) -> Vec<u32> {
    parts.concat()
}

fn rows(stream: TokenStream) -> Vec<Vec<u32>> {
    stream.map(Result::unwrap).collect()
}

#[test]
fn the_notebooks_packing() {
    let folder = Folder::new();
    let stream = TokenStream::new(
        memory(["abc", "", "defgh"]),
        &bytes_tokenizer(&folder),
        &StreamOptions::new(5),
    )
    .unwrap();
    assert_eq!(
        rows(stream),
        [
            row(&[&[BOS], &ids("abc"), &[EOS]]),
            row(&[&[BOS], &[EOS], &ids("def")])
        ]
    );
}

#[test]
fn saelens_packing() {
    let folder = Folder::new();
    let tokenizer = bytes_tokenizer(&folder);
    let of = |packing: SaeLensPacking, prepend_bos: bool| {
        let mut options = StreamOptions::new(5);
        options.packing = Packing::SaeLens(packing);
        options.prepend_bos = prepend_bos;
        rows(TokenStream::new(memory(["abc", "defgh"]), &tokenizer, &options).unwrap())
    };
    let store = SaeLensPacking::default();
    assert_eq!(
        of(store, true),
        [
            row(&[&[BOS], &ids("abc"), &[BOS]]),
            row(&[&[BOS], &ids("defg")])
        ]
    );
    assert_eq!(of(store, false), [row(&[&ids("abc"), &[BOS], &ids("d")])]);
    let eos = SaeLensPacking {
        separator: Some(TokenRef::Eos),
        begin_sequence: Some(TokenRef::Id(9)),
        ..store
    };
    assert_eq!(
        of(eos, false),
        [
            row(&[&[9], &ids("abc"), &[EOS]]),
            row(&[&[9], &ids("defg")])
        ]
    );
    let alone = SaeLensPacking {
        disable_concat: true,
        ..store
    };
    assert_eq!(of(alone, true), [row(&[&[BOS], &ids("defg")])]);
}

#[test]
fn special_text_is_parsed_or_literal() {
    let folder = Folder::new();
    let tokenizer = bytes_tokenizer(&folder);
    let mut options = StreamOptions::new(5);
    options.prepend_bos = false;
    let parsed = TokenStream::new(memory(["a</s>bcd"]), &tokenizer, &options).unwrap();
    assert_eq!(rows(parsed), [row(&[&ids("a"), &[EOS], &ids("bcd")])]);
    let literal = tokenizer.with_special_text(SpecialText::Literal);
    let literal = TokenStream::new(memory(["a</s>bcd"]), &literal, &options).unwrap();
    assert_eq!(rows(literal), [ids("a</s>")]);
}

#[test]
fn budgets_are_of_whole_rows() {
    let folder = Folder::new();
    let tokenizer = bytes_tokenizer(&folder);
    let count = |budget| {
        let mut options = StreamOptions::new(10);
        options.budget = budget;
        rows(TokenStream::new(memory(["x".repeat(1000)]), &tokenizer, &options).unwrap()).len()
    };
    assert_eq!(count(Budget::Everything), 111);
    assert_eq!(count(Budget::Sequences(7)), 7);
    assert_eq!(count(Budget::Sequences(0)), 0);
    assert_eq!(count(Budget::Sequences(1000)), 111);
    assert_eq!(count(Budget::Tokens(79)), 7);
    assert_eq!(count(Budget::Tokens(80)), 8);
}

#[test]
fn tokenised_rows_pass_or_are_packed_anew() {
    let folder = Folder::new();
    let tokenizer = bytes_tokenizer(&folder);
    let source = || {
        TextSource::from_documents(vec![
            Content::Tokens(vec![1, 2, 3]),
            Content::Tokens(vec![4, 5, 6, 7]),
        ])
    };
    let stream = TokenStream::new(source(), &tokenizer, &StreamOptions::new(3)).unwrap();
    assert_eq!(rows(stream), [[1, 2, 3], [4, 5, 6]]);
    let mut options = StreamOptions::new(3);
    options.pretokenized = Pretokenized::Documents;
    let stream = TokenStream::new(source(), &tokenizer, &options).unwrap();
    assert_eq!(
        rows(stream),
        [[BOS, 1, 2], [BOS, 3, EOS], [BOS, 4, 5], [BOS, 6, 7]]
    );
}

/// Some megabytes of documents of very different lengths.
fn corpus() -> Vec<String> {
    (0..3000usize)
        .map(|i| format!("{i} ").repeat(if i % 500 == 3 { 40_000 } else { i * 7919 % 300 }))
        .collect()
}

#[test]
fn threads_and_room_do_not_change_the_rows() {
    let folder = Folder::new();
    let tokenizer = bytes_tokenizer(&folder);
    let documents = corpus();
    let mut expected = Vec::new();
    let mut packer = Packer::notebook(128, Some(BOS), EOS);
    for document in &documents {
        packer.push(&tokenizer.encode(document).unwrap(), |row| {
            expected.push(row);
        });
    }
    let file = folder.write("corpus.jsonl", lines(&documents));
    for (threads, bytes_in_flight) in [
        (1, 256 << 20),
        (2, 1),
        (3, 300_000),
        (8, 4 << 20),
        (0, 256 << 20),
    ] {
        let source = TextSource::open(&file, &SourceOptions::default()).unwrap();
        let mut options = StreamOptions::new(128);
        options.threads = threads;
        options.bytes_in_flight = bytes_in_flight;
        let stream = TokenStream::new(source, &tokenizer, &options).unwrap();
        assert!(
            rows(stream) == expected,
            "{threads} threads, {bytes_in_flight} bytes"
        );
    }
}

#[test]
fn rows_before_an_error_come_first_whatever_the_threads() {
    let folder = Folder::new();
    let tokenizer = bytes_tokenizer(&folder);
    let mut records: Vec<_> = corpus()
        .iter()
        .map(|text| serde_json::json!({ "text": text }).to_string())
        .collect();
    records[1234] = "{\"text\": nul}".into();
    let file = folder.write("bad.jsonl", records.join("\n"));
    let mut seen = Vec::new();
    for threads in [1, 4] {
        let source = TextSource::open(&file, &SourceOptions::default()).unwrap();
        let mut options = StreamOptions::new(64);
        options.threads = threads;
        let mut stream = TokenStream::new(source, &tokenizer, &options).unwrap();
        let good: Vec<_> = stream.by_ref().map_while(Result::ok).collect();
        assert!(stream.next().is_none(), "an error ends the stream");
        seen.push(good);
    }
    let tokens: usize = corpus()[..1234].iter().map(|text| text.len() + 1).sum();
    assert_eq!(seen[0].len(), (tokens - 1) / 63);
    assert!(seen[0] == seen[1]);
}

#[test]
fn the_observer_sees_everything_and_may_stop() {
    let folder = Folder::new();
    let tokenizer = bytes_tokenizer(&folder);
    let documents = corpus();
    let file = folder.write("corpus.jsonl", lines(&documents));
    let open = || TextSource::open(&file, &SourceOptions::default()).unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let mut last = StreamProgress::default();
    let mut stream = TokenStream::new(open(), &tokenizer, &StreamOptions::new(100))
        .unwrap()
        .with_observer(move |progress: &StreamProgress| {
            assert!(progress.documents > last.documents && progress.bytes_read >= last.bytes_read);
            last = *progress;
            counter.fetch_add(1, Ordering::Relaxed);
            ControlFlow::Continue(())
        });
    let n = stream.by_ref().count() as u64;
    let bytes: usize = documents.iter().map(String::len).sum();
    let size = std::fs::metadata(&file).unwrap().len();
    let mut expected = StreamProgress::default();
    expected.documents = 3000;
    expected.bad_rows = 0;
    expected.text_bytes = bytes as u64;
    expected.tokens = bytes as u64;
    expected.rows = n;
    expected.bytes_read = size;
    expected.total_bytes = size;
    assert_eq!(stream.progress(), expected);
    assert!(calls.load(Ordering::Relaxed) > 2);

    let stop = |progress: &StreamProgress| {
        if progress.documents > 100 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let stopped = TokenStream::new(open(), &tokenizer, &StreamOptions::new(100))
        .unwrap()
        .with_observer(stop);
    let m = rows(stopped).len() as u64;
    assert!(m > 0 && m < n, "{m} of {n} rows");
}

/// Documents without end, and how many bytes of them were asked for.
fn endless() -> (TextSource, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let source = TextSource::from_documents((0..).map(move |i: u64| {
        let text = format!("{i} some text").repeat(50);
        counter.fetch_add(text.len(), Ordering::Relaxed);
        Content::Text(text)
    }));
    (source, asked)
}

#[test]
fn reading_ahead_is_bounded_and_ends_with_the_stream() {
    let folder = Folder::new();
    let tokenizer = bytes_tokenizer(&folder);
    let (source, asked) = endless();
    let mut options = StreamOptions::new(16);
    options.threads = 2;
    options.bytes_in_flight = 8 << 20;
    let mut stream = TokenStream::new(source, &tokenizer, &options).unwrap();
    assert!(stream.next().unwrap().is_ok());
    // Time for the threads to run away, were they able to.
    std::thread::sleep(std::time::Duration::from_millis(300));
    drop(stream);
    let read = asked.load(Ordering::Relaxed);
    // What may be under way, and the block that waits to be admitted.
    assert!(
        read <= (8 << 20) + (2 << 20),
        "{read} bytes were read for one row"
    );
    assert_eq!(asked.load(Ordering::Relaxed), read);

    let (source, _) = endless();
    options.budget = Budget::Sequences(100);
    assert_eq!(
        rows(TokenStream::new(source, &tokenizer, &options).unwrap()).len(),
        100
    );
}

#[test]
fn a_document_larger_than_the_room_passes() {
    let folder = Folder::new();
    let tokenizer = bytes_tokenizer(&folder);
    let mut options = StreamOptions::new(1000);
    options.threads = 3;
    options.bytes_in_flight = 1000;
    let documents = ["a".repeat(3_000_000), "b".repeat(10), "c".repeat(2_000_000)];
    let n = rows(TokenStream::new(memory(documents), &tokenizer, &options).unwrap()).len();
    assert_eq!(n, (5_000_010 + 2) / 999);
}

#[test]
fn a_panic_in_the_callers_iterator_is_an_error() {
    let folder = Folder::new();
    let documents = (0..5).map(|i| {
        assert!(i < 3, "no document {i}");
        Content::Text("abcdefgh".into())
    });
    let mut stream = TokenStream::new(
        TextSource::from_documents(documents),
        &bytes_tokenizer(&folder),
        &StreamOptions::new(4),
    )
    .unwrap();
    let error = stream.find_map(Result::err).unwrap();
    assert_eq!(error.to_string(), "a reader thread panicked: no document 3");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_token_is_lost_between_documents_and_rows(
        documents in prop::collection::vec("[a-z é😀]{0,40}", 0..40),
        context_size in 2usize..20,
        threads in 1usize..4,
    ) {
        let folder = Folder::new();
        let mut options = StreamOptions::new(context_size);
options.threads = threads;
options.bytes_in_flight = 64;
        let stream = TokenStream::new(memory(documents.clone()), &bytes_tokenizer(&folder), &options).unwrap();
        let packed: Vec<u32> = rows(stream).iter().flat_map(|row| row[1..].to_vec()).collect();
        let whole: Vec<u32> = documents
            .iter()
            .map(|text| ids(text))
            .collect::<Vec<_>>()
            .join(&EOS);
        prop_assert_eq!(&packed, &whole[..packed.len()]);
        prop_assert!(whole.len() - packed.len() < context_size - 1);
    }
}
