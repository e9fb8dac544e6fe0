use super::{Prompt, read_conversations, read_pairs, read_prompts};
use serde_json::json;
use std::path::PathBuf;

fn file(name: &str, text: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

fn text(text: &str) -> Prompt {
    Prompt::Text(text.to_owned())
}

#[test]
fn text_has_a_prompt_a_line() {
    let (_dir, path) = file("a.txt", "\u{feff}one {\"text\"}\r\n\n  \n two\n");
    assert_eq!(
        read_prompts(&path).unwrap(),
        [text("one {\"text\"}"), text(" two")]
    );
}

#[test]
fn json_lines_have_texts_or_messages() {
    let message = json!({"role": "user", "content": "hi"});
    let lines = format!(
        "{{\"text\": \"one\\ntwo\", \"id\": 3}}\n\"three\"\n{{\"messages\": [{message}]}}\n"
    );
    let (_dir, path) = file("a.JSONL", lines);
    let found = read_prompts(&path).unwrap();
    assert_eq!(
        found,
        [
            text("one\ntwo"),
            text("three"),
            Prompt::Messages(vec![message])
        ]
    );
}

#[test]
fn conversations_come_in_every_form() {
    let one = r#"[{"role": "user", "content": "a"}]"#;
    let messages = vec![json!({"role": "user", "content": "a"})];
    let expected = Prompt::Messages(messages.clone());
    for (text, n) in [
        (one.to_owned(), 1),
        (format!("{{\"messages\": {one},\n \"tools\": []}}"), 1),
        (format!("{one}\n\n{{\"messages\": {one}}}\n"), 2),
    ] {
        let (_dir, path) = file("c.json", &text);
        assert_eq!(
            read_conversations(&path).unwrap(),
            vec![expected.clone(); n],
            "{text}"
        );
        let (_dir, path) = file("c.jsonl", text.replace(",\n", ","));
        assert_eq!(
            read_prompts(&path).unwrap(),
            vec![expected.clone(); n],
            "{text}"
        );
    }
    let call = r#"{"role": "assistant", "tool_calls": []}"#;
    let (_dir, path) = file(
        "c.json",
        format!("{{\"messages\": [{call}], \"tools\": [{{\"name\": \"f\"}}]}}"),
    );
    let tools = Prompt::Tools {
        messages: vec![json!({"role": "assistant", "tool_calls": []})],
        tools: vec![json!({"name": "f"})],
    };
    assert_eq!(read_conversations(&path).unwrap(), [tools]);
    let refused = |text: &str| {
        let (_dir, path) = file("c.json", text);
        read_conversations(&path).unwrap_err().to_string()
    };
    assert!(refused("[]\n").ends_with("line 1: \"messages\" has no messages"));
    assert!(
        refused("\n{\"text\": \"a\"}\n").contains("line 2: is a text, expected a conversation")
    );
    assert!(
        refused(&format!("{{\"messages\": {one}, \"tools\": 3}}"))
            .contains("\"tools\" is a number")
    );
    assert!(refused("\n").ends_with("has no prompts"));
}

#[test]
fn pairs_have_two_sides() {
    let lines = "{\"a\": \"x\", \"b\": [{\"role\": \"user\", \"content\": \"y\"}]}\n{\"b\": {\"text\": \"w\"}, \"a\": \"v\"}\n";
    let (_dir, path) = file("pairs.jsonl", lines);
    let found = read_pairs(&path).unwrap();
    let message = json!({"role": "user", "content": "y"});
    assert_eq!(found[0], (text("x"), Prompt::Messages(vec![message])));
    assert_eq!(found[1], (text("v"), text("w")));
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let message = |name: &str, lines: &str| {
        let (_dir, path) = file(name, lines);
        let error = if name == "pairs.jsonl" {
            read_pairs(&path).unwrap_err()
        } else {
            read_prompts(&path).unwrap_err()
        };
        error
            .to_string()
            .replace(&path.display().to_string(), "FILE")
    };
    assert_eq!(
        message("a.jsonl", "{\"text\": \"x\"}\n\n{\"prompt\": 1}"),
        "FILE, line 3: has neither \"text\" nor \"messages\"; has the keys \"prompt\""
    );
    assert!(message("a.jsonl", "{").starts_with("FILE, line 1: is not JSON: "));
    assert_eq!(
        message("a.jsonl", "{\"messages\": [{\"role\": \"user\"}]}"),
        "FILE, line 1: \"messages\"[0] is not a message; expected an object with a \"role\" and a \"content\""
    );
    assert_eq!(
        message("pairs.jsonl", "{\"a\": \"x\", \"c\": \"y\"}"),
        "FILE, line 1: has no \"b\"; has the keys \"c\""
    );
    assert_eq!(message("a.txt", " \n\n"), "FILE: has no prompts");
    assert!(message("a.txt.gz", "x").starts_with("FILE: is compressed; unpack it first"));
    let (_dir, path) = file("a.txt", b"ab\xff");
    let error = read_prompts(&path).unwrap_err().to_string();
    assert!(error.contains("is not UTF-8 text (byte 2)"), "{error}");
    let error = read_prompts(path.parent().unwrap())
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("cannot be read: it is not a file"),
        "{error}"
    );
}
