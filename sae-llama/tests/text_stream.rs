//! Text that comes a token at a time is the text of all tokens: whole characters, and nothing of what it stops at.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

use dataset_stream::Tokenizer;
use sae_llama::generate::TextStream;

fn tokenizer() -> Tokenizer {
    Tokenizer::from_file(concat!(env!("CARGO_MANIFEST_DIR"), "/../demo/model")).unwrap()
}

/// The pieces, and the text at the end.
fn stream(text: &str, stop: &[&str]) -> (Vec<String>, TextStream) {
    let tokenizer = tokenizer();
    let stop: Vec<String> = stop.iter().map(|&text| text.to_owned()).collect();
    let mut stream = TextStream::new(&tokenizer.encode("And he said,").unwrap(), &stop);
    let mut pieces = Vec::new();
    for id in tokenizer.encode(text).unwrap() {
        pieces.push(stream.push(&tokenizer, id).unwrap().to_owned());
        if stream.stopped().is_some() {
            break;
        }
    }
    pieces.push(stream.finish(&tokenizer).unwrap().to_owned());
    (pieces, stream)
}

const TEXTS: [&str; 4] = [
    " Let there be light: and there was light.",
    " Größe, 猫は窓のそばで眠っている 🙂👩‍👩‍👧 e\u{301}",
    "\n\n  \t\n",
    "",
];

#[test]
fn pieces_are_whole_characters_and_make_up_the_text() {
    for text in TEXTS {
        let (pieces, stream) = stream(text, &[]);
        assert_eq!(pieces.concat(), text);
        assert_eq!(stream.text(), text);
        assert!(
            pieces.iter().all(|piece| !piece.contains('\u{fffd}')),
            "{pieces:?}"
        );
    }
}

#[test]
fn it_stops_before_the_text_wherever_tokens_end() {
    let text = TEXTS[1];
    for (start, _) in text.char_indices() {
        for n in [1, 2, 5] {
            let stop: String = text[start..].chars().take(n).collect();
            let (pieces, stream) = stream(text, &["nowhere", &stop]);
            let expected = &text[..text.find(&stop).unwrap()];
            assert_eq!(pieces.concat(), expected, "{stop:?}");
            assert_eq!(
                (stream.text(), stream.stopped()),
                (expected, Some(stop.as_str()))
            );
        }
    }
}

#[test]
fn what_might_have_been_a_stop_comes_at_the_end() {
    let (pieces, stream) = stream(" and there was light", &["light.", "light!"]);
    assert_eq!(pieces.concat(), " and there was light");
    assert_eq!(stream.stopped(), None);
}
