//! Where templates are found, and what is said where they are not, or are hostile.

use chat_template::{ChatTemplate, ChatTemplateError, Message, RenderOptions, SpecialTokens};
use std::path::Path;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    dir
}

fn render(template: &ChatTemplate, options: &RenderOptions) -> Result<String, ChatTemplateError> {
    template.render(&[Message::user("hi")], options)
}

fn error(source: &str) -> String {
    let template = ChatTemplate::new(source, SpecialTokens::default());
    render(&template, &RenderOptions::new())
        .expect_err("an error")
        .to_string()
}

#[test]
fn a_file_of_its_own_goes_before_the_configuration() {
    let config =
        r#"{"bos_token": {"content": "<s>"}, "eos_token": "</s>", "chat_template": "config"}"#;
    let dir = folder(&[
        ("tokenizer_config.json", config),
        (
            "chat_template.jinja",
            "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ pad_token }}\n",
        ),
        ("additional_chat_templates/tool_use.jinja", "tools"),
    ]);
    let template = ChatTemplate::from_folder(dir.path()).expect("a template");
    assert_eq!(
        template.names().collect::<Vec<_>>(),
        ["default", "tool_use"]
    );
    assert_eq!(
        render(&template, &RenderOptions::new()).expect("a text"),
        "<s>hi</s>"
    );
    let tools = RenderOptions::new().tools(vec![serde_json::json!({})]);
    assert_eq!(render(&template, &tools).expect("a text"), "tools");
    assert_eq!(
        render(&template, &tools.template("default")).expect("a text"),
        "<s>hi</s>"
    );
    let of_files = ChatTemplate::from_files(None, Some(&dir.path().join("tokenizer_config.json")))
        .expect("a template");
    assert_eq!(
        render(&of_files, &RenderOptions::new()).expect("a text"),
        "config"
    );
    assert_eq!(of_files.special_tokens().bos_token(), Some("<s>"));
}

#[test]
fn templates_by_name() {
    let config = r#"{"chat_template": [{"name": "default", "template": "d"}, {"name": "rag", "template": "{{ documents[0].title }}"}]}"#;
    let dir = folder(&[("tokenizer_config.json", config)]);
    let template = ChatTemplate::from_folder(dir.path()).expect("a template");
    let rag = RenderOptions::new()
        .template("rag")
        .documents(vec![serde_json::json!({"title": "T"})]);
    assert_eq!(render(&template, &rag).expect("a text"), "T");
    let message = render(&template, &RenderOptions::new().template("tool"))
        .expect_err("no such")
        .to_string();
    assert_eq!(
        message,
        "no chat template is named \"tool\"; the model has default, rag"
    );
}

#[test]
fn what_is_missing_or_wrong_is_said() {
    let message = |dir: &Path| {
        ChatTemplate::from_folder(dir)
            .expect_err("an error")
            .to_string()
    };
    let dir = folder(&[("tokenizer_config.json", "{}")]);
    assert!(message(dir.path()).contains(
        "expected chat_template.jinja, or tokenizer_config.json with the key chat_template"
    ));
    let dir = folder(&[("tokenizer_config.json", r#"{"chat_template": 3}"#)]);
    assert!(
        message(dir.path())
            .ends_with("chat_template must be a text, or a list of {\"name\": …, \"template\": …}")
    );
    let dir = folder(&[("tokenizer_config.json", "{")]);
    assert!(message(dir.path()).contains("not valid JSON"));
    assert!(matches!(
        ChatTemplate::from_files(None, None),
        Err(ChatTemplateError::Missing { .. })
    ));
    let template = ChatTemplate::new("x", SpecialTokens::default());
    assert!(matches!(
        template.render(&[], &RenderOptions::new()),
        Err(ChatTemplateError::NoMessages)
    ));
    assert!(
        serde_json::from_str::<Message>(r#"{"content": "x"}"#)
            .expect_err("no role")
            .to_string()
            .contains("under \"role\"")
    );
}

#[test]
fn errors_name_the_place() {
    let dir = folder(&[(
        "chat_template.jinja",
        "a\nb {{ messages[0].content.nonsense.x }}",
    )]);
    let template = ChatTemplate::from_folder(dir.path()).expect("a template");
    let message = render(&template, &RenderOptions::new())
        .expect_err("an error")
        .to_string();
    assert!(
        message.contains(
            "chat_template.jinja, line 2 of the template: the chat template cannot be rendered"
        ),
        "{message}"
    );
    assert!(
        error("a\n\n{% if %}")
            .contains("chat template, line 3 of the template: the chat template is not valid")
    );
    assert_eq!(
        error("{{ raise_exception('Roles must alternate!') }}"),
        "the chat template refuses these messages: Roles must alternate! (chat template, line 1 of the template)"
    );
    assert!(error("{{ strftime_now('%Q') }}").contains("is not a format of dates"));
    assert!(error("{{ {'a': absent} | tojson }}").contains("not JSON serializable"));
}

#[test]
fn hostile_templates_are_stopped() {
    let hostile = [
        "{% for a in range(10000) %}{% for b in range(10000) %}{% for c in range(10000) %}x{% endfor %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(s='xxxxxxxx') %}{% for a in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% set ns = namespace(s='xxxxxxxx') %}{% for a in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% set ns = namespace(s=[1]) %}{% for a in range(99) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s | tojson }}",
        "{% set ns = namespace(s=[1]) %}{% for a in range(40) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s=[1]) %}{% for a in range(40) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s | string | trim }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ 'x' * 99999999999 }}",
        "{% set ns = namespace(s='x') %}{% for a in range(99) %}{% set ns.s %}{{ ns.s }}{{ ns.s }}{% endset %}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for a in range(99) %}{% set ns.s = ns.s.replace('x', 'xxxxxxxxxx') %}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for a in range(99) %}{% set ns.s = ns.s | tojson | tojson %}{% endfor %}",
    ];
    for source in hostile {
        let message = error(source);
        assert!(message.len() < 1000, "{}", message.len());
    }
}

#[test]
fn what_is_said_cannot_leave_its_place() {
    let template = ChatTemplate::new("[{{ messages[0].content }}]", SpecialTokens::default());
    let said = "{{ 7 * 7 }}{% raw %}<&>";
    let text = template
        .render(&[Message::user(said)], &RenderOptions::new())
        .expect("a text");
    assert_eq!(text, format!("[{said}]"));
}
