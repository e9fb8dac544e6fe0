//! Text that stays text.

/// Text in which marks that would turn the direction of what follows are shown, not obeyed. Templates escape markup by themselves.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.push_str(&format!("U+{:04X}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out
}

/// A token: as [`visible`], with whitespace and control characters made visible too.
pub(crate) fn visible_token(token: &str) -> String {
    let mut shown = String::new();
    for c in token.chars() {
        match c {
            ' ' => shown.push('·'),
            '\n' => shown.push('↵'),
            '\t' => shown.push('→'),
            c if c.is_control() => shown.push_str(&format!("U+{:04X}", u32::from(c))),
            c => shown.push(c),
        }
    }
    visible(&shown)
}

/// Text for element content and quoted attributes of what is written without a template.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// JSON for a script element: nothing in it can end the element or open a comment.
pub(crate) fn json_for_script(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::{escape, json_for_script, visible_token};

    #[test]
    fn markup_is_shown_not_obeyed() {
        assert_eq!(
            escape("<b a='\"'>&</b>"),
            "&lt;b a=&#39;&quot;&#39;&gt;&amp;&lt;/b&gt;"
        );
        assert_eq!(visible_token(" a\n<\u{202e}\u{7}"), "·a↵<U+202EU+0007");
        let json = json_for_script(r#"{"a":"</script><!--"}"#);
        assert!(!json.contains('<') && !json.contains('>'));
        let back: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(back["a"], "</script><!--");
    }
}
