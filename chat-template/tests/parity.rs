//! Byte for byte what transformers renders. `tests/goldens/chat.py` made the cases.

use chat_template::{ChatTemplate, ChatTemplateError, Message, RenderOptions, SpecialTokens};
use serde_json::Value;

fn cases() -> Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/goldens/data/chat/cases.json"
    );
    serde_json::from_str(&std::fs::read_to_string(path).expect("the goldens")).expect("JSON")
}

/// The clock of the goldens stood still here.
fn options(given: &Value) -> RenderOptions {
    let list = |key: &str| given[key].as_array().cloned();
    let mut options = RenderOptions::new().now("2025-03-09T14:05:07".parse().expect("a moment"));
    options.add_generation_prompt = given["add_generation_prompt"] == true;
    options.tools = list("tools");
    options.documents = list("documents");
    options.variables = given["variables"].as_object().cloned().unwrap_or_default();
    options
}

#[test]
fn texts_and_refusals_are_those_of_transformers() {
    let cases = cases();
    let (mut texts, mut refusals) = (0, 0);
    let mut wrong = Vec::new();
    for golden in cases["templates"].as_array().expect("a list") {
        let text = |key: &str| golden[key].as_str().expect("a text");
        let template = ChatTemplate::new(
            text("template"),
            SpecialTokens::new(text("bos_token"), text("eos_token")),
        );
        for case in golden["cases"].as_array().expect("a list") {
            let name = |key: &str| case[key].as_str().expect("a name");
            let messages: Vec<Message> =
                serde_json::from_value(cases["conversations"][name("conversation")].clone())
                    .expect("messages");
            let found = template.render(&messages, &options(&cases["options"][name("options")]));
            let label = format!(
                "{} {} {}",
                text("name"),
                name("conversation"),
                name("options")
            );
            match (&found, case["text"].as_str(), case["raised"].as_str()) {
                (Ok(found), Some(expected), _) if found == expected => texts += 1,
                (Err(ChatTemplateError::Raised { message, .. }), None, Some(expected))
                    if message == expected =>
                {
                    refusals += 1;
                }
                // Python's own errors have Python's words.
                (Err(_), None, None) => refusals += 1,
                (found, expected, raised) => wrong.push(format!(
                    "{label}\n  found    {found:?}\n  expected {expected:?} {raised:?}"
                )),
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong[..3.min(wrong.len())].join("\n")
    );
    assert!(
        texts > 500 && refusals > 50,
        "{texts} texts, {refusals} refusals"
    );
}
