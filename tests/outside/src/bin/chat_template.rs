//! A conversation as the text that a model goes on from.

use chat_template::{ChatTemplate, Message, RenderOptions, SpecialTokens};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let source = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";
    let template = ChatTemplate::new(source, SpecialTokens::new("<s>", "</s>"));
    let text = template.render(
        &[Message::user("Hello!")],
        &RenderOptions::new().add_generation_prompt(true),
    )?;
    println!("{text}");
    assert_eq!(text, "<user>Hello!<assistant>");
    Ok(())
}
